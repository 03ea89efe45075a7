"""What data disks and their snapshots contain, as folders below a home's `machines`.

`disks/<disk id>` has a sparse file `device`, which is the machine's block device. Its folder
`files` has a folder for each file system on the disk, named by its UUID. Programs that create or
look for a file system work on the device; the files of a mounted file system are in its folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from .control import DataDisk

DEVICE: Final = "device"
FILES: Final = "files"
_CONTENT: Final = "content"
_DRAFT: Final = ".new"
_GIBIBYTE: Final = 1 << 30
_LARGEST: Final = 8 << 40
"""Bytes. ext4 on the host allows no larger files, and no local disk needs one."""
_COPY_SECONDS: Final = 600

Frozen = Callable[[str], AbstractContextManager[None]]
"""Stops everything that writes to the disk with this id, for as long as the context is open."""


class DataDisks:
    """The contents of the data disks of one home."""

    def __init__(self, machines: Path) -> None:
        self._disks = machines / "disks"
        self._snapshots = machines / "snapshots"

    def prepare(self, disk: DataDisk) -> Path:
        """The disk's folder. It is created if it is missing, and its device grows with the disk."""
        folder = self._disks / disk.id
        if not folder.exists():
            self._create(disk)
        size = min(disk.size * _GIBIBYTE, _LARGEST)
        if (folder / DEVICE).stat().st_size < size:
            os.truncate(folder / DEVICE, size)
        return folder

    def follow(
        self, disks: Iterable[DataDisk], snapshots: Iterable[tuple[str, str]], frozen: Frozen
    ) -> None:
        """Take snapshots, create the disks that come from one, and remove what was deleted.

        Only one process may call it, with the newest state of the cloud.

        Args:
            disks: All data disks.
            snapshots: All snapshots of data disks, as (id of the snapshot, id of its disk).
            frozen: Stops the writers of a disk while a snapshot copies it, so that the copy is what
                a power cut at that moment would have left.
        """
        pairs = dict(snapshots)
        for snapshot, disk_id in pairs.items():
            self._take(snapshot, disk_id, frozen)
        present = {disk.id: disk for disk in disks}
        for disk in present.values():
            note = self._disks / disk.id / _CONTENT
            if disk.snapshot and note.exists() and note.read_text("ascii") != disk.content:
                self._create(disk)
            if disk.snapshot:
                self.prepare(disk)
        _remove_all_but(self._disks, present)
        _remove_all_but(self._snapshots, pairs)

    def _create(self, disk: DataDisk) -> None:
        """Give the disk its initial content, and remove its present content."""
        folder, draft = self._disks / disk.id, self._disks / f"{disk.id}{_DRAFT}"
        shutil.rmtree(draft, ignore_errors=True)
        source = self._snapshots / disk.snapshot
        if disk.snapshot and source.exists():
            _copy(source, draft)
        else:
            (draft / FILES).mkdir(parents=True)
            (draft / DEVICE).touch()
        (draft / _CONTENT).write_text(disk.content, encoding="ascii")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)

    def _take(self, snapshot: str, disk_id: str, frozen: Frozen) -> None:
        target = self._snapshots / snapshot
        if target.exists():
            return
        source = self._disks / disk_id
        draft = self._snapshots / f"{snapshot}{_DRAFT}"
        shutil.rmtree(draft, ignore_errors=True)
        self._snapshots.mkdir(parents=True, exist_ok=True)
        if source.exists():
            with frozen(disk_id):
                _copy(source, draft)
        else:
            # A disk that no machine has seen is blank.
            (draft / FILES).mkdir(parents=True)
            (draft / DEVICE).touch()
        draft.rename(target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ("cp", "--archive", "--sparse=always", "--reflink=auto", str(source), str(target))
    subprocess.run(command, check=True, capture_output=True, timeout=_COPY_SECONDS)  # noqa: S603


def _remove_all_but(folder: Path, present: Iterable[str]) -> None:
    kept = set(present)
    for path in folder.iterdir() if folder.exists() else ():
        # Another process may be creating the draft of a disk that exists.
        if path.name.removesuffix(_DRAFT) not in kept:
            shutil.rmtree(path, ignore_errors=True)
