"""The few system calls that Python 3.11 has no name for."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_NOATIME: Final = 0x400
MS_NODIRATIME: Final = 0x800
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 1 << 18
MS_RELATIME: Final = 1 << 21

CLONE_NEWNS: Final = 0x20000
_CLONE_NEWNET: Final = 0x40000000

_MNT_DETACH: Final = 2
_AT_FDCWD: Final = -100
# Numbers that every architecture shares (include/uapi/asm-generic/unistd.h), since Linux 5.2.
_OPEN_TREE: Final = 428
_MOVE_MOUNT: Final = 429
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_PR_SET_PDEATHSIG: Final = 1
_ST_RELATIME: Final = 0x1000
_SAME_IN_STATVFS: Final = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _bytes(value: str | Path | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def mount(
    source: str | Path | None,
    target: str | Path,
    kind: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    """Make the system call of this name. Raises OSError with the target in its text."""
    _check(
        _libc.mount(
            _bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(data)
        ),
        f"mount {target}",
    )


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Make `source`, a file or a folder with its mounts, visible at `target`."""
    mount(source, target, None, MS_BIND | MS_REC)
    if not read_only:
        return
    present = os.statvfs(target).f_flag
    # Flags of the outer mount are locked inside a user namespace: a remount must repeat them.
    kept = present & _SAME_IN_STATVFS
    if present & _ST_RELATIME:
        kept |= MS_RELATIME
    mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def open_tree(folder: Path) -> int:
    """A descriptor of a mount of the folder that is not anywhere yet; close it after use."""
    number = _libc.syscall(
        _OPEN_TREE, _AT_FDCWD, _bytes(folder), ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC)
    )
    if number < 0:
        _check(-1, f"open_tree {folder}")
    return int(number)


def move_mount(tree: int, target: Path) -> None:
    """Mount what `open_tree` returned, which may be a folder of another mount namespace."""
    result = _libc.syscall(
        _MOVE_MOUNT, tree, b"", _AT_FDCWD, _bytes(target), ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    )
    _check(result, f"move_mount {target}")


def detach(target: str | Path) -> None:
    """Unmount `target` lazily (MNT_DETACH)."""
    _check(_libc.umount2(_bytes(target), _MNT_DETACH), f"umount {target}")


def pivot_root(new: Path, old: Path) -> None:
    """Make `new` the root folder; the old one stays reachable at `old`."""
    _check(_libc.pivot_root(_bytes(new), _bytes(old)), f"pivot_root {new}")


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


@contextmanager
def in_network_of(pid: int) -> Iterator[None]:
    """Run the block in the network namespace of a process; only the calling thread goes there."""
    with (
        Path("/proc/thread-self/ns/net").open("rb") as own,
        Path(f"/proc/{pid}/ns/net").open("rb") as other,
    ):
        _check(_libc.setns(other.fileno(), _CLONE_NEWNET), f"setns {other.name}")
        try:
            yield
        finally:
            _check(_libc.setns(own.fileno(), _CLONE_NEWNET), "setns back")


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel for a signal when the thread that started this process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0), "prctl")
