"""Checks of `spiderpool.values`: each value takes effect, or is refused with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from config.facts.unsupported import limit_of_key
from config.report import Problem
from planning.model import ClusterPlan
from planning.spiderpool.chart_keys import strange_values
from planning.spiderpool.fixed_values import OWN_KEYS, REASONS, Path, fixed_values, leaves

COORDINATOR_FIELDS: Final = ("hijackCIDR", "policyRoutes", "vethLinkAddress", "vethMTU")
"""Values of the chart's `coordinator` that the SpiderCoordinator of this program takes over."""

MAX_MTU: Final = 8500
"""MTU of an ENI with jumbo frames (ECS documentation, "MTUs")."""

_WITHOUT_EFFECT: Final[Mapping[Path, str]] = {
    ("coordinator", "detectGateway"): "Spiderpool 1.2 no longer reads it.",
    ("coordinator", "detectIPConflict"): "Spiderpool 1.2 no longer reads it.",
    ("spiderpoolInit",): "It is about a hook Job, which this program leaves out.",
    ("clusterDefaultPool",): "No default pool is installed: every node and NIC has a pool of its "
    "own.",
    ("global", "ciliumConfigMap"): "This cluster does not run Cilium.",
    ("ipam", "spiderSubnet", "autoPool", "defaultRedundantIPNumber"): "SpiderSubnets are off.",
}
"""Values that have no effect here, by path or by the start of it."""


def value_problems(plan: ClusterPlan) -> tuple[Problem, ...]:
    """The problems of the user's values."""
    values = plan.spiderpool.values
    problems = [*_contradictions(plan), *_without_effect(values)]
    reported = {problem.path for problem in problems}
    problems += [p for p in _strange(values) if p.path not in reported]
    reported |= {problem.path for problem in problems}
    return (*problems, *(p for p in _coordinator(plan) if p.path not in reported))


def _contradictions(plan: ClusterPlan) -> Iterator[Problem]:
    fixed = dict(leaves(fixed_values(plan)))
    for path, value in leaves(plan.spiderpool.values):
        above = next((p for p in fixed if p != path and p[: len(path)] == path), None)
        below = next((path[:n] for n in range(1, len(path)) if path[:n] in fixed), None)
        if path[:2] == ("spiderpoolController", "tls"):
            yield Problem(
                path=path_in_file(path),
                value=None,
                rule="The webhook's certificate is the stack's own, made once, so that no upgrade "
                "changes it.",
                remedy="Take it out; `python -m operations secrets init` makes the certificate.",
            )
        elif path in fixed and fixed[path] != value:
            yield _contradiction(path, value, fixed[path])
        elif above is not None:
            yield Problem(
                path=path_in_file(path),
                value=None if value is None else str(value),
                rule="It must be a map of keys and values.",
                remedy="Take it out.",
            )
        elif below is not None:
            yield _contradiction(below, None, fixed[below])


def _contradiction(path: Path, value: object, fixed: object) -> Problem:
    own = OWN_KEYS.get(path)
    return Problem(
        path=path_in_file(path),
        value=_shown(value),
        rule=f"It must be {_shown(fixed) or 'empty'} in this cluster. {REASONS[path]}",
        remedy=f"Take it out, and write {own} instead." if own else "Take it out.",
    )


def _without_effect(values: Mapping[str, object]) -> Iterator[Problem]:
    fixed = set(REASONS)
    for path, value in leaves(values):
        start = next((p for p in _WITHOUT_EFFECT if path[: len(p)] == p), None)
        if start is not None and path not in fixed:
            yield Problem(
                path=path_in_file(path),
                value=_shown(value),
                rule=f"It would have no effect. {_WITHOUT_EFFECT[start]}",
                remedy="Take it out.",
            )


def _strange(values: Mapping[str, object]) -> Iterator[Problem]:
    """Values of the user that the chart would not take as meant."""
    for path, wrong in strange_values(values):
        limit = limit_of_key(("spiderpool", "values", *path))
        if limit is not None:
            rule, remedy = limit.reason, limit.instead
        else:
            rule = f"{wrong}. Helm would accept it without an error."
            remedy = "Take it out, or look it up in the chart's values.yaml."
        yield Problem(path=path_in_file(path), value=None, rule=rule, remedy=remedy)


def _coordinator(plan: ClusterPlan) -> Iterator[Problem]:
    """Fields of the SpiderCoordinator: its webhook's rules, and what would cut pods off."""
    values = plan.spiderpool.values.get("coordinator")
    if not isinstance(values, Mapping):
        return
    networks = values.get("hijackCIDR")
    for place, text in enumerate(networks if isinstance(networks, list | tuple) else ()):
        yield from _hijacked(plan, f"spiderpool.values.coordinator.hijackCIDR[{place}]", text)
    routes = values.get("policyRoutes")
    for place, route in enumerate(routes if isinstance(routes, list | tuple) else ()):
        if not isinstance(route, Mapping) or set(route) != {"dst", "gw"}:
            yield Problem(
                path=f"spiderpool.values.coordinator.policyRoutes[{place}]",
                value=None,
                rule="A policy route has a network and a gateway.",
                remedy="Write {dst: 10.1.0.0/16, gw: 10.0.0.1} with addresses of yours.",
            )
        elif not _is_route(route["dst"], route["gw"]):
            yield Problem(
                path=f"spiderpool.values.coordinator.policyRoutes[{place}]",
                value=f"{route['dst']} by {route['gw']}",
                rule="A policy route has a network and the address of a gateway, both of IPv4 or "
                "both of IPv6.",
                remedy="Write {dst: 10.1.0.0/16, gw: 10.0.0.1} with addresses of yours.",
            )
    address = values.get("vethLinkAddress")
    if isinstance(address, str) and address and not _is_link_local(address):
        yield Problem(
            path="spiderpool.values.coordinator.vethLinkAddress",
            value=address,
            rule="The address of a pod's veth is a link-local IPv6 address.",
            remedy="Write fe80::1.",
        )
    mtu = values.get("vethMTU")
    if isinstance(mtu, int) and not 1 <= mtu <= MAX_MTU:
        yield Problem(
            path="spiderpool.values.coordinator.vethMTU",
            value=str(mtu),
            rule=f"An MTU in a VPC is at most {MAX_MTU}.",
            remedy="Write 1500.",
        )


def _hijacked(plan: ClusterPlan, path: str, text: object) -> Iterator[Problem]:
    try:
        network = ip_network(str(text), strict=True)
    except ValueError:
        yield Problem(
            path=path,
            value=_shown(text),
            rule="Not a valid network.",
            remedy="Write a network address with its prefix length, for example 169.254.0.0/16.",
        )
        return
    vpc = plan.network.vpc
    for cidr in (vpc.cidr, *vpc.secondary_cidrs):
        if network.version == cidr.version and network.overlaps(cidr):
            yield Problem(
                path=path,
                value=str(network),
                rule=f"It overlaps the VPC's range {cidr}: packets between pods would go through "
                "the host, and their answers would take another path.",
                remedy="Remove it, or write a range outside of the VPC.",
            )
            return


def _is_route(network: object, gateway: object) -> bool:
    """As the coordinator checks it (Spiderpool, `cmd/coordinator/cmd/cni_types.go`)."""
    try:
        route = ip_network(str(network), strict=False), ip_address(str(gateway))
    except ValueError:
        return False
    return route[0].version == route[1].version and "%" not in str(gateway)


def _is_link_local(text: str) -> bool:
    """Whether this is such an address, without a zone."""
    try:
        return IPv6Address(text).is_link_local and "%" not in text
    except ValueError:
        return False


def _shown(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None or isinstance(value, Mapping | list | tuple) else str(value)


def path_in_file(path: Path) -> str:
    """Where the value is in the stack file."""
    return ".".join(("spiderpool.values", *path))
