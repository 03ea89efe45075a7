"""A cluster whose API server is gone can be destroyed as docs/runbooks/dead-cluster.md describes.

The stack is whole: machines that boot, a real API server, Spiderpool. It takes minutes and is
therefore not part of `make test`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.clouds.local_cloud import SecondCloud, second_cloud
from tests.engine.lifecycle.official_sdk import client, models

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

VARIABLE = "PULUMI_K8S_DELETE_UNREACHABLE"


@pytest.fixture
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    """A whole local stack whose machines are stopped."""
    cloud = second_cloud(tmp_path_factory.mktemp("dead") / "home")
    try:
        done = cloud.operations("up")
        assert done.status == 0, cloud.explain(done)
        ecs, sdk = models("ecs"), client("ecs", cloud)
        for instance in cloud.resources()["Instance"]["ids"]:
            sdk.stop_instance(ecs.StopInstanceRequest(instance_id=instance, force_stop=True))
        yield cloud
    finally:
        cloud.kill_everything()


def test_destroy_refuses_and_names_the_variable_and_the_variable_lets_it_through(
    dead: SecondCloud,
) -> None:
    before = dead.resources()
    argv = ("destroy", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-progress")
    refused = dead.pulumi(*argv)
    assert refused.status != 0
    assert "unreachable" in refused.out
    assert f'{VARIABLE}="true"' in refused.out
    assert dead.resources() == before

    done = dead.pulumi(*argv, env={VARIABLE: "true"})
    assert done.status == 0, done.transcript
    assert dead.resources() == {}
    left = dead.run("pulumi", "stack", "--show-urns", "--stack", "local", check=True).out
    assert "urn:" not in left


def test_the_local_stack_goes_down_by_its_ordinary_command(dead: SecondCloud) -> None:
    done = dead.operations("down")
    assert done.status == 0, dead.explain(done)
    assert "did not get ready" in done.out
    assert dead.processes() == set()
