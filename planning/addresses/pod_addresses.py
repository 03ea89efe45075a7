"""The pod addresses of one ENI: one case for each address mode.

Each case has `mode`, the key's value in a stack file; `count`, how many addresses there are;
`planned`, those that the plan knows, in order; and `blocks`, the /28 prefixes that they come from.
A function that treats the cases differently matches on them and ends in `assert_never`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar

from config.model import AddressMode


@dataclass(frozen=True)
class Pinned:
    """Single addresses that the plan chooses."""

    addresses: tuple[IPv4Address, ...]
    mode: ClassVar[AddressMode] = AddressMode.PINNED

    @property
    def count(self) -> int:
        """Number of addresses."""
        return len(self.addresses)

    @property
    def planned(self) -> tuple[IPv4Address, ...]:
        """All of them."""
        return self.addresses

    @property
    def blocks(self) -> tuple[IPv4Network, ...]:
        """None."""
        return ()


@dataclass(frozen=True)
class Counted:
    """A number of addresses that the cloud chooses when it creates the ENI."""

    count: int
    mode: ClassVar[AddressMode] = AddressMode.COUNT

    @property
    def planned(self) -> tuple[IPv4Address, ...]:
        """None: only the cloud knows them."""
        return ()

    @property
    def blocks(self) -> tuple[IPv4Network, ...]:
        """None."""
        return ()


@dataclass(frozen=True)
class Prefixes:
    """Whole /28 blocks out of the vSwitch's reservation; pods get every address of them."""

    blocks: tuple[IPv4Network, ...]
    mode: ClassVar[AddressMode] = AddressMode.PREFIX

    @property
    def count(self) -> int:
        """Number of addresses in the blocks."""
        return sum(block.num_addresses for block in self.blocks)

    @property
    def planned(self) -> tuple[IPv4Address, ...]:
        """Every address of every block."""
        return tuple(address for block in self.blocks for address in block)


PodAddresses = Pinned | Counted | Prefixes
