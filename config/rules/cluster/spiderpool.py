"""Rules about Spiderpool's chart and about pools in addition to the derived ones.

The settings that `values` may not contradict are in `planning.spiderpool.value_checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from config.facts.image_references import is_registry
from config.members import Member, members_of
from config.model import AddressMode, ClusterConfig, ExtraPoolConfig
from config.ranges import numbers
from config.report import Problem, as_yaml

_REPOSITORY = re.compile(r"(https?|oci)://[^\s/]+\S*")
_CHART = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def extra_pools_are_parts(config: ClusterConfig) -> Iterator[Problem]:
    """An extra pool takes addresses from one node's own pool, each of them once."""
    members = members_of(config)
    derived = {
        f"{member.name}-{nic}"
        for member in members.values()
        for nic in config.node_pools[member.pool].interfaces
    }
    taken: dict[tuple[str, str, int], str] = {}
    for name, pool in sorted(config.spiderpool.extra_pools.items()):
        path = f"spiderpool.extraPools.{name}"
        if name in derived or name.removesuffix("-v6") in derived:
            yield Problem(
                path=path,
                value=None,
                rule="A derived pool of a node and NIC already has this name.",
                remedy="Call it by another name.",
            )
        if not pool.namespaces and not pool.pod_labels:
            yield Problem(
                path=path,
                value=None,
                rule="An extra pool must be for certain namespaces or pods; the node's own pool "
                "already serves all others.",
                remedy="Write namespaces or podLabels.",
            )
        problem = _owner_problem(config, members, path, pool)
        if problem is not None:
            yield problem
            continue
        yield from _addresses(path, pool, taken)


def _owner_problem(
    config: ClusterConfig, members: Mapping[str, Member], path: str, pool: ExtraPoolConfig
) -> Problem | None:
    member = members.get(pool.node)
    if member is None:
        return Problem(
            path=f"{path}.node",
            value=pool.node,
            rule="Unknown node.",
            remedy="Write a node of nodePools, for example workers-0.",
        )
    interface = config.node_pools[member.pool].interfaces.get(pool.interface)
    if interface is None:
        return Problem(
            path=f"{path}.interface",
            value=pool.interface,
            rule=f"{pool.node} does not have this NIC.",
            remedy="Write a NIC of its pool.",
        )
    if interface.mode is AddressMode.COUNT:
        return Problem(
            path=f"{path}.addresses",
            value=", ".join(pool.addresses),
            rule="In mode: count the cloud chooses the addresses, so they cannot be named here.",
            remedy="Use mode: pinned for this NIC.",
        )
    return None


def _addresses(
    path: str, pool: ExtraPoolConfig, taken: dict[tuple[str, str, int], str]
) -> Iterator[Problem]:
    if not pool.addresses:
        yield Problem(
            path=f"{path}.addresses",
            value=None,
            rule="A pool needs addresses.",
            remedy="Write addresses of the node's NIC.",
        )
    for place, text in enumerate(pool.addresses):
        where = f"{path}.addresses[{place}]"
        try:
            addresses = numbers(text)
        except ValueError as error:
            yield Problem(
                path=where,
                value=text,
                rule=f"Not an address or a range: {error}.",
                remedy="Write an address, or the first and the last one with a hyphen.",
            )
            continue
        for number in addresses:
            owner = taken.setdefault((pool.node, pool.interface, number), where)
            if owner != where:
                yield Problem(
                    path=where,
                    value=text,
                    rule=f"{owner} already has an address of it, and Spiderpool refuses pools "
                    "that overlap.",
                    remedy="Write each address once.",
                )
                break


def chart_is_named(config: ClusterConfig) -> Iterator[Problem]:
    """A chart's repository is a URL; without a repository the chart is a directory."""
    chart = config.spiderpool.chart
    if chart.repository is not None and not _REPOSITORY.fullmatch(chart.repository):
        yield Problem(
            path="spiderpool.chart.repository",
            value=chart.repository,
            rule="A chart repository is a URL (https:// or oci://).",
            remedy="Write the URL, or null and the chart's directory as name.",
        )
    elif not chart.name or (chart.repository is not None and not _CHART.fullmatch(chart.name)):
        yield Problem(
            path="spiderpool.chart.name",
            value=chart.name,
            rule="It is the chart's name in its repository, or without a repository its directory.",
            remedy="Write spiderpool, or repository: null for a directory.",
        )


def registry_is_a_registry(config: ClusterConfig) -> Iterator[Problem]:
    """The registry is a host that the chart writes before its images' names."""
    registry = config.spiderpool.image_registry
    if registry is not None and not is_registry(registry):
        host = registry.rpartition("://")[2].strip("/")
        yield Problem(
            path="spiderpool.imageRegistry",
            value=registry,
            rule="A registry is a host with an optional port and path, not a URL.",
            remedy=f"Write {as_yaml(host)}."
            if is_registry(host)
            else "Write it as registry.example.com/mirror, or take it out.",
        )


def extra_pools_have_an_installation(config: ClusterConfig) -> Iterator[Problem]:
    """Pools need Spiderpool."""
    if config.spiderpool.extra_pools and not config.spiderpool.enabled:
        yield Problem(
            path="spiderpool.extraPools",
            value=", ".join(sorted(config.spiderpool.extra_pools)),
            rule="Without Spiderpool there are no pools, and spiderpool.enabled is false.",
            remedy="Take it out, or write spiderpool.enabled: true.",
        )


def extra_pools_select_namespaces(config: ClusterConfig) -> Iterator[Problem]:
    """Names of namespaces are DNS labels; a pool for another name would serve no pod."""
    for name, pool in sorted(config.spiderpool.extra_pools.items()):
        for place, namespace in enumerate(pool.namespaces):
            if not _NAMESPACE.fullmatch(namespace):
                yield Problem(
                    path=f"spiderpool.extraPools.{name}.namespaces[{place}]",
                    value=namespace,
                    rule="No namespace has such a name: those have small letters, digits and "
                    "hyphens, and 63 characters at most.",
                    remedy="Write the name of a namespace.",
                )


def controller_replicas_fit(config: ClusterConfig) -> Iterator[Problem]:
    """The controller's replicas have a node each, and a disruption budget that allows evictions."""
    values = config.spiderpool.values.get("spiderpoolController")
    replicas = values.get("replicas") if isinstance(values, Mapping) else None
    if not isinstance(values, Mapping) or not isinstance(replicas, int):
        return
    path = "spiderpool.values.spiderpoolController"
    nodes = len(members_of(config))
    most = max(nodes - 1, 1)
    if replicas < 1:
        yield Problem(
            path=f"{path}.replicas",
            value=str(replicas),
            rule="Without a controller pools cannot be created or changed.",
            remedy="Write replicas: 1.",
        )
    elif replicas > most and config.kubernetes.mode == "kubeadm":
        yield Problem(
            path=f"{path}.replicas",
            value=str(replicas),
            rule="The controller uses host ports, so each node runs one replica, and an update "
            f"needs one more node: {nodes} nodes allow {most}.",
            remedy=f"Write replicas: {most}.",
        )
    budget = values.get("podDisruptionBudget")
    least = budget.get("minAvailable") if isinstance(budget, Mapping) else None
    if isinstance(least, int) and least >= replicas > 0:
        yield Problem(
            path=f"{path}.podDisruptionBudget.minAvailable",
            value=str(least),
            rule=f"With {replicas} replicas this budget forbids to evict any pod of the "
            "controller, so its nodes could not be drained.",
            remedy=f"Write minAvailable: {min(replicas, most) - 1}.",
        )


RULES = (
    extra_pools_are_parts,
    extra_pools_have_an_installation,
    extra_pools_select_namespaces,
    chart_is_named,
    registry_is_a_registry,
    controller_replicas_fit,
)
