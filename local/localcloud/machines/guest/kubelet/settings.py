"""The kubelet's settings: its command line and its configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from localcloud.machines.guest.kubelet.node.allocatable import DEFAULT_THRESHOLDS, total

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_FLAGS: Final = frozenset(
    {
        "address",
        "bootstrap-kubeconfig",
        "cert-dir",
        "cloud-provider",
        "cluster-dns",
        "cluster-domain",
        "config",
        "config-dir",
        "container-runtime-endpoint",
        "feature-gates",
        "hostname-override",
        "image-service-endpoint",
        "kubeconfig",
        "kube-reserved",
        "max-pods",
        "node-ip",
        "node-labels",
        "pod-manifest-path",
        "provider-id",
        "read-only-port",
        "register-node",
        "register-with-taints",
        "resolv-conf",
        "root-dir",
        "rotate-certificates",
        "runtime-cgroups",
        "system-reserved",
        "v",
    }
)
_REMOVED: Final = {"pod-infra-container-image": 35}
"""Flags of earlier kubelets → the minor version that removed them."""
_DEFAULT_MAX_PODS: Final = 110


class SettingsError(Exception):
    """Settings that make the real kubelet exit; the text is its reason."""


@dataclass(frozen=True, kw_only=True)
class Taint:
    """A Node's taint."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Those of the kubelet's settings that the simulated kubelet acts on."""

    hostname: str
    kubeconfig: str
    bootstrap_kubeconfig: str
    manifests: str
    external_cloud: bool
    provider_id: str
    node_ips: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    taints: tuple[Taint, ...]
    max_pods: int
    lease_seconds: int
    reserved: tuple[tuple[str, str], ...] = ()
    """Resource → what the system and Kubernetes keep of it."""
    thresholds: tuple[tuple[str, str], ...] = tuple(DEFAULT_THRESHOLDS.items())
    """Signal of hard eviction → its threshold."""


def parse_flags(words: Sequence[str], version: str) -> dict[str, str]:
    """Return flag values by name. An unknown flag ends the kubelet, as it does the real one.

    `version` is the kubelet's, for example v1.35.4.
    """
    minor = int(version.split(".")[1])
    accepted = _FLAGS | {name for name, removed in _REMOVED.items() if minor < removed}
    values: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise SettingsError(f"unknown command {word}")
        name, equals, value = word[2:].partition("=")
        if name not in accepted:
            raise SettingsError(f"failed to parse kubelet flag: unknown flag: --{name}")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        values[name] = value
    return values


def load(
    words: Sequence[str], hostname: str, read: Mapping[str, Any] | None, *, version: str
) -> Settings:
    """Join flags and configuration; flags win. `read` is the file's document, None if missing."""
    flags = parse_flags(words, version)
    document = dict(read or {})
    if "config" in flags and read is None:
        raise SettingsError(
            f"failed to load kubelet config file, path: {flags['config']}: no such file"
        )
    if document and document.get("kind") != "KubeletConfiguration":
        raise SettingsError(f"{flags['config']} is not a KubeletConfiguration")
    if problems := [*_type_problems(document), *_value_problems(document)]:
        raise SettingsError(f"failed to validate kubelet configuration: {'; '.join(problems)}")
    cloud = flags.get("cloud-provider", "")
    if cloud not in {"", "external"}:
        raise SettingsError(
            f'unsupported value for "cloud-provider": {cloud}, only external is supported'
        )
    taints = [_taint(text) for text in _split(flags.get("register-with-taints", ""))]
    if not taints:
        taints = [_taint_of(entry) for entry in document.get("registerWithTaints") or ()]
    max_pods = int(flags.get("max-pods") or document.get("maxPods", _DEFAULT_MAX_PODS))
    return Settings(
        hostname=(flags.get("hostname-override") or hostname).lower(),
        kubeconfig=flags.get("kubeconfig", ""),
        bootstrap_kubeconfig=flags.get("bootstrap-kubeconfig", ""),
        manifests=flags.get("pod-manifest-path") or document.get("staticPodPath") or "",
        external_cloud=cloud == "external",
        provider_id=flags.get("provider-id") or document.get("providerID") or "",
        node_ips=tuple(_split(flags.get("node-ip", ""))),
        labels=_labels(flags.get("node-labels", "")),
        taints=tuple(taints),
        max_pods=max_pods,
        lease_seconds=int(document.get("nodeLeaseDurationSeconds") or 40),
        reserved=_reserved(flags, document),
        # One threshold that is set replaces all defaults (mergeDefaultEvictionSettings).
        thresholds=tuple((document.get("evictionHard") or DEFAULT_THRESHOLDS).items()),
    )


def _reserved(flags: Mapping[str, str], document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What both reservations keep together. A flag replaces the file's map."""
    parts = []
    for flag, key in (("system-reserved", "systemReserved"), ("kube-reserved", "kubeReserved")):
        pairs = (entry.partition("=") for entry in _split(flags.get(flag, "")))
        parts.append({name: text for name, _, text in pairs} or (document.get(key) or {}))
    try:
        return tuple(sorted(total(*parts).items()))
    except ValueError as error:
        raise SettingsError(f"failed to parse reserved resources: {error}") from None


def read_document(path: Path) -> dict[str, Any] | None:
    """Return a YAML file's mapping, or None if the file does not exist."""
    if not path.exists():
        return None
    return yaml.safe_load(path.read_text("utf-8")) or {}


def read_drop_ins(folder: Path) -> list[Mapping[str, Any]]:
    """Return the documents of `--config-dir`: files that end in .conf, in the order of their names.

    Each must be a complete KubeletConfiguration. Rule:
    https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/, Drop-in directory.
    """
    if not folder.is_dir():
        raise SettingsError(f"failed to merge kubelet configs: {folder}: no such directory")
    documents: list[Mapping[str, Any]] = []
    for path in sorted(folder.glob("*.conf")):
        try:
            document = yaml.safe_load(path.read_text("utf-8"))
        except yaml.YAMLError as error:
            raise SettingsError(f"failed to merge kubelet configs: {path}: {error}") from None
        if not isinstance(document, dict) or document.get("kind") != "KubeletConfiguration":
            raise SettingsError(
                f"failed to merge kubelet configs: {path}: Object 'Kind' is missing or is not "
                "KubeletConfiguration"
            )
        documents.append(document)
    return documents


def merged(base: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge documents: maps field by field; any other value replaces the earlier one.

    Rule: https://kubernetes.io/docs/reference/node/kubelet-config-directory-merging/.
    """
    whole = dict(base)
    for other in others:
        for key, value in other.items():
            present = whole.get(key)
            both = isinstance(value, dict) and isinstance(present, dict)
            whole[key] = merged(present or {}, [value]) if both else value
    return whole


_NUMBERS: Final = frozenset(
    {
        "containerLogMaxFiles",
        "eventBurst",
        "eventRecordQPS",
        "imageGCHighThresholdPercent",
        "imageGCLowThresholdPercent",
        "kubeAPIBurst",
        "kubeAPIQPS",
        "maxOpenFiles",
        "maxParallelImagePulls",
        "maxPods",
        "nodeLeaseDurationSeconds",
        "nodeStatusMaxImages",
        "podPidsLimit",
        "podsPerCore",
        "registryBurst",
        "registryPullQPS",
    }
)
_BOOLEANS: Final = frozenset(
    {
        "cgroupsPerQOS",
        "cpuCFSQuota",
        "enableControllerAttachDetach",
        "enableServer",
        "failSwapOn",
        "localStorageCapacityIsolation",
        "makeIPTablesUtilChains",
        "protectKernelDefaults",
        "rotateCertificates",
        "runOnce",
        "serializeImagePulls",
    }
)
_MAY_BE_NEGATIVE: Final = frozenset({"nodeStatusMaxImages", "podPidsLimit"})


def _type_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Values of number and boolean fields that the real kubelet's decoder refuses."""
    for key, value in document.items():
        if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int)):
            yield f"cannot unmarshal {value!r} into field KubeletConfiguration.{key} of type int32"
        elif key in _BOOLEANS and not isinstance(value, bool):
            yield f"cannot unmarshal {value!r} into field KubeletConfiguration.{key} of type bool"


def _value_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Part of the kubelet's `ValidateKubeletConfiguration`."""
    for key in sorted(_NUMBERS - _MAY_BE_NEGATIVE):
        value = document.get(key)
        if isinstance(value, int) and value < 0:
            yield f"invalid configuration: {key} {value} must not be a negative number"
    high = document.get("imageGCHighThresholdPercent", 85)
    low = document.get("imageGCLowThresholdPercent", 80)
    if isinstance(high, int) and isinstance(low, int):
        if not 0 <= high <= 100 or not 0 <= low <= 100:  # noqa: PLR2004  (per cent)
            yield "invalid configuration: imageGC thresholds must be between 0 and 100"
        elif low >= high:
            yield (
                f"invalid configuration: imageGCLowThresholdPercent {low} must be less than "
                f"imageGCHighThresholdPercent {high}"
            )
    parallel = document.get("maxParallelImagePulls")
    if isinstance(parallel, int) and parallel > 1 and document.get("serializeImagePulls", True):
        yield (
            f"invalid configuration: maxParallelImagePulls {parallel} cannot be larger than 1 "
            "unless SerializeImagePulls is set to false"
        )


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for entry in _split(text):
        key, equals, value = entry.partition("=")
        if not equals:
            raise SettingsError(f"malformed pair, expect string=string: {entry}")
        allowed = key.startswith(("kubelet.kubernetes.io/", "node.kubernetes.io/"))
        domain = key.partition("/")[0] if "/" in key else ""
        if domain.endswith(("kubernetes.io", "k8s.io")) and not allowed and key not in _OWN_LABELS:
            raise SettingsError(
                f"unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [{key}]"
            )
        pairs.append((key, value))
    return tuple(pairs)


_OWN_LABELS: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)


def _taint(text: str) -> Taint:
    left, colon, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    if not colon or effect not in {"NoSchedule", "PreferNoSchedule", "NoExecute"}:
        raise SettingsError(f"invalid taint spec: {text}")
    return Taint(key=key, value=value, effect=effect)


def _taint_of(entry: Mapping[str, Any]) -> Taint:
    return Taint(key=entry["key"], value=entry.get("value") or "", effect=entry["effect"])


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
