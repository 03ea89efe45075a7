"""Names of a node's NICs, in Linux and in stack files."""

from __future__ import annotations

from typing import Final, Literal

NicName = Literal["eth0", "eth1"]

PRIMARY_NIC: Final = "eth0"
"""The primary ENI: it has the node's own address and the default route."""
SECOND_NIC: Final = "eth1"
NIC_NAMES: Final[tuple[NicName, ...]] = (PRIMARY_NIC, SECOND_NIC)

DEFAULT_POD_NIC: Final = PRIMARY_NIC
"""Pods get their address on this NIC unless they ask for another one (`defaultCniCRName` in
`planning.spiderpool.fixed_values`)."""
