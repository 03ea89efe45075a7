"""Pod status documents as the kubelet writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ContainerFacts:
    """The state of one container; `waiting` is (reason, message) if it does not run."""

    ready: bool
    restarts: int = 0
    started_at: str | None = None
    waiting: tuple[str, str] | None = None


def running(
    pod: Mapping[str, Any],
    facts: Mapping[str, ContainerFacts],
    host_ip: str,
    pod_ips: list[str],
    now: str,
) -> dict[str, Any]:
    """Return the status of a pod whose sandbox exists."""
    ready = all(facts[container["name"]].ready for container in pod["spec"]["containers"])
    started = all(
        facts[container["name"]].waiting is None for container in pod["spec"]["containers"]
    )
    return {
        "phase": "Running" if started or _ran_before(pod) else "Pending",
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ips[0] if pod_ips else "",
        "podIPs": [{"ip": ip} for ip in pod_ips],
        "startTime": (pod.get("status") or {}).get("startTime") or now,
        "conditions": _conditions(
            pod,
            now,
            {
                "PodReadyToStartContainers": None,
                "Initialized": None,
                "Ready": None if ready else ("ContainersNotReady", "containers not ready"),
                "ContainersReady": None
                if ready
                else ("ContainersNotReady", "containers not ready"),
                "PodScheduled": None,
            },
        ),
        "initContainerStatuses": [
            _done(container, now) for container in pod["spec"].get("initContainers") or ()
        ],
        "containerStatuses": [
            _container(container, facts[container["name"]], now)
            for container in pod["spec"]["containers"]
        ],
    }


def waiting(pod: Mapping[str, Any], host_ip: str, now: str) -> dict[str, Any]:
    """Return the status of a pod whose sandbox cannot be created yet."""
    names = " ".join(container["name"] for container in pod["spec"]["containers"])
    reason = ("ContainersNotReady", f"containers with unready status: [{names}]")
    facts = ContainerFacts(ready=False, waiting=("ContainerCreating", ""))
    return {
        "phase": "Pending",
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": (pod.get("status") or {}).get("startTime") or now,
        "conditions": _conditions(
            pod,
            now,
            {
                "PodReadyToStartContainers": ("", ""),
                "Initialized": None,
                "Ready": reason,
                "ContainersReady": reason,
                "PodScheduled": None,
            },
        ),
        "containerStatuses": [
            _container(container, facts, now) for container in pod["spec"]["containers"]
        ],
    }


def succeeded(pod: Mapping[str, Any], host_ip: str, pod_ips: list[str], now: str) -> dict[str, Any]:
    """Return the status of a pod that ran to its end."""
    over = ("PodCompleted", "")
    return {
        "phase": "Succeeded",
        "hostIP": host_ip,
        "podIP": pod_ips[0] if pod_ips else "",
        "podIPs": [{"ip": ip} for ip in pod_ips],
        "startTime": (pod.get("status") or {}).get("startTime") or now,
        "conditions": _conditions(
            pod, now, {"Ready": over, "ContainersReady": over, "PodScheduled": None}
        ),
        "containerStatuses": [_done(entry, now) for entry in pod["spec"]["containers"]],
    }


def same(present: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Whether a status already has everything of `target`."""
    return all(_covers(present.get(key), value) for key, value in target.items())


def _covers(present: Any, target: Any) -> bool:  # noqa: ANN401  (JSON)
    if target in ("", [], {}, None) and not present:
        return True
    if isinstance(target, dict):
        return isinstance(present, dict) and all(
            _covers(present.get(key), value) for key, value in target.items()
        )
    if isinstance(target, list):
        return (
            isinstance(present, list)
            and len(present) == len(target)
            and all(
                _covers(*pair) for pair in zip(_ordered(present), _ordered(target), strict=True)
            )
        )
    return bool(present == target)


def _ordered(entries: list[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: str(entry.get("type") or entry.get("name") or ""))


def _ran_before(pod: Mapping[str, Any]) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")


def _conditions(
    pod: Mapping[str, Any], now: str, failing: Mapping[str, tuple[str, str] | None]
) -> list[dict[str, Any]]:
    before = {entry["type"]: entry for entry in (pod.get("status") or {}).get("conditions") or ()}
    entries = []
    for kind, problem in failing.items():
        status = "False" if problem is not None else "True"
        old = before.get(kind, {})
        entry = {
            "type": kind,
            "status": status,
            "lastTransitionTime": old.get("lastTransitionTime", now)
            if old.get("status") == status
            else now,
        }
        if problem is not None and problem[0]:
            entry |= {"reason": problem[0], "message": problem[1]}
        entries.append(entry)
    return entries


def _container(container: Mapping[str, Any], facts: ContainerFacts, now: str) -> dict[str, Any]:
    if facts.waiting is not None:
        reason, message = facts.waiting
        state: dict[str, Any] = {"waiting": {"reason": reason}}
        if message:
            state["waiting"]["message"] = message
    else:
        state = {"running": {"startedAt": facts.started_at or now}}
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": facts.ready,
        "started": facts.waiting is None,
        "restartCount": facts.restarts,
        "state": state,
    }


def _done(container: Mapping[str, Any], now: str) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {
            "terminated": {
                "exitCode": 0,
                "reason": "Completed",
                "startedAt": now,
                "finishedAt": now,
            }
        },
    }
