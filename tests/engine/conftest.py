"""One local cloud for the whole engine tier, deployed once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from operations.engine.places import ROOT
from tests.engine.clouds.local_cloud import SecondCloud, second_cloud
from tests.engine.clouds.rolling_cloud import RollingCloud, rolling_cloud
from tests.engine.clouds.serving_cloud import serving_cloud, stands
from tests.localcloud.machines.fake_cloud import until


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    """A local cloud with an empty stack. It is stopped at the end, also after a failure."""
    if not (ROOT / ".local" / "bin" / "pulumi").exists() and shutil.which("pulumi") is None:
        pytest.fail("The toolchain is not built. Run `make test` or `python -m toolchain ensure`.")
    second = second_cloud(tmp_path_factory.mktemp("cloud") / "home")
    try:
        yield second
    finally:
        second.operations("down", deadline=600)
        second.kill_everything()


@pytest.fixture(scope="session")
def deployed(cloud: SecondCloud) -> SecondCloud:
    """The same cloud with the local stack deployed by the command that people use."""
    done = cloud.operations("up")
    assert done.status == 0, cloud.explain(done)
    return cloud


@pytest.fixture(scope="session")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RollingCloud]:
    """A cluster with two workers and an older Spiderpool; discarded at the end."""
    rolling = rolling_cloud(tmp_path_factory.mktemp("rolling") / "home")
    try:
        done = rolling.cloud.operations("up")
        assert done.status == 0, rolling.cloud.explain(done)
        yield rolling
    finally:
        rolling.cloud.operations("down", "--discard", deadline=120)
        rolling.cloud.kill_everything()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    """The guide's stack with services and sample apps; test_verify_for_real destroys it."""
    serving = serving_cloud(tmp_path_factory.mktemp("served") / "home")
    try:
        done = serving.operations("up")
        assert done.status == 0, serving.explain(done)
        # An `up` does not wait for new workers, nor for a DaemonSet's pods on them.
        until("nodes and sample apps are ready", 60, lambda: stands(serving))
        yield serving
    finally:
        serving.operations("down", "--discard", deadline=120)
        serving.kill_everything()
