"""Values of Spiderpool's chart that `spiderpool.values` cannot change, with the reasons.

Sources: the chart and the code of Spiderpool v1.2.2 (charts/spiderpool, cmd/spiderpool-init,
pkg/ipam, cmd/coordinator).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from config.facts.nics import DEFAULT_POD_NIC
from planning.model import ClusterPlan
from planning.names import multus_config_name

COORDINATOR_NAME: Final = "default"
"""Name of the only SpiderCoordinator. Agents use the first listed, the controller this one."""
CHINA_REGISTRY: Final = "ghcr.m.daocloud.io"

Path = tuple[str, ...]

_BUILT_IN: Final = "The coordinator, the DaemonSet and multus have this built in."
_OWN_POOLS: Final = "Every node and NIC has a pool of its own, which this program makes."
_SUBNETS: Final = "A SpiderSubnet of the same range would adopt this program's pools."
_MOVES: Final = (
    "A pod that moves to another node must leave its address behind, because the address belongs "
    "to the first node's ENI. A StatefulSet's pod would keep it and have no network."
)

REASONS: Final[Mapping[Path, str]] = {
    ("global", "imageRegistryOverride"): "The stack file has a key of its own for it.",
    ("global", "nameOverride"): "This program finds the chart's objects by their names.",
    ("global", "clusterDnsDomain"): "kubeadm sets up this domain.",
    ("global", "cniBinHostPath"): _BUILT_IN,
    ("global", "cniConfHostPath"): _BUILT_IN,
    ("global", "ipamUNIXSocketHostPath"): _BUILT_IN,
    ("global", "configName"): _BUILT_IN,
    ("ipam", "enableIPv4"): "Every pod has an IPv4 address.",
    ("ipam", "enableIPv6"): "The stack file has a key of its own for it.",
    ("ipam", "enableStatefulSet"): _MOVES,
    ("ipam", "enableKubevirtStaticIP"): _MOVES,
    ("ipam", "enableIPConflictDetection"): "The VPC answers the ARP probe for every address, so "
    "that each address would look taken and no pod would start.",
    ("ipam", "enableGatewayDetection"): "The VPC answers the ARP probe for every address, so that "
    "it proves nothing.",
    ("ipam", "spiderSubnet", "enable"): _SUBNETS,
    ("ipam", "spiderSubnet", "autoPool", "enable"): _SUBNETS,
    ("ipam", "gc", "enabled"): "Without it the addresses of a lost node's pods stay taken.",
    ("coordinator", "enabled"): "Without it pods reach no service.",
    ("coordinator", "name"): "Spiderpool's controller reads the coordinator of this name.",
    ("coordinator", "mode"): "With auto each pod is set up by its own NIC.",
    ("coordinator", "podCIDRType"): "There is no overlay: the cluster's dummy pod range must never "
    "be routed to the host.",
    ("coordinator", "tunePodRoutes"): "A pod with two NICs would answer on the wrong one.",
    ("multus", "enableMultusConfig"): "Pods get their NICs from SpiderMultusConfigs.",
    ("multus", "multusCNI", "install"): "Pods get their NICs from multus.",
    ("multus", "multusCNI", "uninstall"): "Pods that still run would lose their way out.",
    (
        "multus",
        "multusCNI",
        "defaultCniCRName",
    ): "Pods use eth0 unless they ask for another NIC; maxPods depends on it.",
    ("plugins", "installCNI"): "The stack file has a key of its own for it.",
    ("clusterDefaultPool", "installIPv4IPPool"): _OWN_POOLS,
    ("clusterDefaultPool", "installIPv6IPPool"): _OWN_POOLS,
    ("spiderpoolController", "name"): "The webhook's certificate is for this name.",
    ("spiderpoolController", "hostnetwork"): "No other CNI could carry its pods.",
    ("spiderpoolController", "webhookPort"): "The security group and the checks expect this port.",
    ("spiderpoolController", "cleanup", "enable"): "Its hook would delete every pool, multus "
    "config and CRD.",
}
"""The reason for each value."""

OWN_KEYS: Final[Mapping[Path, str]] = {
    ("global", "imageRegistryOverride"): "spiderpool.imageRegistry",
    ("plugins", "installCNI"): "spiderpool.installCni",
    ("ipam", "enableIPv6"): "network.ipv6.enabled",
}
"""Values that the stack file has a key of its own for."""


def fixed_values(plan: ClusterPlan) -> dict[str, object]:
    """The values that cannot change, in the shape of the chart's values."""
    return {
        "global": {
            "imageRegistryOverride": _registry(plan),
            "nameOverride": "",
            "clusterDnsDomain": "cluster.local",
            "cniBinHostPath": "/opt/cni/bin",
            "cniConfHostPath": "/etc/cni/net.d",
            "ipamUNIXSocketHostPath": "/var/run/spidernet/spiderpool.sock",
            "configName": "spiderpool-conf",
        },
        "ipam": {
            "enableIPv4": True,
            "enableIPv6": plan.network.ipv6.enabled,
            "enableStatefulSet": False,
            "enableKubevirtStaticIP": False,
            "enableIPConflictDetection": False,
            "enableGatewayDetection": False,
            "spiderSubnet": {"enable": False, "autoPool": {"enable": False}},
            "gc": {"enabled": True},
        },
        "coordinator": {
            "enabled": True,
            "name": COORDINATOR_NAME,
            "mode": "auto",
            "podCIDRType": "none",
            "tunePodRoutes": True,
        },
        "multus": {
            "enableMultusConfig": True,
            "multusCNI": {
                "install": True,
                "uninstall": False,
                "defaultCniCRName": multus_config_name(DEFAULT_POD_NIC),
            },
        },
        "plugins": {"installCNI": plan.spiderpool.install_cni},
        "clusterDefaultPool": {"installIPv4IPPool": False, "installIPv6IPPool": False},
        "spiderpoolController": {
            "name": "spiderpool-controller",
            "hostnetwork": True,
            "webhookPort": 5722,
            "cleanup": {"enable": False},
        },
    }


def leaves(values: Mapping[str, object], path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value that is not a map, with its path; empty maps are left out."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, str(key)))
        elif not isinstance(value, Mapping):
            yield (*path, str(key)), value


def _registry(plan: ClusterPlan) -> str:
    if plan.spiderpool.image_registry is not None:
        return plan.spiderpool.image_registry
    return CHINA_REGISTRY if plan.kubernetes.mirrors == "china" else ""
