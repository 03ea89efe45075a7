"""What DHCP would offer this machine's NICs; written by the first process, read by netplan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.network.netplan import Lease

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATH: Final = Path("/run/machine/leases.json")


def write(entries: Iterable[Mapping[str, Any]]) -> None:
    """Save the offers that the VPC's process sent."""
    _PATH.parent.mkdir(parents=True, exist_ok=True)
    _PATH.write_text(json.dumps(list(entries)), encoding="utf-8")


def read() -> list[Lease]:
    """Return all offers."""
    return [
        Lease(
            mac=entry["mac"],
            address=entry["address"],
            prefix_length=entry["prefix_length"],
            gateway=entry["gateway"],
        )
        for entry in json.loads(_PATH.read_text("utf-8"))
    ]
