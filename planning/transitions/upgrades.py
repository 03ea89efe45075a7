"""Plans an upgrade from the running versions to the desired ones: steps, or the reasons against.

Pure: the caller asks for the running versions. The rules are Kubernetes' own version skew policy (a
kubelet is never newer than an API server; API servers are at most one minor apart; minors are taken
one at a time; control planes before workers), and a table of Spiderpool's charts
(`config.rules.cluster.versions`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from config.rules.cluster.versions import SPIDERPOOL

KUBELET_BEHIND: Final = 3
"""Minors that a kubelet may be older than its API server, since 1.28."""

_VERSION = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$")


@dataclass(frozen=True, kw_only=True, order=True)
class Version:
    """Three numbers, compared one by one."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def version_of(text: str) -> Version:
    """Read `1.35.4`, or `v1.35.4` as an API server reports it. Raises ValueError."""
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"{text} is not a version of three numbers, for example 1.35.4")
    major, minor, patch = (int(part) for part in match.groups())
    return Version(major=major, minor=minor, patch=patch)


@dataclass(frozen=True, kw_only=True)
class VersionProblem:
    """Why a version cannot follow another, as the parts of a message: full sentences."""

    rule: str
    reason: str = ""
    remedy: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.rule, self.reason, self.remedy)))


class Kind(StrEnum):
    """What a step does."""

    CLUSTER_VERSION = "cluster version"
    """Write the version into kubeadm's ConfigMap: machines that join take it from there."""
    CONTROL_PLANE = "control plane"
    """Replace one control plane and wait until its API server and etcd member are healthy."""
    KUBE_PROXY = "kube-proxy"
    """Give the DaemonSet the version's image."""
    WORKERS = "workers"
    """`pulumi up`, which replaces them one by one."""
    SPIDERPOOL = "spiderpool"
    """`pulumi up`, which upgrades the release."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. `target` is what it is done to: a node, nodes with commas, or the release."""

    kind: Kind
    target: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Running:
    """The versions that a cluster runs, as it reports them."""

    api_servers: Mapping[str, Version]
    """Control plane → version of its API server."""
    kubelets: Mapping[str, Version]
    """Node → version of its kubelet, control planes among them."""
    cluster: Version
    """`kubernetesVersion` of kubeadm's ConfigMap: what a joining machine would run."""
    kube_proxy: Version
    spiderpool: Version | None
    """None without Spiderpool."""


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """Either steps in order, none when there is nothing to do, or reasons against it."""

    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()


def plan_upgrade(
    running: Running,
    *,
    kubernetes: Version,
    spiderpool: Version | None,
    workers: frozenset[str],
    control_planes: frozenset[str],
) -> Upgrade:
    """Plan the steps from `running` to these versions.

    An interrupted run is planned again from the versions that run then, so finished steps are
    left out.

    Args:
        running: the versions that the cluster reports.
        kubernetes: the version in the stack file.
        spiderpool: the version in the stack file, None when Spiderpool is off.
        workers: names of the stack's workers; other nodes of the cluster are not replaced, but
            their kubelets count.
        control_planes: names of the stack's control planes.
    """
    problems = [
        *_kubernetes_problems(running, kubernetes, control_planes),
        *_spiderpool_problems(running.spiderpool, spiderpool),
    ]
    if problems:
        return Upgrade(problems=tuple(problems))
    return Upgrade(
        steps=(
            *_kubernetes_steps(running, kubernetes, workers),
            *_spiderpool_steps(running.spiderpool, spiderpool),
        )
    )


def kubernetes_problem(before: Version, after: Version) -> VersionProblem | None:
    """Why a cluster cannot go from one version to the other in one step; None when it can."""
    if after < before:
        return VersionProblem(
            rule=f"Kubernetes {before} cannot become {after}.",
            reason="A cluster cannot be downgraded, because etcd keeps objects in the newer form.",
            remedy=f"Write kubernetes.version: {before} or later.",
        )
    if after.major != before.major or after.minor - before.minor > 1:
        between = f"{before.major}.{before.minor + 1}"
        return VersionProblem(
            rule=f"Kubernetes {before} cannot become {after} in one step.",
            reason="Minors are taken one at a time.",
            remedy=f"Write the newest {between} first, upgrade, and continue from there.",
        )
    return None


def spiderpool_problem(before: Version, after: Version) -> VersionProblem | None:
    """Why the chart cannot go from one version to the other in one step; None when it can."""
    if before == after:
        return None
    table = [version_of(text) for text in SPIDERPOOL]
    path = " → ".join(str(version) for version in table)
    for version, what in ((before, "is deployed"), (after, "is asked for")):
        if version not in table:
            return VersionProblem(
                rule=f"Spiderpool {version} {what}, but this program only knows the upgrades "
                f"{path}.",
                remedy="Upgrade with a release of this program that knows both.",
            )
    if after < before:
        return VersionProblem(
            rule=f"Spiderpool {before} cannot become {after}.",
            reason="A downgrade leaves objects that the older controller may not read.",
            remedy=f"Write spiderpool.chart.version: {before}.",
        )
    if table.index(after) - table.index(before) > 1:
        between = table[table.index(before) + 1]
        return VersionProblem(
            rule=f"Spiderpool {before} cannot become {after} in one step.",
            reason=f"The upgrades are {path}.",
            remedy=f"Write spiderpool.chart.version: {between} first.",
        )
    return None


def kubelet_problem(node: str, kubelet: Version, api_server: Version) -> str | None:
    """Why this kubelet may not run with that API server; None when it may."""
    if kubelet > api_server:
        return (
            f"{node} would run kubelet {kubelet}, and the API server runs {api_server}: a kubelet "
            "is never newer. Control planes go first: `python -m operations upgrade --stack …` "
            "does it in order."
        )
    if api_server.minor - kubelet.minor > KUBELET_BEHIND:
        return (
            f"{node} runs kubelet {kubelet}, more than {KUBELET_BEHIND} minors behind the API "
            f"server's {api_server}. Bring its kubelet forward first."
        )
    return None


def _kubernetes_problems(
    running: Running, after: Version, control_planes: frozenset[str]
) -> list[str]:
    problems = (
        []
        if running.api_servers
        else ["kube-system has no kube-apiserver pod, so there is no control plane to upgrade."]
    )
    missing = sorted(control_planes - set(running.api_servers))
    if missing and running.api_servers:
        problems.append(
            f"{', '.join(missing)} has no API server, and no other control plane may leave in the "
            "meantime. Run `pulumi up` first."
        )
    planes = _control_planes(running)
    if len(control_planes) == 1 and any(version < after for version in planes.values()):
        # kubeadm may have done its part there, and the kubelet's packages not be installed yet.
        what = " and ".join(
            name
            for name, versions in (
                ("API server", running.api_servers),
                ("kubelet", running.kubelets),
            )
            if any(versions.get(plane, after) < after for plane in planes)
        )
        problems.append(
            f"{', '.join(sorted(control_planes))} is the only control plane and holds the only "
            f"etcd, so it cannot be replaced. Upgrade its {what} on the machine "
            "(docs/runbooks/upgrade.md, One control plane), then run this command again for "
            "everything else."
        )
    for plane, before in sorted(running.api_servers.items()):
        problem = kubernetes_problem(before, after)
        if problem is not None:
            problems.append(f"{plane}: {problem}")
    if running.cluster > after:
        problems.append(
            f"kubeadm's ConfigMap has {running.cluster}, which is newer than {after}: an upgrade "
            f"to it has begun. Write kubernetes.version: {running.cluster} and finish it."
        )
    oldest = min(running.api_servers.values(), default=after)
    for node, kubelet in sorted(running.kubelets.items()):
        if node in running.api_servers:
            continue
        # The upgraded API server must still support the oldest kubelet.
        skew = kubelet_problem(node, kubelet, max(oldest, after))
        if skew is not None:
            problems.append(skew)
    return problems


def _kubernetes_steps(
    running: Running, after: Version, workers: frozenset[str]
) -> tuple[Step, ...]:
    steps: list[Step] = []
    planes = _control_planes(running)
    waiting = {plane: version for plane, version in planes.items() if version < after}
    if running.cluster < after:
        steps.append(_step(Kind.CLUSTER_VERSION, "kubeadm-config", running.cluster, after))
    steps += [
        _step(Kind.CONTROL_PLANE, plane, version, after) for plane, version in waiting.items()
    ]
    if running.kube_proxy < after:
        steps.append(_step(Kind.KUBE_PROXY, "kube-proxy", running.kube_proxy, after))
    behind = {
        node: version
        for node, version in sorted(running.kubelets.items())
        if node in workers and version < after
    }
    if behind:
        steps.append(_step(Kind.WORKERS, ", ".join(behind), min(behind.values()), after))
    return tuple(steps)


def _control_planes(running: Running) -> dict[str, Version]:
    """Control plane → the older of its API server and its kubelet."""
    return {
        plane: min(version, running.kubelets.get(plane, version))
        for plane, version in sorted(running.api_servers.items())
    }


def _step(kind: Kind, target: str, before: Version, after: Version) -> Step:
    return Step(kind=kind, target=target, before=str(before), after=str(after))


def _spiderpool_problems(before: Version | None, after: Version | None) -> list[str]:
    if before is None or after is None:
        return []
    problem = spiderpool_problem(before, after)
    return [] if problem is None else [str(problem)]


def _spiderpool_steps(before: Version | None, after: Version | None) -> tuple[Step, ...]:
    if before is None or after is None or before == after:
        return ()
    return (_step(Kind.SPIDERPOOL, "spiderpool", before, after),)
