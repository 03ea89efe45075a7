"""Names of resources in the cloud and in Kubernetes, from the names in the stack file.

The program creates resources under these names, and `operations` recognises them by the same
functions. No name depends on a position in a list.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Final

from config.facts.tags import TAG_CLUSTER, TAG_PROFILE
from config.model import Profile

SPIDERPOOL_NAMESPACE = "kube-system"

DOMAIN = "spiderpool-alicloud.io"
"""Domain of this program's labels, annotations and resources."""

IPV6 = 6
_DIGEST: Final = 8
"""Characters of a digest in a name."""
CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
"""Key of the label and of the taint that kubeadm gives every control plane."""


def own_tags(cluster: str, profile: Profile) -> dict[str, str]:
    """The two tags that together mark a resource as this cluster's, besides the user's tags."""
    return {TAG_CLUSTER: cluster, TAG_PROFILE: profile.value}


def vswitch_name(cluster: str, key: str) -> str:
    """Name of a vSwitch, its SNAT entry and its CIDR reservation."""
    return f"{cluster}-{key}"


def nat_eip_name(cluster: str) -> str:
    """Name of the NAT gateway's EIP."""
    return f"{cluster}-nat"


def api_endpoint_name(cluster: str) -> str:
    """Name of the API server's EIP, load balancer, server group and access control list."""
    return f"{cluster}-api"


def access_list_name(cluster: str, digest: str) -> str:
    """Name of one of several access control lists, by the digest of its entries."""
    return f"{api_endpoint_name(cluster)}-{digest[:_DIGEST]}"


def is_access_list_name(cluster: str, name: str) -> bool:
    """Whether it is the name of an access control list of the cluster, in this plan or another."""
    api = re.escape(api_endpoint_name(cluster))
    return re.fullmatch(rf"{api}(-[0-9a-f]{{{_DIGEST}}})?", name) is not None


def controller_role_name(cluster: str, region: str) -> str:
    """Name of the cloud controller's RAM role and policy.

    RAM has no regions, so the name contains one.
    """
    return f"{cluster}-{region}-ccm"


def vswitch_key(subnet: str, zone: str) -> str:
    """A vSwitch in the plan; zones of a region have equal lengths, so each pair has its own key."""
    return f"{subnet}-{zone}"


def pool_name(node: str, interface: str, ip_version: int = 4) -> str:
    """The SpiderIPPool of one node's NIC."""
    name = f"{node}-{interface}"
    return f"{name}-v6" if ip_version == IPV6 else name


def etcd_disk_name(machine: str) -> str:
    """The disk for etcd of a machine, `<cluster>-<node>`; the cloud shows it under that name."""
    return f"{machine}-etcd"


def multus_config_name(interface: str) -> str:
    """The SpiderMultusConfig of a NIC; the same on every node, as the NIC's name is."""
    return f"ipvlan-{interface}"


def multus_name(interface: str) -> str:
    """A pool's `multusName`: namespace and name."""
    return f"{SPIDERPOOL_NAMESPACE}/{multus_config_name(interface)}"


def cidr_slug(cidr: IPv4Network) -> str:
    """A CIDR as a part of a name: `10.0.0.0/8` → `10-0-0-0-8`."""
    return str(cidr).replace(".", "-").replace("/", "-")
