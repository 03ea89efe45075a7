"""A preview shows what somebody has changed by hand, and an `up` repairs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from operations.failure import ExitCode
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.official_sdk import Sdk, client, models
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

ecs: Any = models("ecs")


@pytest.fixture(scope="module")
def sdk(deployed_light: LightCloud) -> Sdk:
    return client("ecs", deployed_light.cloud)


def addresses(sdk: Sdk, eni_id: str) -> list[str]:
    request = ecs.DescribeNetworkInterfacesRequest(
        region_id="cn-hangzhou", network_interface_id=[eni_id]
    )
    interfaces = sdk.describe_network_interfaces(request).body.network_interface_sets
    (eni,) = interfaces.network_interface_set
    return sorted(p.private_ip_address for p in eni.private_ip_sets.private_ip_set)


def nics_of(light: LightCloud, node: str) -> Mapping[str, Any]:
    nics = light.cloud.outputs()["nodes"][node]["interfaces"]
    assert isinstance(nics, dict)
    return nics


def test_a_pod_address_removed_by_hand_comes_back(deployed_light: LightCloud, sdk: Sdk) -> None:
    nic = nics_of(deployed_light, "left")["eth1"]
    before = addresses(sdk, nic["eniId"])
    lost = nic["podAddresses"][2]
    sdk.unassign_private_ip_addresses(
        ecs.UnassignPrivateIpAddressesRequest(
            region_id="cn-hangzhou", network_interface_id=nic["eniId"], private_ip_address=[lost]
        )
    )
    assert lost not in addresses(sdk, nic["eniId"])
    assert deployed_light.steps() == [("update", "EcsNetworkInterface", "guide-left-eth1")]
    done = deployed_light.up()
    assert done.status == 0, done.transcript
    assert addresses(sdk, nic["eniId"]) == before
    assert deployed_light.steps() == []


def test_a_rule_removed_by_hand_comes_back(deployed_light: LightCloud, sdk: Sdk) -> None:
    (group,) = deployed_light.alive()["SecurityGroup"]

    def rules() -> set[tuple[str, str, str, str, str]]:
        request = ecs.DescribeSecurityGroupAttributeRequest(
            region_id="cn-hangzhou", security_group_id=group
        )
        permissions = sdk.describe_security_group_attribute(request).body.permissions.permission
        return {
            (r.direction, r.ip_protocol, r.port_range, r.source_cidr_ip, r.dest_cidr_ip)
            for r in permissions
        }

    before = rules()
    # Members of a group of type normal need no rule, and without kubeadm nobody reaches an API
    # server: what the stack has left is its way out.
    (removed,) = (r for r in before if r[0] == "egress")
    sdk.revoke_security_group_egress(
        ecs.RevokeSecurityGroupEgressRequest(
            region_id="cn-hangzhou",
            security_group_id=group,
            ip_protocol=removed[1],
            port_range=removed[2],
            dest_cidr_ip=removed[4],
        )
    )
    assert rules() == before - {removed}
    ((operation, kind, _),) = deployed_light.steps()
    assert (operation, kind) == ("create", "SecurityGroupRule")
    done = deployed_light.up()
    assert done.status == 0, done.transcript
    assert rules() == before


def test_an_instance_deleted_by_hand_comes_back_with_its_addresses(
    deployed_light: LightCloud, sdk: Sdk
) -> None:
    node = deployed_light.outputs()["nodes"]["right"]
    lost, nics = node["instanceId"], node["interfaces"]
    before = {nic: addresses(sdk, interface["eniId"]) for nic, interface in nics.items()}
    sdk.delete_instance(ecs.DeleteInstanceRequest(instance_id=lost, force=True))
    refreshed = deployed_light.refresh()
    assert refreshed.status == 0, refreshed.transcript
    assert "guide-right" in refreshed.out
    assert deployed_light.steps() == [("create", "Instance", "guide-right")]
    done = deployed_light.up()
    assert done.status == 0, done.transcript
    after = deployed_light.outputs()["nodes"]["right"]
    assert after["instanceId"] != lost
    assert after["interfaces"] == nics
    assert {nic: addresses(sdk, interface["eniId"]) for nic, interface in nics.items()} == before
    assert deployed_light.steps() == []


def test_a_rule_added_by_hand_is_named_and_taken_out_by_the_rules_command(
    deployed_light: LightCloud, sdk: Sdk
) -> None:
    (group,) = deployed_light.alive()["SecurityGroup"]
    sdk.authorize_security_group(
        ecs.AuthorizeSecurityGroupRequest(
            region_id="cn-hangzhou",
            security_group_id=group,
            permissions=[
                ecs.AuthorizeSecurityGroupRequestPermissions(
                    ip_protocol="tcp",
                    port_range="22/22",
                    source_cidr_ip="0.0.0.0/0",
                    description="for a moment",
                )
            ],
        )
    )
    # No resource represents it, so the engine cannot notice it. Hence the command.
    assert deployed_light.steps() == []

    def rules(*options: str) -> tuple[int, list[tuple[str, str, str]]]:
        done = deployed_light.operations("rules", "--json", *options)
        listed = json.loads(done.out)["rules"]
        return done.status, [(r["ports"], r["peer"], r["description"]) for r in listed]

    added = [("22/22", "0.0.0.0/0", "for a moment")]
    assert rules() == (ExitCode.LEFTOVERS, added)
    assert rules("--revoke") == (0, added)
    assert rules() == (0, [])
    assert deployed_light.steps() == []


def test_a_machine_that_was_left_stopped_is_started_again(
    deployed_light: LightCloud, sdk: Sdk
) -> None:
    """A change of its type that fails between the stop and the start leaves such a machine."""
    machine = deployed_light.cloud.outputs()["nodes"]["left"]["instanceId"]

    def status() -> str:
        request = ecs.DescribeInstancesRequest(
            region_id="cn-hangzhou", instance_ids=json.dumps([machine])
        )
        (instance,) = sdk.describe_instances(request).body.instances.instance
        return str(instance.status)

    sdk.stop_instance(ecs.StopInstanceRequest(instance_id=machine))
    until("the machine stops", 60, lambda: status() == "Stopped")
    assert deployed_light.steps() == [("update", "Instance", "guide-left")]
    done = deployed_light.up()
    assert done.status == 0, done.transcript
    assert status() == "Running"
    assert deployed_light.steps() == []
