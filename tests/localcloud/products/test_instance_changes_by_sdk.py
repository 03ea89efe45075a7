"""What can be changed on an instance and its disks, by the official SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.products.ecs.instance import release_times
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import ZONE, Place, settled
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
StartCloud = Callable[..., CloudThread]
OTHER_IMAGE = "debian_12_10_x64_20G_alibase_20260916.vhd"


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def at(**later: int) -> str:
    """A time from now on, as requests write it."""
    return (datetime.now(UTC) + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:00Z")


def disk(place: Place, instance: str) -> dict[str, Any]:
    (disk,) = place.api.ecs("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
    return dict(disk)


def test_a_disk_grows_and_changes_its_kind(place: Place) -> None:
    ecs = place.api.ecs
    instance = place.run(SystemDisk={"Category": "cloud_essd", "Size": 40})
    one = {"DiskId": disk(place, instance)["DiskId"]}
    with refused("InvalidDiskSize.TooSmall"):
        ecs("ResizeDisk", NewSize=30, **one)
    ecs("ResizeDisk", NewSize=80, Type="online", **one)
    with refused("OperationDenied.PerformanceLevelNotMatch"):
        ecs("ModifyDiskSpec", PerformanceLevel="PL2", **one)
    ecs("ResizeDisk", NewSize=500, Type="online", **one)
    ecs("ModifyDiskSpec", PerformanceLevel="PL2", **one)
    with refused("NoChangeInDiskCategoryAndPerformanceLevel"):
        ecs("ModifyDiskSpec", PerformanceLevel="PL2", **one)
    ecs("ModifyDiskAttribute", DiskName="system", DeleteWithInstance=False, **one)
    shown = disk(place, instance)
    assert (shown["Size"], shown["PerformanceLevel"]) == (500, "PL2")
    assert (shown["DiskName"], shown["DeleteWithInstance"]) == ("system", False)
    with refused("InvalidDiskCategory.ValueNotSupported"):
        ecs("ModifyDiskSpec", DiskCategory="cloud_paper", **one)
    with refused("InvalidDiskId.NotFound"):
        ecs("ResizeDisk", DiskId="d-none", NewSize=80)


def test_disks_are_listed_by_status_name_kind_and_category(place: Place) -> None:
    disks = [{"Category": "cloud_essd", "Size": 30, "DiskName": "etcd"}]
    place.run(SystemDisk={"Category": "cloud_auto", "Size": 40}, DataDisk=disks)

    def listed(**filters: object) -> list[str]:
        answer = place.api.ecs("DescribeDisks", **filters)
        return [one["Type"] for one in answer["Disks"]["Disk"]]

    assert listed(Status="In_use") == listed(Status="All") == ["system", "data"]
    assert listed(Status="Available") == []
    assert listed(DiskName="etcd") == listed(Category="cloud_essd") == ["data"]
    assert listed(DiskName="etc") == []
    assert listed(DiskType="system", Category="all") == ["system"]
    # Disks of the default resource group are shown whatever the parameter names.
    assert listed(ResourceGroupId="rg-other") == ["system", "data"]


@pytest.mark.parametrize("name", ["Status", "DiskType", "Category"])
def test_disks_are_not_listed_by_a_value_that_does_not_exist(place: Place, name: str) -> None:
    with refused(f"Invalid{name}.ValueNotSupported"):
        place.api.ecs("DescribeDisks", **{name: "paper"})


def test_disks_are_not_listed_by_more_than_a_hundred_ids(place: Place) -> None:
    with refused("InvalidDiskIds.Malformed"):
        place.api.ecs("DescribeDisks", DiskIds=json.dumps([f"d-{n}" for n in range(101)]))


def test_a_stopped_instance_gets_a_system_disk_of_another_image(place: Place) -> None:
    instance = place.run()
    before = disk(place, instance)["DiskId"]
    one = {"InstanceId": instance}
    with refused("IncorrectInstanceStatus"):
        place.api.ecs("ReplaceSystemDisk", ImageId=OTHER_IMAGE, **one)
    place.api.ecs("StopInstance", **one)
    with refused("InvalidImageId.NotFound"):
        place.api.ecs("ReplaceSystemDisk", ImageId="none", **one)
    new_disk = place.api.ecs("ReplaceSystemDisk", ImageId=OTHER_IMAGE, **one)["DiskId"]
    shown = disk(place, instance)
    assert (shown["DiskId"], shown["ImageId"]) == (new_disk, OTHER_IMAGE)
    assert new_disk != before
    assert place.instance(instance)["ImageId"] == OTHER_IMAGE


def test_a_stopped_instance_moves_to_another_vswitch(place: Place) -> None:
    other = place.api.vpc("CreateVSwitch", VpcId=place.vpc, CidrBlock="172.31.0.0/24", ZoneId=ZONE)[
        "VSwitchId"
    ]
    instance = place.run()
    one = {"InstanceId": instance, "VSwitchId": other}
    with refused("IncorrectInstanceStatus"):
        place.api.ecs("ModifyInstanceVpcAttribute", **one)
    place.api.ecs("StopInstance", InstanceId=instance)
    place.api.ecs("ModifyInstanceVpcAttribute", PrivateIpAddress="172.31.0.9", **one)
    shown = place.instance(instance)["VpcAttributes"]
    assert (shown["VSwitchId"], shown["PrivateIpAddress"]["IpAddress"]) == (other, ["172.31.0.9"])
    place.api.vpc("DeleteVSwitch", VSwitchId=place.vswitch)


def test_an_instance_with_pod_addresses_does_not_move(place: Place) -> None:
    other = place.api.vpc("CreateVSwitch", VpcId=place.vpc, CidrBlock="172.31.0.0/24", ZoneId=ZONE)[
        "VSwitchId"
    ]
    eni = place.eni(PrivateIpAddress=["172.31.199.185"])["NetworkInterfaceId"]
    instance = place.run(eni)
    place.api.ecs("StopInstance", InstanceId=instance)
    with refused("PrimaryEniHasSubIp"):
        place.api.ecs("ModifyInstanceVpcAttribute", InstanceId=instance, VSwitchId=other)


def test_key_pairs_come_to_instances_and_go(place: Place) -> None:
    ecs, instance = place.api.ecs, place.run()
    ecs("CreateKeyPair", KeyPairName="key")
    both = {"KeyPairName": "key", "InstanceIds": f'["{instance}"]'}
    assert ecs("AttachKeyPair", **both)["TotalCount"] == "1"
    assert place.instance(instance)["KeyPairName"] == "key"
    ecs("DetachKeyPair", **both)
    assert place.instance(instance)["KeyPairName"] == ""
    with refused("InvalidKeyPairName.NotFound"):
        ecs("AttachKeyPair", **{**both, "KeyPairName": "none"})


def test_maintenance_and_bandwidth_of_an_instance(place: Place) -> None:
    ecs, instance = place.api.ecs, place.run()
    ecs(
        "ModifyInstanceMaintenanceAttributes",
        InstanceId=[instance],
        ActionOnMaintenance="Stop",
        NotifyOnMaintenance=True,
        MaintenanceWindow=[{"StartTime": "02:00:00Z", "EndTime": "03:00:00Z"}],
    )
    (shown,) = ecs("DescribeInstanceMaintenanceAttributes", InstanceId=[instance])[
        "MaintenanceAttributes"
    ]["MaintenanceAttribute"]
    assert (shown["ActionOnMaintenance"]["Value"], shown["NotifyOnMaintenance"]) == ("Stop", True)
    (window,) = shown["MaintenanceWindows"]["MaintenanceWindow"]
    assert window == {"StartTime": "02:00:00Z", "EndTime": "03:00:00Z"}
    with refused("InvalidParameter"):
        ecs(
            "ModifyInstanceMaintenanceAttributes",
            InstanceId=[instance],
            ActionOnMaintenance="Nothing",
        )
    ecs("ModifyInstanceNetworkSpec", InstanceId=instance, InternetMaxBandwidthOut=7)
    assert place.instance(instance)["InternetMaxBandwidthOut"] == 7


def test_an_instance_is_paid_in_advance_and_renewed(place: Place) -> None:
    ecs, instance = place.api.ecs, place.run(InstanceChargeType="PrePaid", Period=1, AutoRenew=True)

    def renewal() -> list[tuple[str, int]]:
        answer = ecs("DescribeInstanceAutoRenewAttribute", InstanceId=instance)
        rows = answer["InstanceRenewAttributes"]["InstanceRenewAttribute"]
        return [(r["RenewalStatus"], r["Duration"]) for r in rows]

    assert renewal() == [("AutoRenewal", 1)]
    ecs(
        "ModifyInstanceAutoRenewAttribute",
        InstanceId=instance,
        RenewalStatus="AutoRenewal",
        Duration=2,
        PeriodUnit="Month",
    )
    assert renewal() == [("AutoRenewal", 2)]
    ecs(
        "ModifyInstanceChargeType",
        InstanceIds=f'["{instance}"]',
        InstanceChargeType="PostPaid",
    )
    assert place.instance(instance)["InstanceChargeType"] == "PostPaid"
    assert renewal() == []
    with refused("ChargeTypeViolation"):
        ecs("ModifyInstanceAutoRenewAttribute", InstanceId=instance, RenewalStatus="Normal")


def test_user_data_changes_while_the_instance_runs(place: Place) -> None:
    instance = place.run()
    place.api.ecs("ModifyInstanceAttribute", InstanceId=instance, UserData="bmV3")
    assert place.api.ecs("DescribeUserData", InstanceId=instance)["UserData"] == "bmV3"


def test_a_hostile_cloud_changes_user_data_of_a_stopped_instance_only(
    start_cloud: StartCloud,
) -> None:
    place = Place(Api(start_cloud(hostile=2).config()))
    instance = place.run()
    settled(lambda: place.instance(instance)["Status"] == "Running")
    with refused("IncorrectInstanceStatus"):
        place.api.ecs("ModifyInstanceAttribute", InstanceId=instance, UserData="bmV3")


def test_a_release_time_is_set_and_removed(place: Place) -> None:
    instance = place.run()
    one = {"InstanceId": instance}
    for time in ("tomorrow", at(minutes=5), at(days=4 * 366)):
        with refused("InvalidAutoReleaseTime.Malformed"):
            place.api.ecs("ModifyInstanceAutoReleaseTime", AutoReleaseTime=time, **one)
    time = at(days=300)
    place.api.ecs("ModifyInstanceAutoReleaseTime", AutoReleaseTime=time, **one)
    assert place.instance(instance)["AutoReleaseTime"] == time[:16] + "Z"
    place.api.ecs("ModifyInstanceAutoReleaseTime", **one)
    assert place.instance(instance)["AutoReleaseTime"] == ""
    with refused("NoSuchResource"):
        place.api.ecs("ModifyInstanceAutoReleaseTime", InstanceId="i-none")


def test_a_subscription_has_no_release_time(place: Place) -> None:
    instance = place.run(InstanceChargeType="PrePaid", Period=1)
    with refused("ChargeTypeViolation"):
        place.api.ecs(
            "ModifyInstanceAutoReleaseTime", InstanceId=instance, AutoReleaseTime=at(days=1)
        )


@pytest.mark.parametrize(
    ("time", "over"),
    [("", False), ("2026-11-27T12:00Z", True), ("2026-11-27T12:01Z", False)],
)
def test_an_instance_is_released_when_its_time_has_come(time: str, *, over: bool) -> None:
    noon = datetime(2026, 11, 27, 12, 0, 30, tzinfo=UTC).timestamp()
    assert release_times.is_over(time, noon) is over


def test_bandwidth_at_creation_brings_a_static_public_address(place: Place) -> None:
    instance = place.run(InternetMaxBandwidthOut=5)
    (address,) = place.instance(instance)["PublicIpAddress"]["IpAddress"]
    answer = place.api.ecs("AllocatePublicIpAddress", InstanceId=instance)
    assert answer["IpAddress"] == address
    eip = place.api.vpc("AllocateEipAddress")
    assert eip["EipAddress"] != address
    with refused("EIP_CAN_NOT_ASSOCIATE_WITH_PUBLIC_IP"):
        place.api.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=instance)


def test_bandwidth_later_brings_an_address_when_it_is_asked_for(place: Place) -> None:
    instance = place.run()
    one = {"InstanceId": instance}
    with refused("AllocateIpInvalidInstanceBandwidth"):
        place.api.ecs("AllocatePublicIpAddress", **one)
    place.api.ecs("ModifyInstanceNetworkSpec", InternetMaxBandwidthOut=7, **one)
    assert place.instance(instance)["PublicIpAddress"]["IpAddress"] == []
    address = place.api.ecs("AllocatePublicIpAddress", **one)["IpAddress"]
    assert place.instance(instance)["PublicIpAddress"]["IpAddress"] == [address]


@pytest.mark.parametrize(
    "more",
    [{"InstanceChargeType": "PrePaid", "Period": 1}, {"AllocatePublicIp": True}],
    ids=["paid", "asked"],
)
def test_bandwidth_later_brings_an_address_with_it(place: Place, more: dict[str, Any]) -> None:
    charge = {k: v for k, v in more.items() if k in {"InstanceChargeType", "Period"}}
    instance = place.run(**charge)
    place.api.ecs(
        "ModifyInstanceNetworkSpec",
        InstanceId=instance,
        InternetMaxBandwidthOut=7,
        **{k: v for k, v in more.items() if k not in charge},
    )
    assert len(place.instance(instance)["PublicIpAddress"]["IpAddress"]) == 1


def test_a_subscription_grows_while_it_runs_and_shrinks_stopped(place: Place) -> None:
    ecs = place.api.ecs
    instance = place.run(InstanceChargeType="PrePaid", Period=1)
    one = {"InstanceId": instance}
    ecs("ModifyPrepayInstanceSpec", InstanceType="ecs.g7.2xlarge", OperatorType="upgrade", **one)
    with refused("InvalidStatus.NotStopped"):
        ecs("ModifyPrepayInstanceSpec", InstanceType="ecs.g7.large", **one)
    ecs("StopInstance", **one)
    assert place.instance(instance)["StoppedMode"] == "Not-applicable"
    ecs("ModifyPrepayInstanceSpec", InstanceType="ecs.g7.large", **one)
    assert place.instance(instance)["InstanceType"] == "ecs.g7.large"
    with refused("InvalidBillingMethod.ValueNotSupported"):
        ecs("ModifyPrepayInstanceSpec", InstanceId=place.run(), InstanceType="ecs.g7.xlarge")


def test_cpu_options_change_on_a_stopped_instance(place: Place) -> None:
    ecs = place.api.ecs
    instance = place.run()
    one = {"InstanceId": instance}
    options = {"Core": 1, "ThreadsPerCore": 1, "TopologyType": "DiscreteCoreToHTMapping"}
    with refused("InvalidStatus.StoppedRequired"):
        ecs("ModifyInstanceAttribute", CpuOptions=options, **one)
    ecs("StopInstance", **one)
    ecs("ModifyInstanceAttribute", CpuOptions=options, **one)
    shown = place.instance(instance)["CpuOptions"]
    assert (shown["CoreCount"], shown["ThreadsPerCore"]) == (1, 1)
    assert shown["TopologyType"] == "DiscreteCoreToHTMapping"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"CpuOptions": {"Core": 9}}, "InvalidParameter.CpuOptionsCore"),
        ({"CpuOptions": {"ThreadsPerCore": 3}}, "InvalidParameter.CpuOptionsThreadsPerCore"),
        ({"CpuOptions": {"TopologyType": "Round"}}, "InvalidParameter.CpuOptionsTopologyType"),
        ({"SpotInterruptionBehavior": "Sleep"}, "InvalidSpotInterruptionBehavior"),
        ({"SpotDuration": 9}, "InvalidSpotDuration"),
        ({"SpotPriceLimit": -1.0}, "InvalidSpotPriceLimit"),
        ({"PrivatePoolOptions": {"MatchCriteria": "Target"}}, "Invalid.PrivatePoolOptions.Id"),
        ({"AutoReleaseTime": "soon"}, "InvalidAutoReleaseTime.Malformed"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    place: Place, parameters: dict[str, Any], code: str
) -> None:
    with refused(code):
        place.run(**parameters)


def test_a_spot_instance_keeps_its_terms(place: Place) -> None:
    instance = place.run(
        SpotStrategy="SpotWithPriceLimit", SpotPriceLimit=1.002, SpotInterruptionBehavior="Stop"
    )
    shown = place.instance(instance)
    assert (shown["SpotPriceLimit"], shown["SpotDuration"]) == (1.002, 1)
    assert shown["SpotInterruptionBehavior"] == "Stop"


def test_an_rdma_eni_has_queue_pairs_on_a_card_that_the_type_has(place: Place) -> None:
    with refused("InvalidParameter.QueuePairNumberMustEmpty"):
        place.eni(QueuePairNumber=1)
    with refused("InvalidParameter.InvalidQueuePairNumber"):
        place.eni(NetworkInterfaceTrafficMode="HighPerformance", QueuePairNumber=0)
    eni = place.eni(NetworkInterfaceTrafficMode="HighPerformance", QueuePairNumber=2)
    shown = place.shown(eni["NetworkInterfaceId"])
    assert shown["QueuePairNumber"] == 2
    one = {"NetworkInterfaceId": eni["NetworkInterfaceId"], "NetworkCardIndex": 1}
    with refused("InvalidParameter.NetworkCardIndexInvalid"):
        place.api.ecs("AttachNetworkInterface", InstanceId=place.run(), **one)
    large = place.run(kind="ecs.c8i.48xlarge")
    place.api.ecs("AttachNetworkInterface", InstanceId=large, **one)
    assert place.shown(eni["NetworkInterfaceId"])["Attachment"]["NetworkCardIndex"] == 1


def test_an_instance_type_with_two_network_cards_lists_them(place: Place) -> None:
    (kind,) = place.api.ecs("DescribeInstanceTypes", InstanceTypes=["ecs.c8i.48xlarge"])[
        "InstanceTypes"
    ]["InstanceType"]
    cards = kind["NetworkCards"]["NetworkCardInfo"]
    assert [card["NetworkCardIndex"] for card in cards] == [0, 1]


def test_a_trunk_eni_is_one_until_it_is_deleted(place: Place) -> None:
    eni = place.eni(InstanceType="Trunk")
    assert place.shown(eni["NetworkInterfaceId"])["Type"] == "Trunk"
    listed = place.api.ecs("DescribeNetworkInterfaces", Type="Trunk")["NetworkInterfaceSets"]
    assert len(listed["NetworkInterfaceSet"]) == 1
    with refused("InvalidParameter"):
        place.eni(InstanceType="Tree")


def other_network(place: Place) -> dict[str, object]:
    api = place.api
    vpc = api.vpc("CreateVpc", CidrBlock="172.20.0.0/16")["VpcId"]
    vswitch = api.vpc("CreateVSwitch", VpcId=vpc, CidrBlock="172.20.0.0/24", ZoneId=ZONE)
    group = api.ecs("CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    return {"VpcId": vpc, "VSwitchId": vswitch["VSwitchId"], "SecurityGroupId": [group]}


def test_a_stopped_instance_moves_to_another_vpc(place: Place) -> None:
    there = other_network(place)
    instance = place.run()
    place.api.ecs("StopInstance", InstanceId=instance)
    without_group = {k: v for k, v in there.items() if k != "SecurityGroupId"}
    with refused("MissingParameter"):
        place.api.ecs("ModifyInstanceVpcAttribute", InstanceId=instance, **without_group)
    place.api.ecs("ModifyInstanceVpcAttribute", InstanceId=instance, **there)
    shown = place.instance(instance)
    assert shown["VpcAttributes"]["VpcId"] == there["VpcId"]
    assert shown["SecurityGroupIds"]["SecurityGroupId"] == there["SecurityGroupId"]
    place.api.vpc("DeleteVSwitch", VSwitchId=place.vswitch)


def test_an_instance_with_a_second_eni_stays_in_its_vpc(place: Place) -> None:
    enis = [place.eni()["NetworkInterfaceId"] for _ in range(2)]
    instance = place.run(*enis)
    place.api.ecs("StopInstance", InstanceId=instance)
    with refused("InvalidInstance.AttachedEni"):
        place.api.ecs("ModifyInstanceVpcAttribute", InstanceId=instance, **other_network(place))


def test_a_backend_of_a_load_balancer_stays_in_its_vpc(place: Place) -> None:
    instance = place.run()
    balancer = place.api.slb("CreateLoadBalancer", AddressType="intranet", VSwitchId=place.vswitch)
    servers = json.dumps([{"ServerId": instance, "Weight": "100"}])
    place.api.slb(
        "AddBackendServers", LoadBalancerId=balancer["LoadBalancerId"], BackendServers=servers
    )
    place.api.ecs("StopInstance", InstanceId=instance)
    with refused("InvalidDependence.SLB"):
        place.api.ecs("ModifyInstanceVpcAttribute", InstanceId=instance, **other_network(place))


def test_an_instance_with_ipv6_stays_in_its_vpc(api: Api) -> None:
    place = Place(api, ipv6=True)
    instance = place.run(Ipv6AddressCount=1)
    place.api.ecs("StopInstance", InstanceId=instance)
    with refused("InvalidIp.Ipv6"):
        place.api.ecs("ModifyInstanceVpcAttribute", InstanceId=instance, **other_network(place))
