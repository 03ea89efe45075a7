"""The rules by which an object counts as ready.

Pure rules over a live object: ``None`` means ready, a text is the reason to wait. They follow the
official plugin's awaiters (provider/pkg/await) for the kinds named in ``_RULES``; every other
kind is ready at once, unless ``pulumi.com/waitFor`` names a condition.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from toolchain.kubernetes_provider.cluster.discovery import group_of, is_built_in
from toolchain.kubernetes_provider.errors import ProviderError
from toolchain.kubernetes_provider.objects import object_options
from toolchain.kubernetes_provider.protocol.wire import (
    Object,
    Value,
    at,
    number_at,
    object_at,
    objects_at,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Looks up another object: (apiVersion, kind, namespace, name) → the object or None.
Lookup: TypeAlias = "Callable[[str, str, str, str], Object | None]"
Rule: TypeAlias = "Callable[[Object, Lookup], Waiting | None]"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Why an object is not ready; ``hopeless`` when waiting longer cannot help."""

    reason: str
    hopeless: bool = False


def rule_for(inputs: Object) -> Rule | None:
    """Return the rule an object waits by, ``None`` when it does not wait.

    Raises ProviderError for a ``pulumi.com/waitFor`` that cannot be understood.
    """
    if object_options.is_true(inputs, object_options.SKIP_AWAIT):
        return None
    condition_text = object_options.value_of(inputs, object_options.WAIT_FOR)
    if condition_text:
        return _custom(condition_text)
    if not is_built_in(text_at(inputs, "apiVersion")):
        return None
    return _RULES.get((group_of(text_at(inputs, "apiVersion")), text_at(inputs, "kind")))


def is_checked_on_read(target: Object) -> bool:
    """Tell whether a refresh reports that the object is not ready (awaitRead in awaiters.go)."""
    return text_at(target, "kind") in {
        "DaemonSet",
        "Deployment",
        "Job",
        "Pod",
        "Service",
        "StatefulSet",
    }


def condition(target: Object, kind: str) -> Object:
    """Return the status condition of that type, an empty object where there is none."""
    for entry in objects_at(target, "status", "conditions"):
        if entry.get("type") == kind:
            return entry
    return {}


def _holds(target: Object, kind: str) -> bool:
    return text_at(condition(target, kind), "status") == "True"


def _unobserved(target: Object) -> Waiting | None:
    seen = number_at(target, "status", "observedGeneration")
    now = number_at(target, "metadata", "generation")
    if seen < now:
        return Waiting(reason="its controller has not processed the latest change yet")
    return None


def _deployment(target: Object, _: Lookup) -> Waiting | None:
    if waiting := _unobserved(target):
        return waiting
    replicas = target_replicas(target)
    available = number_at(target, "status", "availableReplicas")
    updated = number_at(target, "status", "updatedReplicas")
    progressing = condition(target, "Progressing")
    if text_at(progressing, "reason") == "ProgressDeadlineExceeded":
        # Not a failure: the official plugin waits on, because pods can still become ready.
        return Waiting(
            reason=text_at(progressing, "message") or "its progress deadline is exceeded"
        )
    counts = f"{available} of {replicas} replicas are available, {updated} are updated"
    paused = at(target, "spec", "paused") is True
    if not paused and text_at(progressing, "reason") != "NewReplicaSetAvailable":
        return Waiting(reason=f"the new ReplicaSet is not available: {counts}")
    if not _holds(target, "Available") or updated < replicas or available < replicas:
        return Waiting(reason=counts)
    return None


def target_replicas(target: Object) -> int:
    """Return the requested number of replicas; one by default."""
    replicas = at(target, "spec", "replicas")
    return replicas if isinstance(replicas, int) else 1


def _stateful_set(target: Object, _: Lookup) -> Waiting | None:
    if waiting := _unobserved(target):
        return waiting
    replicas = target_replicas(target)
    ready = number_at(target, "status", "readyReplicas")
    if ready < replicas:
        return Waiting(reason=f"{ready} of {replicas} replicas are ready")
    current = text_at(target, "status", "currentRevision")
    if text_at(target, "spec", "updateStrategy", "type") != "OnDelete" and current != text_at(
        target, "status", "updateRevision"
    ):
        return Waiting(reason="not all pods have the new revision")
    return None


def _daemon_set(target: Object, _: Lookup) -> Waiting | None:
    if waiting := _unobserved(target):
        return waiting
    status = object_at(target, "status")
    desired = number_at(status, "desiredNumberScheduled")
    for key, name in (
        ("updatedNumberScheduled", "updated"),
        ("numberAvailable", "available"),
        ("numberReady", "ready"),
    ):
        if number_at(status, key) < desired:
            return Waiting(reason=f"{number_at(status, key)} of {desired} pods are {name}")
    return None


def _service(target: Object, lookup: Lookup) -> Waiting | None:
    spec = object_at(target, "spec")
    kind = text_at(spec, "type")
    if kind == "LoadBalancer" and not objects_at(target, "status", "loadBalancer", "ingress"):
        return Waiting(reason="the cloud controller manager has not set a load balancer address")
    selects_pods = bool(object_at(spec, "selector"))
    if kind == "ExternalName" or text_at(spec, "clusterIP") == "None" or not selects_pods:
        return None
    namespace, name = text_at(target, "metadata", "namespace"), text_at(target, "metadata", "name")
    endpoints = lookup("v1", "Endpoints", namespace, name)
    if endpoints is None:
        return Waiting(reason="the controller manager has not created its Endpoints object")
    pending = [
        address
        for subset in objects_at(endpoints, "subsets")
        for address in objects_at(subset, "notReadyAddresses")
    ]
    if pending:
        return Waiting(reason=f"{len(pending)} of its pods are not ready")
    return None


def _pod(target: Object, _: Lookup) -> Waiting | None:
    phase = text_at(target, "status", "phase")
    if phase == "Succeeded" or _holds(target, "Ready"):
        return None
    if phase == "Failed":
        message = text_at(target, "status", "message") or pod_trouble(target)
        return Waiting(reason=message, hopeless=True)
    return Waiting(reason=pod_trouble(target))


def pod_trouble(pod: Object) -> str:
    """Return why a pod does not run, as a clause.

    Messages and reasons are quoted as the kubelet and the scheduler write them.
    """
    for container in objects_at(pod, "status", "containerStatuses"):
        waiting = object_at(container, "state", "waiting")
        if waiting:
            message = text_at(waiting, "message")
            reason = text_at(waiting, "reason")
            return f"its container {text_at(container, 'name')} waits: {reason} {message}".rstrip()
        ended = object_at(container, "state", "terminated")
        if code := number_at(ended, "exitCode"):
            name, reason = text_at(container, "name"), text_at(ended, "reason")
            return f"its container {name} ended with exit code {code} {reason}".rstrip()
    scheduled = condition(pod, "PodScheduled")
    if text_at(scheduled, "status") == "False":
        return text_at(scheduled, "message") or "it is not scheduled"
    phase = text_at(pod, "status", "phase")
    return f"its phase is {phase}" if phase else "it has no status"


def _job(target: Object, _: Lookup) -> Waiting | None:
    if _holds(target, "Complete"):
        return None
    failed = condition(target, "Failed")
    if text_at(failed, "status") == "True":
        return Waiting(reason=text_at(failed, "message") or "it failed", hopeless=True)
    return Waiting(reason=f"{number_at(target, 'status', 'succeeded')} of its pods have succeeded")


def _claim(target: Object, _: Lookup) -> Waiting | None:
    phase = text_at(target, "status", "phase")
    return None if phase == "Bound" else Waiting(reason=f"its phase is {phase or 'not set'}")


def _volume(target: Object, _: Lookup) -> Waiting | None:
    phase = text_at(target, "status", "phase")
    return None if phase in ("Available", "Bound") else Waiting(reason=f"its phase is {phase}")


def _definition(target: Object, _: Lookup) -> Waiting | None:
    if _holds(target, "Established"):
        return None
    refused = condition(target, "NamesAccepted")
    return Waiting(reason=text_at(refused, "message") or "it is not established")


_RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}


def _custom(text: str) -> Rule:
    try:
        parsed: Value = json.loads(text)
    except ValueError:
        parsed = text
    expressions = parsed if isinstance(parsed, list) else [text]
    tests = [_expression(item) for item in expressions if isinstance(item, str)]
    if not tests:
        raise ProviderError(
            f"{object_options.WAIT_FOR} is {text!r}. It needs at least one expression, for example "
            '"condition=Ready" or "jsonpath={.status.phase}=Synced".'
        )

    def rule(target: Object, _: Lookup) -> Waiting | None:
        return next((waiting for test in tests if (waiting := test(target))), None)

    return rule


def _expression(text: str) -> Callable[[Object], Waiting | None]:
    if text.startswith("condition="):
        kind, _, status = text.removeprefix("condition=").partition("=")

        def by_condition(target: Object) -> Waiting | None:
            got = text_at(condition(target, kind), "status")
            if got.lower() == (status or "True").lower():
                return None
            return Waiting(reason=f"its condition {kind} is {got or 'not set'}")

        return by_condition
    match = re.fullmatch(r"jsonpath=\{?(\.[^=}]+)\}?(?:=(.*))?", text)
    if not match:
        raise ProviderError(
            f"{object_options.WAIT_FOR} has {text!r}. An expression starts with "
            '"condition=" or "jsonpath=", for example "condition=Ready=True" or '
            '"jsonpath={.status.phase}=Synced".'
        )
    path, expected = match.groups()
    steps = _steps(path)

    def by_path(target: Object) -> Waiting | None:
        got = _follow(target, steps)
        if got is not None and (expected is None or _as_text(got) == expected.strip("'\"")):
            return None
        shown = "not set" if got is None else _as_text(got)
        return Waiting(reason=f"its {path} is {shown}")

    return by_path


def _steps(path: str) -> tuple[str | int, ...]:
    parts = re.findall(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\['([^']+)'\]", path)
    rebuilt = "".join(
        f".{name}" if name else f"[{index}]" if index else f"['{key}']"
        for name, index, key in parts
    )
    if rebuilt != path:
        raise ProviderError(
            f"{object_options.WAIT_FOR} has the path {path!r}. The stand-in follows names, "
            "indexes and quoted keys (.status.conditions[0].status). Only the official plugin "
            "supports filters and wildcards."
        )
    return tuple(int(index) if index else name or key for name, index, key in parts)


def _follow(value: Value, steps: tuple[str | int, ...]) -> Value:
    for step in steps:
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def _as_text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
