"""Routes by the batch, route tables, EIP modes and NAT sizes, by the official SDK."""

from __future__ import annotations

import pytest

from localcloud.products.vpc.eip_monitoring import LOGSTORE
from tests.localcloud.products.test_ecs_by_sdk import ZONE, Place
from tests.localcloud.sdk_api import Api, refused

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


def test_an_eip_on_nothing_or_on_a_secondary_eni_changes_its_mode(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
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


def test_an_eip_on_an_instance_keeps_its_mode(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    place.api.vpc("AssociateEipAddress", AllocationId=eip, InstanceId=place.run())
    with refused("BindInstance.NotSupport"):
        place.api.vpc("ModifyEipForwardMode", InstanceId=eip, Mode="BINDED")


def test_the_monitoring_of_an_eip_needs_a_logstore_that_exists(place: Place) -> None:
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    project, logstore = LOGSTORE
    on = {"InstanceId": eip, "InstanceType": "EIP", "Status": "ON", "LogProject": project}
    with refused("ProjectOrLogstoreNotExist"):
        place.api.vpc("SetHighDefinitionMonitorLogStatus", LogStore="none", **on)
    place.api.vpc("SetHighDefinitionMonitorLogStatus", LogStore=logstore, **on)
    shown = place.api.vpc("DescribeHighDefinitionMonitorLogAttribute", InstanceId=eip)
    assert (shown["LogProject"], shown["LogStore"]) == LOGSTORE
    (listed,) = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert listed["HDMonitorStatus"] == "ON"


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


def test_a_region_has_one_default_vpc_and_a_zone_one_default_vswitch(api: Api) -> None:
    with refused("OperationFailed.DefaultVpcNotExist"):
        api.vpc("CreateDefaultVSwitch", ZoneId=ZONE)
    vpc = api.vpc("CreateDefaultVpc", EnableIpv6=True)["VpcId"]
    with refused("OperationFailed.DefaultVpcExist"):
        api.vpc("CreateDefaultVpc")
    vswitch = api.vpc("CreateDefaultVSwitch", ZoneId=ZONE, Ipv6CidrBlock=3)["VSwitchId"]
    with refused("OperationFailed.DefaultVSwitchExist"):
        api.vpc("CreateDefaultVSwitch", ZoneId=ZONE)
    with refused("InvalidZoneId.NotFound"):
        api.vpc("CreateDefaultVSwitch", ZoneId="none")
    (shown,) = api.vpc("DescribeVpcs", IsDefault=True)["Vpcs"]["Vpc"]
    assert (shown["VpcId"], shown["IsDefault"]) == (vpc, True)
    (switch,) = api.vpc("DescribeVSwitches", IsDefault=True)["VSwitches"]["VSwitch"]
    assert (switch["VSwitchId"], switch["CidrBlock"]) == (vswitch, "172.31.0.0/20")
    with refused("IllegalCidrBlock"):
        api.vpc("ModifyVpcAttribute", VpcId=vpc, CidrBlock="172.30.0.0/15")


def test_other_vpcs_are_not_the_default_one(place: Place) -> None:
    assert place.api.vpc("DescribeVpcs", IsDefault=True)["Vpcs"]["Vpc"] == []
    assert len(place.api.vpc("DescribeVpcs", IsDefault=False)["Vpcs"]["Vpc"]) == 1


def test_an_eip_leads_to_a_bare_address_through_an_active_ipv4_gateway(place: Place) -> None:
    vpc = place.api.vpc
    eip = vpc("AllocateEipAddress")["AllocationId"]
    bare = {
        "AllocationId": eip,
        "InstanceId": "172.31.9.9",
        "InstanceType": "IpAddress",
        "VpcId": place.vpc,
    }
    with refused("OperationFailed.Ipv4GatewayNotOpenedInVpc"):
        vpc("AssociateEipAddress", **bare)
    gateway = vpc(
        "CreateIpv4Gateway",
        VpcId=place.vpc,
        Ipv4GatewayName="out",
        Tag=[{"Key": "a", "Value": "b"}],
    )["Ipv4GatewayId"]
    with refused("OperationDenied.VpcExistIpv4Gateway"):
        vpc("CreateIpv4Gateway", VpcId=place.vpc)
    with refused("OperationFailed.Ipv4GatewayNotActivatedInVpc"):
        vpc("AssociateEipAddress", **bare)
    vpc("EnableVpcIpv4Gateway", Ipv4GatewayId=gateway)
    with refused("OperationFailed.Ipv4GatewayAlreadyActive."):
        vpc("EnableVpcIpv4Gateway", Ipv4GatewayId=gateway)
    shown = vpc("GetIpv4GatewayAttribute", Ipv4GatewayId=gateway)
    assert (shown["VpcId"], shown["Enabled"], shown["Status"]) == (place.vpc, True, "Created")
    assert shown["Tags"] == [{"Key": "a", "Value": "b"}]
    vpc("AssociateEipAddress", **bare)
    (listed,) = vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert (listed["InstanceId"], listed["InstanceType"]) == ("172.31.9.9", "IpAddress")
    second = vpc("AllocateEipAddress")["AllocationId"]
    with refused("ResourceAlreadyAssociated.IpAddress"):
        vpc("AssociateEipAddress", **{**bare, "AllocationId": second})
    with refused("OperationFailed.Ipv4GatewayUsedByEipBindIpAddress"):
        vpc("DeleteIpv4Gateway", Ipv4GatewayId=gateway)
    vpc("UnassociateEipAddress", AllocationId=eip)
    vpc("DeleteIpv4Gateway", Ipv4GatewayId=gateway)
    with refused("ResourceNotFound.Ipv4Gateway"):
        vpc("GetIpv4GatewayAttribute", Ipv4GatewayId=gateway)


def test_a_vpc_with_an_ipv4_gateway_is_not_deleted(api: Api) -> None:
    vpc = api.vpc("CreateVpc")["VpcId"]
    api.vpc("CreateIpv4Gateway", VpcId=vpc)
    with refused("DependencyViolation.Ipv4Gateway"):
        api.vpc("DeleteVpc", VpcId=vpc)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (
            {"AccessMode": {"ModeValue": "route"}},
            "ExclusiveParam.PrivateLinkEnabledAndAccessMode",
        ),
        (
            {"PrivateLinkEnabled": True, "AccessMode": {"ModeValue": "air"}},
            "IllegalParam.AccessModeValue",
        ),
        (
            {
                "PrivateLinkEnabled": True,
                "AccessMode": {"ModeValue": "tunnel", "TunnelType": "gre"},
            },
            "IllegalParam.AccessTunnelType",
        ),
    ],
)
def test_an_access_mode_that_cannot_be_is_refused(
    place: Place, parameters: dict[str, object], code: str
) -> None:
    with refused(code):
        place.api.vpc(
            "CreateNatGateway",
            VpcId=place.vpc,
            VSwitchId=place.vswitch,
            NatType="Enhanced",
            NetworkType="intranet",
            **parameters,
        )


def test_a_vpc_nat_gateway_shows_its_access_mode(place: Place) -> None:
    tunnel = {"ModeValue": "tunnel", "TunnelType": "geneve"}
    place.api.vpc(
        "CreateNatGateway",
        VpcId=place.vpc,
        VSwitchId=place.vswitch,
        NatType="Enhanced",
        NetworkType="intranet",
        PrivateLinkEnabled=True,
        AccessMode=tunnel,
    )
    (shown,) = place.api.vpc("DescribeNatGateways", VpcId=place.vpc)["NatGateways"]["NatGateway"]
    assert shown["AccessMode"] == tunnel
