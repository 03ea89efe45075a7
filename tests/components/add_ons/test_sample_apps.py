"""The sample apps in a deployed cluster: when they come, and when they go."""

from __future__ import annotations

import pytest

from tests.clusters import small
from tests.deploying import deploy
from tests.recording import Run

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(small({"sampleApps": {"enabled": True}}))


def test_sample_apps_are_not_there_by_default() -> None:
    assert not deploy(small()).of("DaemonSet")


def test_both_apps_and_their_service_are_created(run: Run) -> None:
    assert set(run.of("DaemonSet")) == {"small-test-app-1", "small-test-app-2"}
    assert set(run.of("Service")) == {"small-test-svc"}


def test_sample_apps_go_before_every_pool(run: Run) -> None:
    pools = {pool.urn for pool in run.of("SpiderIPPool").values()}
    assert pools
    for app in run.of("DaemonSet").values():
        assert pools <= run.needed_by(app)
