"""The machines' disk image: Debian with cloud-init, as a cloud's public image is.

The packages that the user-data installs are installed in the image already: unpacked by an emulated
processor they would take most of a boot. The user-data still asks its sources for them, and apt
reports that they are the newest. For the same reason containerd's store has the images of
containers that every worker runs.

Debian's own packages and their scripts build it in namespaces, without mounting the image. The
build runs as root, or as a user with a range of user ids (`/etc/subuid`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import names
from .archive import run
from .failure import PreparationError
from .hardware import DISK
from .images.catalogue import PRELOADED
from .images.layout import Layout, write_archive
from .lock import SUITE
from .unpacked import Programs

REVISION: Final = 3
"""Increase it when a change of this module or `root.sh` changes the image's content."""
SCRIPT: Final = Path(__file__).with_name("root.sh")
_NAMESPACES: Final = ("--mount", "--pid", "--fork", "--net", "--ipc", "--uts")
_AS_MANY_USERS: Final = ("--user", "--map-root-user", "--map-auto")

_MASKED: Final = (
    # No logins are needed, because root's shell is on the second serial port.
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    # Housekeeping that would take an emulated processor's time during a test.
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)
_CLOUD_INIT: Final = """\
# No SSH server is in the image, and nobody logs in.
ssh_deletekeys: false
ssh_genkeytypes: []
users: []
locale: false
# The file system has the size of the disk, which has no partitions.
growpart: {mode: "off"}
resize_rootfs: false
"""
_SIGNER: Final = "usr/share/keyrings/localcloud.asc"
_AUTHORITY: Final = "usr/local/share/ca-certificates/localcloud.crt"


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Certificates that machines trust for the fabric: of the CA, and of package sources."""

    authority: bytes
    packages: bytes


def files(trust: Trust) -> Mapping[str, bytes]:
    """The image's files that no package has: path → content."""
    return {
        "etc/fstab": f"{DISK} / ext4 defaults 0 1\n".encode(),
        "etc/hostname": b"localhost\n",
        "etc/hosts": b"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
        # Empty, not absent: each machine gets its own id, but systemd does not preset all units.
        "etc/machine-id": b"",
        # A disk that is lost with this system needs no order of its writes.
        "etc/dpkg/dpkg.cfg.d/localcloud": b"force-unsafe-io\n",
        "etc/cloud/cloud.cfg.d/95-localcloud.cfg": _CLOUD_INIT.encode(),
        _AUTHORITY: trust.authority,
        _SIGNER: trust.packages,
        "etc/apt/sources.list.d/debian.sources": (
            f"Types: deb\nURIs: http://{names.DEBIAN}/debian\nSuites: {SUITE}\n"
            f"Components: main\nSigned-By: /{_SIGNER}\n"
        ).encode(),
    }


def links() -> Mapping[str, str]:
    """Symbolic links that the image has: path → target."""
    masked = {f"etc/systemd/system/{unit}": "/dev/null" for unit in _MASKED}
    return {**masked, "etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf"}


@dataclass(frozen=True, kw_only=True)
class Image:
    """A disk image, and the kernel that boots it."""

    disk: Path
    kernel: Path


def unpack(packages: Sequence[Path], into: Path) -> None:
    """Unpack packages without running their scripts."""
    # `base-files` has the links /bin, /lib and so on, through which others' files may go.
    first = [package for package in packages if package.name.startswith("base-files_")]
    for package in (*first, *(other for other in packages if other not in first)):
        run(("dpkg-deb", "--extract", str(package), str(into)), {}, into)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The inputs of an image.

    The scripts of the packages in `system` run. The modules of the packages in `kernel` go into the
    image; the kernel itself is stored next to it. `images` are those of containers, for which
    `system` has containerd.
    """

    system: Sequence[Path]
    kernel: Sequence[Path]
    trust: Trust
    images: Layout | None


def build(folder: Path, contents: Contents, programs: Programs) -> Image:
    """Build the image into the new folder `folder`. Raises PreparationError.

    `folder` gets `disk.img` (20 GiB, sparse) and `kernel`. `programs` has mke2fs.
    """
    root = folder / "root"
    (root / "packages").mkdir(parents=True)
    for name in ("proc", "dev", "sys", "run", "tmp"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    unpack([*contents.system, *contents.kernel], root)
    for package in contents.system:
        shutil.copy(package, root / "packages" / package.name)
    for path, target in links().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(target)
    for path, content in files(contents.trust).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    image = Image(disk=folder / "disk.img", kernel=folder / "kernel")
    shutil.move(next((root / "boot").glob("vmlinuz-*")), image.kernel)
    for file in (root / "boot").iterdir():
        # kubeadm reads the kernel's configuration in its checks before a join.
        if not file.name.startswith("config-"):
            file.unlink()
    if contents.images is not None:
        with (root / "images.tar").open("wb") as archive:
            write_archive(contents.images, preloaded(contents.images), archive)
    command = ("bash", str(SCRIPT), str(root), str(image.disk))
    namespaces = namespace_command()
    run((*namespaces, *command, *programs.command("usr/sbin/mke2fs")), {}, folder)
    run((*namespaces, "rm", "-rf", str(root)), {}, folder)
    return image


def preloaded(images: Layout) -> Mapping[str, str]:
    """The images of containers that the disk image has: name → digest of the manifest."""
    return {
        name: manifest.digest
        for name, manifest in images.manifests.items()
        if name.rpartition(":")[0] in PRELOADED
    }


def namespace_command(
    works: Callable[[Sequence[str]], bool] | None = None,
) -> tuple[str, ...]:
    """The `unshare` command that lets packages be configured on this host."""
    check = works or _works
    candidates = [_AS_MANY_USERS] if os.geteuid() else [()]
    for users in candidates:
        command = ("unshare", *users, *_NAMESPACES)
        if check((*command, "true")):
            return command
    raise PreparationError(
        "The image of virtual machines is made in namespaces with many user ids. Run this as root, "
        "or give this user a range in /etc/subuid and /etc/subgid and install newuidmap (package "
        "uidmap)."
    )


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  (built above)
            command, capture_output=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
