"""The admission policy that decides who may change this program's annotations of a Node.

A node's unit applies them as root (planning/nodes/node.sh), so without the policy everybody who may
patch Nodes would be root on every machine, control planes included. Programs that label nodes have
this right, and often run on every worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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

API_VERSION: Final = "admissionregistration.k8s.io/v1"
NAME: Final = f"node-annotations.{DOMAIN}"
"""Name of the policy and of its binding."""
GUARDED: Final = (
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
"""Every annotation that a unit reads or writes, and that the program believes."""

Manifest = Mapping[str, object]


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
                {
                    "name": "earlier",
                    "expression": "oldObject == null ? {} : "
                    "oldObject.metadata.?annotations.orValue({})",
                },
                {
                    "name": "annotations",
                    "expression": "object.metadata.?annotations.orValue({})",
                },
            ],
            "validations": [
                {
                    "expression": f"{_UNCHANGED} || {_BY_THE_NODE} || {_BY_AN_ADMINISTRATOR}",
                    "message": f"The annotations {DOMAIN}/… of a Node are requests to its machine, "
                    "which does them as root, and its answers. Only the node itself may change "
                    "them, and who may create nodes/proxy, which is as much. Leave them as they "
                    "are.",
                }
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


_UNCHANGED: Final = (
    "["
    + ", ".join(f"'{name}'" for name in GUARDED)
    + "].all(name, variables.annotations[?name] == variables.earlier[?name])"
)
_BY_THE_NODE: Final = "request.userInfo.username == 'system:node:' + object.metadata.name"
_BY_AN_ADMINISTRATOR: Final = (
    "authorizer.group('').resource('nodes').subresource('proxy').check('create').allowed()"
)
"""Who may do this runs commands in every pod, as root where the pod is
(https://kubernetes.io/docs/concepts/security/rbac-good-practices/#access-to-proxy-subresource-of-nodes).
"""
