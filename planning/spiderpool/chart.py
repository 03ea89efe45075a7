"""Spiderpool: the chart's values and the objects that this program owns itself.

The chart is installed without its hook Jobs. They would create a SpiderMultusConfig that blocks the
real one (spiderpool#2700), and would delete every object of ours at uninstallation.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network
from typing import Final

from config.facts.ranges import LINK_LOCAL, METADATA_SERVICE
from config.profiles import merge
from config.report import ConfigError
from planning.addresses.ipv6 import gateway as ipv6_gateway
from planning.model import ClusterPlan, IPPoolPlan
from planning.names import IPV6, SPIDERPOOL_NAMESPACE
from planning.nodes.metadata_guard import guards_metadata
from planning.nodes.secrets import ClusterSecrets
from planning.spiderpool.fixed_values import fixed_values
from planning.spiderpool.value_checks import COORDINATOR_FIELDS, value_problems

API_VERSION: Final = "spiderpool.spidernet.io/v2beta1"
NAMESPACE: Final = SPIDERPOOL_NAMESPACE

Values = dict[str, object]

_METADATA: Final = f"{METADATA_SERVICE}/32"


def chart_values(plan: ClusterPlan, *, secrets: ClusterSecrets | None) -> Values:
    """All values of the release: the user's, overlaid with those that this cluster requires.

    With secrets, the values contain the webhook's private key. Without secrets, only
    `spiderpoolController.tls.provided` is missing (`webhook_certificates` adds it), so that the
    rest can be shown before secrets exist.

    Raises:
        ConfigError: when `spiderpool.values` contradicts a required value.
    """
    problems = value_problems(plan)
    if problems:
        raise ConfigError(problems)
    tls: Values = {"method": "provided"}
    if secrets is not None:
        tls["provided"] = webhook_certificates(secrets)
    values = merge(merge(_defaults(plan), plan.spiderpool.values), fixed_values(plan))
    return merge(values, {"spiderpoolController": {"tls": tls}})


def webhook_certificates(secrets: ClusterSecrets) -> dict[str, str]:
    """The chart's `spiderpoolController.tls.provided`: base64 of PEM, as its Secret has it."""
    return {
        "tlsCa": _encoded(secrets.webhook_ca),
        "tlsCert": _encoded(secrets.webhook.certificate),
        "tlsKey": _encoded(secrets.webhook.key),
    }


def ip_pool_spec(
    pool: IPPoolPlan, *, ips: Sequence[str], ipv6_network: IPv6Network | None = None
) -> Values:
    """A SpiderIPPool's spec, as the guide writes it and nothing more.

    It leaves out the fields that the webhook adds (`ipVersion`, `disable`): a missing field is
    never a difference.

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
    """The SpiderCoordinator's spec: what must hold, and the user's values of the other fields.

    `none`, because there is no overlay: with `auto` it guesses from /etc/cni/net.d, and the
    cluster's dummy pod range must never be routed to the host. The chart hands its own
    `coordinator` values to a hook Job only, which this program leaves out.

    The coordinator routes the networks of `hijackCIDR` through the pod's veth to the host: in the
    main table for the first NIC, in each further NIC's own table (`setupHijackRoutes` in
    cmd/coordinator/cmd/utils.go). A pod gets these routes when it is created and keeps them. The
    host's rules then meet what it sends to the metadata service.
    """
    values = plan.spiderpool.values.get("coordinator")
    own = values if isinstance(values, Mapping) else {}
    spec: Values = {
        "mode": "auto",
        "podCIDRType": "none",
        "hijackCIDR": [str(LINK_LOCAL)],
        "tunePodRoutes": True,
        **{field: own[field] for field in COORDINATOR_FIELDS if field in own},
    }
    if guards_metadata(plan):
        spec["hijackCIDR"] = list(dict.fromkeys([*_texts(spec["hijackCIDR"]), _METADATA]))
    return spec


def _defaults(plan: ClusterPlan) -> Values:
    """Default values that the user may change."""
    return {
        "ipam": {
            "enableCleanOutdatedEndpoint": True,
            # How long an address of a lost node stays taken; upstream's is 600.
            "gc": {"gcAll": {"intervalInSecond": 120}},
        },
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
            # Host ports allow one replica a node, so a rollout needs one node more than replicas.
            "replicas": 2 if len(plan.nodes) > 2 and len(plan.control_planes) > 1 else 1,  # noqa: PLR2004
            "enableValidatingResourcesDeletedWebhook": False,
            "podResourceInject": {"enabled": False},
        },
        "rdma": {"rdmaSharedDevicePlugin": {"install": False}},
        "sriov": {"install": False},
        "grafanaDashboard": {"install": False},
    }


def _texts(networks: object) -> list[str]:
    return [str(network) for network in networks] if isinstance(networks, list | tuple) else []


def _encoded(pem: str) -> str:
    return b64encode(pem.encode()).decode()
