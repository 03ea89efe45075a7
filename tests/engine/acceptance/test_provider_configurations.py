"""The provider's own acceptance configurations, applied by the real provider to the local cloud."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final

import pytest

from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET, Cloud
from tests.engine.acceptance import lifecycle
from tests.engine.acceptance.configurations import Configuration, configurations
from tests.engine.acceptance.plugin import PLUGIN, Plugin
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.sdk_api import Api

# The provider spends its time waiting: it looks at a resource every few seconds. A cloud has ten
# VPCs at most, so one cloud cannot serve more at once.
_CLOUDS: Final = 5
_AT_ONCE: Final = 8


def _parameters() -> list[object]:
    return [
        pytest.param(
            configuration,
            id=configuration.name,
            marks=[
                pytest.mark.nightly if configuration.nightly else pytest.mark.engine,
                *(
                    [pytest.mark.xfail(reason=configuration.differs, strict=True)]
                    if configuration.differs
                    else []
                ),
            ],
        )
        for configuration in configurations()
    ]


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Compares every answer of the local cloud with the published models."""
    return Judge()


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, judge: Judge, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Future[None]]]:
    """The runs of the selected configurations by name, all at the same time."""
    if not os.access(PLUGIN, os.X_OK):
        pytest.fail(f"{PLUGIN} does not exist. Run `python -m toolchain ensure`.")
    parameters = [
        item.callspec.params["configuration"]
        for item in request.session.items
        if item.path == Path(__file__) and isinstance(item, pytest.Function)
        if hasattr(item, "callspec")
    ]
    selected = [one for one in parameters if isinstance(one, Configuration)]
    with contextlib.ExitStack() as stack:
        clouds = [
            stack.enter_context(_cloud_with_plugin(tmp_path_factory, judge)) for _ in range(_CLOUDS)
        ]
        pools = [stack.enter_context(ThreadPoolExecutor(_AT_ONCE)) for _ in clouds]
        locks = [Lock() for _ in clouds]
        places = itertools.cycle(zip(pools, clouds, locks, strict=True))
        yield {
            one.name: pool.submit(_run, lock, *cloud, one)
            for one, (pool, cloud, lock) in zip(selected, places, strict=False)
        }
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _run(lock: Lock, plugin: Plugin, api: Api, configuration: Configuration) -> None:
    with lock if configuration.exclusive else contextlib.nullcontext():
        lifecycle.run(plugin, api, configuration)


@contextlib.contextmanager
def _cloud_with_plugin(
    tmp_path_factory: pytest.TempPathFactory, judge: Judge
) -> Iterator[tuple[Plugin, Api]]:
    cloud = CloudThread.start(tmp_path_factory.mktemp("cloud"), Cloud(), judge)
    try:
        with Plugin(
            port=cloud.port,
            ca=cloud.ca,
            region=cloud.cloud.region,
            key=ROOT_KEY_ID,
            secret=ROOT_SECRET,
        ) as plugin:
            yield plugin, Api(cloud.config())
    finally:
        cloud.close()


@pytest.mark.parametrize("configuration", _parameters())
def test_a_configuration_is_applied_imported_and_destroyed(
    runs: Mapping[str, Future[None]], configuration: Configuration
) -> None:
    runs[configuration.name].result()
