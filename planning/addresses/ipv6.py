"""IPv6 addresses in addition to the IPv4 ones, once the cloud has given the VPC its /56.

An address ends in its IPv4 twin: 172.31.199.185 on 2408:4005:3a0:1201::/64 is
2408:4005:3a0:1201::ac1f:c7b9. So it is as stable as the IPv4 plan and unique in the VPC. It is
never one of the ten addresses that Alibaba Cloud reserves in a /64, the first and the last nine.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

from planning.model import InterfacePlan

VSWITCH_PREFIX = 64
IPV4_BITS = 2**32 - 1
"""The bits of an IPv6 address that are its IPv4 twin."""


def twin(network: IPv6Network, address: IPv4Address) -> IPv6Address:
    """The IPv6 address that goes with an IPv4 address in this vSwitch.

    Raises ValueError if `network` is not a /64.
    """
    if network.prefixlen != VSWITCH_PREFIX:
        raise ValueError(f"{network} is not a /64, as every IPv6 range of a vSwitch is")
    return IPv6Address(int(network.network_address) + int(address))


def interface_addresses(network: IPv6Network, interface: InterfacePlan) -> tuple[IPv6Address, ...]:
    """All IPv6 addresses of an ENI: the host's first, then one for each pod address."""
    return (
        twin(network, interface.primary),
        *(twin(network, a) for a in interface.pods.planned),
    )


def gateway(network: IPv6Network) -> IPv6Address:
    """The gateway, the third address from the end. Spiderpool demands one inside the prefix.

    Alibaba Cloud reserves this address. Its own Terway sends to it (89aadf8b, pkg/ip/ip.go,
    `DeriveGatewayIP`). The page on the metadata service shows an `ipv6-gateway` that ends in fff7,
    the first of the nine reserved addresses at the end. Packets have shown neither.
    """
    return IPv6Address(int(network.broadcast_address) - 2)
