"""The Node object, as this kubelet registers and reports it.

Rules: kubelet's `kubelet_node_status.go` and `nodestatus/setters.go` (NodeAddress).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.kubelet.node.allocatable import allocatable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.machines.guest.kubelet.node.hardware import Hardware
    from localcloud.machines.guest.kubelet.settings import Settings

PROVIDED_NODE_IP: Final = "alpha.kubernetes.io/provided-node-ip"
UNINITIALIZED: Final = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}


def resources(settings: Settings, hardware: Hardware) -> dict[str, str]:
    """Return the Node's capacity, which the kubelet reports with every status."""
    return {
        "cpu": str(hardware.cpus),
        "memory": f"{hardware.memory_gib * 1024 * 1024}Ki",
        "ephemeral-storage": "41152736Ki",
        # The sizes that every x86-64 processor of ECS has; none is set aside.
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(settings.max_pods),
    }


def left_for_pods(settings: Settings, hardware: Hardware) -> dict[str, str]:
    """Return what the Node's pods can ask for, which the kubelet reports with every status."""
    capacity = resources(settings, hardware)
    return dict(allocatable(capacity, dict(settings.reserved), dict(settings.thresholds)))


def registration(settings: Settings, version: str, hardware: Hardware) -> dict[str, Any]:
    """Return the Node that is POSTed once."""
    labels = {
        "kubernetes.io/hostname": settings.hostname,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
    } | dict(settings.labels)
    taints: list[dict[str, str]] = [
        {"key": taint.key, "effect": taint.effect} | ({"value": taint.value} if taint.value else {})
        for taint in settings.taints
    ]
    spec: dict[str, Any] = {}
    if settings.external_cloud:
        taints.append(UNINITIALIZED)
    if settings.provider_id:
        spec["providerID"] = settings.provider_id
    if taints:
        spec["taints"] = taints
    capacity = resources(settings, hardware)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": settings.hostname,
            "labels": labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": spec,
        "status": {
            "capacity": capacity,
            "allocatable": left_for_pods(settings, hardware),
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "Ubuntu 24.04 LTS",
                "kernelVersion": "6.8.0-simulated",
                "containerRuntimeVersion": "containerd://2.2.1-simulated",
                "kubeletVersion": version,
                "kubeProxyVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        },
    }


def address_status(
    settings: Settings,
    present: Mapping[str, Any],
    look_up: Callable[[str], str | None],
) -> tuple[list[dict[str, str]], str | None]:
    """Return the Node's addresses and its provided-node-ip annotation (None: no annotation).

    `present` is the Node as the server has it; `look_up` gives the address that the host would
    use for a name or, for an empty one, its default route's. With an external cloud provider,
    addresses that are there already stay; without --node-ip only the name is reported until the
    provider comes; an unspecified --node-ip (0.0.0.0) lets the kubelet find its own.
    """
    specified = [ip for ip in settings.node_ips if not ipaddress.ip_address(ip).is_unspecified]
    name = {"type": "Hostname", "address": settings.hostname}
    if settings.external_cloud:
        annotation = ",".join(specified) if specified else None
        provided = (present.get("status") or {}).get("addresses") or []
        if provided:
            return list(provided), annotation
        if not settings.node_ips:
            return [name], annotation
    else:
        annotation = None
    if specified:
        internal = specified
    else:
        own = look_up(settings.hostname) or look_up("")
        internal = [own] if own else []
    return [*({"type": "InternalIP", "address": ip} for ip in internal), name], annotation


def replacing(addresses: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return addresses for a strategic merge patch of a Node's status.

    Such a patch merges the list by type, but a Node may have several addresses of one type: the
    API server would refuse more than one InternalIP as duplicates. Rule:
    `fixupPatchForNodeStatusAddresses` of component-helpers.
    """
    return [*addresses, {"$patch": "replace"}]


def conditions(
    present: Mapping[str, Any], now: str, *, not_ready_reason: str | None
) -> list[dict[str, Any]]:
    """Return the four conditions; a transition time moves only when a status does."""
    before = {
        entry["type"]: entry for entry in (present.get("status") or {}).get("conditions") or ()
    }
    verdicts = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }
    if not_ready_reason:
        verdicts["Ready"] = ("False", "KubeletNotReady", not_ready_reason)
    entries = []
    for kind, (status, reason, message) in verdicts.items():
        old = before.get(kind, {})
        moved = old.get("status") != status
        entries.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": now if moved else old.get("lastTransitionTime", now),
            }
        )
    return entries
