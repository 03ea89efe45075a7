"""The device names under which an instance has its disks: /dev/xvda for the system disk."""

from __future__ import annotations

import re
from typing import Final

from localcloud.products.ecs.disk import disk_rules
from localcloud.products.ecs.entities import Disk, Instance
from localcloud.requests.actions import Call
from localcloud.wire.errors import ApiError

_LETTERS: Final = "bcdefghijklmnopqrstuvwxyz"
_DATA: Final = re.compile(r"/dev/xvd[b-z]")


def free(
    call: Call,
    instance: Instance,
    requested: str = "",
    *,
    over_limit: str = "InstanceDiskLimitExceeded",
) -> str:
    """The requested name, or the first free one, for a further data disk of the instance.

    The names are those of the API, which the guest need not use: it finds a disk by its serial
    number. `over_limit` is the action's error code for a disk too many.

    Raises:
        ApiError: the instance has as many data disks as it can have, or the name is not a device's
            or is in use.
    """
    disks = call.store.where(Disk, "instance", instance.id)
    if sum(disk.kind == "data" for disk in disks) >= disk_rules.MOST_DATA:
        raise ApiError(
            over_limit,
            f"{instance.id} has {disk_rules.MOST_DATA} data disks, the most that it can have.",
            403,
        )
    taken = {disk.device for disk in disks}
    if not requested:
        return next(name for letter in _LETTERS if (name := f"/dev/xvd{letter}") not in taken)
    if not _DATA.fullmatch(requested):
        raise ApiError(
            "InvalidDevice.Malformed", f"Device {requested[:40]!r} must be /dev/xvdb to /dev/xvdz."
        )
    if requested in taken:
        raise ApiError(
            "InvalidDevice.InUse", f"{instance.id} has another disk as {requested}.", 403
        )
    return requested
