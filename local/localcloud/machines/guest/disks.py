"""The data disks in a machine: /dev/vdb and on, with the links of udev.

The first process mounts a disk's folder (`localcloud.machines.data_disks`) below `_FOLDERS`. Its
file `device` is then the device, and a link in `_BY_DEVICE` leads from the device's name to the
folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcloud.machines import kernel
from localcloud.machines.data_disks import DEVICE

_FOLDERS: Final = Path("/opt/machine/disks")
_BY_DEVICE: Final = Path("/run/machine/disks")
_BY_ID: Final = Path("/dev/disk/by-id")
_LETTERS: Final = "bcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A line of /proc/self/mountinfo: the file system, its mounted folder, and the mount point."""

    file_system: str
    root: str
    target: str


def attach(serials: Sequence[str], trees: Sequence[int]) -> None:
    """Make devices of disks, given by serial number and a descriptor of each one's mount."""
    for serial, tree in zip(serials, trees, strict=True):
        folder = _FOLDERS / serial
        folder.mkdir(parents=True, exist_ok=True)
        kernel.move_mount(tree, folder)
        os.close(tree)
        _BY_DEVICE.mkdir(parents=True, exist_ok=True)
        name = next(n for x in _LETTERS if not (_BY_DEVICE / (n := f"vd{x}")).is_symlink())
        device = Path("/dev") / name
        device.touch()
        kernel.mount(folder / DEVICE, device, None, kernel.MS_BIND)
        (_BY_DEVICE / name).symlink_to(folder)
        _BY_ID.mkdir(parents=True, exist_ok=True)
        (_BY_ID / f"virtio-{serial}").symlink_to(f"../../{name}")


def detach(serials: Sequence[str]) -> None:
    """Remove disks with their devices and mounts.

    A process keeps its open files; on a real machine it would get I/O errors.
    """
    for serial in serials:
        folder = _FOLDERS / serial
        (_BY_ID / f"virtio-{serial}").unlink(missing_ok=True)
        for link in _BY_DEVICE.glob("vd?"):
            if link.readlink() == folder:
                link.unlink()
                kernel.detach(Path("/dev") / link.name)
                (Path("/dev") / link.name).unlink()
        for target in [mount.target for mount in mounts_of(folder)]:
            kernel.detach(target)
        kernel.detach(folder)


def folder_of(device: str) -> Path | None:
    """The folder of a disk, by the path of its device or of a link to it; None for other paths."""
    link = _BY_DEVICE / Path(device).resolve().name
    return link.readlink() if link.is_symlink() else None


def mounts_of(folder: Path) -> list[Mount]:
    """The mounts of a disk's file systems and of folders in them, the newest first."""
    mounts = list(_mounts())
    own = next(mount for mount in mounts if mount.target == str(folder))
    return [
        mount
        for mount in reversed(mounts)
        if mount.file_system == own.file_system
        and mount.root.startswith(f"{own.root}/")
        and not mount.target.startswith("/dev/")
    ]


def _mounts() -> Iterator[Mount]:
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        _, _, file_system, root, target, *_ = line.split(" ")
        yield Mount(file_system=file_system, root=_plain(root), target=_plain(target))


def _plain(text: str) -> str:
    """A path of mountinfo without its escapes for white space."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text
