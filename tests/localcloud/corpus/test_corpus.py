"""The local cloud's answers agree with recorded answers of the real one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from localcloud.settings import Cloud
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.corpus import entries, runner
from tests.localcloud.fast_homes import fast_home
from tests.localcloud.published import error_codes

pytestmark = pytest.mark.unit
ENTRIES = entries.entries()
NOT_RUN = entries.not_run()
WORLD = entries.world()


def _cases() -> Iterator[Any]:
    for entry in ENTRIES:
        marks = [pytest.mark.xfail(reason=entry.differs, strict=True)] if entry.differs else []
        yield pytest.param(entry, id=entry.title, marks=marks)


@pytest.fixture(scope="module")
def clouds() -> Iterator[Callable[[Mapping[str, Any]], CloudThread]]:
    """One running cloud for each kind of settings, empty whenever it is asked for."""
    running: dict[str, CloudThread] = {}
    judge = Judge()
    with fast_home("corpus-") as folder:

        def cloud_with(settings: Mapping[str, Any]) -> CloudThread:
            key = repr(sorted(settings.items()))
            if key not in running:
                home = folder / str(len(running))
                home.mkdir()
                cloud = dataclasses.replace(Cloud(strict=True), **settings)
                running[key] = CloudThread.start(home, cloud, judge)
            one = running[key]

            def empty() -> None:
                with one.inside.store.transaction():
                    one.inside.store.clear()

            one.call(empty)
            return one

        yield cloud_with
        for one in running.values():
            one.close()
    assert [p for p in judge.problems if error_codes.TABLE.name in p] == []


@pytest.mark.parametrize("entry", list(_cases()))
def test_the_local_cloud_does_as_recorded(
    clouds: Callable[[Mapping[str, Any]], CloudThread], entry: entries.Entry
) -> None:
    session = runner.Session(clouds(entry.cloud), WORLD)
    problems = runner.problems(session, entry)
    assert not problems, "; ".join(problems)


def test_every_behaviour_has_its_source_and_is_recorded_once() -> None:
    titles = [e.title for e in ENTRIES]
    assert sorted(titles) == sorted(set(titles))
    origins = [*(e.origin for e in ENTRIES), *(n.origin for n in NOT_RUN)]
    assert all(o.source and o.date for o in origins)
    assert {o.confidence for o in origins} <= entries.CONFIDENCES


def test_a_behaviour_that_is_not_run_says_why() -> None:
    assert all(n.reason.endswith(".") and n.real for n in NOT_RUN)
