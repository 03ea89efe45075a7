"""One cluster with the real spiderpool-controller, for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud.machines.tools import missing_tools
from tests.engine.spiderpool.cluster import LOCAL, Judge, judging


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Judges pools; has none between tests."""
    if missing := missing_tools(LOCAL / "bin"):
        pytest.fail(f"{LOCAL / 'bin'} lacks {', '.join(missing)}: `python -m toolchain ensure`")
    with judging(tmp_path_factory.mktemp("judge")) as made:
        yield made
