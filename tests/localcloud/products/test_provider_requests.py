"""Requests that the Terraform provider sends in another form than the SDKs."""

from __future__ import annotations

import pytest

from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.products.test_slb_by_sdk import intranet
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def shown_eip(place: Place, allocation_id: str) -> dict[str, object]:
    (eip,) = place.api.vpc("DescribeEipAddresses", AllocationId=allocation_id)["EipAddresses"][
        "EipAddress"
    ]
    return dict(eip)


def test_an_eip_is_bound_to_the_address_of_an_eni_that_the_request_names(place: Place) -> None:
    eni = place.eni(PrivateIpAddress=["172.31.192.90"])["NetworkInterfaceId"]
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    binding = {"AllocationId": eip, "InstanceId": eni, "InstanceType": "NetworkInterface"}
    with refused("OperationFailed.PrivateIpAddressNotExist"):
        place.api.vpc("AssociateEipAddress", **binding, PrivateIpAddress="172.31.192.91")
    place.api.vpc("AssociateEipAddress", **binding, PrivateIpAddress="172.31.192.90")
    assert shown_eip(place, eip)["PrivateIpAddress"] == "172.31.192.90"


def test_an_eip_shows_no_private_address_that_its_binding_did_not_name(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    place.api.vpc(
        "AssociateEipAddress",
        AllocationId=eip,
        InstanceId=place.eni()["NetworkInterfaceId"],
        InstanceType="NetworkInterface",
    )
    assert not shown_eip(place, eip)["PrivateIpAddress"]


def test_an_eip_keeps_its_security_protection(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress", SecurityProtectionTypes=["AntiDDoS_Enhanced"])
    assert shown_eip(place, eip["AllocationId"])["SecurityProtectionTypes"] == {
        "SecurityProtectionType": ["AntiDDoS_Enhanced"]
    }


def test_a_vpc_gets_another_block_that_has_room_for_its_vswitches(place: Place) -> None:
    place.api.vpc("ModifyVpcAttribute", VpcId=place.vpc, CidrBlock="172.16.0.0/12")
    shown = place.api.vpc("DescribeVpcAttribute", VpcId=place.vpc)
    assert shown["CidrBlock"] == "172.16.0.0/12"
    with refused("IllegalCidrBlock"):
        place.api.vpc("ModifyVpcAttribute", VpcId=place.vpc, CidrBlock="10.0.0.0/8")


def test_an_array_of_servers_may_be_in_single_quotes(place: Place) -> None:
    clb, instance = intranet(place), place.run()
    group = place.api.slb("CreateVServerGroup", LoadBalancerId=clb)["VServerGroupId"]
    servers = f"[{{'ServerId':'{instance}','Port':'80','Weight':'10', 'Type': 'ecs'}}]"
    added = place.api.slb(
        "AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=servers
    )
    (server,) = added["BackendServers"]["BackendServer"]
    assert (server["ServerId"], server["Port"]) == (instance, 80)


def test_a_listener_has_several_access_control_lists(place: Place) -> None:
    lists = [
        place.api.slb("CreateAccessControlList", AclName=name)["AclId"] for name in ("one", "two")
    ]
    listener = {"LoadBalancerId": intranet(place), "ListenerPort": 80}
    access = {"AclStatus": "on", "AclType": "white", "AclId": ",".join(lists)}
    place.api.slb(
        "CreateLoadBalancerTCPListener", **listener, **access, BackendServerPort=80, Bandwidth=-1
    )
    shown = place.api.slb("DescribeLoadBalancerTCPListenerAttribute", **listener)
    assert shown["AclIds"] == {"AclId": lists}
    with refused("OperationFailed.AclBindedWithVip"):
        place.api.slb("DeleteAccessControlList", AclId=lists[1])


def test_an_empty_id_is_not_a_server(place: Place) -> None:
    with refused("MissingParameter"):
        place.api.slb("RemoveBackendServers", LoadBalancerId=intranet(place), BackendServers='[""]')


def test_an_instance_without_a_role_is_listed_without_its_name(place: Place) -> None:
    instance = place.run()
    (listed,) = place.api.ecs("DescribeInstanceRamRole", InstanceIds=f'["{instance}"]')[
        "InstanceRamRoleSets"
    ]["InstanceRamRoleSet"]
    assert listed == {"InstanceId": instance}


@pytest.mark.parametrize("text", ["[1, 2", "['a': 1]", "[f('x')]", "[" * 2000])
def test_what_only_begins_as_an_array_is_refused(place: Place, text: str) -> None:
    group = place.api.slb("CreateVServerGroup", LoadBalancerId=intranet(place))["VServerGroupId"]
    with refused("InvalidParameter"):
        place.api.slb("AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=text)
