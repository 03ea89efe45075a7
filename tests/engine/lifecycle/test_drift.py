"""What somebody changes behind our back is found by a preview and repaired by an `up`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest

from tests.engine.lifecycle.light_cloud import LightCloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

Sdk = Any
"""A client of the official SDK, which has no types."""

ecs: Any = importlib.import_module("alibabacloud_ecs20140526.models")

KEY_ID, KEY_SECRET = "localcloud", "localcloud-secret-not-real"


@pytest.fixture(scope="module")
def sdk(deployed_light: LightCloud) -> Sdk:
    """The official ECS client with the emulated account's root key pair."""
    client = importlib.import_module("alibabacloud_ecs20140526.client")
    settings = importlib.import_module("alibabacloud_tea_openapi.models")
    return client.Client(
        settings.Config(
            access_key_id=KEY_ID,
            access_key_secret=KEY_SECRET,
            endpoint=f"127.0.0.1:{deployed_light.cloud.port}",
            protocol="https",
            region_id="cn-hangzhou",
            ca=str(deployed_light.cloud.places.ca),
        )
    )


def addresses(sdk: Sdk, eni_id: str) -> list[str]:
    request = ecs.DescribeNetworkInterfacesRequest(
        region_id="cn-hangzhou", network_interface_id=[eni_id]
    )
    found = sdk.describe_network_interfaces(request).body.network_interface_sets
    (eni,) = found.network_interface_set
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
    assert done.status == 0, done.said
    assert addresses(sdk, nic["eniId"]) == before
    assert deployed_light.steps() == []


def test_a_rule_removed_by_hand_comes_back(deployed_light: LightCloud, sdk: Sdk) -> None:
    (group,) = deployed_light.alive()["SecurityGroup"]

    def rules() -> set[tuple[str, str, str, str]]:
        request = ecs.DescribeSecurityGroupAttributeRequest(
            region_id="cn-hangzhou", security_group_id=group
        )
        held = sdk.describe_security_group_attribute(request).body.permissions.permission
        return {(r.direction, r.ip_protocol, r.port_range, r.source_cidr_ip) for r in held}

    before = rules()
    removed = next(r for r in sorted(before) if r[0] == "ingress" and r[3])
    sdk.revoke_security_group(
        ecs.RevokeSecurityGroupRequest(
            region_id="cn-hangzhou",
            security_group_id=group,
            ip_protocol=removed[1],
            port_range=removed[2],
            source_cidr_ip=removed[3],
        )
    )
    assert rules() == before - {removed}
    ((operation, kind, _),) = deployed_light.steps()
    assert (operation, kind) == ("create", "SecurityGroupRule")
    done = deployed_light.up()
    assert done.status == 0, done.said
    assert rules() == before
