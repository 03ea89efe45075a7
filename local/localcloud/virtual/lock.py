"""The lock: every package that virtual machines are made from, with its version and digest.

A package's trust is its SHA-256 in `packages.json`, whatever mirror it comes from. The names that
we ask for are in this module; the lock also has what they depend on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

LOCK: Final = Path(__file__).with_name("packages.json")
SUITE: Final = "trixie"
"""Debian 13. The same release for the emulator, which brings its own C library, and for the
machines' image."""
ARCHITECTURE: Final = "amd64"

PROGRAMS: Final = "programs"
IMAGE: Final = "image"
KERNEL: Final = "kernel"
DISTRIBUTION: Final = "distribution"
"""The packages that the user-data installs from the distribution's own source."""
IMAGE_SHELL: Final = "image-shell"
IMAGE_NETWORK: Final = "image-network"
IMAGE_CURL: Final = "image-curl"
"""The packages of images of containers, a layer each."""
REQUESTED: Final[Mapping[str, tuple[str, ...]]] = {
    PROGRAMS: (
        "qemu-system-x86",
        # Writes the disk image without mounting it.
        "e2fsprogs",
        # The filter of the virtual machines' ENIs.
        "nftables",
        # Signs the package sources.
        "sqop",
    ),
    IMAGE: (
        "?essential",
        "apt",
        "gpgv",
        "sqv",
        "systemd-sysv",
        "systemd-resolved",
        "dbus",
        "udev",
        "kmod",
        # The packages for user-data and the network in Debian's own cloud images.
        "cloud-init",
        "netplan.io",
        # cloud-init asks for an address with it before any network is configured.
        "dhcpcd-base",
        "python3",
        "ca-certificates",
        "curl",
        "openssl",
        "e2fsprogs",
        "iproute2",
        "iputils-ping",
        "procps",
        "less",
    ),
    DISTRIBUTION: ("chrony", "conntrack", "ethtool", "iptables", "nftables", "runc", "socat"),
    KERNEL: ("linux-image-cloud-amd64",),
    # Images of containers (`images.catalogue`).
    IMAGE_SHELL: ("busybox-static", "bash-static"),
    IMAGE_NETWORK: ("iptables", "nftables", "conntrack", "kmod"),
    IMAGE_CURL: ("curl",),
}
"""Group → the packages that it is asked for, as `apt-get install` takes them."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package. `source` is the source package, with its version where that differs."""

    name: str
    version: str
    architecture: str
    source: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The file as `apt-get download` names it."""
        version = self.version.replace(":", "%3a")
        return f"{self.name}_{version}_{self.architecture}.deb"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Group → its packages, sorted by name."""

    suite: str
    groups: Mapping[str, tuple[Package, ...]]

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages of all groups, each once."""
        unique = {package.name: package for group in self.groups.values() for package in group}
        return tuple(unique[name] for name in sorted(unique))

    @classmethod
    def of(cls, suite: str, groups: Mapping[str, Iterable[Package]]) -> Self:
        """A lock with the packages in order."""
        return cls(
            suite=suite,
            groups={
                name: tuple(sorted(packages, key=lambda package: package.name))
                for name, packages in sorted(groups.items())
            },
        )

    @classmethod
    def read(cls, path: Path = LOCK) -> Self:
        """Read the tracked file."""
        return cls.parse(path.read_text("utf-8"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of the file."""
        document: dict[str, Any] = json.loads(text)
        packages = {entry["name"]: Package(**entry) for entry in document["packages"]}
        return cls.of(
            document["suite"],
            {
                group: [packages[name] for name in names]
                for group, names in document["groups"].items()
            },
        )

    def text(self) -> str:
        """The text of the file: a line for each package, so that an update reads as a diff."""
        entries = ",\n".join(f"  {json.dumps(asdict(package))}" for package in self.packages)
        groups = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps([package.name for package in packages])}"
            for name, packages in self.groups.items()
        )
        return (
            "{\n"
            f' "suite": {json.dumps(self.suite)},\n'
            f' "groups": {{\n{groups}\n }},\n'
            f' "packages": [\n{entries}\n ]\n'
            "}\n"
        )


_KERNEL_ITSELF: Final = re.compile(r"linux-image-\d")


def belongs(group: str, package: Package) -> bool:
    """Whether a group keeps a package that its names resolve to.

    The kernel's group keeps only the kernel package: the disk's driver and ext4 are built in, so
    no initramfs is needed. The shell's programs are linked statically, so they need no other
    package.
    """
    if group == IMAGE_SHELL:
        return package.name in REQUESTED[group]
    return group != KERNEL or _KERNEL_ITSELF.match(package.name) is not None
