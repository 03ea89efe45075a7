"""Problems of the documents that are generated from a plan, without any secret."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha512
from ipaddress import IPv6Network

from config.facts.nics import PRIMARY_NIC
from config.report import ConfigError, Problem
from planning.model import ClusterPlan, NodePlan
from planning.nodes.secrets import ClusterSecrets, KeyPair
from planning.nodes.user_data import user_data
from planning.spiderpool.chart import ip_pool_spec
from planning.spiderpool.value_checks import value_problems
from planning.spiderpool.verdict import pools_problems


def document_problems(plan: ClusterPlan) -> Iterator[Problem]:
    """Chart values that contradict the plan, and user-data beyond its limit."""
    yield from value_problems(plan)
    planes = plan.control_planes
    if plan.kubernetes.mode == "kubeadm" and planes and PRIMARY_NIC in planes[0].interfaces:
        yield from user_data_problems(plan)


def pool_problems(plan: ClusterPlan) -> Iterator[Problem]:
    """Pools that Spiderpool's webhook would refuse, as far as they are known without the cloud."""
    specs = {
        name: ip_pool_spec(pool, ips=pool.ips)
        for name, pool in plan.ip_pools.items()
        if pool.subnet is not None
    }
    for problem in pools_problems(specs):
        yield replace(problem, path=f"spiderpool.pools.{problem.path}")


def user_data_problems(plan: ClusterPlan) -> Iterator[Problem]:
    """User-data beyond its limit, one problem for a pool.

    The user-data is rendered with stand-ins that are as long as real secrets and answers of the
    cloud, and as hard to compress. Only the node with the longest name and labels of each pool is
    rendered, because the others do not differ otherwise.
    """
    largest: dict[str, NodePlan] = {}
    for node in plan.nodes.values():
        other = largest.get(node.pool)
        if PRIMARY_NIC not in node.interfaces:
            continue  # refused by `config.rules`
        if other is None or _own_length(node) > _own_length(other):
            largest[node.pool] = node
    for node in largest.values():
        try:
            user_data(
                plan,
                node.name,
                secrets=_STAND_INS,
                macs=dict.fromkeys(node.interfaces, "00:16:3e:00:00:00"),
                api_address="255.255.255.255",
                public_address="255.255.255.255" if plan.public_endpoint else None,
                creation_ends=9_999_999_999,
                ipv6_networks=_ipv6_networks(plan),
                earlier_addresses={node.name: "255.255.255.255" for node in plan.control_planes},
                etcd_disk_serial=None if node.etcd_disk is None else _ID,
                restore=f"s-{_ID}",
            )
        except ConfigError as error:
            yield from error.problems


def _own_length(node: NodePlan) -> tuple[int, str]:
    return (len(node.name) + sum(len(k) + len(v) for k, v in node.labels.items()), node.name)


def _ipv6_networks(plan: ClusterPlan) -> dict[str, IPv6Network]:
    if not plan.network.ipv6.enabled:
        return {}
    first = IPv6Network("2408:4005:3aff:ff00::/64").network_address
    return {
        key: IPv6Network((int(first) + (number << 64), 64))
        for number, key in enumerate(plan.network.vswitches)
    }


def _pem(kind: str, length: int) -> str:
    """PEM-shaped text of a realistic length; not a real key or certificate."""
    text = "".join(
        b64encode(sha512(f"{kind} {number}".encode()).digest()).decode()
        for number in range(length // 64)
    )
    lines = [text[at : at + 64] for at in range(0, length, 64)]
    return "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""))


_ID = "bp67acfmxazb4ph0aaaa"
"""An id of the cloud without its prefix, as long as they are."""
_PAIR = KeyPair(certificate=_pem("CERTIFICATE", 768), key=_pem("EC KEY", 192))
_STAND_INS = ClusterSecrets(
    ca=_PAIR,
    front_proxy_ca=_PAIR,
    etcd_ca=_PAIR,
    service_account_key=_pem("EC KEY", 192),
    service_account_public_key=_pem("PUBLIC KEY", 128),
    admin=_PAIR,
    bootstrap_token="x" * 6 + "." + "x" * 16,
    webhook_ca=_PAIR.certificate,
    webhook=_PAIR,
    encryption_keys=("key999999", "key999998"),
)
"""Secrets of the usual lengths: a plan measures its user-data before any secrets exist."""
