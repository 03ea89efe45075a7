"""Rules about `kubernetes.kubelet`: names, types and values that the cluster's kubelet takes.

A kubelet does not start with a value of the wrong type, and ignores a field that it does not know
(`pkg/kubelet/kubeletconfig/util/codec` decodes leniently in the end). The names and types come from
`config.facts.kubelet_fields`; the bounds from the kubelet's own validation
(`pkg/kubelet/apis/config/validation`). Both were read in the source of Kubernetes 1.35 to 1.37.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from config.facts.kubelet_fields import FIELDS, GATES, LOCKED_GATES, ROOT
from config.facts.ports import HIGHEST_PORT, KUBELET
from config.model import ClusterConfig
from config.report import Problem, path_of
from config.schema_walk import nearest

OWN_FIELDS: Final[Mapping[str, str]] = {
    "apiVersion": "The document has one already.",
    "authentication": "kubeadm sets it.",
    "authorization": "kubeadm sets it.",
    "cgroupDriver": "It must be the one of containerd, which is systemd.",
    "clusterDNS": "kubeadm sets it from kubernetes.serviceCidr.",
    "clusterDomain": "kubeadm sets it.",
    "containerRuntimeEndpoint": "The bootstrap installs containerd with a socket of its own.",
    "kind": "The document has one already.",
    "maxPods": "It follows from the node's pod addresses, so that no pod is left without one.",
    "podCIDR": "Pods take their addresses from the VPC, never from a range of the node.",
    "providerID": "It names the instance to the cloud controller.",
    "registerNode": "Without it the kubelet never joins the cluster.",
    "registerWithTaints": "The pool's taints set it.",
    "rotateCertificates": "Nodes that join depend on it.",
    "staticPodPath": "kubeadm sets it.",
    "staticPodURL": "kubeadm's static pods come from a directory of the node.",
}
"""Fields that this program or kubeadm sets, each with the reason."""

TRAPS: Final[Mapping[str, tuple[object | frozenset[int], str]]] = {
    "enableServer": (False, "Without its server a kubelet answers no logs, exec or metrics."),
    "port": (
        frozenset({0, KUBELET}),
        f"The API server and the security group expect the kubelet on port {KUBELET}.",
    ),
    "protectKernelDefaults": (
        True,
        "The kubelet then refuses to start: Ubuntu's vm.overcommit_memory is not the one it wants.",
    ),
    "readOnlyPort": (
        frozenset({0}),
        "That port shows every pod of the node to anybody, without a login.",
    ),
    "runOnce": (True, "The kubelet then ends after its first pods."),
    "serverTLSBootstrap": (
        True,
        "Nothing here approves the certificates that kubelets then ask for: logs and exec fail.",
    ),
}
"""Fields with the value that breaks a node, or else the set of the only ones that do not (0 is the
default), and the reason."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "cpuManagerPolicy": ("none", "static"),
    "memoryManagerPolicy": ("None", "Static"),
    "topologyManagerPolicy": ("none", "best-effort", "restricted", "single-numa-node"),
    "topologyManagerScope": ("container", "pod"),
    "configMapAndSecretChangeDetectionStrategy": ("Get", "Cache", "Watch"),
    "memoryReservationPolicy": ("None", "TieredReservation"),
    "hairpinMode": ("promiscuous-bridge", "hairpin-veth", "none"),
    "memorySwap.swapBehavior": ("NoSwap", "LimitedSwap"),
    "logging.format": ("text", "json"),
    "tlsMinVersion": ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"),
    "imagePullCredentialsVerificationPolicy": (
        "NeverVerify",
        "NeverVerifyPreloadedImages",
        "NeverVerifyAllowlistedImages",
        "AlwaysVerify",
    ),
}
_RESERVED: Final = ("cpu", "memory", "ephemeral-storage", "pid")
_SIGNALS: Final = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "containerfs.available",
    "containerfs.inodesFree",
    "pid.available",
    "allocatableMemory.available",
)
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "systemReserved": _RESERVED,
    "kubeReserved": _RESERVED,
    "evictionHard": _SIGNALS,
    "evictionSoft": _SIGNALS,
    "evictionSoftGracePeriod": _SIGNALS,
    "evictionMinimumReclaim": _SIGNALS,
}
"""Maps that accept only certain keys."""

_BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "imageGCHighThresholdPercent": (0, 100),
    "imageGCLowThresholdPercent": (0, 100),
    "oomScoreAdj": (-1000, 1000),
    "healthzPort": (0, HIGHEST_PORT),
    "iptablesDropBit": (0, 31),
    "iptablesMasqueradeBit": (0, 31),
    "nodeLeaseDurationSeconds": (1, 2**31 - 1),
    "containerLogMaxFiles": (2, 2**31 - 1),
    "containerLogMaxWorkers": (1, 2**31 - 1),
    "maxParallelImagePulls": (1, 2**31 - 1),
    "nodeStatusMaxImages": (-1, 2**31 - 1),
    "tracing.samplingRatePerMillion": (0, 1_000_000),
    **dict.fromkeys(
        (
            "eventBurst",
            "eventRecordQPS",
            "kubeAPIBurst",
            "kubeAPIQPS",
            "maxOpenFiles",
            "podsPerCore",
            "registryBurst",
            "registryPullQPS",
        ),
        (0, 2**31 - 1),
    ),
}


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

_ENFORCEMENTS: Final = (
    "none",
    "pods",
    "system-reserved",
    "system-reserved-compressible",
    "kube-reserved",
    "kube-reserved-compressible",
)

_CIPHER_SUITES: Final = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    *(
        f"TLS_ECDHE_{key}_WITH_{cipher}"
        for key in ("ECDSA", "RSA")
        for cipher in (
            "AES_128_CBC_SHA",
            "AES_128_CBC_SHA256",
            "AES_128_GCM_SHA256",
            "AES_256_CBC_SHA",
            "AES_256_GCM_SHA384",
            "CHACHA20_POLY1305",
            "CHACHA20_POLY1305_SHA256",
            "RC4_128_SHA",
        )
    ),
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
)
"""Names that Go's crypto/tls knows, and two short ones (`k8s.io/component-base/cli/flag`)."""
_CHOICES_IN_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "enforceNodeAllocatable": _ENFORCEMENTS,
    "tlsCipherSuites": _CIPHER_SUITES,
}

_DURATION: Final = re.compile(r"0|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+")
_QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?([KMGTPE]i|[numkMGTPE]|[eE][0-9]+)?")
_PERCENT: Final = re.compile(r"(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%")
_INT: Final = re.compile(r"-?[0-9]+")
_WORDS: Final[Mapping[str, bool]] = {"true": True, "false": False, "yes": True, "no": False}

Path = tuple[str | int, ...]
Fault = tuple[str, str]
"""The rule that a value breaks, and the remedy."""


def kubelet_settings_exist(config: ClusterConfig) -> Iterator[Problem]:
    """Names, types and values of every field, by the version of the cluster."""
    if not config.kubernetes.kubelet:
        return
    minor = int(config.kubernetes.version.split(".")[1])
    spans = [entry[1:] for entry in FIELDS[ROOT].values()]
    first, last = min(m[0] for m in spans), max(m[1] for m in spans)
    if not first <= minor <= last:
        return  # `kubernetes.version_is_supported` refuses the version
    for name, value in sorted(config.kubernetes.kubelet.items()):
        at = ("kubernetes", "kubelet", name)
        if name in OWN_FIELDS:
            yield _problem(at, value, OWN_FIELDS[name], "Take it out.")
        elif name in TRAPS and _is_trap(value, TRAPS[name][0]):
            yield _problem(at, value, TRAPS[name][1], "Take it out.")
        else:
            yield from _field(ROOT, name, value, at, minor)


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
            yield _problem(
                ("kubernetes", "kubelet", name),
                value,
                f"The kubelet of Kubernetes 1.{minor} does not start with it while the feature "
                f"gate {rule.gate} is off.",
                f"Write kubernetes.kubelet.featureGates: {{{rule.gate}: true}} too, or take it "
                "out.",
            )


def image_thresholds_are_in_order(config: ClusterConfig) -> Iterator[Problem]:
    """Image collection stops at a lower threshold than the one at which it starts."""
    fields = config.kubernetes.kubelet
    high = fields.get("imageGCHighThresholdPercent", 85)
    low = fields.get("imageGCLowThresholdPercent", 80)
    if isinstance(high, int) and isinstance(low, int) and low >= high:
        key = (
            "imageGCLowThresholdPercent"
            if "imageGCLowThresholdPercent" in fields
            else "imageGCHighThresholdPercent"
        )
        yield _problem(
            ("kubernetes", "kubelet", key),
            fields[key],
            "The kubelet starts only with imageGCLowThresholdPercent (80 by default) below "
            "imageGCHighThresholdPercent (85 by default).",
            f"Write imageGCLowThresholdPercent: {max(high - 5, 0)}."
            if high > 0
            else "Write a higher imageGCHighThresholdPercent.",
        )


def parallel_pulls_are_on(config: ClusterConfig) -> Iterator[Problem]:
    """A limit above one for parallel image pulls has parallel pulls turned on."""
    fields = config.kubernetes.kubelet
    pulls = fields.get("maxParallelImagePulls")
    if isinstance(pulls, int) and pulls > 1 and fields.get("serializeImagePulls") is not False:
        yield _problem(
            ("kubernetes", "kubelet", "maxParallelImagePulls"),
            pulls,
            "The kubelet pulls several images at once only with serializeImagePulls: false.",
            "Write serializeImagePulls: false too.",
        )


def static_cpu_policy_has_reserved_cpu(config: ClusterConfig) -> Iterator[Problem]:
    """The static CPU policy has some CPU reserved for the system."""
    fields = config.kubernetes.kubelet
    reserved = [fields.get("kubeReserved"), fields.get("systemReserved")]
    if str(fields.get("cpuManagerPolicy")).lower() == "static" and not (
        "reservedSystemCPUs" in fields
        or any(isinstance(r, Mapping) and "cpu" in r for r in reserved)
    ):
        yield _problem(
            ("kubernetes", "kubelet", "cpuManagerPolicy"),
            "static",
            "The kubelet starts with this policy only when some CPU is reserved (Kubernetes, "
            '"Control CPU Management Policies on the Node").',
            "Write kubernetes.kubelet.systemReserved: {cpu: 500m} too.",
        )


def soft_evictions_have_grace_periods(config: ClusterConfig) -> Iterator[Problem]:
    """Each soft eviction has a grace period."""
    fields = config.kubernetes.kubelet
    soft, grace = fields.get("evictionSoft"), fields.get("evictionSoftGracePeriod")
    if isinstance(soft, Mapping):
        periods = grace if isinstance(grace, Mapping) else {}
        for signal in sorted(set(map(str, soft)) - set(map(str, periods))):
            yield _problem(
                ("kubernetes", "kubelet", "evictionSoft", signal),
                soft[signal],
                "The kubelet starts only when each soft eviction has a grace period.",
                f"Write kubernetes.kubelet.evictionSoftGracePeriod: {{{signal}: 1m30s}} too.",
            )


def _field(struct: str, name: str, value: object, at: Path, minor: int) -> Iterator[Problem]:
    entry = FIELDS[struct].get(name)
    if entry is None:
        fields = [n for n, (_, first, last) in FIELDS[struct].items() if first <= minor <= last]
        meant = nearest(name, fields)
        remedy = f"Did you mean {meant}? Otherwise take it out." if meant else "Take it out."
        if meant is not None and meant in OWN_FIELDS and struct == ROOT:
            remedy = f"Take it out. {meant} is not free either: this program or kubeadm sets it."
        rule = f"The kubelet of Kubernetes 1.{minor} has no setting {name}."
        yield _problem(at, None, rule, remedy)
        return
    kind, first, last = entry
    if not first <= minor <= last:
        span = f"from 1.{first} on" if minor < first else f"up to 1.{last}"
        yield _problem(
            at, None, f"The kubelet has it {span}, and this cluster is 1.{minor}.", "Take it out."
        )
        return
    yield from _typed(kind, value, at, minor)


def _typed(kind: str, value: object, at: Path, minor: int) -> Iterator[Problem]:
    if kind in FIELDS:
        if not isinstance(value, Mapping):
            yield _problem(at, value, "It must be a map.", f"Write its fields: {_fields_of(kind)}.")
            return
        for key, item in value.items():
            yield from _field(kind, str(key), item, (*at, str(key)), minor)
        return
    if kind.startswith("list of "):
        inner = kind.removeprefix("list of ")
        if not isinstance(value, list | tuple):
            yield _problem(at, value, "It must be a list.", _as_list(value))
            return
        for place, item in enumerate(value):
            yield from _typed(inner, item, (*at, place), minor)
        return
    if kind.startswith("map of "):
        if not isinstance(value, Mapping):
            yield _problem(at, value, "It must be a map.", "Write keys with their values.")
            return
        yield from _map(kind.removeprefix("map of "), value, at, minor)
        return
    fault = _SCALARS[kind](value) or _bounded(at, value)
    if fault is not None:
        yield _problem(at, value, *fault)


def _map(kind: str, value: Mapping[object, object], at: Path, minor: int) -> Iterator[Problem]:
    name = str(at[-1])
    keys = _KEYS.get(name)
    for key, item in sorted(value.items(), key=lambda pair: str(pair[0])):
        here = (*at, str(key))
        if keys is not None and key not in keys:
            meant = nearest(str(key), keys)
            yield _problem(
                here,
                item,
                f"The kubelet has no key {key} here. Its keys are {', '.join(keys)}.",
                f"Did you mean {meant}? Otherwise take it out." if meant else "Take it out.",
            )
            continue
        if name == "featureGates":
            problem = _gate(str(key), item, here, minor)
            if problem is not None:
                yield problem
                continue
        if name in _KEYS and kind == "text":
            fault = _amount(name, item)
            if fault is not None:
                yield _problem(here, item, *fault)
            continue
        yield from _typed(kind, item, here, minor)


def _gate(gate: str, value: object, at: Path, minor: int) -> Problem | None:
    span = GATES.get(gate)
    if span is not None and span[0] <= minor <= span[1]:
        return _locked_gate(gate, value, at, minor)
    gates = [name for name, (first, last) in GATES.items() if first <= minor <= last]
    meant = nearest(gate, gates) if span is None else None
    return _problem(
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
    return _problem(
        at,
        value,
        f"Kubernetes 1.{minor} locks the feature gate {gate} to {str(only).lower()}, and its "
        "kubelet does not start with another value.",
        "Take it out.",
    )


def _amount(name: str, value: object) -> Fault | None:
    """Values of reservations and evictions, which the kubelet parses from text."""
    fault = _text(value)
    if fault is not None:
        return fault
    text = str(value)
    if name == "evictionSoftGracePeriod":
        return _duration(text)
    if name.startswith("eviction") and _PERCENT.fullmatch(text):
        return None
    if _QUANTITY.fullmatch(text):
        return None
    more = ", or a share such as 10%" if name.startswith("eviction") else ""
    return (
        f"Not a Kubernetes quantity{more}: a number with a unit such as Mi, Gi or m.",
        "Write a quantity, for example 512Mi.",
    )


def _bool(value: object) -> Fault | None:
    if isinstance(value, bool):
        return None
    meant = _WORDS.get(str(value).lower())
    remedy = "Write true or false, without quotes."
    if meant is not None:
        remedy = f"Write {str(meant).lower()}, without quotes."
    return "It must be true or false.", remedy


def _int(value: object) -> Fault | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return None
    if isinstance(value, str) and _INT.fullmatch(value):
        return "It must be a whole number.", f"Write {int(value)}, without quotes."
    return "It must be a whole number.", "Write a whole number, without quotes."


def _float(value: object) -> Fault | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return None
    return "It must be a number.", "Write a number, without quotes."


def _text(value: object) -> Fault | None:
    if isinstance(value, str):
        return None
    if isinstance(value, bool | int | float):
        return "It must be text.", f'Put it in quotes: "{json.dumps(value)}".'
    return "It must be text.", "Write text."


def _duration(value: object) -> Fault | None:
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return None
    seconds = str(value)
    plain = not isinstance(value, bool) and _INT.fullmatch(seconds) and not seconds.startswith("-")
    return (
        "It must be a duration: numbers with the units h, m, s or ms.",
        f"Write {seconds}s, if these are seconds."
        if plain
        else "Write a duration, for example 1m30s.",
    )


def _quantity(value: object) -> Fault | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return None
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return None
    return "It must be a Kubernetes quantity.", "Write a quantity, for example 512Mi."


def _object(value: object) -> Fault | None:
    return None if isinstance(value, Mapping) else ("It must be a map.", "Write a map.")


_SCALARS: Final[Mapping[str, Callable[[object], Fault | None]]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "text": _text,
    "duration": _duration,
    "quantity": _quantity,
    "object": _object,
}


def _bounded(at: Path, value: object) -> Fault | None:
    """Choices and bounds of a single field; its type is right."""
    name = ".".join(str(step) for step in at[2:])
    choices = _CHOICES_IN_LISTS.get(str(at[2])) or _CHOICES.get(name)
    if choices is not None and value not in choices:
        meant = nearest(str(value), choices)
        return (
            f"The kubelet takes {', '.join(choices[:-1])} or {choices[-1]}.",
            f"Write {meant or choices[0]}.",
        )
    bounds = _BOUNDS.get(name)
    if bounds is not None and isinstance(value, int) and not bounds[0] <= value <= bounds[1]:
        low, high = bounds
        return (
            f"The kubelet takes {low} to {high}.",
            f"Write {min(max(value, low), high)}.",
        )
    if name == "containerLogMaxSize" and not _QUANTITY.fullmatch(str(value)):
        return "It must be a Kubernetes quantity.", "Write a quantity, for example 10Mi."
    return None


def _is_trap(value: object, trap: object) -> bool:
    return value not in trap if isinstance(trap, frozenset) else value is trap


def _as_list(value: object) -> str:
    if isinstance(value, str | int | float | bool):
        return f"Write [{json.dumps(value)}]."
    return "Write a list."


def _fields_of(struct: str) -> str:
    return ", ".join(sorted(FIELDS[struct]))


def _problem(at: Path, value: object, rule: str, remedy: str) -> Problem:
    shown = None
    if isinstance(value, bool):
        shown = str(value).lower()
    elif isinstance(value, str | int | float):
        shown = str(value)
    return Problem(path=path_of(*at), value=shown, rule=rule, remedy=remedy)


RULES = (
    kubelet_settings_exist,
    gated_settings_have_their_gate,
    image_thresholds_are_in_order,
    parallel_pulls_are_on,
    static_cpu_policy_has_reserved_cpu,
    soft_evictions_have_grace_periods,
)
