"""Automatic snapshot policies, by the official SDK."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from localcloud.products.ecs.entities import AutoSnapshotPolicy
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.disks.test_disks_by_sdk import attached, created, shown
from tests.localcloud.products.test_ecs_by_sdk import Place, settled
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
REGION = {"regionId": "cn-hangzhou"}
DAILY = {
    "timePoints": '["1","13"]',
    "repeatWeekdays": '["1","2","3","4","5","6","7"]',
    "retentionDays": 7,
}
TAG = [{"Key": "a", "Value": "b"}]
COPY_REGIONS = "InvalidParameter.TargetCopyRegions"
COPY_RETENTION = "InvalidParameter.CopiedSnapshotsRetentionDays"


def policy(api: Api, **more: object) -> str:
    answer = api.ecs("CreateAutoSnapshotPolicy", **{**REGION, **DAILY, **more})
    return str(answer["AutoSnapshotPolicyId"])


def described(api: Api, **filters: object) -> list[dict[str, Any]]:
    answer = api.ecs("DescribeAutoSnapshotPolicyEx", **filters)
    return list(answer["AutoSnapshotPolicies"]["AutoSnapshotPolicy"])


def apply(api: Api, policy_id: str, *disks: str) -> None:
    ids = json.dumps(disks)
    api.ecs("ApplyAutoSnapshotPolicy", autoSnapshotPolicyId=policy_id, diskIds=ids, **REGION)


def cancel(api: Api, *disks: str, **more: object) -> None:
    api.ecs("CancelAutoSnapshotPolicy", diskIds=json.dumps(disks), **REGION, **more)


def test_a_policy_shows_what_it_does(api: Api) -> None:
    name = policy(api, autoSnapshotPolicyName="etcd", ResourceGroupId="rg-other", Tag=TAG)
    (one,) = described(api)
    assert (one["AutoSnapshotPolicyId"], one["AutoSnapshotPolicyName"]) == (name, "etcd")
    assert (one["TimePoints"], one["RepeatWeekdays"], one["RetentionDays"]) == (
        DAILY["timePoints"],
        DAILY["repeatWeekdays"],
        7,
    )
    assert (one["Status"], one["Type"], one["DiskNums"]) == ("Normal", "Custom", 0)
    assert one["EnableCrossRegionCopy"] is False
    assert "TargetCopyRegions" not in one
    assert "CopyEncryptionConfiguration" not in one
    assert one["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "b"}]
    assert one["ResourceGroupId"] == "rg-other"


def test_a_policy_shows_its_copies(api: Api) -> None:
    policy(
        api,
        EnableCrossRegionCopy=True,
        TargetCopyRegions='["cn-beijing"]',
        CopiedSnapshotsRetentionDays=30,
        CopyEncryptionConfiguration={"Encrypted": True, "KMSKeyId": "k"},
    )
    (one,) = described(api)
    assert (one["EnableCrossRegionCopy"], one["TargetCopyRegions"]) == (True, '["cn-beijing"]')
    assert one["CopiedSnapshotsRetentionDays"] == 30
    assert one["CopyEncryptionConfiguration"] == {"Encrypted": True, "KMSKeyId": "k"}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"autoSnapshotPolicyName": "1st"}, "InvalidSnapshotPolicyName.Malformed"),
        ({"timePoints": '["24"]'}, "InvalidParameter"),
        ({"timePoints": "1"}, "InvalidParameter"),
        ({"timePoints": "[]"}, "InvalidParameter"),
        ({"repeatWeekdays": '["0"]'}, "InvalidParameter"),
        ({"timePoints": '["01"]'}, "InvalidParameter"),
        ({"timePoints": json.dumps(["9" * 5000])}, "InvalidParameter"),
        ({"TargetCopyRegions": '["\\ud800"]', "EnableCrossRegionCopy": True}, COPY_REGIONS),
        ({"CopiedSnapshotsRetentionDays": 0}, COPY_RETENTION),
        ({"retentionDays": 0}, "InvalidParameter"),
        ({"regionId": None}, "MissingParameter"),
        ({"EnableCrossRegionCopy": True}, COPY_REGIONS),
        (
            {"EnableCrossRegionCopy": True, "TargetCopyRegions": '["a","b"]'},
            COPY_REGIONS,
        ),
        ({"CopyEncryptionConfiguration": {"KMSKeyId": "k"}}, "InvalidParameter.EncryptedIllegal"),
        ({"Tag": [*TAG, *TAG]}, "Duplicate.TagKey"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(api: Api, more: dict[str, Any], code: str) -> None:
    with refused(code):
        policy(api, **more)
    assert described(api) == []


def test_there_are_100_policies_at_most(api: Api, cloud: CloudThread) -> None:
    policy(api)
    store = cloud.inside.store

    def fill() -> None:
        (first,) = store.all(AutoSnapshotPolicy)
        with store.transaction():
            for number in range(98):
                store.put(dataclasses.replace(first, id=f"sp-{number}"))

    cloud.call(fill)
    policy(api)
    with refused("AutoSnapshotPolicy.QuotaExceed"):
        policy(api)


def test_a_policy_changes_in_place(api: Api) -> None:
    one = {"autoSnapshotPolicyId": policy(api, autoSnapshotPolicyName="old"), **REGION}
    api.ecs("ModifyAutoSnapshotPolicyEx", retentionDays=30, timePoints='["2"]', **one)
    shown_now = described(api)[0]
    assert (shown_now["RetentionDays"], shown_now["TimePoints"]) == (30, '["2"]')
    assert shown_now["RepeatWeekdays"] == DAILY["repeatWeekdays"]
    assert shown_now["AutoSnapshotPolicyName"] == "old"
    api.ecs(
        "ModifyAutoSnapshotPolicyEx",
        autoSnapshotPolicyName="new",
        repeatWeekdays='["7"]',
        EnableCrossRegionCopy=True,
        TargetCopyRegions='["cn-beijing"]',
        **one,
    )
    shown_now = described(api)[0]
    assert (shown_now["AutoSnapshotPolicyName"], shown_now["RepeatWeekdays"]) == ("new", '["7"]')
    assert shown_now["TargetCopyRegions"] == '["cn-beijing"]'
    api.ecs("ModifyAutoSnapshotPolicyEx", EnableCrossRegionCopy=False, **one)
    assert described(api)[0]["EnableCrossRegionCopy"] is False
    for bad, code in (
        ({"autoSnapshotPolicyName": "1st"}, "InvalidSnapshotPolicyName.Malformed"),
        ({"retentionDays": -2}, "InvalidParameter"),
        ({"CopiedSnapshotsRetentionDays": -2}, COPY_RETENTION),
        ({"EnableCrossRegionCopy": True}, COPY_REGIONS),
        ({"CopyEncryptionConfiguration": {"KMSKeyId": "k"}}, "InvalidParameter.EncryptedIllegal"),
        ({"autoSnapshotPolicyId": "sp-none"}, "ParameterInvalid"),
    ):
        with refused(code):
            api.ecs("ModifyAutoSnapshotPolicyEx", **{**one, **bad})


def test_policies_are_listed_by_what_they_have(api: Api) -> None:
    one = policy(api, autoSnapshotPolicyName="etcd", ResourceGroupId="rg-other", Tag=TAG)
    two = policy(api)
    for filters, ids in (
        ({}, {one, two}),
        ({"AutoSnapshotPolicyId": two}, {two}),
        ({"AutoSnapshotPolicyName": "etcd"}, {one}),
        ({"ResourceGroupId": "rg-other"}, {one}),
        ({"Tag": TAG}, {one}),
    ):
        assert {p["AutoSnapshotPolicyId"] for p in described(api, **filters)} == ids


def test_a_policy_is_applied_to_disks_and_cancelled(api: Api) -> None:
    disks = [created(api) for _ in range(2)]
    one, two = policy(api), policy(api)
    apply(api, one, *disks)
    assert described(api, AutoSnapshotPolicyId=one)[0]["DiskNums"] == 2
    apply(api, two, disks[0])
    seen = shown(api, disks[0])
    assert (seen["AutoSnapshotPolicyId"], seen["EnableAutomatedSnapshotPolicy"]) == (two, True)
    disks_of_two = api.ecs("DescribeDisks", AutoSnapshotPolicyId=two)["Disks"]["Disk"]
    assert [d["DiskId"] for d in disks_of_two] == disks[:1]
    cancel(api, disks[0], autoSnapshotPolicyId=one)
    assert shown(api, disks[0])["AutoSnapshotPolicyId"] == two
    for _ in range(2):
        cancel(api, *disks)
    assert [shown(api, d)["AutoSnapshotPolicyId"] for d in disks] == ["", ""]


def test_a_policy_that_is_deleted_is_applied_to_no_disk(api: Api) -> None:
    disk, one = created(api), policy(api)
    apply(api, one, disk)
    api.ecs("DeleteAutoSnapshotPolicy", autoSnapshotPolicyId=one, **REGION)
    assert shown(api, disk)["AutoSnapshotPolicyId"] == ""
    with refused("ParameterInvalid"):
        api.ecs("DeleteAutoSnapshotPolicy", autoSnapshotPolicyId=one, **REGION)


def test_what_does_not_exist_is_not_applied(api: Api) -> None:
    disk, one = created(api), policy(api)
    with refused("ParameterInvalid"):
        apply(api, "sp-none", disk)
    with refused("InvalidDiskId.NotFound"):
        apply(api, one, disk, "d-none")
    with refused("InvalidDiskId.NotFound"):
        cancel(api, "d-none")
    assert shown(api, disk)["AutoSnapshotPolicyId"] == ""


def test_policies_and_snapshots_have_tags_and_resource_groups(api: Api) -> None:
    one = policy(api)
    what = {"ResourceType": "snapshotpolicy", "ResourceId": [one]}
    api.ecs("TagResources", Tag=TAG, **what)
    assert described(api, Tag=TAG)[0]["AutoSnapshotPolicyId"] == one
    api.ecs(
        "JoinResourceGroup",
        ResourceType="snapshotpolicy",
        ResourceId=one,
        ResourceGroupId="rg-third",
    )
    assert described(api)[0]["ResourceGroupId"] == "rg-third"


def test_a_due_snapshot_is_taken_in_a_cloud_that_nobody_calls(api: Api, cloud: CloudThread) -> None:
    disk, _ = attached(Place(api))
    every_hour = json.dumps([str(hour) for hour in range(24)])
    one = policy(api, timePoints=every_hour)
    apply(api, one, disk)
    store = cloud.inside.store

    def let_hours_pass() -> None:
        (entity,) = store.all(AutoSnapshotPolicy)
        with store.transaction():
            store.change(entity, checked=0.0)

    cloud.call(let_hours_pass)
    settled(lambda: bool(api.ecs("DescribeSnapshots")["Snapshots"]["Snapshot"]))
    (snapshot,) = api.ecs("DescribeSnapshots", SnapshotType="auto")["Snapshots"]["Snapshot"]
    assert (snapshot["SourceDiskId"], snapshot["RetentionDays"]) == (disk, 7)
    assert snapshot["SnapshotName"].startswith("auto2.0_")
    assert snapshot["SnapshotName"].endswith(one)
