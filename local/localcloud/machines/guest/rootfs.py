"""The machine's root: its own disk, with the host's programs read-only beneath.

Only /usr (and /bin, /lib … where they are folders), the Python that runs this, this package and
the toolchain's binaries come from the host. Everything else is the machine's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines import kernel
from localcloud.machines.tools import OF_KUBERNETES, present_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS: Final = Path("/opt/machine/tools")
KUBERNETES: Final = Path("/opt/machine/kubernetes")
"""A folder of programs for each version that is built."""
COMMANDS: Final = Path("/opt/machine/sbin")

_PACKAGE: Final = Path(__file__).resolve().parents[2]
_FROM_HOST_ETC: Final = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "group",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mke2fs.conf",
    "nsswitch.conf",
    "passwd",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
_FOLDERS: Final = (
    "dev",
    "etc/apt/keyrings",
    "etc/apt/sources.list.d",
    "etc/cloud/cloud.cfg.d",
    "etc/default",
    "etc/modules-load.d",
    "etc/netplan",
    "etc/NetworkManager/conf.d",
    "etc/sysctl.d",
    "etc/systemd/network",
    "etc/systemd/system",
    "home",
    "media",
    "mnt",
    "opt/machine/sbin",
    "opt/machine/tools",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "var/cache",
    "var/lib",
    "var/log",
    "var/tmp",
)
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_MERGED: Final = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")
_RELEASES: Final = {
    "ubuntu_22_04": ("Ubuntu", "ubuntu", "22.04", "jammy"),
    "ubuntu_24_04": ("Ubuntu", "ubuntu", "24.04", "noble"),
}


def install(disk: Path, image: str) -> None:
    """Write the image's files to a new disk; an existing disk stays as it is."""
    done = disk / "var/lib/machine/image"
    if done.exists():
        return
    shutil.rmtree(disk, ignore_errors=True)
    for folder in _FOLDERS:
        (disk / folder).mkdir(parents=True, exist_ok=True)
    for name in _FROM_HOST_ETC:
        _copy(Path("/etc") / name, disk / "etc" / name)
    for name, link in (("run", "../run"), ("lock", "../run/lock")):
        (disk / "var" / name).symlink_to(link)
    name, identity, version, codename = next(
        (release for key, release in _RELEASES.items() if key in image),
        _RELEASES["ubuntu_24_04"],
    )
    (disk / "etc/os-release").write_text(
        f'PRETTY_NAME="{name} {version} LTS"\nNAME="{name}"\nVERSION_ID="{version}"\n'
        f"ID={identity}\nID_LIKE=debian\nVERSION_CODENAME={codename}\n"
        f"UBUNTU_CODENAME={codename}\n",
        encoding="ascii",
    )
    (disk / "etc/resolv.conf").write_text("nameserver 100.100.2.136\n", encoding="ascii")
    (disk / "etc/fstab").write_text("", encoding="ascii")
    (disk / "etc/machine-id").write_text(os.urandom(16).hex() + "\n", encoding="ascii")
    done.parent.mkdir(parents=True, exist_ok=True)
    done.write_text(image + "\n", encoding="utf-8")


def enter(disk: Path, tools: Path, kubernetes: Mapping[str, Path]) -> None:
    """Make the disk this mount namespace's root folder, with everything mounted on it.

    `kubernetes` is version → folder of its programs.
    """
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount(disk, disk, None, kernel.MS_BIND)
    for name in ("usr", *_MERGED):
        _mirror(Path("/") / name, disk / name)
    kernel.mount("proc", disk / "proc", "proc")
    _mount_sys(disk / "sys")
    _mount_dev(disk / "dev")
    for name, mode in (("run", "0755"), ("tmp", "1777")):
        kernel.mount("tmpfs", disk / name, "tmpfs", 0, f"mode={mode}")
    for path in _interpreter():
        target = disk / path.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        _read_only(path, target)
    for name, path in present_tools(tools).items():
        target = disk / TOOLS.relative_to("/") / name
        target.touch(exist_ok=True)
        _read_only(path, target)
    _mount_kubernetes(disk / KUBERNETES.relative_to("/"), kubernetes)
    if (disk / "usr/local/sbin").is_dir():
        kernel.mount(
            disk / COMMANDS.relative_to("/"), disk / "usr/local/sbin", None, kernel.MS_BIND
        )
    _new_boot_id(disk)
    old = disk / "run/.old"
    old.mkdir()
    kernel.pivot_root(disk, old)
    os.chdir("/")
    kernel.detach("/run/.old")
    Path("/run/.old").rmdir()


def _new_boot_id(disk: Path) -> None:
    """Give the machine a new boot id, because the host's kernel does not reboot with it."""
    own = disk / "run/boot_id"
    own.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    kernel.mount(own, disk / "proc/sys/kernel/random/boot_id", None, kernel.MS_BIND)


def _interpreter() -> list[Path]:
    """Return the folders of this Python and package that are not below /usr."""
    folders: list[Path] = []
    named = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]]
    named += [Path(entry) for entry in sys.path if Path(entry) != _PACKAGE.parent]
    named = [path for path in named if path.is_absolute() and path.is_dir()]
    for path in (*named, *(path.resolve() for path in named), _PACKAGE):
        inside_usr = path == Path("/") or Path("/usr") in (path, *path.parents)
        if not inside_usr and not any(other in (path, *path.parents) for other in folders):
            folders.append(path)
    return folders


def _read_only(source: Path, target: Path) -> None:
    try:
        kernel.bind(source, target, read_only=True)
    except OSError as error:
        # A locked flag prevents the remount; file permissions still protect the host's files.
        if error.errno != errno.EPERM:
            raise


def _mount_kubernetes(target: Path, versions: Mapping[str, Path]) -> None:
    # Remove the empty files of versions that the toolchain no longer has.
    shutil.rmtree(target, ignore_errors=True)
    for version, folder in versions.items():
        (target / version).mkdir(parents=True)
        for name in OF_KUBERNETES:
            source = (folder / name).resolve()
            if source.exists():
                (target / version / name).touch()
                _read_only(source, target / version / name)


def _mirror(source: Path, target: Path) -> None:
    if source.is_symlink():
        if not target.is_symlink():
            target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(exist_ok=True)
        _read_only(source, target)


def _mount_sys(target: Path) -> None:
    """Mount /sys and a cgroup v2 tree, as the machines' images have them."""
    try:
        kernel.mount("sysfs", target, "sysfs")
    except OSError:
        kernel.mount("tmpfs", target, "tmpfs")
        (target / "fs/cgroup").mkdir(parents=True)
    try:
        kernel.mount("cgroup2", target / "fs/cgroup", "cgroup2")
    except OSError:
        with contextlib.suppress(OSError):
            kernel.bind(Path("/sys/fs/cgroup"), target / "fs/cgroup")


def _mount_dev(target: Path) -> None:
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        (target / name).touch()
        kernel.mount(Path("/dev") / name, target / name, None, kernel.MS_BIND)
    (target / "shm").mkdir(mode=0o1777)
    (target / "pts").mkdir()
    with contextlib.suppress(OSError):
        kernel.mount("devpts", target / "pts", "devpts", 0, "newinstance,ptmxmode=0666")
        (target / "ptmx").symlink_to("pts/ptmx")
    for name, link in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1")):
        (target / name).symlink_to(link)
    (target / "stderr").symlink_to("fd/2")


def _copy(source: Path, target: Path) -> None:
    """Copy what this user may read of a file or folder; links stay links."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir() and os.access(source, os.R_OK | os.X_OK):
        target.mkdir(parents=True, exist_ok=True)
        for child in source.iterdir():
            _copy(child, target / child.name)
    elif source.is_file() and os.access(source, os.R_OK):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
