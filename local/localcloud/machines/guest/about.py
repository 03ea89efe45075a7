"""What this machine is, kept on its disk for the commands that ask."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_PATH: Final = Path("/var/lib/machine/about.json")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_ID: Final = Path("/etc/machine-id")


@dataclass(frozen=True, kw_only=True)
class About:
    """Versions of Kubernetes that the toolchain has built (as v1.35.4), and the instance type."""

    kubernetes_versions: tuple[str, ...]
    instance_type: str


def boot_id() -> str:
    """Return what the kernel calls this boot; another one after each reboot."""
    return _BOOT_ID.read_text("ascii").strip()


def machine_id() -> str:
    """Return what the image's first boot called this disk."""
    return _MACHINE_ID.read_text("ascii").strip()


def write(about: About) -> None:
    """Keep it."""
    _PATH.parent.mkdir(parents=True, exist_ok=True)
    _PATH.write_text(json.dumps(asdict(about)), encoding="utf-8")


def read() -> About:
    """Return what was kept at boot."""
    document = json.loads(_PATH.read_text("utf-8"))
    return About(
        kubernetes_versions=tuple(document["kubernetes_versions"]),
        instance_type=document["instance_type"],
    )
