"""Egress of a guarded fabric: which public address a machine's packets leave with, if any.

An nftables table of the family `ip` in the VPC's network namespace. An EIP of the machine itself
comes before the SNAT entries of the NAT gateway, and of these the one with the smallest network
decides (https://www.alibabacloud.com/help/en/nat-gateway/user-guide/create-and-manage-snat-entries).
What has neither is dropped: a VPC has no other way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, Self

from localcloud.machines.control import Instance
from localcloud.machines.network.filter import Apply, on_change

TABLE: Final = "translation"
LINK: Final = "internet"
"""The fabric's link to the internet."""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """Packets of a network leave with one of the public addresses."""

    source: IPv4Network
    addresses: tuple[IPv4Address, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `translations`."""
        return cls(
            source=IPv4Network(data["source"]),
            addresses=tuple(IPv4Address(address) for address in data["addresses"]),
        )


def of_machines(instances: Iterable[Instance]) -> list[Translation]:
    """The translations of machines that have a public address of their own."""
    return [
        Translation(
            source=IPv4Network(instance.primary.address),
            addresses=(IPv4Address(instance.public_address),),
        )
        for instance in instances
        if instance.primary is not None and instance.public_address
    ]


def table(translations: Iterable[Translation]) -> str:
    """The script that replaces all translations in one transaction.

    Of two translations with the same source the first one counts.
    """
    # Sorting is stable, so a machine's own address stays before an entry for the same address.
    ordered = sorted(translations, key=lambda one: -one.source.prefixlen)
    rules = [
        f'    oifname "{LINK}" ip saddr {one.source} snat to {_choice(one.addresses)}'
        for one in ordered
        if one.addresses
    ]
    sources = [f'    oifname "{LINK}" ip saddr {one.source} accept' for one in ordered]
    return "\n".join(
        [
            f"table ip {TABLE} {{}}",
            f"delete table ip {TABLE}",
            f"table ip {TABLE} {{",
            "  chain sent {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            *rules,
            "  }",
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            "    ct direction reply accept",
            *sources,
            f'    oifname "{LINK}" drop',
            "  }",
            "}",
            "",
        ]
    )


def _choice(addresses: tuple[IPv4Address, ...]) -> str:
    """One address, or one of several by the client's address, so that a client keeps its own."""
    if len(addresses) == 1:
        return str(addresses[0])
    choices = ", ".join(f"{number} : {address}" for number, address in enumerate(addresses))
    return f"jhash ip saddr mod {len(addresses)} map {{ {choices} }}"


class Translations:
    """The translations of one VPC. Its calls block."""

    def __init__(self, apply: Apply) -> None:
        self._apply = on_change(apply)
        self.follow(())

    def follow(self, translations: Iterable[Translation]) -> None:
        """Translate by these from now on; connections keep the address that they have."""
        self._apply(table(translations))
