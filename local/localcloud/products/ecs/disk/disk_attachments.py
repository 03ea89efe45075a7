"""Attachment of data disks to instances, and their detachment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from localcloud.products import statuses
from localcloud.products.ecs import existing
from localcloud.products.ecs.disk import disk_devices, disk_rules
from localcloud.products.ecs.entities import Disk
from localcloud.products.ecs.instance.instances import RUNNING, STOPPED
from localcloud.requests.actions import Answer, Call, action
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError

AVAILABLE: Final = "Available"
IN_USE: Final = "In_use"
_ATTACHING_SECONDS: Final = 2.0
_DETACHING_SECONDS: Final = 10.0
"""The page of DetachDisk: "the disk is detached in approximately 1 minute". Runs on a cloud at the
real pace are kept shorter than that."""


@dataclass(frozen=True, kw_only=True)
class AttachDisk:
    """Parameters of AttachDisk."""

    disk_id: str
    instance_id: str
    region_id: str | None = None
    device: str = ""
    delete_with_instance: bool = False
    bootable: bool = False
    force: bool = False
    key_pair_name: str | None = None
    password: str | None = None


@action(writes=True)
def attach_disk(call: Call, request: AttachDisk) -> Answer:
    """Attach an Available disk to a Running or Stopped instance of its zone."""
    instance = existing.instance(call, request.instance_id)
    disk = existing.disk(call, request.disk_id)
    if request.force:
        raise ApiError(
            "InvalidParameterForce.DiskCategoryNotSupported",
            f"A disk of {disk.category} cannot be attached by force.",
        )
    if request.bootable:
        raise ApiError(
            "InvalidDisk.DiskNotBootable",
            f"{disk.id} is a data disk; it cannot be attached as the system disk.",
        )
    if not disk.portable:
        raise ApiError("DiskNotPortable", f"{disk.id} stays with its instance.", 403)
    statuses.require(call, disk, AVAILABLE, code="IncorrectDiskStatus", status=403)
    if disk.zone != instance.zone:
        raise ApiError(
            "ResourcesNotInSameZone",
            f"{disk.id} is in {disk.zone}, {instance.id} in {instance.zone}.",
            403,
        )
    statuses.require(call, instance, RUNNING, STOPPED, code="IncorrectInstanceStatus")
    family = existing.instance_type(instance.instance_type).family
    if not disk_rules.fits_family(disk.category, family):
        raise ApiError(
            "InvalidInstanceType.NotSupportDiskCategory",
            f"Instances of {family} cannot have disks of {disk.category}.",
            403,
        )
    call.store.change(
        disk,
        instance_id=instance.id,
        device=disk_devices.free(call, instance, request.device),
        delete_with_instance=request.delete_with_instance,
        attached=call.now,
        life=call.passing(("Attaching", _ATTACHING_SECONDS), to=IN_USE),
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class DetachDisk:
    """Parameters of DetachDisk."""

    disk_id: str
    instance_id: str
    region_id: str | None = None
    delete_with_instance: bool | None = None


@action(writes=True)
def detach_disk(call: Call, request: DetachDisk) -> Answer:
    """Detach a data disk from a Running or Stopped instance.

    The real cloud detaches the system disk of a Stopped instance too; this one does not.
    """
    instance = existing.instance(call, request.instance_id)
    disk = existing.disk(call, request.disk_id)
    if disk.kind == "system":
        raise ApiError(
            "DiskTypeViolation", f"{disk.id} is a system disk; it stays on its instance.", 403
        )
    if not disk.portable:
        raise ApiError("DiskNotPortable", f"{disk.id} stays with its instance.", 403)
    if disk.life.at(call.now) == AVAILABLE:
        raise ApiError("InvalidDisk.AlreadyDetached", f"{disk.id} is on no instance.", 404)
    statuses.require(call, disk, IN_USE, code="IncorrectDiskStatus", status=403)
    if disk.instance_id != instance.id:
        raise ApiError("DependencyViolation", f"{disk.id} is not on {instance.id}.", 403)
    statuses.require(call, instance, RUNNING, STOPPED, code="IncorrectInstanceStatus", status=403)
    call.store.change(
        freed(disk, call.now),
        delete_with_instance=bool(request.delete_with_instance),
        life=call.passing(("Detaching", _DETACHING_SECONDS), to=AVAILABLE),
    )
    return {}


def freed(disk: Disk, at: float) -> Disk:
    """The disk, Available since it left its instance at the time `at`.

    A system disk that outlives its instance is a data disk from then on ("retained as a
    pay-as-you-go data disk", page ModifyDiskAttribute).
    """
    return dataclasses.replace(
        disk,
        instance_id="",
        device="",
        kind="data",
        delete_with_instance=False,
        charge_type="PostPaid",
        detached=at,
        life=Lifecycle.settled(AVAILABLE),
    )
