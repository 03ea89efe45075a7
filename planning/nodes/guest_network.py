"""Network configuration of a node's operating system.

Each NIC is found by its MAC, keeps its ENI's primary address, and answers through itself: packets
from its own address use its own table, because an ENI drops packets from another ENI's address
(docs/data-plane.md, finding A). Pod addresses are never configured here: the coordinator's routes
lose to a local address, and the pod that owns it would be cut off (Spiderpool, coordinator).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Network
from typing import Final

from config.facts.nics import PRIMARY_NIC, SECOND_NIC
from planning.addresses.ipv6 import gateway as ipv6_gateway
from planning.addresses.ipv6 import twin
from planning.document import yaml_text
from planning.model import ClusterPlan, NodePlan

RULE_PRIORITY: Final = 2000
"""After the coordinator's 1000, so that its rules match traffic to the node's pods first."""

_TABLES: Final = {PRIMARY_NIC: 101, SECOND_NIC: 102}
_NAME_SERVERS: Final = ("100.100.2.136", "100.100.2.138")
"""Alibaba Cloud's resolvers inside every VPC."""

NETWORKD: Final = """\
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
"""
"""The coordinator adds routes and rules of its own; systemd-networkd must not take them away."""

NETWORK_MANAGER: Final = """\
[keyfile]
unmanaged-devices=interface-name:veth*;interface-name:eth*
"""
"""If NetworkManager is installed, it must not manage the pods' links and the NICs."""

CLOUD_INIT: Final = """\
network: {config: disabled}
datasource: {AliYun: {apply_full_imds_network_config: false}}
"""
"""Netplan's file alone configures NICs: cloud-init (25.1) would run DHCP on all of them, and
DHCPv6 could put a pod's address on the node."""


NETWORKD_IPV6: Final = """\
[IPv6AcceptRA]
DHCPv6Client=no
UseAutonomousPrefix=no
"""
"""Takes only the route from a router advertisement. It may announce DHCPv6, which could put a pod's
address on the node."""


def dual_stack_files(plan: ClusterPlan, node: NodePlan) -> dict[str, str]:
    """Additions to what netplan writes for systemd-networkd; none without IPv6."""
    if not plan.network.ipv6.enabled:
        return {}
    folder = "/etc/systemd/network/10-netplan-{}.network.d"
    return {f"{folder.format(n)}/spiderpool.conf": NETWORKD_IPV6 for n in sorted(node.interfaces)}


def netplan(
    plan: ClusterPlan,
    node: NodePlan,
    *,
    macs: Mapping[str, str],
    ipv6_networks: Mapping[str, IPv6Network],
) -> str:
    """The node's netplan file.

    `macs`: NIC name → MAC of its ENI. `ipv6_networks`: vSwitch key → its /64; with it a NIC has
    its own IPv6 address, the twin of its primary IPv4 address, which the coordinator needs.
    """
    return yaml_text(
        {
            "network": {
                "version": 2,
                "renderer": "networkd",
                "ethernets": {
                    name: _ethernet(plan, node, name, macs[name], ipv6_networks)
                    for name in sorted(node.interfaces)
                },
            }
        }
    )


def _ethernet(
    plan: ClusterPlan,
    node: NodePlan,
    name: str,
    mac: str,
    ipv6_networks: Mapping[str, IPv6Network],
) -> dict[str, object]:
    interface = node.interfaces[name]
    vswitch = plan.network.vswitches[interface.vswitch]
    address, gateway, table = str(interface.primary), str(vswitch.gateway), _TABLES[name]
    ipv6 = plan.network.ipv6.enabled
    addresses = [f"{address}/{vswitch.cidr.prefixlen}"]
    rules = [{"from": f"{address}/32", "table": table, "priority": RULE_PRIORITY}]
    routes: list[dict[str, object]] = [
        {"to": str(vswitch.cidr), "scope": "link", "table": table},
        {"to": "default", "via": gateway, "table": table},
    ]
    ethernet: dict[str, object] = {
        "match": {"macaddress": mac.lower()},
        "set-name": name,
        "dhcp4": False,
        "dhcp6": False,
        "accept-ra": ipv6 and name == PRIMARY_NIC,
        "link-local": ["ipv6"] if ipv6 else [],
        "addresses": addresses,
    }
    network = ipv6_networks.get(interface.vswitch)
    if network is not None:
        own = str(twin(network, interface.primary))
        addresses.append(f"{own}/{network.prefixlen}")
        rules.append({"from": f"{own}/128", "table": table, "priority": RULE_PRIORITY})
        routes += [
            {"to": str(network), "scope": "link", "table": table},
            {"to": "::/0", "via": str(ipv6_gateway(network)), "table": table},
        ]
    if name == PRIMARY_NIC:
        ethernet["nameservers"] = {"addresses": list(_NAME_SERVERS)}
        routes.insert(0, {"to": "default", "via": gateway})
    else:
        ethernet["optional"] = True
    ethernet["routes"] = routes
    ethernet["routing-policy"] = rules
    return ethernet
