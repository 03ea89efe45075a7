"""VPC by the official SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
ZONE = "cn-hangzhou-h"


def network(api: Api, cidr: str = "172.31.192.0/20", **more: object) -> tuple[str, str]:
    vpc_id = api.vpc("CreateVpc", CidrBlock="172.31.0.0/16", VpcName="net", **more)["VpcId"]
    vswitch = api.vpc("CreateVSwitch", VpcId=vpc_id, CidrBlock=cidr, ZoneId=ZONE)
    return vpc_id, vswitch["VSwitchId"]


def test_a_vpc_is_created_shown_changed_and_deleted(api: Api) -> None:
    vpc = api.vpc(
        "CreateVpc", CidrBlock="10.0.0.0/16", VpcName="a", Tag=[{"Key": "k", "Value": "v"}]
    )
    shown = api.vpc("DescribeVpcAttribute", VpcId=vpc["VpcId"])
    assert (shown["Status"], shown["CidrBlock"], shown["VpcName"]) == (
        "Available",
        "10.0.0.0/16",
        "a",
    )
    assert shown["Tags"]["Tag"] == [{"Key": "k", "Value": "v"}]
    api.vpc("ModifyVpcAttribute", VpcId=vpc["VpcId"], VpcName="b", Description="d")
    (listed,) = api.vpc("DescribeVpcs", VpcId=vpc["VpcId"])["Vpcs"]["Vpc"]
    assert (listed["VpcName"], listed["Description"]) == ("b", "d")
    (table,) = api.vpc("DescribeRouteTableList", VpcId=vpc["VpcId"])["RouterTableList"][
        "RouterTableListType"
    ]
    assert (table["RouteTableType"], table["RouterId"]) == ("System", vpc["VRouterId"])
    api.vpc(
        "MoveResourceGroup",
        ResourceId=vpc["VpcId"],
        NewResourceGroupId="rg-other",
        ResourceType="vpc",
    )
    assert api.vpc("DescribeVpcs")["Vpcs"]["Vpc"][0]["ResourceGroupId"] == "rg-other"
    api.vpc("DeleteVpc", VpcId=vpc["VpcId"])
    with refused("InvalidVpcId.NotFound"):
        api.vpc("DescribeVpcAttribute", VpcId=vpc["VpcId"])


def test_a_secondary_block_holds_vswitches_and_cannot_go_while_it_does(api: Api) -> None:
    vpc_id, _ = network(api)
    api.vpc("AssociateVpcCidrBlock", VpcId=vpc_id, SecondaryCidrBlock="192.168.0.0/16")
    inside = api.vpc("CreateVSwitch", VpcId=vpc_id, CidrBlock="192.168.0.0/24", ZoneId=ZONE)
    with refused("OperationFailed.CidrInUse"):
        api.vpc("UnassociateVpcCidrBlock", VpcId=vpc_id, SecondaryCidrBlock="192.168.0.0/16")
    api.vpc("DeleteVSwitch", VSwitchId=inside["VSwitchId"])
    api.vpc("UnassociateVpcCidrBlock", VpcId=vpc_id, SecondaryCidrBlock="192.168.0.0/16")
    shown = api.vpc("DescribeVpcAttribute", VpcId=vpc_id)
    assert shown["SecondaryCidrBlocks"] == {"SecondaryCidrBlock": []}


def test_an_overlapping_secondary_block_is_refused(api: Api) -> None:
    vpc_id, _ = network(api)
    with refused("IllegalParam.SecondaryCidrBlock"):
        api.vpc("AssociateVpcCidrBlock", VpcId=vpc_id, SecondaryCidrBlock="172.31.128.0/17")


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.9.0.0/24", "InvalidParameter"),
        ("172.31.192.0/24", "InvalidCidrBlock.Overlapped"),
        ("172.31.1.1/24", "InvalidCidrBlock.Malformed"),
        ("172.31.0.0/30", "InvalidCirdrBlock.MaskLength"),
        ("nonsense", "InvalidCidrBlock.Malformed"),
    ],
)
def test_a_vswitch_lies_in_the_vpc_aligned_and_alone(api: Api, cidr: str, code: str) -> None:
    vpc_id, _ = network(api)
    with refused(code):
        api.vpc("CreateVSwitch", VpcId=vpc_id, CidrBlock=cidr, ZoneId=ZONE)


def test_a_vswitch_is_shown_renamed_and_listed(api: Api) -> None:
    _, vswitch_id = network(api)
    api.vpc("ModifyVSwitchAttribute", VSwitchId=vswitch_id, VSwitchName="n", Description="d")
    shown = api.vpc("DescribeVSwitchAttributes", VSwitchId=vswitch_id)
    assert (shown["VSwitchName"], shown["AvailableIpAddressCount"]) == ("n", 4096 - 4)
    (listed,) = api.vpc("DescribeVSwitches", ZoneId=ZONE)["VSwitches"]["VSwitch"]
    assert listed["VSwitchId"] == vswitch_id


def test_an_unknown_vswitch_is_shown_empty_as_the_api_has_it(api: Api) -> None:
    assert api.vpc("DescribeVSwitchAttributes", VSwitchId="vsw-none")["VSwitchId"] == ""


def test_a_vpc_with_vswitches_cannot_be_deleted(api: Api) -> None:
    vpc_id, _ = network(api)
    with refused("DependencyViolation.VSwitch"):
        api.vpc("DeleteVpc", VpcId=vpc_id)


def test_vswitches_become_available_after_their_delay(
    start_cloud: Callable[..., CloudThread],
) -> None:
    api = Api(start_cloud(delay_scale=0.3).config())
    vpc_id = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    assert api.vpc("DescribeVpcAttribute", VpcId=vpc_id)["Status"] == "Pending"
    with refused("IncorrectVpcStatus"):
        api.vpc("CreateVSwitch", VpcId=vpc_id, CidrBlock="10.0.0.0/24", ZoneId=ZONE)


def nat(api: Api) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    vpc_id, vswitch_id = network(api)
    gateway = api.vpc("CreateNatGateway", VpcId=vpc_id, VSwitchId=vswitch_id, NatType="Enhanced")
    eip = api.vpc("AllocateEipAddress", Bandwidth="10", Name="out")
    return vpc_id, vswitch_id, gateway, eip


def test_nat_eip_and_snat_depend_on_each_other_in_order(api: Api) -> None:
    _, vswitch_id, gateway, eip = nat(api)
    (table,) = gateway["SnatTableIds"]["SnatTableId"]
    entry = {"SnatTableId": table, "SnatIp": eip["EipAddress"], "SourceVSwitchId": vswitch_id}
    with refused("EIP_NOT_IN_GATEWAY"):
        api.vpc("CreateSnatEntry", **entry)
    api.vpc(
        "AssociateEipAddress",
        AllocationId=eip["AllocationId"],
        InstanceId=gateway["NatGatewayId"],
        InstanceType="Nat",
    )
    snat = api.vpc("CreateSnatEntry", **entry)["SnatEntryId"]
    with refused("Forbidden.SourceVSwitchId.Duplicated"):
        api.vpc("CreateSnatEntry", **entry)
    with refused("InvalidIpStatus.HasBeenUsedBySnatTable"):
        api.vpc("UnassociateEipAddress", AllocationId=eip["AllocationId"])
    with refused("IncorrectEipStatus"):
        api.vpc("ReleaseEipAddress", AllocationId=eip["AllocationId"])
    with refused("DependencyViolation.EIPS"):
        api.vpc("DeleteNatGateway", NatGatewayId=gateway["NatGatewayId"])
    with refused("DependencyViolation.SnatEntry"):
        api.vpc("DeleteVSwitch", VSwitchId=vswitch_id)
    api.vpc("ModifySnatEntry", SnatTableId=table, SnatEntryId=snat, SnatEntryName="renamed")
    (shown,) = api.vpc("DescribeSnatTableEntries", SnatTableId=table)["SnatTableEntries"][
        "SnatTableEntry"
    ]
    assert (shown["SnatEntryName"], shown["SourceCIDR"]) == ("renamed", "172.31.192.0/20")
    api.vpc("DeleteSnatEntry", SnatTableId=table, SnatEntryId=snat)
    api.vpc("UnassociateEipAddress", AllocationId=eip["AllocationId"])
    api.vpc("ReleaseEipAddress", AllocationId=eip["AllocationId"])
    with refused("DependencyViolation.EnhancedNatgw"):
        api.vpc("DeleteVSwitch", VSwitchId=vswitch_id)
    api.vpc("DeleteNatGateway", NatGatewayId=gateway["NatGatewayId"])
    api.vpc("DeleteVSwitch", VSwitchId=vswitch_id)


def test_a_nat_gateway_is_shown_with_all_that_the_provider_asserts_on(api: Api) -> None:
    _, vswitch_id, gateway, _ = nat(api)
    api.vpc(
        "ModifyNatGatewayAttribute", NatGatewayId=gateway["NatGatewayId"], Name="n", Description="d"
    )
    (shown,) = api.vpc("DescribeNatGateways", NatGatewayId=gateway["NatGatewayId"])["NatGateways"][
        "NatGateway"
    ]
    assert shown["NatGatewayPrivateInfo"]["VswitchId"] == vswitch_id
    assert isinstance(shown["InstanceChargeType"], str)
    assert (shown["Name"], shown["Status"]) == ("n", "Available")


def test_a_protected_gateway_stays(api: Api) -> None:
    _, _, gateway, _ = nat(api)
    protect = {"InstanceId": gateway["NatGatewayId"], "Type": "NATGW"}
    api.vpc("DeletionProtection", **protect, ProtectionEnable=True)
    with refused("InvalidOperation.DeletionProtection"):
        api.vpc("DeleteNatGateway", NatGatewayId=gateway["NatGatewayId"])
    api.vpc("DeletionProtection", **protect, ProtectionEnable=False)
    api.vpc("DeleteNatGateway", NatGatewayId=gateway["NatGatewayId"], Force=True)


def test_eips_come_from_the_clouds_range_and_change_in_place(api: Api) -> None:
    eip = api.vpc("AllocateEipAddress", Bandwidth="5", InstanceChargeType="PostPaid")
    assert eip["EipAddress"] == "127.66.0.1"
    api.vpc("ModifyEipAddressAttribute", AllocationId=eip["AllocationId"], Bandwidth="20", Name="x")
    (shown,) = api.vpc("DescribeEipAddresses", AllocationId=eip["AllocationId"])["EipAddresses"][
        "EipAddress"
    ]
    assert (shown["Bandwidth"], shown["Status"], shown["Name"]) == ("20", "Available", "x")
    assert api.vpc("AllocateEipAddress")["EipAddress"] == "127.66.0.2"
    with refused("InvalidInstanId.NotFound"):
        api.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId="i-none")
    with refused("IncorrectEipStatus"):
        api.vpc("UnassociateEipAddress", AllocationId=eip["AllocationId"])


def test_the_eip_range_can_be_used_up(start_cloud: Callable[..., CloudThread]) -> None:
    from ipaddress import IPv4Network  # noqa: PLC0415

    api = Api(start_cloud(eip_range=IPv4Network("127.70.0.0/30")).config())
    assert [api.vpc("AllocateEipAddress")["EipAddress"] for _ in range(2)] == [
        "127.70.0.1",
        "127.70.0.2",
    ]
    with refused("OperationFailed.InsufficientEIP"):
        api.vpc("AllocateEipAddress")


def test_ipv6_from_the_vpc_to_public_bandwidth(api: Api) -> None:
    vpc_id = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", EnableIpv6=True)["VpcId"]
    block = api.vpc("DescribeVpcAttribute", VpcId=vpc_id)["Ipv6CidrBlock"]
    assert block.endswith("/56")
    place = {"VpcId": vpc_id, "ZoneId": ZONE}
    vswitch = api.vpc("CreateVSwitch", CidrBlock="10.0.0.0/24", Ipv6CidrBlock=1, **place)
    with refused("OperationFailed.Ipv6CidrBlockExisted"):
        api.vpc("CreateVSwitch", CidrBlock="10.0.1.0/24", Ipv6CidrBlock=1, **place)
    shown = api.vpc("DescribeVSwitchAttributes", VSwitchId=vswitch["VSwitchId"])
    assert shown["Ipv6CidrBlock"].endswith("01::/64")
    gateway = api.vpc("CreateIpv6Gateway", VpcId=vpc_id, Name="g")["Ipv6GatewayId"]
    with refused("OperationUnsupported.OnlyOneIpv6GatewayInVpc"):
        api.vpc("CreateIpv6Gateway", VpcId=vpc_id)
    api.vpc("ModifyIpv6GatewayAttribute", Ipv6GatewayId=gateway, Name="h")
    assert api.vpc("DescribeIpv6GatewayAttribute", Ipv6GatewayId=gateway)["Name"] == "h"
    assert len(api.vpc("DescribeIpv6Gateways")["Ipv6Gateways"]["Ipv6Gateway"]) == 1
    address = api.vpc("AllocateIpv6Address", VSwitchId=vswitch["VSwitchId"])
    api.vpc("ModifyIpv6AddressAttribute", Ipv6AddressId=address["Ipv6AddressId"], Name="a")
    bandwidth = api.vpc(
        "AllocateIpv6InternetBandwidth",
        Ipv6GatewayId=gateway,
        Ipv6AddressId=address["Ipv6AddressId"],
        Bandwidth=10,
    )["InternetBandwidthId"]
    api.vpc(
        "ModifyIpv6InternetBandwidth",
        Ipv6InternetBandwidthId=bandwidth,
        Ipv6AddressId=address["Ipv6AddressId"],
        Bandwidth=20,
    )
    (listed,) = api.vpc("DescribeIpv6Addresses", Ipv6InternetBandwidthId=bandwidth)[
        "Ipv6Addresses"
    ]["Ipv6Address"]
    assert listed["Ipv6InternetBandwidth"]["Bandwidth"] == 20
    with refused("DependencyViolation.Ipv6InternetBandwidth"):
        api.vpc("DeleteIpv6Gateway", Ipv6GatewayId=gateway)
    with refused("DependencyViolation.Ipv6InternetBandwidth"):
        api.vpc("ReleaseIpv6Address", Ipv6AddressId=address["Ipv6AddressId"])
    api.vpc("DeleteIpv6InternetBandwidth", Ipv6InternetBandwidthId=bandwidth)
    api.vpc("ReleaseIpv6Address", Ipv6AddressId=address["Ipv6AddressId"])
    api.vpc("DeleteIpv6Gateway", Ipv6GatewayId=gateway)
    assert api.vpc("DescribeIpv6GatewayAttribute", Ipv6GatewayId=gateway)["Status"] == ""


def test_a_cidr_reservation_keeps_its_block(api: Api) -> None:
    _, vswitch_id = network(api)
    reservation = api.vpc(
        "CreateVSwitchCidrReservation",
        VSwitchId=vswitch_id,
        VSwitchCidrReservationCidr="172.31.200.0/24",
        VSwitchCidrReservationName="pods",
    )["VSwitchCidrReservationId"]
    with refused("OperationFailed.VSwitchCidrReservationCidr"):
        api.vpc(
            "CreateVSwitchCidrReservation",
            VSwitchId=vswitch_id,
            VSwitchCidrReservationCidr="172.31.200.16/28",
        )
    api.vpc(
        "ModifyVSwitchCidrReservationAttribute",
        VSwitchCidrReservationId=reservation,
        VSwitchCidrReservationName="more",
    )
    (shown,) = api.vpc("ListVSwitchCidrReservations", VSwitchId=vswitch_id)[
        "VSwitchCidrReservations"
    ]
    assert (shown["VSwitchCidrReservationName"], shown["AvailableCidrCount"]) == ("more", 16)
    api.vpc("DeleteVSwitchCidrReservation", VSwitchCidrReservationId=reservation)


def test_a_vpc_has_at_most_a_hundred_cidr_reservations(api: Api) -> None:
    vpc_id, first = network(api)
    second = api.vpc(
        "CreateVSwitch", VpcId=vpc_id, ZoneId=ZONE, CidrBlock="172.31.208.0/20", VSwitchName="two"
    )["VSwitchId"]

    def reserve(vswitch_id: str) -> None:
        api.vpc(
            "CreateVSwitchCidrReservation", VSwitchId=vswitch_id, VSwitchCidrReservationMask="28"
        )

    for vswitch_id in (first, second) * 50:
        reserve(vswitch_id)
    for vswitch_id in (first, second):
        with refused("QuotaExceeded.CidrReservationCount"):
            reserve(vswitch_id)


def test_tags_are_added_listed_and_taken(api: Api) -> None:
    vpc_id, _ = network(api)
    what = {"ResourceType": "VPC", "ResourceId": [vpc_id]}
    api.vpc("TagResources", Tag=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], **what)
    api.vpc("UnTagResources", TagKey=["a"], **what)
    rows = api.vpc("ListTagResources", **what)["TagResources"]["TagResource"]
    assert [(r["TagKey"], r["TagValue"]) for r in rows] == [("b", "2")]
    listed = api.vpc("DescribeVpcs", Tag=[{"Key": "b", "Value": "2"}])
    assert listed["TotalCount"] == 1


def test_routes_lead_to_what_exists(api: Api) -> None:
    vpc_id, _ = network(api)
    (table,) = api.vpc("DescribeRouteTableList", VpcId=vpc_id)["RouterTableList"][
        "RouterTableListType"
    ]
    route = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "10.244.0.0/24"}
    with refused("InvalidNextHopId.NotFound"):
        api.vpc("CreateRouteEntry", NextHopId="i-none", NextHopType="Instance", **route)
    entries = api.vpc("DescribeRouteEntryList", RouteTableId=table["RouteTableId"])
    assert {e["Type"] for e in entries["RouteEntrys"]["RouteEntry"]} == {"System"}


def test_pages_hold_what_was_asked_for(api: Api) -> None:
    for number in range(3):
        api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", VpcName=f"n{number}")
    second = api.vpc("DescribeVpcs", PageNumber=2, PageSize=2)
    assert (second["TotalCount"], len(second["Vpcs"]["Vpc"])) == (3, 1)
    with refused("InvalidParameter"):
        api.vpc("DescribeVpcs", PageSize=1000)


def test_the_same_client_token_makes_one_resource(api: Api) -> None:
    first = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", ClientToken="t1")
    again = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", ClientToken="t1")
    assert first == again
    assert api.vpc("DescribeVpcs")["TotalCount"] == 1
    with refused("IdempotentParameterMismatch"):
        api.vpc("CreateVpc", CidrBlock="10.1.0.0/16", ClientToken="t1")


def test_a_dry_run_changes_nothing(api: Api) -> None:
    with refused("DryRunOperation"):
        api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", DryRun=True)
    assert api.vpc("DescribeVpcs")["TotalCount"] == 0
