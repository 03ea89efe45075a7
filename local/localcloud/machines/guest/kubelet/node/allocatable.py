"""What a Node has left for pods: its capacity without reservations and the eviction thresholds.

Rules (kubelet, Kubernetes 1.36): `cm/node_container_manager_linux.go`
(GetNodeAllocatableReservation), `eviction/api/types.go` (GetThresholdQuantity),
`eviction/defaults_linux.go`, `nodestatus/setters.go` (MachineInfo).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

Quantities = Mapping[str, str]
"""A name and a quantity as Kubernetes writes it, such as 500m or 100Mi."""
DEFAULT_THRESHOLDS: Final[Quantities] = {"memory.available": "100Mi", "nodefs.available": "10%"}
"""Those of the default thresholds that take from what pods get."""
_RESERVED_BY: Final = {"memory.available": "memory", "nodefs.available": "ephemeral-storage"}
"""Signal of eviction → the resource of which its threshold is kept free."""
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d*)?)(m|[kMGTPE]|[KMGTPE]i)?")
_KIBI: Final = 1024
_PREFIXES: Final = "KMGTPE"
_CPU: Final = "cpu"


def allocatable(capacity: Quantities, reserved: Quantities, thresholds: Quantities) -> Quantities:
    """Return the Node's allocatable resources.

    Args:
        capacity: the Node's.
        reserved: what the settings reserve for the system and for Kubernetes together.
        thresholds: of hard eviction, by signal.

    Raises ValueError for what is not a quantity.
    """
    kept = {name: amount(text) for name, text in reserved.items()}
    for signal, threshold in thresholds.items():
        resource = _RESERVED_BY.get(signal)
        if resource is not None:
            kept[resource] = kept.get(resource, Decimal()) + _threshold(
                threshold, amount(capacity[resource])
            )
    return {
        name: _text(name, max(amount(text) - kept[name], Decimal())) if kept.get(name) else text
        for name, text in capacity.items()
    }


def total(*reservations: Quantities) -> Quantities:
    """Return the sum of reservations, in whole bytes or in thousandths of a CPU."""
    names = {name for each in reservations for name in each}
    return {
        name: _text(name, sum((amount(each.get(name, "0")) for each in reservations), Decimal()))
        for name in names
    }


def amount(text: str) -> Decimal:
    """Return a quantity as a number. Raises ValueError for what is not one."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    digits, suffix = match.groups()
    return Decimal(digits) * _factor(suffix or "")


def _factor(suffix: str) -> Decimal:
    match suffix:
        case "":
            return Decimal(1)
        case "m":
            return Decimal("0.001")
        case _:
            power = _PREFIXES.index(suffix[0].upper()) + 1
            return Decimal(_KIBI if suffix.endswith("i") else 1000) ** power


def _threshold(text: str, capacity: Decimal) -> Decimal:
    """A threshold is a quantity or a share of the capacity, which the kubelet has as float32."""
    if not text.endswith("%"):
        return amount(text)
    [share] = struct.unpack("f", struct.pack("f", float(text[:-1]) / 100))
    return Decimal(int(float(capacity) * share))


def _text(name: str, number: Decimal) -> str:
    """The canonical form: CPUs or thousandths of one; bytes with the largest binary suffix."""
    if name == _CPU:
        return str(int(number)) if number == int(number) else f"{int(number * 1000)}m"
    count, place = int(number), 0
    while count and count % _KIBI == 0 and place < len(_PREFIXES):
        count, place = count // _KIBI, place + 1
    return f"{count}{_PREFIXES[place - 1]}i" if place else str(count)
