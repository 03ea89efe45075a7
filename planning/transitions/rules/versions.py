"""Versions of Kubernetes and Spiderpool, by the rules of `planning.transitions.upgrades`."""

from __future__ import annotations

from config.rules.cluster.kubernetes import DEFAULT_VERSION, NEW_CLUSTERS
from planning.transitions.holders import Cluster, Holders
from planning.transitions.part import Part, Phase
from planning.transitions.reading import EarlierRelease, Record
from planning.transitions.steps import Refusal, Step, UpgradeKubernetes, UpgradeSpiderpool
from planning.transitions.upgrades import (
    VersionProblem,
    kubernetes_problem,
    spiderpool_problem,
    version_of,
)


def check_first_version(after: Record) -> Part:
    """Refuse an unmaintained minor for a new cluster. An existing one may upgrade from any."""
    version = _kubernetes(after)
    if not after.is_kubeadm or version is None:
        return Part()
    if version_of(version).minor in NEW_CLUSTERS:
        return Part()
    oldest, newest = NEW_CLUSTERS.start, NEW_CLUSTERS.stop - 1
    refusal = Refusal(
        path="kubernetes.version",
        value=version,
        rule=f"A new cluster starts with Kubernetes 1.{oldest} to 1.{newest}.",
        reason="Older minors have reached their end of life and get no security fixes.",
        remedy=f"Write kubernetes.version: {DEFAULT_VERSION}.",
    )
    return Part(refusals=(refusal,))


def check_versions(before: Record | EarlierRelease, after: Record, cluster: Cluster) -> Part:
    """Steps for versions that change, or the reasons against the change."""
    steps: list[tuple[Phase, Step]] = []
    refusals: list[Refusal] = []
    if after.is_kubeadm:
        one = before.kubernetes if isinstance(before, EarlierRelease) else _kubernetes(before)
        other = _kubernetes(after)
        if one is not None and other is not None and one != other:
            problem = kubernetes_problem(version_of(one), version_of(other))
            if problem is None and _has_only_plane(before):
                problem = _only_plane_problem(after, other, cluster)
            if problem is not None:
                refusals.append(_refusal("kubernetes.version", other, problem))
            else:
                steps.append((Phase.VERSION, UpgradeKubernetes(before=one, after=other)))
    if isinstance(before, Record):
        charts = [record.section("spiderpool", "chart", "version") for record in (before, after)]
        enabled = [record.section("spiderpool", "enabled") for record in (before, after)]
        one, other = charts
        if False not in enabled and None not in charts and one != other:
            problem = spiderpool_problem(version_of(one), version_of(other))
            if problem is not None:
                refusals.append(_refusal("spiderpool.chart.version", other, problem))
            else:
                steps.append((Phase.ADD_ONS, UpgradeSpiderpool(before=one, after=other)))
    return Part(steps=tuple(steps), refusals=tuple(refusals))


def _has_only_plane(before: Record | EarlierRelease) -> bool:
    """False where others leave in the same edit, which is refused for that."""
    return isinstance(before, EarlierRelease) or len(before.control_planes) == 1


def _only_plane_problem(after: Record, version: str, cluster: Cluster) -> VersionProblem | None:
    """Workers are never newer than the only API server, which is upgraded by hand."""
    if not isinstance(cluster, Holders) or cluster.api_server is None:
        return None
    if len(after.control_planes) != 1 or cluster.api_server >= version_of(version):
        return None
    (plane,) = after.control_planes
    return VersionProblem(
        rule=f"{plane} is the only control plane and runs {cluster.api_server}.",
        reason="It holds the only etcd, so it is upgraded on its machine, and workers are never "
        "newer than it.",
        remedy="Follow docs/runbooks/upgrade.md, One control plane, then run `pulumi up`.",
    )


def _kubernetes(record: Record) -> str | None:
    value = record.section("kubernetes", "version")
    return value if isinstance(value, str) else None


def _refusal(path: str, value: str, problem: VersionProblem) -> Refusal:
    return Refusal(
        path=path,
        value=value,
        rule=problem.rule,
        reason=problem.reason,
        remedy=problem.remedy,
    )
