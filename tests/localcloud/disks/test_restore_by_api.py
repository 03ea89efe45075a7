"""What a restore asks of the cloud, by its own calls on an emulated one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.facts.tags import TAG_ETCD_CA
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from operations.backup.origins import Marks, Origin
from operations.restore.control_plane_resources import ControlPlaneResources
from operations.sweep.cloud import Account, OfficialApi
from planning.model import ClusterPlan
from planning.names import etcd_disk_name, own_tags
from tests.clusters import three_control_planes
from tests.localcloud.cloud_thread import REGION, CloudThread
from tests.localcloud.disks.test_disks_by_sdk import created
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.sdk_api import Api
from tests.planning.documents import planned

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def the_plan() -> ClusterPlan:
    document = three_control_planes()
    document["nodePools"]["masters"]["etcdDisk"] = {}
    return planned(document)


MARKS = Marks(plan=the_plan(), ca="c0ffee")


@pytest.fixture
def planes(cloud: CloudThread) -> ControlPlaneResources:
    account = Account(
        region=REGION,
        access_key=ROOT_KEY_ID,
        secret_key=ROOT_SECRET,
        endpoint=f"127.0.0.1:{cloud.port}",
        ca=cloud.ca,
    )
    return ControlPlaneResources(marks=MARKS, api=OfficialApi(account), pause=lambda _: None)


def plane(api: Api, name: str) -> tuple[str, str]:
    """A control plane with its disk: the ids of machine and disk."""
    plan = the_plan()
    pairs = own_tags(plan.name, plan.profile).items()
    tags = [{"Key": key, "Value": value} for key, value in pairs]
    machine = f"{plan.name}-{name}"
    instance = Place(api).run(InstanceName=machine, Tag=tags)
    disk = created(api, DiskName=etcd_disk_name(machine), Tag=tags)
    api.ecs("AttachDisk", DiskId=disk, InstanceId=instance)
    return instance, disk


def test_what_is_left_is_kept_and_removed_and_the_snapshot_is_marked(
    api: Api, planes: ControlPlaneResources
) -> None:
    instance, disk = plane(api, "masters-1")
    assert planes.machines()["masters-1"].id == instance
    assert planes.machines()["masters-1"].status == "Running"
    assert planes.disks()["masters-1"].id == disk

    snapshot = planes.take_snapshot("masters-1", disk)
    assert snapshot is not None
    planes.delete_machines({"masters-1": instance})
    planes.delete_disks({"masters-1": disk})
    assert planes.machines() == {}
    assert planes.disks() == {}

    source = planes.snapshot(snapshot)
    assert (source.disk, source.is_complete, source.is_of_data_disk) == (disk, True, True)
    assert source.origin is Origin.OWN
    assert source.restore_began is None
    planes.mark_begun(snapshot, NOW)
    assert planes.snapshot(snapshot).restore_began == NOW
    # The cluster's own tags stay.
    assert planes.snapshot(snapshot).origin is Origin.OWN
    planes.unmark(snapshot)
    assert planes.snapshot(snapshot).restore_began is None


def test_a_disk_of_the_snapshot_is_recognised_by_its_source(
    api: Api, planes: ControlPlaneResources
) -> None:
    _, disk = plane(api, "masters-1")
    snapshot = planes.take_snapshot("masters-1", disk)
    plan = the_plan()
    pairs = own_tags(plan.name, plan.profile).items()
    created(
        api,
        DiskName=etcd_disk_name(f"{plan.name}-masters-0"),
        SnapshotId=snapshot,
        Tag=[{"Key": key, "Value": value} for key, value in pairs],
    )
    assert planes.disks()["masters-0"].created_from == snapshot


def test_disks_and_snapshots_of_an_earlier_cluster_of_the_same_name_are_not_ours(
    api: Api, planes: ControlPlaneResources
) -> None:
    _, disk = plane(api, "masters-1")
    earlier = replace(planes, marks=replace(MARKS, ca="deadbeef"))
    snapshot = earlier.take_snapshot("masters-1", disk)
    assert snapshot is not None
    assert earlier.snapshot(snapshot).origin is Origin.OWN
    assert planes.snapshot(snapshot).origin is Origin.EARLIER
    api.ecs(
        "TagResources",
        ResourceType="disk",
        ResourceId=[disk],
        Tag=[{"Key": TAG_ETCD_CA, "Value": "deadbeef"}],
    )
    assert planes.disks() == {}
    assert earlier.disks()["masters-1"].id == disk


def test_a_disk_that_was_never_used_has_nothing_to_keep(
    api: Api, planes: ControlPlaneResources
) -> None:
    assert planes.take_snapshot("masters-0", created(api)) is None


def test_what_is_gone_already_is_no_error(planes: ControlPlaneResources) -> None:
    planes.delete_machines({"masters-0": "i-bp1gone"})
    planes.delete_disks({"masters-0": "d-bp1gone"})


def test_a_machine_restarts(api: Api, planes: ControlPlaneResources) -> None:
    instance, _ = plane(api, "masters-1")
    planes.reboot(instance)
    assert planes.machines()["masters-1"].status in {"Running", "Starting"}
