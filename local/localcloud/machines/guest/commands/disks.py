"""mount, mkfs.ext4, blkdiscard and blockdev for the machine's data disks.

A device is a file, so mkfs.ext4 and everything that only reads a device (blkid, e2fsck, resize2fs)
are the real programs. A file system cannot be mounted without a block device: its folder is
mounted instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines import kernel
from localcloud.machines.data_disks import DEVICE, FILES
from localcloud.machines.guest.disks import folder_of, mounts_of
from localcloud.machines.guest.lines import complain, python_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED: Final = 32
"""util-linux, mount(8): exit status of a mount that failed."""
_WITH_VALUE: Final = frozenset({"-o", "--options", "-t", "--types", "--source", "--target"})


def mount(words: Sequence[str]) -> int:
    """Do `mount [-t TYPE] [-o OPTIONS] DEVICE FOLDER`."""
    options, places = _split(words)
    if len(places) != 2:  # noqa: PLR2004
        complain("mount: bad usage")
        return 1
    device, target = places
    folder = folder_of(device)
    if folder is None:
        complain(f"mount: {target}: special device {device} does not exist.")
        return _FAILED
    if not Path(target).is_dir():
        complain(f"mount: {target}: mount point does not exist.")
        return _FAILED
    kind, uuid = _file_system(device)
    types = options.get("-t") or options.get("--types") or "auto"
    if not uuid or types not in {"auto", kind}:
        complain(
            f"mount: {target}: wrong fs type, bad option, bad superblock on {device}, missing "
            "codepage or helper program, or other error."
        )
        return _FAILED
    files = folder / FILES / uuid
    real = str(Path(target).resolve())
    if any(one.target == real and one.root.endswith(f"/{uuid}") for one in mounts_of(folder)):
        complain(f"mount: {target}: {device} already mounted on {real}.")
        return _FAILED
    _make_files(files)
    kernel.mount(files, real, None, kernel.MS_BIND)
    chosen = f"{options.get('-o', '')},{options.get('--options', '')}".split(",")
    if "ro" in chosen or "-r" in options or "--read-only" in options:
        kernel.mount(None, real, None, kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)
    return 0


def mkfs_ext4(words: Sequence[str]) -> int:
    """Do mkfs.ext4. Refuse a mounted device, which the real program cannot see on a file."""
    for word in words:
        folder = folder_of(word)
        if folder is not None and mounts_of(folder):
            complain(f"{word} is mounted; will not make a filesystem here!")
            return 1
    return _real("mkfs.ext4", words)


def blkdiscard(words: Sequence[str]) -> int:
    """Empty a device; one that is mounted only by force."""
    _, places = _split(words)
    folder = folder_of(places[-1]) if places else None
    if folder is None:
        return _real("blkdiscard", words)
    if mounts_of(folder) and not {"-f", "--force"} & set(words):
        complain(f"blkdiscard: {places[-1]}: open failed: Device or resource busy")
        return 1
    size = (folder / DEVICE).stat().st_size
    os.truncate(folder / DEVICE, 0)
    os.truncate(folder / DEVICE, size)
    return 0


def blockdev(words: Sequence[str]) -> int:
    """Print a device's size in bytes. The real program refuses a file."""
    folder = folder_of(words[-1]) if words else None
    if folder is None or words[0] != "--getsize64":
        return _real("blockdev", words)
    sys.stdout.write(f"{(folder / DEVICE).stat().st_size}\n")
    return 0


def _split(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options with their values, and the arguments, --source and --target among them."""
    options: dict[str, str] = {}
    places: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in _WITH_VALUE:
            options[name] = value if equals else (rest.pop(0) if rest else "")
        elif word.startswith("-"):
            options[word] = ""
        else:
            places.append(word)
    named = [options[name] for name in ("--source", "--target") if name in options]
    return options, [*named, *places] if "--source" in options else [*places, *named]


def _file_system(device: str) -> tuple[str, str]:
    """The type and the UUID of the file system on a device; empty without one."""
    done = subprocess.run(  # noqa: S603
        ("/usr/sbin/blkid", "--probe", "--output", "export", device),
        capture_output=True,
        check=False,
        text=True,
    )
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    values = {name: value for name, _, value in pairs}
    if values.get("USAGE") != "filesystem":
        return "", ""
    return values.get("TYPE", ""), values.get("UUID", "")


def _make_files(files: Path) -> None:
    """Make a file system's folder at its first mount; folders of earlier ones are removed."""
    if files.exists():
        return
    for other in files.parent.iterdir():
        shutil.rmtree(other)
    (files / "lost+found").mkdir(parents=True, mode=0o700)


def _real(name: str, words: Sequence[str]) -> int:
    program = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        complain(f"{name}: command not found")
        return 127
    return subprocess.run([program, *words], env=python_environment(), check=False).returncode  # noqa: S603
