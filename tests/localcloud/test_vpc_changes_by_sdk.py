"""Routes by the batch, route tables, EIP modes and NAT sizes, by the official SDK."""

from __future__ import annotations

import pytest

from tests.localcloud.sdk_api import Api, refused
from tests.localcloud.test_ecs_by_sdk import Place

pytestmark = pytest.mark.unit


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def table(place: Place) -> str:
    listed = place.api.vpc("DescribeRouteTableList", VpcId=place.vpc)
    return str(listed["RouterTableList"]["RouterTableListType"][0]["RouteTableId"])


def test_routes_are_created_and_deleted_by_the_batch(place: Place) -> None:
    route_table, instance = table(place), place.run()
    good = {
        "RouteTableId": route_table,
        "DstCidrBlock": "10.9.0.0/24",
        "NextHop": instance,
        "NextHopType": "Instance",
    }
    bad = {**good, "DstCidrBlock": "10.9.1.0/24", "NextHop": "i-none"}
    created = place.api.vpc("CreateRouteEntries", RouteEntries=[good, bad])
    assert (created["SuccessCount"], created["FailedCount"]) == (1, 1)
    assert created["FailedRouteEntries"][0]["FailedCode"] == "InvalidNextHopId.NotFound"
    entries = place.api.vpc(
        "DescribeRouteEntryList", RouteTableId=route_table, RouteEntryType="Custom"
    )["RouteEntrys"]["RouteEntry"]
    assert [e["RouteEntryId"] for e in entries] == created["RouteEntryIds"]
    gone = place.api.vpc(
        "DeleteRouteEntries",
        RouteEntries=[
            {"RouteTableId": route_table, "RouteEntryId": created["RouteEntryIds"][0]},
            {"RouteTableId": route_table, "DstCidrBlock": "10.9.1.0/24", "NextHop": "i-none"},
        ],
    )
    assert (gone["SuccessCount"], gone["FailedCount"]) == (1, 1)
    assert gone["FailedRouteEntries"][0]["FailedCode"] == "InvalidRouteEntry.NotFound"


def test_a_single_route_leads_somewhere_and_nowhere_twice(place: Place) -> None:
    one = {"RouteTableId": table(place), "DestinationCidrBlock": "10.9.0.0/24"}
    eni = place.eni()["NetworkInterfaceId"]
    hop = {"NextHopType": "NetworkInterface", "NextHopId": eni}
    place.api.vpc("CreateRouteEntry", **one, **hop)
    with refused("InvalidCIDRBlock.Duplicate"):
        place.api.vpc("CreateRouteEntry", **one, **hop)
    place.api.vpc("DeleteRouteEntry", **one)
    with refused("InvalidRouteEntry.NotFound"):
        place.api.vpc("DeleteRouteEntry", **one)


def test_a_route_table_is_renamed(place: Place) -> None:
    one = {"RouteTableId": table(place)}
    place.api.vpc("ModifyRouteTableAttributes", RouteTableName="rt", Description="d", **one)
    (shown,) = place.api.vpc("DescribeRouteTableList", **one)["RouterTableList"][
        "RouterTableListType"
    ]
    assert (shown["RouteTableName"], shown["Description"]) == ("rt", "d")
    with refused("ResourceNotFound.RouteTable"):
        place.api.vpc("ModifyRouteTableAttributes", RouteTableId="vtb-none")


def test_an_eip_on_a_secondary_eni_changes_its_mode(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    with refused("BindInstance.NotSupport"):
        place.api.vpc("ModifyEipForwardMode", InstanceId=eip, Mode="BINDED")
    place.api.vpc(
        "AssociateEipAddress",
        AllocationId=eip,
        InstanceId=place.eni()["NetworkInterfaceId"],
        InstanceType="NetworkInterface",
    )
    place.api.vpc("ModifyEipForwardMode", InstanceId=eip, Mode="BINDED")
    (shown,) = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert shown["Mode"] == "BINDED"
    with refused("Instance.ModeError"):
        place.api.vpc("ModifyEipForwardMode", InstanceId=eip, Mode="SIDEWAYS")


def test_an_eip_is_not_monitored_in_detail(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    shown = place.api.vpc(
        "DescribeHighDefinitionMonitorLogAttribute", InstanceId=eip, InstanceType="EIP"
    )
    assert (shown["InstanceId"], shown["LogProject"]) == (eip, "")


def test_a_nat_gateway_is_paid_by_use_and_has_neither_size_nor_older_kind(place: Place) -> None:
    def nat(charge: str) -> str:
        gateway = place.api.vpc(
            "CreateNatGateway",
            VpcId=place.vpc,
            VSwitchId=place.vswitch,
            NatType="Enhanced",
            InternetChargeType=charge,
        )
        return str(gateway["NatGatewayId"])

    with refused("Forbidden.NatPayBySpec"):
        nat("PayBySpec")
    gateway = nat("PayByLcu")
    with refused("OperationUnsupported.PayByLcuNatModifySpec"):
        place.api.vpc("ModifyNatGatewaySpec", NatGatewayId=gateway, Spec="Large")
    convert = {"NatGatewayId": gateway, "NatType": "Enhanced", "VSwitchId": place.vswitch}
    with refused("OperationUnsupported.NatConvert"):
        place.api.vpc("UpdateNatGatewayNatType", **convert)
    with refused("OperationFailed.NatTypeNotEnhanced"):
        place.api.vpc("UpdateNatGatewayNatType", **{**convert, "NatType": "Normal"})
    with refused("NATGW_NOT_EXIST"):
        place.api.vpc("UpdateNatGatewayNatType", **{**convert, "NatGatewayId": "ngw-none"})
    with refused("OperationFailed.VswNotExist"):
        place.api.vpc("UpdateNatGatewayNatType", **{**convert, "VSwitchId": "vsw-none"})
