"""The settings of a local cloud, and the places of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

DEFAULT_HOME: Final = Path(".local")
DEFAULT_PORT: Final = 18443
DEFAULT_EIP_RANGE: Final = "127.66.0.0/16"
DEFAULT_REGION: Final = "cn-hangzhou"
ACCOUNT_ID: Final = "1234567890123456"
ROOT_KEY_ID: Final = "localcloud"
ROOT_SECRET: Final = "localcloud-secret-not-real"  # noqa: S105  # obviously fake, and documented
LOOPBACK: Final = "127.0.0.1"
OPENAPI_ADDRESS: Final = "100.100.0.1"
"""The address of the OpenAPI inside a VPC, on port 443."""
ZONE_LETTERS: Final = "abcdefghijklmnop"


class Machines(StrEnum):
    """What the instances of a local cloud boot into."""

    NAMESPACES = "namespaces"
    """Sets of namespaces with simulated services."""
    VIRTUAL = "virtual"
    """Virtual machines."""
    MIXED = "mixed"
    """Control planes as namespaces, all other instances as virtual machines."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """The facts of the emulated cloud that actions need.

    `delay_scale` stretches the time that resources take to become ready: 0 at once, 1 about as
    long as in the real cloud. `hostile` is the seed of the hostile mode, None without it.
    """

    region: str = DEFAULT_REGION
    account_id: str = ACCOUNT_ID
    eip_range: IPv4Network = field(default_factory=lambda: IPv4Network(DEFAULT_EIP_RANGE))
    delay_scale: float = 0.0
    strict: bool = False
    hostile: int | None = None
    root_key_id: str = ROOT_KEY_ID
    root_secret: str = ROOT_SECRET

    @property
    def zones(self) -> tuple[str, ...]:
        """The region's zone ids: `cn-hangzhou-a` …, `ap-southeast-1a` …."""
        joint = "" if self.region[-1].isdigit() else "-"
        return tuple(f"{self.region}{joint}{letter}" for letter in ZONE_LETTERS)


@dataclass(frozen=True, kw_only=True)
class Places:
    """The files of one local cloud, all below `home`."""

    home: Path

    @property
    def cloud(self) -> Path:
        """The folder of everything that the cloud keeps."""
        return self.home / "cloud"

    @property
    def state(self) -> Path:
        """The SQLite file."""
        return self.cloud / "state.sqlite"

    @property
    def tls(self) -> Path:
        """The private CA and the server's certificate."""
        return self.cloud / "tls"

    @property
    def run(self) -> Path:
        """Sockets and pid files."""
        return self.cloud / "run"

    @property
    def logs(self) -> Path:
        """Logs."""
        return self.cloud / "logs"

    @property
    def control_socket(self) -> Path:
        """The unix socket of the control API."""
        return self.run / "control.sock"

    @property
    def machines(self) -> Path:
        """A file of one line: what instances boot into."""
        return self.cloud / "machines"


def remembered(places: Places) -> Machines | None:
    """What this home's instances boot into; None if it was never chosen."""
    try:
        return Machines(places.machines.read_text("ascii").strip())
    except (FileNotFoundError, ValueError):
        return None


def remember(places: Places, machines: Machines) -> None:
    """Record the kind of machine for later starts of this home."""
    places.cloud.mkdir(parents=True, exist_ok=True)
    places.machines.write_text(f"{machines}\n", encoding="ascii")


def virtual_folder(places: Places, environment: Mapping[str, str]) -> Path:
    """The folder of what virtual machines are made from; several homes can share it."""
    return Path(environment.get("LOCALCLOUD_VIRTUAL") or places.home / "virtual").resolve()
