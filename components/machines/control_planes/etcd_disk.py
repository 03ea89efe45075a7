"""The disk that keeps etcd's data when its machine goes (docs/decisions/etcd-disk.md)."""

from __future__ import annotations

from collections.abc import Collection

import pulumi
from pulumi_alicloud import ecs

from config.facts.tags import TAG_ETCD_CA
from config.model import EtcdDiskConfig, EtcdSnapshotsConfig
from planning.model import ClusterPlan, NodePlan


def make_disk(  # noqa: PLR0913 - a disk is described by the plan, its node and its settings
    name: str,
    disk: EtcdDiskConfig,
    plan: ClusterPlan,
    node: NodePlan,
    *,
    disk_name: pulumi.Input[str],
    snapshot: str | None,
    ca: pulumi.Input[str] | None,
    protect: bool,
    hooks: pulumi.ResourceHookBinding | None,
    parent: pulumi.Resource,
) -> ecs.EcsDisk:
    """Create the disk of one control plane, in its zone and with its system disk's encryption.

    A new disk gets its content from the snapshot with the id `snapshot`, if there is one
    (docs/decisions/restore.md). Neither this run nor a later one replaces an existing disk for it.
    `ca` is the fingerprint of etcd's CA (`planning.nodes.etcd_disk.ca_fingerprint`).
    """
    tags: dict[str, pulumi.Input[str]] = dict(plan.tags)
    if ca is not None:
        tags[TAG_ETCD_CA] = ca
    return ecs.EcsDisk(
        name,
        disk_name=disk_name,
        description=f"etcd of {node.name}",
        zone_id=node.zone,
        category=disk.category,
        size=disk.size,
        snapshot_id=snapshot,
        # Without it the provider asks for a resize that waits for a stopped machine.
        type="online",
        performance_level=disk.performance_level,
        encrypted=node.disk.encrypted,
        kms_key_id=node.disk.kms_key_id,
        # Otherwise the cloud releases the disk, and the data, with an instance that is replaced.
        delete_with_instance=False,
        # Snapshots are what is left when the disk is lost.
        delete_auto_snapshot=False,
        resource_group_id=plan.resource_group,
        tags=tags,
        opts=pulumi.ResourceOptions(
            parent=parent, protect=protect, hooks=hooks, ignore_changes=["snapshotId"]
        ),
    )


async def existing_disks(ids: Collection[str], parent: pulumi.Resource | None) -> frozenset[str]:
    """Ask the cloud which of these disks exist, with the provider of `parent`.

    The provider lists every data disk of the region and chooses by id itself
    (`data_source_alicloud_ecs_disks.go` of v1.285.0).
    """
    answer = ecs.get_ecs_disks_output(
        ids=sorted(ids), disk_type="data", opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    listed = await answer.future()
    return frozenset(disk.disk_id for disk in (listed.disks if listed else ()))


def attach_disk(
    name: str,
    disk: ecs.EcsDisk,
    instance: ecs.Instance,
    *,
    hooks: pulumi.ResourceHookBinding | None,
    parent: pulumi.Resource,
) -> ecs.EcsDiskAttachment:
    """Attach the disk to a machine, whose boot program waits for it.

    A disk is attached to one machine at a time, so the attachment to the former machine is deleted
    first, and only together with that machine: the cloud detaches the disk of a deleted instance,
    and etcd never loses its disk while it runs.
    """
    return ecs.EcsDiskAttachment(
        name,
        disk_id=disk.id,
        instance_id=instance.id,
        opts=pulumi.ResourceOptions(
            parent=parent, delete_before_replace=True, deleted_with=instance, hooks=hooks
        ),
    )


def make_snapshot_policy(
    name: str, snapshots: EtcdSnapshotsConfig, plan: ClusterPlan, *, opts: pulumi.ResourceOptions
) -> ecs.AutoSnapshotPolicy:
    """Create the schedule by which the cloud takes snapshots of etcd's disks, every day.

    A snapshot has the same data as the disk after a power cut at that moment. etcd starts from it
    (https://www.alibabacloud.com/help/en/ecs/user-guide/snapshots, "crash-consistent").
    """
    return ecs.AutoSnapshotPolicy(
        name,
        auto_snapshot_policy_name=name,
        time_points=[str(hour) for hour in sorted(set(snapshots.hours))],
        repeat_weekdays=[str(day) for day in range(1, 8)],
        retention_days=snapshots.days,
        resource_group_id=plan.resource_group,
        tags=dict(plan.tags),
        opts=opts,
    )


def take_snapshots(
    name: str,
    disk: ecs.EcsDisk,
    policy: ecs.AutoSnapshotPolicy,
    attachment: ecs.EcsDiskAttachment,
    *,
    parent: pulumi.Resource,
) -> None:
    """Put a disk under the policy, which takes only disks that have been attached.

    https://www.alibabacloud.com/help/en/ecs/user-guide/enable-or-disable-an-automatic-snapshot-policy
    """
    ecs.EcsAutoSnapshotPolicyAttachment(
        name,
        auto_snapshot_policy_id=policy.id,
        disk_id=disk.id,
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=attachment, delete_before_replace=True
        ),
    )


def serial_number(disk_id: str) -> str:
    """A disk's serial number in the machine.

    https://www.alibabacloud.com/help/en/ecs/user-guide/query-the-serial-number-of-a-disk
    """
    return disk_id.removeprefix("d-")
