"""Names of Kubernetes objects, built from the user's names and never from positions in lists."""

from __future__ import annotations

from ipaddress import IPv4Network

SPIDERPOOL_NAMESPACE = "kube-system"

DOMAIN = "spiderpool-alicloud.io"
"""Of the labels, annotations and resources that are this program's own."""

IPV6 = 6


def vswitch_key(subnet: str, zone: str) -> str:
    """A vSwitch in the plan; zones of a region have equal lengths, so each pair has its own key."""
    return f"{subnet}-{zone}"


def pool_name(node: str, interface: str, ip_version: int = 4) -> str:
    """The SpiderIPPool of one node's NIC."""
    name = f"{node}-{interface}"
    return f"{name}-v6" if ip_version == IPV6 else name


def multus_config_name(interface: str) -> str:
    """The SpiderMultusConfig of a NIC; the same on every node, as the NIC's name is."""
    return f"ipvlan-{interface}"


def multus_name(interface: str) -> str:
    """What a pool's `multusName` says: namespace and name."""
    return f"{SPIDERPOOL_NAMESPACE}/{multus_config_name(interface)}"


def cidr_slug(cidr: IPv4Network) -> str:
    """A CIDR as a part of a name: `10.0.0.0/8` → `10-0-0-0-8`."""
    return str(cidr).replace(".", "-").replace("/", "-")
