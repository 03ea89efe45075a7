"""Changes of disks: name, size, category, and the image of a system disk."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from localcloud.products import statuses
from localcloud.products.ecs import catalog, existing, names
from localcloud.products.ecs.disk import disk_rules, snapshots
from localcloud.products.ecs.entities import Disk, Instance
from localcloud.products.ecs.instance.instances import RUNNING, STOPPED
from localcloud.products.updates import requested
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire


@dataclass(frozen=True, kw_only=True)
class ModifyDiskAttribute:
    """Parameters of ModifyDiskAttribute."""

    region_id: str | None = None
    disk_id: str = ""
    disk_ids: tuple[str, ...] = ()
    disk_name: str | None = None
    description: str | None = None
    delete_with_instance: bool | None = None
    delete_auto_snapshot: bool | None = None
    enable_auto_snapshot: bool | None = None
    bursting_enabled: bool | None = None


@action(writes=True)
def modify_disk_attribute(call: Call, request: ModifyDiskAttribute) -> Answer:
    """Change disks in place. Attributes that the request leaves out stay as they are."""
    if request.disk_id and request.disk_ids:
        raise ApiError(
            "ParameterConflict.DiskIdAndDiskIds",
            "DiskId and DiskIds.N cannot be specified together.",
        )
    if not (request.disk_id or request.disk_ids):
        raise ApiError("MissingParameter.DiskIdOrDiskIds", "DiskId or DiskIds.N must be specified.")
    changes = requested(
        name=request.disk_name,
        description=request.description,
        delete_with_instance=request.delete_with_instance,
        delete_auto_snapshot=request.delete_auto_snapshot,
        enable_auto_snapshot=request.enable_auto_snapshot,
        bursting_enabled=request.bursting_enabled,
    )
    if not changes:
        raise ApiError("NoAttributeToModify", "The request has no attribute to change.")
    names.check_disk(request.disk_name or "", request.description or "", description_status=404)
    for disk_id in request.disk_ids or (request.disk_id,):
        disk = existing.disk(call, disk_id)
        if request.bursting_enabled and disk.category != "cloud_auto":
            raise ApiError(
                "BurstingEnabledForDiskCategoryUnsupported",
                f"BurstingEnabled is for disks of cloud_auto; {disk.id} is of {disk.category}.",
            )
        call.store.change(disk, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class ResizeDisk:
    """Parameters of ResizeDisk. Type is offline (takes effect at the next boot) or online."""

    disk_id: str
    new_size: int
    kind: str = wire("Type", default="offline")


@action(writes=True)
def resize_disk(call: Call, request: ResizeDisk) -> Answer:
    """Enlarge a disk that is on an instance or on none."""
    if request.kind not in {"offline", "online"}:
        raise ApiError(
            "InvalidParam.Type", f"Type {request.kind[:40]!r} must be offline or online."
        )
    disk = existing.disk(call, request.disk_id)
    statuses.require(call, disk, "In_use", "Available", code="IncorrectDiskStatus", status=403)
    snapshots.check_none_in_progress(call, disk)
    if disk.instance_id:
        _check_instance(call, existing.instance(call, disk.instance_id), request.kind)
    system = disk.kind == "system"
    largest = disk_rules.LARGEST_SYSTEM if system else disk_rules.largest_data(disk.category)
    if not disk.size < request.new_size <= largest:
        if request.new_size < disk.size:
            code = "InvalidDiskSize.TooSmall"
        elif request.new_size == disk.size:
            code = "InvalidDiskSize"
        else:
            code = "InvalidDiskSize.TooLarge"
        raise ApiError(
            code,
            f"{disk.id} has {disk.size} GiB and grows to at most {largest}, not to "
            f"{request.new_size}.",
            403,
        )
    call.store.change(disk, size=request.new_size)
    return {"OrderId": ""}


def _check_instance(call: Call, instance: Instance, kind: str) -> None:
    """Raise unless a disk of the instance can grow in this way."""
    if kind == "online":
        statuses.require(
            call, instance, RUNNING, code="InvalidInstanceStatus.NotRunning", status=403
        )
    statuses.require(call, instance, RUNNING, STOPPED, code="IncorrectInstanceStatus", status=403)


@dataclass(frozen=True, kw_only=True)
class ModifyDiskSpec:
    """Parameters of ModifyDiskSpec."""

    disk_id: str
    disk_category: str | None = None
    performance_level: str | None = None
    provisioned_iops: int | None = None


@action(writes=True)
def modify_disk_spec(call: Call, request: ModifyDiskSpec) -> Answer:
    """Change a disk's category or performance level."""
    disk = existing.disk(call, request.disk_id)
    category = request.disk_category or disk.category
    if category not in catalog.DISK_CATEGORIES:
        raise disk_rules.unknown_category(category, "InvalidDiskCategory.ValueNotSupported")
    if disk.instance_id:
        instance = existing.instance(call, disk.instance_id)
        family = existing.instance_type(instance.instance_type).family
        disk_rules.check_category(category, family, system=disk.kind == "system")
    level = disk_rules.level_of(category, request.performance_level or disk.performance_level)
    disk_rules.check_level_fits(level, disk.size)
    if (category, level) == (disk.category, disk.performance_level):
        raise ApiError(
            "NoChangeInDiskCategoryAndPerformanceLevel",
            f"{disk.id} is of {category} {level} already.",
            403,
        )
    call.store.change(disk, category=category, performance_level=level)
    return {"TaskId": call.new_id("t"), "OrderId": ""}


@dataclass(frozen=True, kw_only=True)
class SystemDiskSize:
    """`SystemDisk.*` of ReplaceSystemDisk."""

    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReplaceSystemDisk:
    """Parameters of ReplaceSystemDisk."""

    instance_id: str
    image_id: str
    region_id: str | None = None
    system_disk: SystemDiskSize | None = None
    key_pair_name: str | None = None
    password: str | None = None
    password_inherit: bool | None = None
    encrypted: bool | None = None
    kms_key_id: str = wire("KMSKeyId", default="")
    security_enhancement_strategy: str | None = None


@action(writes=True)
def replace_system_disk(call: Call, request: ReplaceSystemDisk) -> Answer:
    """Replace the system disk of a stopped instance by a new one from an image.

    The old disk is released with its contents. The machine recognizes the new disk by its id.
    """
    instance = existing.instance(call, request.instance_id)
    statuses.require(call, instance, STOPPED, code="IncorrectInstanceStatus", status=403)
    image = existing.image(request.image_id)
    if request.password:
        names.check_password(request.password)
    if request.key_pair_name:
        existing.key_pair(call, request.key_pair_name)
    disks = call.store.where(Disk, "instance", instance.id)
    old = next(d for d in disks if d.kind == "system")
    size = (request.system_disk.size if request.system_disk else None) or old.size
    disk_rules.check_system_size(old.category, old.performance_level, size, image.size)
    call.store.remove(old)
    new = call.store.put(
        dataclasses.replace(
            old,
            id=call.new_id("d"),
            image_id=image.id,
            size=size,
            encrypted=old.encrypted if request.encrypted is None else request.encrypted,
            kms_key_id=request.kms_key_id or old.kms_key_id,
            created=call.now,
            attached=call.now,
        )
    )
    key_pair = instance.key_pair if request.key_pair_name is None else request.key_pair_name
    call.store.change(instance, image_id=image.id, key_pair=key_pair)
    return {"DiskId": new.id}
