"""Rules of ECS that no recorded behaviour and no walk by the SDK touches."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.products.test_vpc_changes_by_sdk import table
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def enterprise(place: Place) -> str:
    group = place.api.ecs("CreateSecurityGroup", VpcId=place.vpc, SecurityGroupType="enterprise")
    return str(group["SecurityGroupId"])


def authorize(place: Place, group: str, source: str) -> None:
    rule = {"IpProtocol": "TCP", "PortRange": "22/22", "SourceGroupId": source}
    place.api.ecs("AuthorizeSecurityGroup", SecurityGroupId=group, Permissions=[rule])


def test_an_enterprise_group_authorizes_no_group(place: Place) -> None:
    with refused("InvalidGroupParameter.OperationDenied"):
        authorize(place, enterprise(place), place.group)


def test_an_enterprise_group_is_not_authorized(place: Place) -> None:
    with refused("InvalidGroupAuthParameter.OperationDenied"):
        authorize(place, place.group, enterprise(place))


def test_the_groups_of_a_primary_eni_are_its_instances(place: Place) -> None:
    place.run(eni := place.eni()["NetworkInterfaceId"])
    other = place.api.ecs("CreateSecurityGroup", VpcId=place.vpc)["SecurityGroupId"]
    with refused("InvalidOperation.PrimaryEniOnlySupportModifyNameAndDesc"):
        place.api.ecs(
            "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=eni, SecurityGroupId=[other]
        )
    assert place.shown(eni)["SecurityGroupIds"]["SecurityGroupId"] == [place.group]


def test_an_instance_that_a_route_leads_to_stays(place: Place) -> None:
    instance = place.run()
    place.api.vpc(
        "CreateRouteEntry",
        RouteTableId=table(place),
        DestinationCidrBlock="10.9.0.0/24",
        NextHopType="Instance",
        NextHopId=instance,
    )
    with refused("DependencyViolation.RouteEntry"):
        place.api.ecs("DeleteInstance", InstanceId=instance, Force=True)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"InstanceChargeType": "Monthly"}, "InvalidInstanceChargeType.NotFound"),
        ({"InternetChargeType": "PayByLcu"}, "InvalidInternetChargeType.ValueNotSupported"),
        ({"SpotStrategy": "Cheap"}, "InvalidSpotStrategy"),
        ({"InternetMaxBandwidthOut": 101}, "InvalidParameter"),
        ({"DataDisk": [{"Size": 20}] * 17}, "InstanceDiskNumber.LimitExceed"),
    ],
)
def test_an_instance_is_paid_in_a_way_that_exists(
    place: Place, more: dict[str, Any], code: str
) -> None:
    with refused(code):
        place.run(**more)


def test_an_eni_has_a_traffic_mode_that_exists(place: Place) -> None:
    with refused("InvalidParameter.EniTrafficMode"):
        place.eni(NetworkInterfaceTrafficMode="Fast")


def test_an_instance_stops_in_a_mode_that_exists(place: Place) -> None:
    instance = place.run()
    with refused("InvalidParameter"):
        place.api.ecs("StopInstance", InstanceId=instance, StoppedMode="Free")
