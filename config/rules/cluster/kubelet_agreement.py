"""Rules about kubelet settings that must agree, with each other or with the machine.

A kubelet does not start where its validation refuses them
(`pkg/kubelet/apis/config/validation`, read in Kubernetes 1.35 to 1.37), or where the part that they
are for does not (`pkg/kubelet/sysctl`, `pkg/kubelet/cm/memorymanager`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import Any, Final

from config.model import ClusterConfig
from config.ranges import is_address
from config.report import Problem, path_of
from config.rules.cluster.kubelet_types import problem_at

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final[Mapping[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
}
_CPUS: Final = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")
_SYSCTL: Final = re.compile(
    r"(?:[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?[./])*(?:\*|[a-z0-9][-_a-z0-9]*\*?)"
)
_NAMESPACED: Final = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.", "net.", "user.")
"""What the kubelet knows to be separate for each pod (`k8s.io/component-helpers/node/util/sysctl`).
"""
_ID_BLOCK: Final = 65536
"""User ids of one pod come in blocks of this length."""
_DEFAULT_MINIMUM_AGE: Final = "2m"
_RESERVED_CGROUPS: Final[Mapping[str, str]] = {
    "kube-reserved": "kubeReservedCgroup",
    "kube-reserved-compressible": "kubeReservedCgroup",
    "system-reserved": "systemReservedCgroup",
    "system-reserved-compressible": "systemReservedCgroup",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "containerLogMonitorInterval": ("3s", ""),
    "cpuCFSQuotaPeriod": ("1ms", "1s"),
}
"""The shortest and the longest duration; an empty one is not bounded."""

Settings = Mapping[str, Any]


def kubelet_settings_agree(config: ClusterConfig) -> Iterator[Problem]:
    """Every rule. A setting of another type than the kubelet's is reported by its own rule."""
    fields = config.kubernetes.kubelet
    yield from _enforcements(fields)
    yield from _cgroups(fields)
    yield from _durations(fields)
    yield from _shutdown(fields)
    yield from _images(fields)
    yield from _single_values(fields)
    yield from _memory(fields)
    yield from _hidden_metrics(config)


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
        yield problem_at(
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
        yield problem_at(
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
        yield problem_at(
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
            yield problem_at(
                ("kubernetes", "kubelet", "evictionSoft", signal),
                soft[signal],
                "The kubelet starts only when each soft eviction has a grace period.",
                f"Write kubernetes.kubelet.evictionSoftGracePeriod: {{{signal}: 1m30s}} too.",
            )


def _enforcements(fields: Settings) -> Iterator[Problem]:
    names = fields.get("enforceNodeAllocatable", ["pods"])
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return
    enforced = [name for name in names if name != "none"]
    if enforced and len(enforced) < len(names):
        yield _problem(
            "enforceNodeAllocatable",
            ", ".join(names),
            "The kubelet starts with none only if the list has nothing else.",
            "Write [none].",
        )
        return
    if len(set(names)) < len(names):
        yield _problem(
            "enforceNodeAllocatable",
            ", ".join(names),
            "The kubelet does not start with a list that has an entry twice.",
            f"Write [{', '.join(dict.fromkeys(names))}].",
        )
    for whole in ("kube-reserved", "system-reserved"):
        if {whole, f"{whole}-compressible"} <= set(names):
            rest = [name for name in names if name != f"{whole}-compressible"]
            yield _problem(
                "enforceNodeAllocatable",
                ", ".join(names),
                f"{whole} includes {whole}-compressible, and the kubelet starts with one of them "
                "only.",
                f"Write [{', '.join(rest)}].",
            )
    for name in dict.fromkeys(enforced):
        cgroup = _RESERVED_CGROUPS.get(name)
        if cgroup is not None and not fields.get(cgroup):
            yield _problem(
                "enforceNodeAllocatable",
                name,
                f"The kubelet enforces {name} on the cgroup that {cgroup} names, and does not "
                "start without it.",
                f"Write kubernetes.kubelet.{cgroup} with a cgroup that exists on the machine, or "
                f"take {name} out.",
            )
    if enforced and fields.get("cgroupsPerQOS") is False:
        yield _problem(
            "cgroupsPerQOS",
            "false",
            "The kubelet enforces what pods may allocate by these cgroups, and does not start "
            f"without them while enforceNodeAllocatable is [{', '.join(names)}].",
            "Take it out, or write kubernetes.kubelet.enforceNodeAllocatable: [none] too.",
        )


def _cgroups(fields: Settings) -> Iterator[Problem]:
    if fields.get("systemCgroups") and not fields.get("cgroupRoot"):
        yield _problem(
            "systemCgroups",
            str(fields["systemCgroups"]),
            "The kubelet starts with systemCgroups only if cgroupRoot is set.",
            "Take it out, or write kubernetes.kubelet.cgroupRoot: / too.",
        )
    cpus = fields.get("reservedSystemCPUs")
    if not isinstance(cpus, str) or not cpus:
        return
    if not _CPUS.fullmatch(cpus) or not all(map(_ascends, cpus.split(","))):
        yield _problem(
            "reservedSystemCPUs",
            cpus,
            "It must be a list of CPUs, with the lower one first in each range.",
            "Write numbers and ranges with commas between them, for example 0-1,4.",
        )
    for cgroup in ("systemReservedCgroup", "kubeReservedCgroup"):
        if fields.get(cgroup):
            yield _problem(
                cgroup,
                str(fields[cgroup]),
                "The kubelet does not start with both this cgroup and reservedSystemCPUs.",
                "Take it out.",
            )


def _ascends(cpus: str) -> bool:
    first, _, last = cpus.partition("-")
    return not last or int(first) <= int(last)


def _durations(fields: Settings) -> Iterator[Problem]:
    for name, (shortest, longest) in _BOUNDS.items():
        seconds = _seconds(fields.get(name))
        if seconds is None:
            continue
        low = seconds < (_seconds(shortest) or 0)
        high = _seconds(longest)
        if low or (high is not None and seconds > high):
            span = f"{shortest} to {longest}" if longest else f"{shortest} or more"
            yield _problem(
                name,
                str(fields[name]),
                f"The kubelet takes {span}.",
                f"Write {shortest if low else longest}.",
            )
    back_off = fields.get("crashLoopBackOff")
    period = back_off.get("maxContainerRestartPeriod") if isinstance(back_off, Mapping) else None
    seconds = _seconds(period)
    if seconds is not None and not 1 <= seconds <= 300:  # noqa: PLR2004 - the kubelet's bounds
        yield _problem(
            "crashLoopBackOff.maxContainerRestartPeriod",
            str(period),
            "The kubelet takes 1s to 300s.",
            f"Write {'1s' if seconds < 1 else '300s'}.",
        )
    youngest = _seconds(fields.get("imageMinimumGCAge", _DEFAULT_MINIMUM_AGE))
    oldest = _seconds(fields.get("imageMaximumGCAge"))
    if oldest and youngest is not None and oldest <= youngest:
        yield _problem(
            "imageMaximumGCAge",
            str(fields["imageMaximumGCAge"]),
            "The kubelet starts only with an imageMaximumGCAge above imageMinimumGCAge "
            f"({fields.get('imageMinimumGCAge', _DEFAULT_MINIMUM_AGE)}).",
            "Write a longer time, for example 168h, or take it out.",
        )


def _shutdown(fields: Settings) -> Iterator[Problem]:
    whole = _seconds(fields.get("shutdownGracePeriod", "0")) or 0
    critical = _seconds(fields.get("shutdownGracePeriodCriticalPods", "0")) or 0
    for name, seconds in (
        ("shutdownGracePeriod", whole),
        ("shutdownGracePeriodCriticalPods", critical),
    ):
        if 0 < seconds < 1:
            yield _problem(
                name, str(fields[name]), "The kubelet takes 0s, or 1s or more.", "Write 1s."
            )
    if critical > whole:
        yield _problem(
            "shutdownGracePeriodCriticalPods",
            str(fields["shutdownGracePeriodCriticalPods"]),
            "The time for critical pods is a part of shutdownGracePeriod "
            f"({fields.get('shutdownGracePeriod', '0s')}), and the kubelet does not start if it is "
            "longer.",
            "Write a longer kubernetes.kubelet.shutdownGracePeriod too, or take it out.",
        )
    if fields.get("shutdownGracePeriodByPodPriority") and (whole or critical):
        yield _problem(
            "shutdownGracePeriodByPodPriority",
            None,
            "The kubelet starts with one kind of grace period only: by priority, or "
            "shutdownGracePeriod and shutdownGracePeriodCriticalPods.",
            "Take it out, or the other two.",
        )


def _images(fields: Settings) -> Iterator[Problem]:
    policy = "NeverVerifyAllowlistedImages"
    if (
        fields.get("preloadedImagesVerificationAllowlist")
        and fields.get("imagePullCredentialsVerificationPolicy") != policy
    ):
        yield _problem(
            "preloadedImagesVerificationAllowlist",
            None,
            f"The kubelet starts with a list only if the policy is {policy}.",
            f"Write kubernetes.kubelet.imagePullCredentialsVerificationPolicy: {policy} too.",
        )
    if fields.get("enableSystemLogQuery") is True and fields.get("enableSystemLogHandler") is False:
        yield _problem(
            "enableSystemLogHandler",
            "false",
            "The kubelet answers queries of logs by this handler, and does not start without it.",
            "Take it out, or enableSystemLogQuery.",
        )


def _single_values(fields: Settings) -> Iterator[Problem]:
    for name in ("address", "healthzBindAddress"):
        address = fields.get(name)
        if isinstance(address, str) and not is_address(address):
            yield _problem(
                name, address, "It must be an IP address.", "Write 0.0.0.0, or take it out."
            )
    logs = fields.get("podLogsDir")
    if isinstance(logs, str) and not (logs.startswith("/") and normpath(logs) == logs):
        yield _problem(
            "podLogsDir",
            logs,
            "The kubelet takes an absolute path without a slash at the end and without dots.",
            f"Write {normpath(f'/{logs}').replace('//', '/')}.",
        )
    factor = fields.get("memoryThrottlingFactor")
    if isinstance(factor, int | float) and not 0 < factor <= 1:
        yield _problem(
            "memoryThrottlingFactor",
            str(factor),
            "The kubelet takes a factor above 0, up to 1.",
            "Write 0.9.",
        )
    users = fields.get("userNamespaces")
    ids = users.get("idsPerPod") if isinstance(users, Mapping) else None
    if isinstance(ids, int) and (ids < _ID_BLOCK or ids % _ID_BLOCK):
        yield _problem(
            "userNamespaces.idsPerPod",
            str(ids),
            f"The kubelet takes multiples of {_ID_BLOCK}.",
            f"Write {max(-(-ids // _ID_BLOCK), 1) * _ID_BLOCK}.",
        )
    sysctls = fields.get("allowedUnsafeSysctls")
    for place, text in enumerate(sysctls if isinstance(sysctls, list | tuple) else ()):
        name = str(text).replace("/", ".")
        if not _SYSCTL.fullmatch(str(text)) or not name.startswith(_NAMESPACED):
            yield _problem(
                f"allowedUnsafeSysctls[{place}]",
                str(text),
                "The kubelet starts only with sysctls that each pod has of its own: kernel.shm*, "
                "kernel.msg*, kernel.sem, fs.mqueue.* and net.*.",
                "Take it out, or write a sysctl of these, for example net.core.somaxconn.",
            )


def _memory(fields: Settings) -> Iterator[Problem]:
    """The static policy compares `reservedMemory` with what the node reserves in all."""
    if fields.get("memoryManagerPolicy") == "Static" and not fields.get("reservedMemory"):
        yield _problem(
            "memoryManagerPolicy",
            "Static",
            "The kubelet starts with this policy only if reservedMemory adds up to kubeReserved, "
            "systemReserved and the hard eviction threshold, 100Mi by default.",
            "Write kubernetes.kubelet.reservedMemory with that sum, for example "
            "[{numaNode: 0, limits: {memory: 100Mi}}].",
        )


def _hidden_metrics(config: ClusterConfig) -> Iterator[Problem]:
    version = config.kubernetes.kubelet.get("showHiddenMetricsForVersion")
    minor = int(config.kubernetes.version.split(".")[1])
    if isinstance(version, str) and version not in ("", f"1.{minor - 1}"):
        yield _problem(
            "showHiddenMetricsForVersion",
            version,
            "The kubelet starts with the minor before its own only, and this cluster is "
            f"1.{minor}.",
            f'Put it in quotes: "1.{minor - 1}".',
        )


def _seconds(text: object) -> float | None:
    """A duration of Go in seconds; None for something else."""
    if text == "0":
        return 0
    if not isinstance(text, str) or _DURATION.sub("", text) or not text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def _problem(name: str, value: str | None, rule: str, remedy: str) -> Problem:
    return Problem(
        path=path_of("kubernetes", "kubelet", name), value=value, rule=rule, remedy=remedy
    )


RULES = (
    kubelet_settings_agree,
    image_thresholds_are_in_order,
    parallel_pulls_are_on,
    static_cpu_policy_has_reserved_cpu,
    soft_evictions_have_grace_periods,
)
