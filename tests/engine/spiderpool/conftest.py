"""One cluster with the real spiderpool-controller, for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.spiderpool.cluster import Judge, judging


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """The cluster that judges pools; it has none between tests."""
    with judging(tmp_path_factory.mktemp("judge")) as judge:
        yield judge
