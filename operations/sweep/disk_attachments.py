"""Disks that a run attached to their machines without a record in the state.

A second AttachDisk of such a disk is refused (`IncorrectDiskStatus`), and the provider 1.285.0
repeats it for ten minutes (resource_alicloud_ecs_disk_attachment.go). Unlike everything else in the
cloud, the attachment is taken into the state: detaching the disk would take etcd's data away from a
control plane that runs. Pure functions on the state as `pulumi stack export` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from config.facts.resource_types import DISK, INSTANCE
from operations.sweep.cloud import Answer
from operations.sweep.interrupted import Object

_ATTACHMENT: Final = "alicloud:ecs/ecsDiskAttachment:EcsDiskAttachment"


def has_disks(deployment: Object) -> bool:
    """Whether the state has a disk of its own, which may be attached."""
    return any(_of_type(deployment, DISK))


def unrecorded_attachments(deployment: Object, disks: Sequence[Answer]) -> tuple[Object, ...]:
    """Return the attachments that the cloud has and the state lacks, as the state has them.

    Both ends are in the state. The program gives a disk and its attachment the same name and
    parent, so everything else follows from the disk. The next run reads the attachment first, and
    replaces it when the disk belongs to another machine.

    Args:
        deployment: the state.
        disks: the items of DescribeDisks.
    """
    machine_of = {str(disk["DiskId"]): str(disk.get("InstanceId") or "") for disk in disks}
    machines = {str(item["id"]): item for item in _of_type(deployment, INSTANCE)}
    recorded = {str(item["urn"]) for item in _of_type(deployment, _ATTACHMENT)}
    return tuple(
        attachment
        for disk in _of_type(deployment, DISK)
        if (machine := machines.get(machine_of.get(str(disk["id"]), ""))) is not None
        and (attachment := _attachment(disk, machine))["urn"] not in recorded
    )


def _of_type(deployment: Object, type_: str) -> Iterator[Object]:
    """The resources of a type that exist; one that waits for its replacement does not."""
    for resource in deployment.get("resources") or ():
        is_gone = resource.get("delete") or resource.get("pendingReplacement")
        if resource.get("type") == type_ and resource.get("id") and not is_gone:
            yield resource


def _attachment(disk: Object, machine: Object) -> Object:
    ends = {"diskId": disk, "instanceId": machine}
    inputs = {key: str(end["id"]) for key, end in ends.items()}
    id_ = f"{inputs['diskId']}:{inputs['instanceId']}"
    # A URN is `…::<types of the parents>$<type>::<name>`.
    head, _, name = str(disk["urn"]).rpartition("::")
    return {
        "urn": f"{head.removesuffix(DISK)}{_ATTACHMENT}::{name}",
        "type": _ATTACHMENT,
        "custom": True,
        "id": id_,
        "inputs": {"__defaults": [], **inputs},
        "outputs": {"id": id_, **inputs},
        "parent": disk["parent"],
        "provider": disk["provider"],
        "dependencies": [str(end["urn"]) for end in ends.values()],
        "propertyDependencies": {key: [str(end["urn"])] for key, end in ends.items()},
        "deletedWith": machine["urn"],
    }
