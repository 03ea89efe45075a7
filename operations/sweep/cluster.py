"""The Kubernetes half of `recover`: what a killed run left inside the cluster.

Objects whose creation was cut off are taken into the state; releases that Helm left pending are
rolled back. Only objects of this stack are changed, as the stack's own state and the records of the
API server and Helm show them (`interrupted`, `releases`).
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from operations.engine.cluster_access import check_answer
from operations.engine.running import Finished, Runner
from operations.engine.waiting import holds_within
from operations.failure import ExitCode, OperationError
from operations.sweep.interrupted import (
    Creation,
    Object,
    adopted,
    adopted_release,
    has_place,
    interrupted_creations,
    releases,
    why_not_ours,
)
from operations.sweep.releases import (
    PENDING,
    Adopt,
    NoWay,
    ReleaseStep,
    Revision,
    RollBack,
    Uninstall,
    history_of,
    release_step,
)
from operations.sweep.unrecorded_objects import difference

DEAD_CLUSTER: Final = "PULUMI_K8S_DELETE_UNREACHABLE"
"""Environment variable with which Pulumi drops objects of a cluster that does not answer
(docs/runbooks/dead-cluster.md)."""
TOKEN_NAMESPACE: Final = "kube-system"  # noqa: S105 - the name of a namespace
"""Namespace of bootstrap tokens
(https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#bootstrap-token-secret-format)."""
_END: Final = "jsonpath={.data.expiration}"
_ANSWER_WITHIN: Final = 60.0
_HELM_WITHIN: Final = 360.0
"""Seconds for a helm command; longer than the five minutes after which helm itself gives up."""
_SETTLES_WITHIN: Final = 30.0
"""Seconds for which a pending release is watched: a plugin that outlived the engine, and runs on,
ends what it has begun."""
_LOOK: Final = 2.0


class Cluster(Protocol):
    """What a recovery asks of a cluster; tests implement it without one."""

    def live(self, creation: Creation) -> Object | None:
        """Return the object of that kind and name with its managed fields; None without one."""

    def history(self, release: Creation) -> Sequence[Revision]:
        """Return the revisions of a release, the oldest first; empty when there is none."""

    def roll_back(self, release: Creation, revision: int) -> None:
        """Go back to that revision without hooks."""

    def uninstall(self, release: Creation) -> None:
        """Remove the release without hooks."""

    def token_end(self, name: str) -> str | None:
        """Return the end of a bootstrap token's Secret; None without a Secret or an end."""

    def revoke_token(self, name: str) -> None:
        """Delete a bootstrap token's Secret."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One object or release that stops the next run, and what is done about it."""

    title: str
    """For example `Service default/web`."""
    step: str
    """What is done, or the reason why nothing is done."""
    is_mended: bool

    def __str__(self) -> str:
        return f"{self.title}: {self.step}"

    def as_document(self) -> dict[str, object]:
        """Return the finding as JSON-ready data."""
        return {"object": self.title, "step": self.step, "mended": self.is_mended}


@dataclass(frozen=True, kw_only=True)
class ClusterRecovery:
    """The plan of a recovery inside a cluster."""

    findings: tuple[Finding, ...] = ()
    resources: tuple[Object, ...] = ()
    """Resources that the state takes, in the form that `settled` expects."""
    calls: tuple[Callable[[], None], ...] = ()
    """Changes of releases, in their order."""


def plan_recovery(  # noqa: PLR0913 - the clock and the pause are for tests
    deployment: Object,
    cluster: Cluster,
    *,
    field_manager: Callable[[], str],
    token: str | None = None,
    unrecorded: Sequence[tuple[Creation, str | None]] = (),
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> ClusterRecovery:
    """Look at everything that may have been interrupted; change nothing.

    A token with an end was written for machines that a run was about to make. The next run writes
    it again when it needs it, so this one can be deleted. A token without an end is from an earlier
    release, whose machines may still need it.

    Args:
        deployment: the state, as `pulumi stack export` prints it.
        cluster: the cluster to examine.
        field_manager: creates a name for an object that has no manager of its own yet.
        token: name of the Secret of the stack's bootstrap token; None where the stack has none.
        unrecorded: objects that the next run would create, with a reason against taking each.
        clock: seconds.
        pause: waits so many seconds.
    """
    creations = interrupted_creations(deployment)
    findings, resources = _objects(
        [
            *((c, _obstacle(c, deployment), "") for c in creations if not c.is_release),
            *((c, obstacle, "created, ") for c, obstacle in unrecorded),
        ],
        cluster,
        field_manager,
    )
    calls: list[Callable[[], None]] = []
    new = [creation for creation in creations if creation.is_release]
    for release in (*new, *releases(deployment)):
        history = _settled_history(cluster, release, clock=clock, pause=pause)
        version = str(release.inputs.get("version") or "")
        way = release_step(history, is_new=release in new, version=version)
        if way is None:
            continue
        findings.append(_finding(release, way))
        if isinstance(way, Adopt):
            resources.append(adopted_release(release))
        elif (call := _call(cluster, release, way)) is not None:
            calls.append(call)
    if token is not None and (end := cluster.token_end(token)) is not None:
        findings.append(_token_finding(token, end))
        calls.append(lambda: cluster.revoke_token(token))
    return ClusterRecovery(findings=tuple(findings), resources=tuple(resources), calls=tuple(calls))


def _obstacle(creation: Creation, deployment: Object) -> str | None:
    return None if has_place(creation, deployment) else "the state has its predecessor still"


def _objects(
    creations: Sequence[tuple[Creation, str | None, str]],
    cluster: Cluster,
    field_manager: Callable[[], str],
) -> tuple[list[Finding], list[Object]]:
    """Look for objects. With each are a reason against taking it and what a finding begins with.

    One whose creation nothing has recorded has to be what the program asks for, too.
    """
    findings: list[Finding] = []
    resources: list[Object] = []
    for creation, obstacle, begins in creations:
        if (live := cluster.live(creation)) is None:
            continue
        reason = why_not_ours(creation, live) or obstacle
        if reason is None and begins:
            reason = difference(creation, live)
        if reason is None:
            resources.append(adopted(creation, live, field_manager=field_manager()))
        step = f"left alone, because {reason}" if reason else f"{begins}taken into the state"
        findings.append(Finding(title=creation.title, step=step, is_mended=reason is None))
    return findings, resources


def _token_finding(token: str, end: str) -> Finding:
    step = f"lets machines join until {end}, deleted; a run that needs it writes it again"
    return Finding(title=f"Secret {TOKEN_NAMESPACE}/{token}", step=step, is_mended=True)


def has_work(deployment: Object) -> bool:
    """Whether a recovery has to send any request to the cluster."""
    return bool(interrupted_creations(deployment) or releases(deployment))


def _settled_history(
    cluster: Cluster,
    release: Creation,
    *,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Sequence[Revision]:
    history: list[Revision] = []

    def has_settled() -> bool:
        history[:] = cluster.history(release)
        return not history or history[-1].status not in PENDING

    holds_within(has_settled, within=_SETTLES_WITHIN, every=_LOOK, clock=clock, pause=pause)
    return history


def _finding(release: Creation, step: ReleaseStep) -> Finding:
    match step:
        case RollBack(revision=revision, status=status):
            text = f"{status}, rolled back to revision {revision} without hooks"
        case Uninstall(status=status):
            text = f"{status}, uninstalled without hooks; the next run installs it"
        case Adopt():
            text = "deployed, taken into the state"
        case NoWay(reason=reason):
            text = f"left alone, because {reason}"
    return Finding(title=release.title, step=text, is_mended=not isinstance(step, NoWay))


def _call(cluster: Cluster, release: Creation, step: ReleaseStep) -> Callable[[], None] | None:
    match step:
        case RollBack(revision=revision):
            return lambda: cluster.roll_back(release, revision)
        case Uninstall():
            return lambda: cluster.uninstall(release)
        case _:
            return None


@dataclass(frozen=True, kw_only=True)
class LiveCluster:
    """The cluster by kubectl and helm."""

    runner: Runner
    """Its environment has KUBECONFIG."""
    helm: str
    """The command; empty where there is none."""

    @classmethod
    def of(cls, runner: Runner, binaries: Path) -> LiveCluster:
        """Use the toolchain's pinned helm if it is built, else the one on PATH.

        The folder itself is not put on PATH: a stand-in for Pulumi's provider is in it, too.
        """
        pinned = binaries / "helm"
        if pinned.exists():
            return cls(runner=runner, helm=str(pinned))
        return cls(runner=runner, helm=shutil.which("helm", path=runner.env.get("PATH")) or "")

    def is_ready(self) -> bool:
        """Whether the API server answers that it is ready."""
        done = self.runner.run(
            ["kubectl", "--request-timeout=10s", "get", "--raw", "/readyz"],
            deadline=_ANSWER_WITHIN,
            quiet=True,
        )
        return done.status == 0

    def live(self, creation: Creation) -> Object | None:
        """Return the object; None without one, and where its kind is not served."""
        group, _, version = creation.api_version.rpartition("/")
        argv = ["kubectl", "get", f"{creation.kind}.{version}.{group}", creation.name]
        argv += ["--namespace", creation.namespace] if creation.namespace else []
        argv += ["--ignore-not-found", "--show-managed-fields", "--output", "json"]
        done = self.runner.run(argv, deadline=_ANSWER_WITHIN, quiet=True)
        if done.status != 0 and "doesn't have a resource type" in done.err:
            return None
        check_answer(done, f"kubectl could not read {creation.title}")
        live: Mapping[str, Any] | None = json.loads(done.out) if done.out.strip() else None
        return live

    def history(self, release: Creation) -> Sequence[Revision]:
        """Return the revisions; empty when Helm knows no such release.

        Without helm they are read from the labels that it gives its Secrets, which do not name the
        chart (pkg/storage/driver/secrets.go).
        """
        if not self.helm:
            return self._labelled_history(release)
        done = self._helm(release, "history", "--output", "json")
        if done.status != 0 and "release: not found" in done.err:
            return ()
        check_answer(done, f"helm could not read {release.title}")
        return history_of(json.loads(done.out))

    def _labelled_history(self, release: Creation) -> Sequence[Revision]:
        labels = "REVISION:.metadata.labels.version,STATUS:.metadata.labels.status"
        argv = ["kubectl", "get", "secrets", "--namespace", release.namespace, "--no-headers"]
        argv += ["--selector", f"owner=helm,name={release.name}"]
        argv += ["--output", f"custom-columns={labels}"]
        done = self.runner.run(argv, deadline=_ANSWER_WITHIN, quiet=True)
        check_answer(done, f"kubectl could not read {release.title}")
        lines = [line.split() for line in done.out.splitlines() if line.strip()]
        return history_of(
            [{"revision": number, "status": status, "chart": ""} for number, status in lines]
        )

    def roll_back(self, release: Creation, revision: int) -> None:
        """Roll back with hooks off, as in the installation."""
        done = self._helm(release, "rollback", str(revision), "--no-hooks")
        check_answer(done, f"helm could not roll {release.title} back")

    def uninstall(self, release: Creation) -> None:
        """Remove what the installation created; CRDs stay, as always with Helm."""
        done = self._helm(release, "uninstall", "--no-hooks", "--wait")
        check_answer(done, f"helm could not uninstall {release.title}")

    def token_end(self, name: str) -> str | None:
        """Return the end as Kubernetes writes it, for example `2026-11-27T15:00:00Z`."""
        done = self._secret("get", name, "--ignore-not-found", "--output", _END)
        check_answer(done, f"kubectl could not read Secret {name}")
        return base64.b64decode(done.out).decode() or None

    def revoke_token(self, name: str) -> None:
        """Delete the Secret; the API server answers 401 to its token after 10 seconds at most."""
        done = self._secret("delete", name, "--ignore-not-found")
        check_answer(done, f"kubectl could not delete Secret {name}")

    def _secret(self, verb: str, name: str, *arguments: str) -> Finished:
        return self.runner.run(
            ["kubectl", verb, "secret", name, "--namespace", TOKEN_NAMESPACE, *arguments],
            deadline=_ANSWER_WITHIN,
            quiet=True,
        )

    def _helm(self, release: Creation, verb: str, *arguments: str) -> Finished:
        if not self.helm:
            raise OperationError(
                "helm is not on PATH, and the stack has a Helm release that has to be looked at. "
                "Install helm 3.18 or newer, and run this again.",
                code=ExitCode.UNPREPARED,
            )
        return self.runner.run(
            [self.helm, verb, release.name, *arguments, "--namespace", release.namespace],
            deadline=_HELM_WITHIN,
            quiet=True,
        )
