"""Data disks of their own, by the official SDK: creation, attachment, detachment, deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import ZONE, Place
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
StartCloud = Callable[..., CloudThread]
ESSD = {"ZoneId": ZONE, "DiskCategory": "cloud_essd", "Size": 20}
TAG = [{"Key": "a", "Value": "b"}]
OTHER_ZONE = "cn-hangzhou-i"


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def shown(api: Api, disk: str) -> dict[str, Any]:
    (one,) = api.ecs("DescribeDisks", DiskIds=f'["{disk}"]')["Disks"]["Disk"]
    return dict(one)


def created(api: Api, **more: object) -> str:
    return str(api.ecs("CreateDisk", **{**ESSD, **more})["DiskId"])


def attached(place: Place, **more: object) -> tuple[str, str]:
    """A new disk on a new instance: the ids of both."""
    disk, instance = created(place.api), place.run()
    place.api.ecs("AttachDisk", DiskId=disk, InstanceId=instance, **more)
    return disk, instance


def test_a_new_disk_is_on_no_instance(api: Api) -> None:
    disk = created(
        api, DiskName="etcd-data", Description="of cp-1", Encrypted=True, KMSKeyId="k", Tag=TAG
    )
    one = shown(api, disk)
    assert (one["Status"], one["Type"], one["InstanceId"], one["Device"]) == (
        "Available",
        "data",
        "",
        "",
    )
    assert one["Attachments"]["Attachment"] == []
    assert (one["AttachedTime"], one["DetachedTime"]) == ("", "")
    assert (one["ZoneId"], one["Category"], one["PerformanceLevel"]) == (ZONE, "cloud_essd", "PL1")
    assert (one["Encrypted"], one["KMSKeyId"], one["Portable"]) == (True, "k", True)
    assert (one["DiskName"], one["Size"]) == ("etcd-data", 20)
    assert one["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "b"}]
    assert one["SerialNumber"] == disk.removeprefix("d-")


def test_a_repeated_request_creates_no_second_disk(api: Api) -> None:
    twice = [created(api, ClientToken="once") for _ in range(2)]
    assert len(set(twice)) == 1
    assert api.ecs("DescribeDisks")["TotalCount"] == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ZoneId": "cn-hangzhou-z"}, "InvalidZoneId.NotFound"),
        ({"ZoneId": ""}, "MissingParameter"),
        ({"Size": None}, "MissingParameter"),
        ({"DiskCategory": "cloud_paper"}, "InvalidDiskCategory.ValueNotSupported"),
        ({"DiskCategory": "cloud"}, "InvalidDiskCategory.NotSupported"),
        ({"DiskCategory": None}, "InvalidDiskCategory.NotSupported"),
        ({"Size": 65537}, "InvalidDataDiskSize.ValueNotSupported"),
        ({"DiskCategory": "cloud_efficiency", "Size": 19}, "InvalidDataDiskSize.ValueNotSupported"),
        ({"DiskCategory": "cloud_essd_entry", "Size": 9}, "InvalidDataDiskSize.ValueNotSupported"),
        ({"Size": 19}, "OperationDenied.PerformanceLevelNotMatch"),
        ({"PerformanceLevel": "PL2", "Size": 460}, "OperationDenied.PerformanceLevelNotMatch"),
        ({"PerformanceLevel": "PL9"}, "InvalidPerformanceLevel.Malformed"),
        ({"DiskName": "1st"}, "InvalidDiskName.Malformed"),
        ({"Description": "https://x"}, "InvalidDescription.Malformed"),
        ({"KMSKeyId": "k"}, "InvalidEncrypted.NotMatchKmsKeyId"),
        ({"EncryptAlgorithm": "sm4-128"}, "InvalidEncrypted.NotMatchEncryptAlgorithm"),
        ({"ProvisionedIops": 100}, "ProvisionedIopsForDiskCategoryUnsupported"),
        ({"BurstingEnabled": True}, "BurstingEnabledForDiskCategoryUnsupported"),
        ({"MultiAttach": "Perhaps"}, "InvalidParameter.MultiAttach"),
        ({"MultiAttach": "Enabled"}, "OperationDenied.ZoneNotSupportMultiAttachDisk"),
        ({"Tag": [*TAG, *TAG]}, "Duplicate.TagKey"),
    ],
)
def test_a_disk_that_cannot_be_is_refused(api: Api, more: dict[str, Any], code: str) -> None:
    with refused(code):
        created(api, **more)
    assert api.ecs("DescribeDisks")["TotalCount"] == 0


@pytest.mark.parametrize(
    ("category", "level", "size"),
    [
        ("cloud_essd", "PL0", 1),
        ("cloud_essd", "PL3", 1261),
        ("cloud_auto", "", 1),
        ("cloud_essd_entry", "", 10),
        ("cloud_efficiency", "", 32768),
    ],
)
def test_the_sizes_at_the_edge_are_possible(api: Api, category: str, level: str, size: int) -> None:
    disk = created(api, DiskCategory=category, PerformanceLevel=level, Size=size)
    one = shown(api, disk)
    assert (one["Category"], one["PerformanceLevel"], one["Size"]) == (category, level, size)


def test_a_disk_of_provisioned_performance_shows_it(api: Api) -> None:
    disk = created(api, DiskCategory="cloud_auto", ProvisionedIops=500, BurstingEnabled=True)
    one = shown(api, disk)
    assert (one["ProvisionedIops"], one["BurstingEnabled"]) == (500, True)


def test_a_disk_is_attached_to_a_running_instance(place: Place) -> None:
    disk, instance = attached(place, DeleteWithInstance=True)
    one = shown(place.api, disk)
    assert (one["Status"], one["InstanceId"]) == ("In_use", instance)
    assert (one["Device"], one["DeleteWithInstance"]) == ("/dev/xvdb", True)
    (attachment,) = one["Attachments"]["Attachment"]
    assert attachment == {
        "InstanceId": instance,
        "Device": "/dev/xvdb",
        "AttachedTime": one["AttachedTime"],
    }
    types = [
        d["Type"] for d in place.api.ecs("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
    ]
    assert types == ["system", "data"]


def test_a_disk_is_attached_to_a_stopped_instance(place: Place) -> None:
    disk, instance = created(place.api), place.run()
    place.api.ecs("StopInstance", InstanceId=instance)
    place.api.ecs("AttachDisk", DiskId=disk, InstanceId=instance, Device="/dev/xvdf")
    assert shown(place.api, disk)["Device"] == "/dev/xvdf"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"InstanceId": "i-none"}, "InvalidInstanceId.NotFound"),
        ({"DiskId": "d-none"}, "InvalidDiskId.NotFound"),
        ({"Device": "/dev/sda"}, "InvalidDevice.Malformed"),
        ({"Bootable": True}, "InvalidDisk.DiskNotBootable"),
        ({"Force": True}, "InvalidParameterForce.DiskCategoryNotSupported"),
    ],
)
def test_an_attachment_that_cannot_be_is_refused(
    place: Place, more: dict[str, Any], code: str
) -> None:
    disk, instance = created(place.api), place.run()
    with refused(code):
        place.api.ecs("AttachDisk", **{"DiskId": disk, "InstanceId": instance, **more})
    assert shown(place.api, disk)["Status"] == "Available"


def test_a_disk_is_on_one_instance_at_a_time(place: Place) -> None:
    disk, instance = attached(place)
    for other in (instance, place.run()):
        with refused("IncorrectDiskStatus"):
            place.api.ecs("AttachDisk", DiskId=disk, InstanceId=other)


def test_a_disk_of_another_zone_is_not_attached(place: Place) -> None:
    with refused("ResourcesNotInSameZone"):
        place.api.ecs(
            "AttachDisk", DiskId=created(place.api, ZoneId=OTHER_ZONE), InstanceId=place.run()
        )


def test_an_entry_disk_is_not_attached_to_a_family_without_them(place: Place) -> None:
    disk = created(place.api, DiskCategory="cloud_essd_entry")
    with refused("InvalidInstanceType.NotSupportDiskCategory"):
        place.api.ecs("AttachDisk", DiskId=disk, InstanceId=place.run())
    place.api.ecs("AttachDisk", DiskId=disk, InstanceId=place.run(kind="ecs.e-c1m2.large"))


def test_a_device_name_is_used_once(place: Place) -> None:
    _, instance = attached(place, Device="/dev/xvdb")
    other = created(place.api)
    with refused("InvalidDevice.InUse"):
        place.api.ecs("AttachDisk", DiskId=other, InstanceId=instance, Device="/dev/xvdb")
    place.api.ecs("AttachDisk", DiskId=other, InstanceId=instance)
    assert shown(place.api, other)["Device"] == "/dev/xvdc"


def test_an_instance_has_sixteen_data_disks_at_most(place: Place) -> None:
    instance = place.run(DataDisk=[{"Category": "cloud_essd", "Size": 20}] * 16)
    with refused("InstanceDiskLimitExceeded"):
        place.api.ecs("AttachDisk", DiskId=created(place.api), InstanceId=instance)


def test_a_disk_is_detached_and_attached_elsewhere(place: Place) -> None:
    disk, instance = attached(place)
    place.api.ecs("DetachDisk", DiskId=disk, InstanceId=instance)
    one = shown(place.api, disk)
    assert (one["Status"], one["InstanceId"], one["Device"]) == ("Available", "", "")
    assert one["DetachedTime"]
    other = place.run()
    place.api.ecs("AttachDisk", DiskId=disk, InstanceId=other)
    assert shown(place.api, disk)["InstanceId"] == other


def test_a_detachment_that_cannot_be_is_refused(place: Place) -> None:
    ecs = place.api.ecs
    disk, instance = attached(place)
    other = place.run()
    (system,) = ecs("DescribeDisks", InstanceId=instance, DiskType="system")["Disks"]["Disk"]
    with refused("DependencyViolation"):
        ecs("DetachDisk", DiskId=disk, InstanceId=other)
    with refused("DiskTypeViolation"):
        ecs("DetachDisk", DiskId=system["DiskId"], InstanceId=instance)
    with refused("InvalidDiskId.NotFound"):
        ecs("DetachDisk", DiskId="d-none", InstanceId=instance)
    with refused("InvalidInstanceId.NotFound"):
        ecs("DetachDisk", DiskId=disk, InstanceId="i-none")
    ecs("DetachDisk", DiskId=disk, InstanceId=instance, DeleteWithInstance=True)
    assert shown(place.api, disk)["DeleteWithInstance"] is True
    with refused("InvalidDisk.AlreadyDetached"):
        ecs("DetachDisk", DiskId=disk, InstanceId=instance)


def test_a_system_disk_stays_with_its_instance(place: Place) -> None:
    ecs = place.api.ecs
    instance = place.run()
    (system,) = ecs("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
    with refused("DiskNotPortable"):
        ecs("AttachDisk", DiskId=system["DiskId"], InstanceId=place.run())
    with refused("DiskTypeViolation"):
        ecs("DeleteDisk", DiskId=system["DiskId"])


def test_only_a_disk_on_no_instance_is_deleted(place: Place) -> None:
    ecs = place.api.ecs
    disk, instance = attached(place)
    with refused("IncorrectDiskStatus"):
        ecs("DeleteDisk", DiskId=disk)
    ecs("DetachDisk", DiskId=disk, InstanceId=instance)
    for _ in range(2):
        ecs("DeleteDisk", DiskId=disk)
    assert ecs("DescribeDisks", DiskIds=f'["{disk}"]')["Disks"]["Disk"] == []


def test_a_deleted_instance_leaves_the_disks_that_do_not_go_with_it(place: Place) -> None:
    ecs = place.api.ecs
    goes, instance = attached(place, DeleteWithInstance=True)
    stays = created(place.api)
    ecs("AttachDisk", DiskId=stays, InstanceId=instance)
    (system,) = ecs("DescribeDisks", InstanceId=instance, DiskType="system")["Disks"]["Disk"]
    ecs("ModifyDiskAttribute", DiskId=system["DiskId"], DeleteWithInstance=False)
    ecs("DeleteInstance", InstanceId=instance, Force=True)
    left = ecs("DescribeDisks")["Disks"]["Disk"]
    assert {(d["DiskId"], d["Type"], d["Status"], d["InstanceId"]) for d in left} == {
        (stays, "data", "Available", ""),
        (system["DiskId"], "data", "Available", ""),
    }
    assert goes not in {d["DiskId"] for d in left}


def test_a_subscription_instance_gets_a_subscription_disk(place: Place) -> None:
    ecs = place.api.ecs
    instance = place.run(InstanceChargeType="PrePaid", Period=1)
    on_instance = {"DiskCategory": "cloud_essd", "Size": 20, "InstanceId": instance}
    with refused("InvalidParam.ZoneIdAndInstanceId.Conflict"):
        ecs("CreateDisk", ZoneId=ZONE, **on_instance)
    with refused("InvalidInstanceChargeType.ValueNotSupported"):
        ecs("CreateDisk", **{**on_instance, "InstanceId": place.run()})
    disk = ecs("CreateDisk", **on_instance)["DiskId"]
    one = shown(place.api, disk)
    assert (one["Status"], one["DiskChargeType"], one["Portable"]) == ("In_use", "PrePaid", False)
    with refused("DiskNotPortable"):
        ecs("DetachDisk", DiskId=disk, InstanceId=instance)
    with refused("DiskNotPortable"):
        ecs("DeleteDisk", DiskId=disk)


def test_a_data_disk_grows_wherever_it_is(place: Place) -> None:
    ecs = place.api.ecs
    disk = created(place.api)
    with refused("InvalidDiskSize"):
        ecs("ResizeDisk", DiskId=disk, NewSize=20)
    with refused("InvalidParam.Type"):
        ecs("ResizeDisk", DiskId=disk, NewSize=30, Type="hot")
    ecs("ResizeDisk", DiskId=disk, NewSize=30)
    instance = place.run()
    ecs("AttachDisk", DiskId=disk, InstanceId=instance)
    ecs("ResizeDisk", DiskId=disk, NewSize=40, Type="online")
    ecs("StopInstance", InstanceId=instance)
    with refused("InvalidInstanceStatus.NotRunning"):
        ecs("ResizeDisk", DiskId=disk, NewSize=50, Type="online")
    ecs("ResizeDisk", DiskId=disk, NewSize=500)
    with refused("InvalidDiskSize.TooLarge"):
        ecs("ResizeDisk", DiskId=disk, NewSize=70000)
    ecs("DetachDisk", DiskId=disk, InstanceId=instance)
    ecs("ModifyDiskSpec", DiskId=disk, PerformanceLevel="PL2")
    one = shown(place.api, disk)
    assert (one["Size"], one["PerformanceLevel"]) == (500, "PL2")


def test_disks_change_in_place_together(api: Api) -> None:
    ids = [created(api) for _ in range(2)]
    api.ecs("ModifyDiskAttribute", DiskIds=ids, DeleteAutoSnapshot=True, EnableAutoSnapshot=False)
    flags = [
        (shown(api, i)["DeleteAutoSnapshot"], shown(api, i)["EnableAutoSnapshot"]) for i in ids
    ]
    assert flags == [(True, False)] * 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, "NoAttributeToModify"),
        ({"DiskName": "1st"}, "InvalidDiskName.Malformed"),
        ({"Description": "http://x"}, "InvalidDescription.Malformed"),
        ({"BurstingEnabled": True}, "BurstingEnabledForDiskCategoryUnsupported"),
        ({"DiskIds": ["d-1"], "DiskName": "aa"}, "ParameterConflict.DiskIdAndDiskIds"),
        ({"DiskId": None, "DiskName": "aa"}, "MissingParameter.DiskIdOrDiskIds"),
        ({"DiskId": "d-none", "DiskName": "aa"}, "InvalidDiskId.NotFound"),
    ],
)
def test_a_change_that_cannot_be_is_refused(api: Api, more: dict[str, Any], code: str) -> None:
    with refused(code):
        api.ecs("ModifyDiskAttribute", **{"DiskId": created(api), **more})


def test_a_disk_moves_to_another_resource_group(api: Api) -> None:
    disk = created(api, ResourceGroupId="rg-other")
    group = {"ResourceGroupId": "rg-third"}
    api.ecs("JoinResourceGroup", ResourceType="disk", ResourceId=disk, **group)
    assert shown(api, disk)["ResourceGroupId"] == "rg-third"
    with refused("InvalidResourceId.NotFound"):
        api.ecs("JoinResourceGroup", ResourceType="disk", ResourceId="d-none", **group)
    with refused("InvalidResourceGroup.NotFound"):
        api.ecs(
            "JoinResourceGroup", ResourceType="disk", ResourceId=disk, ResourceGroupId="rg-none"
        )
    with refused("InvalidResourceType.NotFound"):
        api.ecs("JoinResourceGroup", ResourceType="boat", ResourceId="b", **group)


def test_disks_are_listed_by_what_they_have(place: Place) -> None:
    api = place.api
    disk, instance = attached(place)
    free = created(api, DiskName="spare", Encrypted=True, KMSKeyId="k", Tag=TAG)
    away = created(api, ZoneId=OTHER_ZONE, DiskCategory="cloud_auto", ResourceGroupId="rg-other")
    api.ecs("ModifyDiskAttribute", DiskId=disk, DeleteWithInstance=True, DeleteAutoSnapshot=True)
    (system,) = api.ecs("DescribeDisks", DiskType="system")["Disks"]["Disk"]

    def ids(**filters: object) -> set[str]:
        return {d["DiskId"] for d in api.ecs("DescribeDisks", **filters)["Disks"]["Disk"]}

    everything = {system["DiskId"], disk, free, away}
    assert ids(DiskType="all", Category="all", Status="All") == everything
    assert ids(DiskIds="[]") == set()
    assert ids(InstanceId=instance) == {system["DiskId"], disk}
    assert ids(Status="Available") == {free, away}
    assert ids(ZoneId=OTHER_ZONE) == ids(Category="cloud_auto") == {away}
    # Disks of the default resource group are shown whatever the parameter names.
    assert ids(ResourceGroupId="rg-other") == everything
    assert ids(ResourceGroupId="rg-third") == everything - {away}
    assert ids(DiskName="spare") == ids(KMSKeyId="k") == ids(Encrypted=True) == {free}
    assert ids(Tag=TAG) == {free}
    assert ids(Portable=False) == {system["DiskId"]}
    assert ids(DeleteAutoSnapshot=True) == {disk}
    assert ids(DeleteWithInstance=False) == {free, away}
    assert ids(EnableAutoSnapshot=False) == ids(EnableAutomatedSnapshotPolicy=True) == set()
    assert ids(DiskChargeType="PrePaid") == set()


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"DiskIds": "d-1"}, "InvalidParameter.DiskIds"),
        ({"DiskIds": "[" + ",".join(['"d"'] * 101) + "]"}, "InvalidDiskIds.Malformed"),
        ({"DiskType": "tape"}, "InvalidDiskType.ValueNotSupported"),
        ({"Category": "tape"}, "InvalidCategory.ValueNotSupported"),
        ({"Status": "Lost"}, "InvalidStatus.ValueNotSupported"),
        ({"ZoneId": "cn-hangzhou-z"}, "InvalidZoneId.NotFound"),
        ({"DiskChargeType": "Free"}, "InvalidDiskChargeType.NotFound"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(api: Api, filters: dict[str, str], code: str) -> None:
    with refused(code):
        api.ecs("DescribeDisks", **filters)


def test_a_disk_takes_its_time_in_each_status(start_cloud: StartCloud) -> None:
    cloud = start_cloud(delay_scale=1.0)
    place = Place(Api(cloud.config()), cloud=cloud)
    ecs = place.api.ecs
    disk = created(place.api)
    assert shown(place.api, disk)["Status"] == "Creating"
    with refused("IncorrectDiskStatus.Initializing"):
        ecs("DeleteDisk", DiskId=disk)
    instance = place.run()
    both = {"DiskId": disk, "InstanceId": instance}
    place.settled(lambda: shown(place.api, disk)["Status"] == "Available")
    with refused("IncorrectInstanceStatus"):
        ecs("AttachDisk", **both)
    place.settled(lambda: place.instance(instance)["Status"] == "Running")
    ecs("AttachDisk", **both)
    assert shown(place.api, disk)["Status"] == "Attaching"
    with refused("IncorrectDiskStatus"):
        ecs("DetachDisk", **both)
    place.settled(lambda: shown(place.api, disk)["Status"] == "In_use")
    ecs("StopInstance", InstanceId=instance)
    with refused("IncorrectInstanceStatus"):
        ecs("DetachDisk", **both)
    with refused("IncorrectInstanceStatus"):
        ecs("ResizeDisk", DiskId=disk, NewSize=30)
    place.settled(lambda: place.instance(instance)["Status"] == "Stopped")
    ecs("DetachDisk", **both)
    assert shown(place.api, disk)["Status"] == "Detaching"
    with refused("IncorrectDiskStatus"):
        ecs("DeleteDisk", DiskId=disk)
    with refused("IncorrectDiskStatus"):
        ecs("ResizeDisk", DiskId=disk, NewSize=30)
    place.settled(lambda: shown(place.api, disk)["Status"] == "Available")
    ecs("DeleteDisk", DiskId=disk)
