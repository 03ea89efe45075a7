"""Spiderpool: the chart's values and the objects that this program owns itself (decision D6).

The chart is installed without its hook Jobs. Those would make a SpiderMultusConfig that refuses
the real one (spiderpool#2700), and would delete every object of ours on the way down.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Network
from typing import Final

from config.report import ConfigError, Problem
from planning.chart_keys import strange_values
from planning.ipv6 import gateway as ipv6_gateway
from planning.model import ClusterPlan, IPPoolPlan
from planning.names import IPV6, SPIDERPOOL_NAMESPACE, multus_config_name
from planning.secrets import ClusterSecrets

API_VERSION: Final = "spiderpool.spidernet.io/v2beta1"
NAMESPACE: Final = SPIDERPOOL_NAMESPACE
RELEASE_NAME: Final = "spiderpool"
COORDINATOR_NAME: Final = "default"
"""The one SpiderCoordinator: agents take the first they find, the controller this name."""
DEFAULT_INTERFACE: Final = "eth0"
CHINA_REGISTRY: Final = "ghcr.m.daocloud.io"

Values = dict[str, object]

_TYPED: Final[Mapping[tuple[str, ...], str]] = {
    ("global", "imageRegistryOverride"): "spiderpool.imageRegistry",
    ("plugins", "installCNI"): "spiderpool.installCni",
    ("ipam", "enableIPv6"): "network.ipv6.enabled",
}
"""Values that the stack file has a key of its own for."""


def chart_values(plan: ClusterPlan, *, secrets: ClusterSecrets | None) -> Values:
    """All values of the release: the user's, under what must hold for this cluster.

    With secrets they hold the webhook's private key. Without, only
    `spiderpoolController.tls.provided` is missing (`webhook_certificates` makes it), so that the
    rest can be shown before there are secrets.

    Raises:
        ConfigError: when `spiderpool.values` says something else than what must hold.
    """
    problems = value_problems(plan)
    if problems:
        raise ConfigError(problems)
    tls: Values = {"method": "provided"}
    if secrets is not None:
        tls["provided"] = webhook_certificates(secrets)
    values = _merged(_merged(_defaults(plan), plan.spiderpool.values), _fixed(plan))
    return _merged(values, {"spiderpoolController": {"tls": tls}})


def webhook_certificates(secrets: ClusterSecrets) -> dict[str, str]:
    """The chart's `spiderpoolController.tls.provided`: base64 of PEM, as its Secret has it."""
    return {
        "tlsCa": _encoded(secrets.webhook_ca),
        "tlsCert": _encoded(secrets.webhook.certificate),
        "tlsKey": _encoded(secrets.webhook.key),
    }


def value_problems(plan: ClusterPlan) -> tuple[Problem, ...]:
    """Values of the user that contradict what must hold; empty when there are none."""
    held = dict(_leaves(_fixed(plan)))
    found: list[Problem] = []
    for path, value in _leaves(plan.spiderpool.values):
        above = next((p for p in held if p != path and p[: len(path)] == path), None)
        below = next((path[:n] for n in range(1, len(path)) if path[:n] in held), None)
        if path[:2] == ("spiderpoolController", "tls"):
            found.append(
                Problem(
                    path=_path(path),
                    value=None,
                    rule="the webhook's certificate is the stack's own, made once, so that no "
                    "upgrade changes it",
                    remedy="remove it; `python -m operations secrets init` makes the certificate",
                )
            )
        elif path in held and held[path] != value:
            found.append(_contradiction(path, value, held[path]))
        elif above is not None:
            found.append(_contradiction(path, value, "a map"))
        elif below is not None:
            found.append(_contradiction(below, "a map", held[below]))
    told = {problem.path for problem in found}
    found += [problem for problem in _strange(plan) if problem.path not in told]
    return tuple(found)


def _strange(plan: ClusterPlan) -> Iterator[Problem]:
    """Values of the user that the chart would not take as meant."""
    for path, wrong in strange_values(plan.spiderpool.values):
        yield Problem(
            path=_path(path),
            value=None,
            rule=f"{wrong}; Helm would take it in silence",
            remedy="look it up in the chart's values.yaml, or remove it",
        )


def ip_pool_spec(
    pool: IPPoolPlan, *, ips: Sequence[str], ipv6_network: IPv6Network | None = None
) -> Values:
    """A SpiderIPPool's spec, as the guide writes it and nothing more.

    What the webhook adds (`ipVersion`, `disable`) is left to it: unsaid fields are never a
    difference.

    Args:
        pool: one of `plan.ip_pools`.
        ips: canonical ranges from the ENI that exists.
        ipv6_network: the vSwitch's /64, for an IPv6 pool; the cloud chooses it.

    Raises:
        ValueError: an IPv6 pool without its /64.
    """
    subnet, gateway = str(pool.subnet), str(pool.gateway)
    if pool.ip_version == IPV6:
        if ipv6_network is None:
            raise ValueError(f"pool {pool.name} is for IPv6: its vSwitch's /64 must be given")
        subnet, gateway = str(ipv6_network), str(ipv6_gateway(ipv6_network))
    spec: Values = {
        "default": pool.default,
        "ips": list(ips),
        "subnet": subnet,
        "gateway": gateway,
        "nodeName": [pool.node_name],
        "multusName": [pool.multus_name],
    }
    if pool.namespaces:
        spec["namespaceName"] = list(pool.namespaces)
    if pool.pod_labels:
        spec["podAffinity"] = {"matchLabels": dict(pool.pod_labels)}
    return spec


def multus_config_spec(plan: ClusterPlan, interface: str) -> Values:
    """A SpiderMultusConfig's spec: ipvlan on one NIC, with the coordinator.

    Raises:
        KeyError: no node of the plan has that NIC.
    """
    if interface not in plan.interface_names:
        raise KeyError(interface)
    return {"cniType": "ipvlan", "enableCoordinator": True, "ipvlan": {"master": [interface]}}


def coordinator_spec(plan: ClusterPlan) -> Values:
    """The SpiderCoordinator's spec.

    `none`: there is no overlay. Left to itself it reads /etc/cni/net.d and can be led astray; and
    the cluster's dummy pod range must never be routed to the host.
    """
    del plan
    return {
        "mode": "auto",
        "podCIDRType": "none",
        "hijackCIDR": ["169.254.0.0/16"],
        "tunePodRoutes": True,
    }


def _fixed(plan: ClusterPlan) -> Values:
    """What must hold, whatever the user's values say."""
    install_cni = plan.spiderpool.install_cni
    return {
        "global": {
            "imageRegistryOverride": _registry(plan),
            "nameOverride": "",
            "clusterDnsDomain": "cluster.local",
            # The coordinator, the DaemonSet and multus have these built in (chart 1.2.2).
            "cniBinHostPath": "/opt/cni/bin",
            "cniConfHostPath": "/etc/cni/net.d",
            "ipamUNIXSocketHostPath": "/var/run/spidernet/spiderpool.sock",
            "configName": "spiderpool-conf",
        },
        "ipam": {
            "enableIPv4": True,
            "enableIPv6": plan.network.ipv6.enabled,
            # A pod that moves must leave its address: it belongs to the other node's ENI.
            "enableStatefulSet": False,
            "enableKubevirtStaticIP": False,
            # A SpiderSubnet of the same range would adopt our pools.
            "spiderSubnet": {"enable": False, "autoPool": {"enable": False}},
            "gc": {"enabled": True},
        },
        "coordinator": {"enabled": True, "name": COORDINATOR_NAME},
        "multus": {
            "enableMultusConfig": True,
            "multusCNI": {
                "install": True,
                "uninstall": False,
                "defaultCniCRName": multus_config_name(DEFAULT_INTERFACE),
            },
        },
        "plugins": {"installCNI": install_cni},
        "clusterDefaultPool": {"installIPv4IPPool": False, "installIPv6IPPool": False},
        "spiderpoolController": {
            "name": "spiderpool-controller",
            # There is no other CNI that could carry its pods.
            "hostnetwork": True,
            "webhookPort": 5722,
            # Its hook would delete every pool, multus config and CRD.
            "cleanup": {"enable": False},
        },
    }


def _defaults(plan: ClusterPlan) -> Values:
    """What the user may change."""
    return {
        "ipam": {
            # ARP probes prove nothing in a VPC, which answers for every address.
            "enableIPConflictDetection": False,
            "enableGatewayDetection": False,
            "enableCleanOutdatedEndpoint": True,
            # How long an address of a lost node stays taken; upstream's is 600.
            "gc": {"gcAll": {"intervalInSecond": 120}},
        },
        # Only read by the hook Job; the SpiderCoordinator itself says the same.
        "coordinator": {"mode": "auto", "podCIDRType": "none", "tunePodRoutes": True},
        "plugins": {
            "installRdmaCNI": False,
            "installOvsCNI": False,
            "installSriovCNI": False,
            "installibSriovCNI": False,
            "installIpoibCNI": False,
            "installVlanCNI": False,
        },
        "spiderpoolAgent": {"tuneSysctlConfig": True},
        "spiderpoolController": {
            # Its host ports are one to a node: a rollout needs a node more than replicas.
            "replicas": 2 if len(plan.nodes) > 2 and len(plan.control_planes) > 1 else 1,  # noqa: PLR2004
            "enableValidatingResourcesDeletedWebhook": False,
            "podResourceInject": {"enabled": False},
        },
        "rdma": {"rdmaSharedDevicePlugin": {"install": False}},
        "sriov": {"install": False},
        "grafanaDashboard": {"install": False},
    }


def _registry(plan: ClusterPlan) -> str:
    if plan.spiderpool.image_registry is not None:
        return plan.spiderpool.image_registry
    return CHINA_REGISTRY if plan.kubernetes.mirrors == "china" else ""


def _merged(under: Mapping[str, object], over: Mapping[str, object]) -> Values:
    """`over` laid over `under`; maps are merged, everything else replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def _leaves(
    values: Mapping[str, object], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, str(key)))
        elif not isinstance(value, Mapping):
            yield (*path, str(key)), value


def _contradiction(path: tuple[str, ...], value: object, held: object) -> Problem:
    typed = _TYPED.get(path)
    return Problem(
        path=_path(path),
        value=str(value),
        rule=f"this value must be {held!r} in this cluster",
        remedy=f"remove it and say {typed}" if typed else "remove it",
    )


def _path(path: tuple[str, ...]) -> str:
    return ".".join(("spiderpool.values", *path))


def _encoded(pem: str) -> str:
    return b64encode(pem.encode()).decode()
