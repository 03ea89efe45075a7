"""Rules about Kubernetes labels and taints of nodes.

Syntax: Kubernetes, "Labels and Selectors" and `k8s.io/apimachinery/pkg/util/validation`. What a
kubelet may set on its own node: the NodeRestriction admission plugin, `--node-labels`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from config.model import ClusterConfig, NodePoolConfig, TaintConfig
from config.report import Problem, as_yaml

MAX_NAME = 63
MAX_PREFIX = 253

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_OWN = re.compile(r"(^|\.)(kubernetes|k8s)\.io$")
_OWN_FREE_PREFIX = re.compile(r"(^|\.)(kubelet|node)\.kubernetes\.io$")
_CONDITIONS = frozenset(
    {
        "node.cloudprovider.kubernetes.io/shutdown",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "node.kubernetes.io/disk-pressure",
        "node.kubernetes.io/memory-pressure",
        "node.kubernetes.io/network-unavailable",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/out-of-service",
        "node.kubernetes.io/pid-pressure",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/unschedulable",
    }
)
"""Taints that Kubernetes and the cloud controller write and remove (Kubernetes, "Well-Known Labels,
Annotations and Taints"; `pkg/controller/nodelifecycle`)."""
_SET_FOR_EACH_NODE = frozenset(
    {
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
"""Labels that the kubelet and the cloud controller set, with a value for each node."""


def labels_are_allowed(config: ClusterConfig) -> Iterator[Problem]:
    """Labels are valid and allowed: a kubelet does not start with others (`--node-labels`)."""
    for name, pool in sorted(config.node_pools.items()):
        for path, labels in _labels(name, pool):
            for key, value in sorted(labels.items()):
                fault = key_fault(key) or _restricted(key)
                if fault is not None:
                    yield Problem(
                        path=f"{path}.{key}",
                        value=value,
                        rule=fault,
                        remedy="Write a key with your own prefix, for example example.com/role.",
                    )
                yield from value_problems(f"{path}.{key}", key, value)


def taints_are_allowed(config: ClusterConfig) -> Iterator[Problem]:
    """Taints have the syntax of labels, and each pair of key and effect is unique."""
    for name, pool in sorted(config.node_pools.items()):
        first: dict[tuple[str, str], int] = {}
        for place, taint in enumerate(pool.taints or ()):
            path = f"nodePools.{name}.taints[{place}]"
            yield from _taint(path, taint)
            other = first.setdefault((taint.key, taint.effect), place)
            if other != place:
                yield Problem(
                    path=path,
                    value=f"{taint.key}:{taint.effect}",
                    rule=f"taints[{other}] already has this key and effect, and a node takes one "
                    "taint of each pair.",
                    remedy="Take one of the two out.",
                )


def _labels(name: str, pool: NodePoolConfig) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield f"nodePools.{name}.labels", pool.labels
    for node, own in sorted(pool.nodes.items()):
        yield f"nodePools.{name}.nodes.{node}.labels", own.labels


def _taint(path: str, taint: TaintConfig) -> Iterator[Problem]:
    fault = key_fault(taint.key)
    if fault is not None:
        yield Problem(
            path=f"{path}.key",
            value=taint.key,
            rule=fault,
            remedy="Write a key, for example example.com/role.",
        )
    if taint.key in _CONDITIONS:
        yield Problem(
            path=f"{path}.key",
            value=taint.key,
            rule="Kubernetes or the cloud controller writes this taint while a node is in that "
            "state, and removes it afterwards.",
            remedy="Write a key with a prefix of your own, for example example.com/role.",
        )
    yield from value_problems(f"{path}.value", "value", taint.value)


def key_fault(key: str) -> str | None:
    """Why this is not the key of a label; None when it is one."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > MAX_PREFIX or not _PREFIX.fullmatch(prefix)):
        return (
            "The part of a label's key before the slash is a DNS name: small letters, digits, "
            f"hyphens and dots, {MAX_PREFIX} characters at most."
        )
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        return (
            f"A label's key has 1 to {MAX_NAME} letters, digits, hyphens, underscores and dots, "
            "and begins and ends with a letter or a digit."
        )
    return None


def value_problems(path: str, key: str, value: str) -> Iterator[Problem]:
    """The problem of a text that is not the value of a label, which `key` has at `path`."""
    if not value or (_NAME.fullmatch(value) and len(value) <= MAX_NAME):
        return
    yield Problem(
        path=path,
        value=value,
        rule=f"A label's value has at most {MAX_NAME} letters, digits, hyphens, underscores and "
        "dots, and begins and ends with a letter or a digit.",
        remedy=f"Write {key}: {as_yaml(_nearest_value(value))}.",
    )


def _restricted(key: str) -> str | None:
    prefix = key.rpartition("/")[0]
    if key in _SET_FOR_EACH_NODE:
        return (
            "The kubelet or the cloud controller sets this label, with a value for each node; a "
            "value of the pool would replace it."
        )
    if not _OWN.search(prefix) or _OWN_FREE_PREFIX.search(prefix):
        return None
    return "The kubelet does not start with labels of kubernetes.io that it may not set itself."


def _nearest_value(value: str) -> str:
    """The nearest value that a label may have."""
    text = re.sub(r"[^-A-Za-z0-9_.]+", "-", value)[:MAX_NAME].strip("-_.")
    return text or "none"


RULES = (labels_are_allowed, taints_are_allowed)
