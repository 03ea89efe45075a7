"""The hardware of an instance type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SMALL: Final = {"large": 2, "xlarge": 4, "small": 1}
_GIB_PER_CPU: Final = {"c": 2, "g": 4, "r": 8, "u": 4, "t": 2, "e": 2, "s": 2, "h": 4, "i": 8}


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """vCPUs and memory in GiB."""

    cpus: int
    memory_gib: int


def of_instance_type(name: str) -> Hardware:
    """Read the size from the type's name (ecs.<family><generation>.<size>); 2 and 8 if unknown."""
    match = re.fullmatch(r"ecs\.([a-z])[\w-]*\.(?:(\d+)x|x)?(large|small)", name)
    if not match:
        return Hardware(cpus=2, memory_gib=8)
    family, times, size = match.groups()
    if times:
        cpus = int(times) * _SMALL["xlarge"]
    elif name.endswith(".xlarge"):
        cpus = _SMALL["xlarge"]
    else:
        cpus = _SMALL[size]
    return Hardware(cpus=cpus, memory_gib=cpus * _GIB_PER_CPU.get(family, 4))
