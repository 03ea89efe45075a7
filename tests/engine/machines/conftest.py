"""The lab's stack, deployed once for all modules that ask its virtual workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.virtual.failure import PreparationError
from tests.engine.machines.lab import Lab, available


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of its own, or with `SPIDERPOOL_ALICLOUD_LAB=.local/lab` the one of `make lab`."""
    if present := os.environ.get("SPIDERPOOL_ALICLOUD_LAB"):
        yield Lab.of_make(Path(present))
        return
    try:
        variables = available()
    except PreparationError as error:
        pytest.skip(str(error))
    if variables is None:
        pytest.skip("The node's programs are not built: `python -m toolchain ensure --node`.")
    lab = Lab.deploy(tmp_path_factory.mktemp("lab") / "home", variables)
    try:
        yield lab
    finally:
        lab.cloud.kill_everything()
