"""The admission policy that decides who may change this program's annotations of a Node.

A node's unit applies them as root (planning/nodes/node.sh), so without the policy everybody who may
patch Nodes would be root on every machine, control planes included. Programs that label nodes have
this right, and often run on every worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planning.cel import API_VERSION, Manifest, cel_text, cel_variable
from planning.names import DOMAIN
from planning.nodes.machine import (
    BACK_UP,
    BACKED_UP,
    CERTIFICATES_RENEWED,
    ENCRYPTION_KEYS,
    ETCD_FAILED,
    ETCD_LEFT,
    FORGET_MEMBERS,
    LEAVE_ETCD,
    MEMBERS_FORGOTTEN,
    METADATA_FOR_PODS,
    RENEW_CERTIFICATES,
    SETTINGS,
    SETTINGS_APPLIED,
    SETTINGS_FAILED,
    UNIT_SCHEMA,
)

NAME: Final = f"node-annotations.{DOMAIN}"
"""Name of the policy and of its binding."""
ORDERS: Final = (BACK_UP, FORGET_MEMBERS, LEAVE_ETCD, RENEW_CERTIFICATES, SETTINGS)
"""What the program asks a machine for. Not even the node itself changes them: whoever has the
bootstrap token can get a certificate for any node's name (docs/decisions/join-token.md), and would
be root on that node."""
ANSWERS: Final = (
    BACKED_UP,
    CERTIFICATES_RENEWED,
    ENCRYPTION_KEYS,
    ETCD_FAILED,
    ETCD_LEFT,
    MEMBERS_FORGOTTEN,
    METADATA_FOR_PODS,
    SETTINGS_APPLIED,
    SETTINGS_FAILED,
    UNIT_SCHEMA,
)
"""What a unit writes, and the program and other machines believe."""


def manifests() -> tuple[Manifest, Manifest]:
    """The policy and its binding."""
    policy = {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        # A change of the status may change annotations, too.
                        "resources": ["nodes", "nodes/status"],
                    }
                ]
            },
            "variables": [
                cel_variable(
                    "earlier",
                    "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})",
                ),
                cel_variable("annotations", "object.metadata.?annotations.orValue({})"),
            ],
            "validations": [
                {
                    "expression": f"{_unchanged(ORDERS)} || {_BY_AN_ADMINISTRATOR}",
                    "message": f"Annotations {DOMAIN}/… of a Node are orders to its machine, which "
                    "does them as root. Only who may create nodes/proxy, which is as much, may "
                    f"change {', '.join(map(_short, ORDERS))}. Leave them as they are.",
                },
                {
                    "expression": f"{_unchanged(ANSWERS)} || {_BY_THE_NODE} || "
                    f"{_BY_AN_ADMINISTRATOR}",
                    "message": f"Annotations {DOMAIN}/… of a Node are answers of its machine. Only "
                    "the node itself, and who may create nodes/proxy, may change "
                    f"{', '.join(map(_short, ANSWERS))}. Leave them as they are.",
                },
            ],
        },
    }
    binding = {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return policy, binding


_BY_THE_NODE: Final = "request.userInfo.username == 'system:node:' + object.metadata.name"
_BY_AN_ADMINISTRATOR: Final = (
    "authorizer.group('').resource('nodes').subresource('proxy').check('create').allowed()"
)
"""Whoever may do this can run commands in every pod, as root where the pod runs as root
(https://kubernetes.io/docs/concepts/security/rbac-good-practices/#access-to-proxy-subresource-of-nodes).
"""


def _unchanged(names: Sequence[str]) -> str:
    listed = ", ".join(map(cel_text, names))
    return f"[{listed}].all(name, variables.annotations[?name] == variables.earlier[?name])"


def _short(name: str) -> str:
    return name.partition("/")[2]
