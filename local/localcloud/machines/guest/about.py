"""Facts about this machine, kept on its disk for its commands."""

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
    """The Kubernetes versions that were built, such as v1.35.4, and the instance type.

    `system_uuid`: the UUID in the firmware, as the kernel shows it, in lower case.
    """

    kubernetes_versions: tuple[str, ...]
    instance_type: str
    system_uuid: str


def boot_id() -> str:
    """Return the kernel's id of this boot, which changes with each reboot."""
    return _BOOT_ID.read_text("ascii").strip()


def machine_id() -> str:
    """Return the machine id, which the image's first boot wrote to this disk."""
    return _MACHINE_ID.read_text("ascii").strip()


def write(about: About) -> None:
    """Write the facts to the disk."""
    _PATH.parent.mkdir(parents=True, exist_ok=True)
    _PATH.write_text(json.dumps(asdict(about)), encoding="utf-8")


def read() -> About:
    """Return the facts that were written at boot."""
    document = json.loads(_PATH.read_text("utf-8"))
    return About(
        kubernetes_versions=tuple(document["kubernetes_versions"]),
        instance_type=document["instance_type"],
        system_uuid=document["system_uuid"],
    )
