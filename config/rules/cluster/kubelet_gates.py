"""The kubelet's feature gates: their names, the locked ones, and the settings that need one.

A kubelet does not start with a gate that it does not know. Read in `pkg/features` and
`pkg/kubelet/apis/config/validation` of Kubernetes 1.35 to 1.37.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from config.facts.kubelet_fields import GATES, LOCKED_GATES
from config.model import ClusterConfig
from config.report import Problem
from config.rules.cluster.kubelet_types import Path, problem_at
from config.schema_walk import nearest


@dataclass(frozen=True, kw_only=True)
class _Gated:
    """A kubelet of minor `since` or later does not start with this setting while `gate` is off."""

    since: int
    gate: str
    on_since: int | None
    """The minor from which the gate is on by default; None while there is none."""
    value: object = None
    """The only value that needs the gate; None if every value needs it."""
    default: object = None
    """The value that does not need the gate, if there is one."""


_GATED: Final[Mapping[str, _Gated]] = {
    "cpuCFSQuotaPeriod": _Gated(
        since=31, gate="CustomCPUCFSQuotaPeriod", on_since=36, default="100ms"
    ),
    "crashLoopBackOff": _Gated(since=32, gate="KubeletCrashLoopBackOffMax", on_since=35),
    "defaultPodSysctls": _Gated(since=37, gate="DefaultPodSysctls", on_since=None),
    "enableSystemLogQuery": _Gated(since=31, gate="NodeLogQuery", on_since=36, value=True),
    "imagePullCredentialsVerificationPolicy": _Gated(
        since=33, gate="KubeletEnsureSecretPulledImages", on_since=35
    ),
    "memoryReservationPolicy": _Gated(
        since=36, gate="MemoryQoS", on_since=37, value="TieredReservation"
    ),
    "memoryThrottlingFactor": _Gated(since=37, gate="MemoryQoS", on_since=37),
    "preloadedImagesVerificationAllowlist": _Gated(
        since=33, gate="KubeletEnsureSecretPulledImages", on_since=35
    ),
    "shutdownGracePeriod": _Gated(since=31, gate="GracefulNodeShutdown", on_since=31),
    "shutdownGracePeriodByPodPriority": _Gated(
        since=31, gate="GracefulNodeShutdownBasedOnPodPriority", on_since=31
    ),
}
"""By field, from the same validation, and the gates' defaults from `pkg/features`."""


def gated_settings_have_their_gate(config: ClusterConfig) -> Iterator[Problem]:
    """Settings have their feature gate on: a kubelet exits if it is off."""
    fields = config.kubernetes.kubelet
    minor = int(config.kubernetes.version.split(".")[1])
    gates = fields.get("featureGates")
    for name, rule in _GATED.items():
        value = fields.get(name)
        if minor < rule.since or value is None or rule.value not in (None, value):
            continue
        if value == rule.default:
            continue
        default = rule.on_since is not None and minor >= rule.on_since
        state = gates.get(rule.gate, default) if isinstance(gates, Mapping) else default
        if state is not True:
            yield problem_at(
                ("kubernetes", "kubelet", name),
                value,
                f"The kubelet of Kubernetes 1.{minor} does not start with it while the feature "
                f"gate {rule.gate} is off.",
                f"Write kubernetes.kubelet.featureGates: {{{rule.gate}: true}} too, or take it "
                "out.",
            )


def gate_problem(gate: str, value: object, at: Path, minor: int) -> Problem | None:
    """Why the kubelet of this minor does not start with this gate; None when it does."""
    span = GATES.get(gate)
    if span is not None and span[0] <= minor <= span[1]:
        return _locked_gate(gate, value, at, minor)
    gates = [name for name, (first, last) in GATES.items() if first <= minor <= last]
    meant = nearest(gate, gates) if span is None else None
    return problem_at(
        at,
        None,
        f"The kubelet of Kubernetes 1.{minor} has no feature gate {gate}, and does not start with "
        "it.",
        f"Did you mean {meant}? Otherwise take it out." if meant else "Take it out.",
    )


def _locked_gate(gate: str, value: object, at: Path, minor: int) -> Problem | None:
    """Kubernetes locks most gates of stable features (`LockToDefault` of k8s.io/component-base)."""
    lock = LOCKED_GATES.get(gate)
    if lock is None or not isinstance(value, bool):
        return None
    only, first, last = lock
    if value is only or not first <= minor <= last:
        return None
    return problem_at(
        at,
        value,
        f"Kubernetes 1.{minor} locks the feature gate {gate} to {str(only).lower()}, and its "
        "kubelet does not start with another value.",
        "Take it out.",
    )
