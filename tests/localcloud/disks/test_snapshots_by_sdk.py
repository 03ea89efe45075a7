"""Snapshots of disks, by the official SDK."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.products.ecs.entities import Snapshot
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.disks.test_disks_by_sdk import attached, created, shown
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
StartCloud = Callable[..., CloudThread]
TAG = [{"Key": "a", "Value": "b"}]


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def taken(place: Place, disk: str, **more: object) -> str:
    return str(place.api.ecs("CreateSnapshot", DiskId=disk, **more)["SnapshotId"])


def listed(place: Place, **filters: object) -> list[dict[str, Any]]:
    return list(place.api.ecs("DescribeSnapshots", **filters)["Snapshots"]["Snapshot"])


def test_a_snapshot_shows_its_disk(place: Place) -> None:
    disk = created(place.api, Encrypted=True, KMSKeyId="k")
    place.api.ecs("AttachDisk", DiskId=disk, InstanceId=place.run())
    snapshot = taken(
        place,
        disk,
        SnapshotName="before",
        Description="of cp-1",
        RetentionDays=7,
        ResourceGroupId="rg-other",
        Tag=TAG,
    )
    (one,) = listed(place)
    assert (one["SnapshotId"], one["SnapshotName"], one["Status"]) == (
        snapshot,
        "before",
        "accomplished",
    )
    assert (one["Progress"], one["RemainTime"], one["Available"]) == ("100%", 0, True)
    assert (one["SourceDiskId"], one["SourceDiskSize"], one["SourceDiskType"]) == (
        disk,
        "20",
        "data",
    )
    assert (one["SnapshotType"], one["Usage"], one["RetentionDays"]) == ("user", "none", 7)
    assert (one["Encrypted"], one["KMSKeyId"], one["ResourceGroupId"]) == (True, "k", "rg-other")
    assert one["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "b"}]


def test_a_snapshot_that_is_kept_has_no_retention(place: Place) -> None:
    disk, _ = attached(place)
    taken(place, disk)
    assert "RetentionDays" not in listed(place)[0]


def test_a_repeated_request_takes_no_second_snapshot(place: Place) -> None:
    disk, _ = attached(place)
    assert len({taken(place, disk, ClientToken="once") for _ in range(2)}) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"DiskId": "d-none"}, "InvalidDiskId.NotFound"),
        ({"SnapshotName": "auto-1"}, "InvalidSnapshotName.Malformed"),
        ({"SnapshotName": "1st"}, "InvalidSnapshotName.Malformed"),
        ({"Description": "http://x"}, "InvalidDescription.Malformed"),
        ({"RetentionDays": 0}, "InvalidRetentionDays.Malformed"),
        ({"RetentionDays": 65537}, "InvalidRetentionDays.Malformed"),
        ({"Tag": [*TAG, *TAG]}, "Duplicate.TagKey"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused(
    place: Place, more: dict[str, Any], code: str
) -> None:
    disk, _ = attached(place)
    with refused(code):
        place.api.ecs("CreateSnapshot", **{"DiskId": disk, **more})
    assert listed(place) == []


def test_a_disk_that_was_never_attached_has_nothing_to_keep(place: Place) -> None:
    disk = created(place.api)
    with refused("IncorrectDiskStatus.NeverAttached"):
        taken(place, disk)
    both = {"DiskId": disk, "InstanceId": place.run()}
    place.api.ecs("AttachDisk", **both)
    place.api.ecs("DetachDisk", **both)
    taken(place, disk)


def test_a_disk_has_256_manual_snapshots_at_most(place: Place, cloud: CloudThread) -> None:
    disk, _ = attached(place)
    taken(place, disk)
    store = cloud.inside.store

    def fill() -> None:
        (first,) = store.all(Snapshot)
        with store.transaction():
            for number in range(254):
                store.put(dataclasses.replace(first, id=f"s-{number}"))

    cloud.call(fill)
    taken(place, disk)
    with refused("QuotaExceed.Snapshot"):
        taken(place, disk)


def test_a_disk_is_created_from_a_snapshot(place: Place) -> None:
    ecs = place.api.ecs
    disk = created(place.api, Encrypted=True, KMSKeyId="k", Size=30)
    ecs("AttachDisk", DiskId=disk, InstanceId=place.run())
    snapshot = taken(place, disk)
    smaller, larger = (created(place.api, SnapshotId=snapshot, Size=s) for s in (20, 40))
    without = created(place.api, SnapshotId=snapshot, Size=None)
    assert [shown(place.api, d)["Size"] for d in (smaller, larger, without)] == [30, 40, 30]
    one = shown(place.api, smaller)
    assert (one["SourceSnapshotId"], one["Encrypted"], one["KMSKeyId"]) == (snapshot, True, "k")
    assert listed(place)[0]["Usage"] == "disk"
    (from_it,) = {
        d["SourceSnapshotId"] for d in ecs("DescribeDisks", SnapshotId=snapshot)["Disks"]["Disk"]
    }
    assert from_it == snapshot
    with refused("InvalidEncrypted.NotMatchSnapshot"):
        created(place.api, SnapshotId=snapshot, Encrypted=False)
    with refused("InvalidSnapshotId.NotFound"):
        created(place.api, SnapshotId="s-none")


def test_a_snapshot_of_a_system_disk_makes_no_data_disk(place: Place) -> None:
    instance = place.run()
    (system,) = place.api.ecs("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
    snapshot = taken(place, system["DiskId"])
    with refused("InvalidSnapshotId.NotDataDiskSnapshot"):
        created(place.api, SnapshotId=snapshot)


def test_a_snapshot_that_a_disk_came_from_is_deleted_by_force_only(place: Place) -> None:
    disk, _ = attached(place)
    snapshot = taken(place, disk)
    copy = created(place.api, SnapshotId=snapshot)
    with refused("SnapshotCreatedDisk"):
        place.api.ecs("DeleteSnapshot", SnapshotId=snapshot)
    for _ in range(2):
        place.api.ecs("DeleteSnapshot", SnapshotId=snapshot, Force=True)
    assert listed(place) == []
    assert shown(place.api, copy)["SourceSnapshotId"] == snapshot


def test_snapshots_outlive_their_disk(place: Place) -> None:
    disk, instance = attached(place)
    snapshot = taken(place, disk)
    place.api.ecs("DetachDisk", DiskId=disk, InstanceId=instance)
    place.api.ecs("DeleteDisk", DiskId=disk)
    assert [s["SnapshotId"] for s in listed(place, DiskId=disk)] == [snapshot]
    created(place.api, SnapshotId=snapshot)


def test_a_snapshot_changes_in_place(place: Place) -> None:
    ecs = place.api.ecs
    disk, _ = attached(place)
    snapshot = taken(place, disk, RetentionDays=7)
    ecs(
        "ModifySnapshotAttribute",
        SnapshotId=snapshot,
        SnapshotName="after",
        Description="text",
        RetentionDays=8,
    )
    (one,) = listed(place)
    assert (one["SnapshotName"], one["Description"], one["RetentionDays"]) == ("after", "text", 8)
    with refused("NoAttributeToModify"):
        ecs("ModifySnapshotAttribute", SnapshotId=snapshot)
    with refused("InvalidSnapshotId.NotFound"):
        ecs("ModifySnapshotAttribute", SnapshotId="s-none", SnapshotName="bb")
    for bad, code in (
        ({"RetentionDays": 7}, "InvalidOperation.DecreaseRetentionDaysUnsupported"),
        ({"RetentionDays": 0}, "InvalidRetentionDays.Malformed"),
        ({"SnapshotName": "auto"}, "InvalidSnapshotName.Malformed"),
        ({"Description": "http://x"}, "InvalidDescription.Malformed"),
    ):
        with refused(code):
            ecs("ModifySnapshotAttribute", SnapshotId=snapshot, **bad)


def test_a_disk_is_rolled_back_to_its_own_snapshot(place: Place) -> None:
    ecs = place.api.ecs
    disk, instance = attached(place)
    snapshot = taken(place, disk)
    other, _ = attached(place)
    with refused("InvalidParameter.Mismatch"):
        ecs("ResetDisk", DiskId=other, SnapshotId=snapshot)
    with refused("IncorrectInstanceStatus"):
        ecs("ResetDisk", DiskId=disk, SnapshotId=snapshot)
    for missing, code in (
        ({"DiskId": "d-none"}, "InvalidDiskId.NotFound"),
        ({"SnapshotId": "s-none"}, "InvalidSnapshotId.NotFound"),
    ):
        with refused(code):
            ecs("ResetDisk", **{"DiskId": disk, "SnapshotId": snapshot, **missing})
    ecs("StopInstance", InstanceId=instance)
    ecs("ResetDisk", DiskId=disk, SnapshotId=snapshot)
    assert shown(place.api, disk)["SourceSnapshotId"] == ""


def test_snapshots_are_listed_by_what_they_have(place: Place) -> None:
    disk, instance = attached(place)
    (system,) = place.api.ecs("DescribeDisks", InstanceId=instance, DiskType="system")["Disks"][
        "Disk"
    ]
    of_data = taken(place, disk, SnapshotName="data", ResourceGroupId="rg-other", Tag=TAG)
    of_system = taken(place, system["DiskId"])
    created(place.api, SnapshotId=of_data)

    def ids(**filters: object) -> set[str]:
        return {s["SnapshotId"] for s in listed(place, **filters)}

    both = {of_data, of_system}
    assert ids(Status="all", SnapshotType="all") == ids(InstanceId=instance) == both
    assert ids(SnapshotIds=f'["{of_data}"]') == ids(DiskId=disk) == {of_data}
    assert ids(SnapshotName="data") == ids(Tag=TAG) == ids(ResourceGroupId="rg-other") == {of_data}
    assert ids(Usage="disk") == ids(SourceDiskType="Data") == {of_data}
    assert ids(SnapshotLinkId=f"sl-{disk.removeprefix('d-')}") == {of_data}
    assert ids(Usage="none") == ids(SourceDiskType="system") == {of_system}
    assert ids(SnapshotIds="[]") == ids(SnapshotType="auto") == ids(Encrypted=True) == set()
    assert ids(KMSKeyId="k") == ids(Category="archive") == ids(Status="progressing") == set()


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"SnapshotIds": "s-1"}, "InvalidParameter"),
        ({"SnapshotIds": "[" + ",".join(['"s"'] * 101) + "]"}, "InvalidSnapshotIds.Malformed"),
        ({"Status": "lost"}, "InvalidStatus.NotFound"),
        ({"SnapshotType": "boat"}, "InvalidSnapshotType.NotFound"),
        ({"Usage": "boat"}, "InvalidUsage"),
        ({"SourceDiskType": "tape"}, "InvalidSourceDiskType"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(
    place: Place, filters: dict[str, str], code: str
) -> None:
    with refused(code):
        listed(place, **filters)


def test_a_snapshot_takes_its_time(start_cloud: StartCloud) -> None:
    cloud = start_cloud(delay_scale=1.0)
    place = Place(Api(cloud.config()), cloud=cloud)
    ecs = place.api.ecs
    disk, instance = created(place.api), place.run()
    both = {"DiskId": disk, "InstanceId": instance}
    place.settled(lambda: shown(place.api, disk)["Status"] == "Available")
    place.settled(lambda: place.instance(instance)["Status"] == "Running")
    ecs("AttachDisk", **both)
    with refused("IncorrectDiskStatus"):
        taken(place, disk)
    place.settled(lambda: shown(place.api, disk)["Status"] == "In_use")
    snapshot = taken(place, disk)
    (one,) = listed(place, Status="progressing")
    assert int(one["Progress"].removesuffix("%")) < 100
    assert (one["Available"], one["RemainTime"] > 0) == (False, True)
    with refused("IncorrectDiskStatus.CreatingSnapshot"):
        taken(place, disk)
    with refused("DiskCreatingSnapshot"):
        ecs("ResizeDisk", DiskId=disk, NewSize=30)
    with refused("InvalidSnapshotId.NotReady"):
        created(place.api, SnapshotId=snapshot)
    with refused("InvalidSnapshotId.NotReady"):
        ecs("ModifySnapshotAttribute", SnapshotId=snapshot, SnapshotName="bb")
    with refused("InvalidSnapshotId.NotReady"):
        ecs("ResetDisk", DiskId=disk, SnapshotId=snapshot)
    ecs("DetachDisk", **both)
    place.settled(lambda: shown(place.api, disk)["Status"] == "Available")
    place.settled(lambda: listed(place, Status="progressing") == [])
    second = taken(place, disk)
    with refused("DiskCreatingSnapshot"):
        ecs("DeleteDisk", DiskId=disk)
    with refused("IncorrectDiskStatus.HasUnfinishedSnapshot"):
        ecs("ResetDisk", DiskId=disk, SnapshotId=snapshot)
    ecs("DeleteSnapshot", SnapshotId=second)
    ecs("DeleteDisk", DiskId=disk)


def test_no_snapshot_is_taken_while_the_instance_stops(start_cloud: StartCloud) -> None:
    cloud = start_cloud(delay_scale=1.0)
    place = Place(Api(cloud.config()), cloud=cloud)
    instance = place.run()
    (system,) = place.api.ecs("DescribeDisks", InstanceId=instance)["Disks"]["Disk"]
    with refused("IncorrectInstanceStatus"):
        taken(place, system["DiskId"])
