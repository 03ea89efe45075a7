"""The guide's sample apps: a DaemonSet on each NIC, and a ClusterIP service for the second one.

They differ from the guide in three ways: images are pinned, the first app exits at once on SIGTERM,
and an app runs only on the nodes that have pod addresses on its NIC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config.facts.nics import PRIMARY_NIC, SECOND_NIC
from config.model import TolerationConfig
from planning.model import ClusterPlan
from planning.names import multus_name

NAMESPACE: Final = "default"
CLIENT: Final = "test-app-1"
"""Runs on eth0 and asks."""
SERVER: Final = "test-app-2"
"""Runs on eth1 and answers HTTP on `SERVER_PORT`."""
SERVICE: Final = "test-svc"
"""The ClusterIP service in front of `SERVER`."""
SERVER_PORT: Final = 80
INTERFACES: Final[Mapping[str, str]] = {CLIENT: PRIMARY_NIC, SERVER: SECOND_NIC}
"""App → the NIC that its pods use."""

_DEFAULT_NETWORK: Final = "v1.multus-cni.io/default-network"
_UNTIL_SIGTERM: Final = ["sh", "-c", "trap exit TERM; while :; do sleep 3600 & wait; done"]
"""The guide's `sleep 3600` ends its pod every hour, and hears no SIGTERM as process 1."""

Object = dict[str, object]


def manifests(plan: ClusterPlan) -> Mapping[str, Object]:
    """The objects by name; empty when the stack has no sample apps."""
    apps = plan.sample_apps
    if not apps.enabled:
        return {}
    client: Object = {"image": _image(plan, apps.client_image), "command": _UNTIL_SIGTERM}
    server: Object = {"image": _image(plan, apps.server_image)}
    return {
        CLIENT: _daemon_set(plan, CLIENT, client),
        SERVER: _daemon_set(plan, SERVER, server),
        SERVICE: {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE, "labels": {"app": SERVER}},
            "spec": {
                "type": "ClusterIP",
                "ports": [{"port": SERVER_PORT, "protocol": "TCP", "targetPort": SERVER_PORT}],
                "selector": {"app": SERVER},
            },
        },
    }


def _image(plan: ClusterPlan, name: str) -> str:
    return f"{plan.sample_apps.registry or 'docker.io'}/{name}"


def _daemon_set(plan: ClusterPlan, name: str, container: Object) -> Object:
    labels = {"app": name}
    spec: Object = {
        "containers": [
            {
                "name": name,
                **container,
                "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": SERVER_PORT, "protocol": "TCP"}],
            }
        ]
    }
    if plan.sample_apps.tolerations:
        spec["tolerations"] = [_toleration(t) for t in plan.sample_apps.tolerations]
    nodes = _nodes_with_addresses(plan, INTERFACES[name])
    if nodes is not None:
        spec["affinity"] = {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchFields": [
                                {"key": "metadata.name", "operator": "In", "values": [node]}
                            ]
                        }
                        for node in nodes
                    ]
                }
            }
        }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {_DEFAULT_NETWORK: multus_name(INTERFACES[name])},
                },
                "spec": spec,
            },
        },
    }


def _nodes_with_addresses(plan: ClusterPlan, interface: str) -> list[str] | None:
    """Names of the nodes that have a pool on the NIC; None when those are all nodes there are.

    A cluster that somebody else built may have nodes that the plan does not know.
    """
    having = {
        pool.node: pool.node_name
        for pool in plan.ip_pools.values()
        if pool.default and pool.interface == interface
    }
    if set(having) == set(plan.nodes) and plan.kubernetes.mode == "kubeadm":
        return None
    return sorted(having.values())


def _toleration(configured: TolerationConfig) -> Object:
    toleration: Object = {"operator": "Exists" if configured.value is None else "Equal"}
    for key, value in (
        ("key", configured.key),
        ("value", configured.value),
        ("effect", configured.effect),
    ):
        if value:
            toleration[key] = value
    return toleration
