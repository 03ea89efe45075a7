"""The IPv6 gateway of a guarded fabric: only addresses with public bandwidth reach the internet.

An nftables table of the family `ip6` in the VPC's network namespace. Nothing is translated. Without
bandwidth an address is for the VPC only, and bandwidth lets the internet in too
(https://www.alibabacloud.com/help/en/ipv6-gateway/product-overview/what-is-an-ipv6-gateway).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final

from localcloud.machines.network.filter import Apply, on_change
from localcloud.machines.network.translation import LINK

TABLE: Final = "ipv6_gateway"


def table(public: Iterable[str]) -> str:
    """The script that lets exactly these addresses pass, in one transaction.

    Raises ValueError for what is not an IPv6 address.
    """
    addresses = ", ".join(str(address) for address in sorted(map(IPv6Address, public)))
    elements = f" elements = {{ {addresses} }};" if addresses else ""
    return f"""\
table ip6 {TABLE} {{}}
delete table ip6 {TABLE}
table ip6 {TABLE} {{
  set public {{ type ipv6_addr;{elements} }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    oifname "{LINK}" ip6 saddr != @public drop
    iifname "{LINK}" ip6 daddr != @public drop
  }}
  # ENIs of a vSwitch reach each other by the gateway only, and nothing else turns a redirect off.
  chain sent {{
    type filter hook output priority filter; policy accept;
    icmpv6 type nd-redirect drop
  }}
}}
"""


class Ipv6Gateway:
    """The IPv6 gateway of one VPC. Its calls block."""

    def __init__(self, apply: Apply) -> None:
        self._apply = on_change(apply)
        self.follow(())

    def follow(self, public: Iterable[str]) -> None:
        """Let exactly these addresses pass from now on."""
        self._apply(table(public))
