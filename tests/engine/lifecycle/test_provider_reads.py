"""The provider accepts what it reads, attribute by attribute.

By default it silently drops what does not fit its schema; `TF_SCHEMA_PANIC_ON_ERROR` makes each of
these a crash. A mistake of its own makes it crash on every `alicloud_instance` without a deployment
set (it writes the number 0 into `deployment_set_group_no`, a string: upstream v1.285.0,
`alicloud/resource_alicloud_instance.go:1367`), so that kind of resource is left out here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_cloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

STRICT = {"TF_SCHEMA_PANIC_ON_ERROR": "1"}
INSTANCES = ("--exclude", "**ecs/instance:Instance::**", "--exclude-dependents")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    light = light_cloud(tmp_path_factory.mktemp("strict") / "home")
    light.start()
    yield light
    light.stop()


def test_a_strict_schema_accepts_everything_but_instances(
    light: LightCloud,
) -> None:
    for command in ("up", "refresh", "destroy"):
        excluded = () if command == "destroy" else INSTANCES
        done = light.pulumi(command, "--yes", "--skip-preview", *excluded, env=STRICT)
        assert done.status == 0, done.transcript
    assert light.alive() == {}


def test_the_only_slip_of_an_instance_is_the_providers_own(light: LightCloud) -> None:
    done = light.pulumi("up", "--yes", "--skip-preview", env=STRICT)
    panics = {line for line in done.transcript.splitlines() if "Bridged provider panic" in line}
    assert panics
    assert all("deployment_set_group_no" in line for line in panics), panics
