"""A stack of the prod profile cannot be destroyed by mistake, and can be on purpose.

The profile's own settings, with one control plane instead of three, on the local cloud. Machines
do not boot, because protection concerns only the engine's state and the cloud.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.lifecycle.clouds.light_cloud import QUIET, LightCloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import prod
from tests.engine.lifecycle.official_sdk import client, models

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

PROTECTED = {"prod", "prod-nat", "prod-m-0"}
"""VPC and NAT gateway, their EIP, the control plane."""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    light = light_stack(tmp_path_factory.mktemp("prod") / "home", prod())
    with light.deployed():
        yield light


def unprotected(cluster: dict[str, Any]) -> None:
    cluster["protect"] = False


def test_destroy_refuses_names_what_is_protected_and_says_what_to_do(
    production: LightCloud,
) -> None:
    before = production.alive()
    # As people type it: the preview that comes first is what refuses. --skip-preview would delete
    # whatever is not protected.
    done = production.pulumi("destroy", "--yes", *QUIET)
    output = done.out + done.err
    assert done.status != 0
    refused = set(re.findall(r'::([\w-]+)"? cannot be deleted', output))
    assert refused
    assert refused <= PROTECTED
    assert "because it is protected" in output
    assert "pulumi state unprotect" in output
    assert production.alive() == before


def test_the_state_protects_vpc_nat_eip_and_control_plane(production: LightCloud) -> None:
    protected = {
        (item["type"].rpartition(":")[2], item["urn"].rpartition("::")[2])
        for item in production.state()["resources"]
        if item.get("protect")
    }
    assert protected == {
        ("Network", "prod"),
        ("NatGateway", "prod"),
        ("EipAddress", "prod-nat"),
        ("Instance", "prod-m-0"),
    }


def test_a_control_plane_cannot_be_deleted_beside_the_program_either(
    production: LightCloud,
) -> None:
    ecs = models("ecs")
    node = production.outputs()["nodes"]["m-0"]
    with pytest.raises(Exception, match="DeletionProtection"):
        client("ecs", production.cloud, region="cn-beijing").delete_instance(
            ecs.DeleteInstanceRequest(instance_id=node["instanceId"], force=True)
        )


def test_a_worker_may_go_by_an_edit_in_production(production: LightCloud) -> None:
    def without_the_second(cluster: dict[str, Any]) -> None:
        del cluster["nodePools"]["workers"]["nodes"]["w-1"]

    smaller = production.edited(without_the_second)
    done = smaller.up()
    assert done.status == 0, done.transcript
    assert smaller.steps() == []


def test_with_protect_off_an_up_and_a_destroy_leave_nothing(production: LightCloud) -> None:
    open_ = production.edited(unprotected)
    done = open_.up()
    assert done.status == 0, done.transcript
    done = open_.destroy()
    assert done.status == 0, done.transcript
    assert open_.alive() == {}
