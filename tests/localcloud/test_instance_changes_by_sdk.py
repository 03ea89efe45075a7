"""What can be changed on an instance and its disks, by the official SDK."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.sdk_api import Api, refused
from tests.localcloud.test_ecs_by_sdk import ZONE, Place

pytestmark = pytest.mark.unit
OTHER_IMAGE = "debian_12_10_x64_20G_alibase_20260916.vhd"


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


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
    ecs, instance = place.api.ecs, place.run(InstanceChargeType="PrePaid", AutoRenew=True)

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
