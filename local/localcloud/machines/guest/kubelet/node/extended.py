"""Extended resources of the Node that a program other than the kubelet writes into its status.

Rules (kubelet, Kubernetes 1.35 to 1.37):

* `nodestatus/setters.go`, MachineInfo: capacity that the kubelet does not know stays, and becomes
  allocatable.
* `kubelet_node_status.go`, reconcileExtendedResource: a kubelet that starts sets all of them to 0
  on a Node that is there already, when `device-plugins` has no file
  (`cm/devicemanager/manager.go`, ShouldResetExtendedResourceCapacity; any file counts,
  `util/store/filestore.go`, List).
* `lifecycle/predicate.go`: a pod whose request does not fit is failed; a resource that the Node
  does not have at all counts as nothing. A kubelet that starts admits its pods again, oldest first.

There are no device plugins.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEVICE_PLUGINS: Final = Path("/var/lib/kubelet/device-plugins")


def extended(resources: Mapping[str, str]) -> dict[str, str]:
    """Return the resources whose name has a domain that is not Kubernetes' own."""
    return {
        name: count
        for name, count in resources.items()
        if "/" in name and "kubernetes.io/" not in name
    }


def resets(folder: Path = DEVICE_PLUGINS) -> bool:
    """Whether a kubelet that starts now sets the Node's extended resources to 0."""
    return not folder.is_dir() or not any(folder.iterdir())


def rejection(
    pod: Mapping[str, Any], admitted: Iterable[Mapping[str, Any]], allocatable: Mapping[str, str]
) -> tuple[str, str] | None:
    """Return reason and message for which the pod is failed; None when it fits."""
    used: Counter[str] = Counter()
    for other in admitted:
        used.update(requests(other))
    for name, count in requests(pod).items():
        if name in allocatable and used[name] + count > int(allocatable[name]):
            message = f"Node didn't have enough resource: {name}, requested: {count}, "
            return f"OutOf{name}", f"{message}used: {used[name]}, capacity: {allocatable[name]}"
    return None


def requests(pod: Mapping[str, Any]) -> Counter[str]:
    """Return how much of each extended resource the pod's containers ask for."""
    asked: Counter[str] = Counter()
    for container in pod["spec"]["containers"]:
        of_container = (container.get("resources") or {}).get("requests") or {}
        asked.update({name: int(count) for name, count in extended(of_container).items()})
    return asked
