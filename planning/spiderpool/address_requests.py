"""Admission policies that make every pod request the addresses that it takes.

Two pairs of a policy and its binding, and the right of nodes to read their pools:

* The mutating policy gives a pod that chooses no network one (`v1.multus-cni.io/default-network`),
  and adds the request for each NIC to the first container.
* The validating policy sees the pod after every other mutation. It refuses a pod that asks for
  fewer addresses than it takes, and networks in a form that the first policy cannot read.

A pod takes an address of a NIC only through the NIC's own network, because each pool names that
network (`multusName`). Other networks do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from config.facts.nics import DEFAULT_POD_NIC
from planning.addresses.capacity import address_resource
from planning.cel import API_VERSION, Manifest, cel_text, cel_variable
from planning.model import AddressCounting, ClusterPlan
from planning.names import DOMAIN, SPIDERPOOL_NAMESPACE, multus_name
from planning.spiderpool.network_annotations import (
    DEFAULT_NETWORK,
    NETWORKS,
    annotation_variables,
    is_flat,
    is_json,
    is_readable,
    reference_variables,
)
from planning.spiderpool.network_choice import NETWORK_LABEL, choice_variables

NAME: Final = f"addresses.{DOMAIN}"
"""Name of all objects: the policies, their bindings, the role and its binding."""


def manifests(plan: ClusterPlan) -> tuple[Manifest, ...]:
    """All objects, in the order of their creation; empty where addresses are not counted."""
    if plan.counting is None:
        return ()
    interfaces = plan.interface_names
    return (
        *_reading_of_pools(),
        _policy("MutatingAdmissionPolicy", _mutating(interfaces, plan.counting)),
        _binding("MutatingAdmissionPolicyBinding", {}),
        # It comes last, because it refuses pods that the mutating policy has not changed.
        _policy("ValidatingAdmissionPolicy", _validating(interfaces)),
        _binding("ValidatingAdmissionPolicyBinding", {"validationActions": ["Deny"]}),
    )


def _reading_of_pools() -> tuple[Manifest, Manifest]:
    """Each node's unit reads pools and reserved addresses with the kubelet's certificate."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": [
            {
                "apiGroups": ["spiderpool.spidernet.io"],
                "resources": ["spiderippools"],
                "verbs": ["get"],
            },
            {
                "apiGroups": ["spiderpool.spidernet.io"],
                "resources": ["spiderreservedips"],
                "verbs": ["list"],
            },
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": NAME,
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"}
        ],
    }
    return role, binding


def _policy(kind: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": NAME}, "spec": spec}


def _binding(kind: str, spec: Manifest) -> Manifest:
    return _policy(kind, {"policyName": NAME, **spec})


def _mutating(interfaces: Sequence[str], counting: AddressCounting) -> Manifest:
    return {
        "failurePolicy": "Fail",
        # A webhook may add a container or a network after the first invocation.
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": _pods("CREATE"),
        "matchConditions": _on_pod_network(),
        "variables": [
            *annotation_variables(),
            *choice_variables(interfaces, counting),
            *reference_variables(),
            *_needs(interfaces),
        ],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patch(interfaces)}}],
    }


def _validating(interfaces: Sequence[str]) -> Manifest:
    keys = (DEFAULT_NETWORK, NETWORKS)
    kept = " && ".join(
        f"variables.annotations[?{cel_text(key)}] == variables.earlier[?{cel_text(key)}]"
        for key in keys
    )
    label = f"namespaceObject.metadata.?labels[?{cel_text(NETWORK_LABEL)}]"
    names = ", ".join(cel_text(name) for name in interfaces)
    ours = [multus_name(interface) for interface in interfaces]
    return {
        "failurePolicy": "Fail",
        "matchConstraints": _pods("CREATE", "UPDATE"),
        "matchConditions": _on_pod_network(),
        "variables": [
            *annotation_variables(),
            cel_variable("network", cel_text(DEFAULT_POD_NIC)),
            *reference_variables(),
            *_needs(interfaces),
            cel_variable(
                "unknown",
                "variables.references.filter(r, "
                f"r.matches('^{SPIDERPOOL_NAMESPACE}/ipvlan-eth[0-9]+$') "
                f"&& !(r in [{', '.join(cel_text(name) for name in ours)}]))",
            ),
            cel_variable(
                "earlier",
                "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})",
            ),
            cel_variable("created", "request.operation == 'CREATE'"),
        ],
        "validations": [
            {
                "expression": f"!variables.created || ({is_readable('variables.defaultText')} && "
                f"{is_readable('variables.networksText')})",
                "message": f"The annotation {NETWORKS} or {DEFAULT_NETWORK} is JSON that names a "
                "network of this cluster and is not a plain list of objects with one name each, "
                "so that the pod's addresses cannot be counted. Write a list with commas, for "
                f"example {multus_name(interfaces[-1])}@net1.",
            },
            {
                "expression": "!variables.created || variables.defaults.size() == 1 || "
                f"({is_json('variables.defaultText')} && !{is_flat('variables.defaultText')})",
                "messageExpression": f"'The annotation {DEFAULT_NETWORK} names ' + "
                "string(variables.defaults.size()) + ' networks. A pod has one default network, "
                f"and multus starts no pod with another number. Write one, for example "
                f"{multus_name(interfaces[-1])}; more networks go into {NETWORKS}.'",
            },
            {
                "expression": "!variables.created || variables.unknown.size() == 0",
                "messageExpression": "'The pod asks for the network ' + variables.unknown[0] + "
                f"', and no node has this NIC. Write {' or '.join(ours)}.'",
            },
            *(_asks_for_all(interface) for interface in interfaces),
            {
                "expression": f"variables.created || ({kept})",
                "message": f"The annotations {DEFAULT_NETWORK} and {NETWORKS} of a pod cannot "
                "change, because the pod asked for the addresses of these networks when it was "
                "created. Create another pod.",
            },
            {
                "expression": f"!variables.created || {label}.orValue({cel_text(DEFAULT_POD_NIC)}) "
                f"in [{names}]",
                "message": f"The label {NETWORK_LABEL} of the namespace names no NIC of this "
                f"cluster. Write one of {', '.join(interfaces)}.",
            },
        ],
    }


def _pods(*operations: str) -> Manifest:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": list(operations),
        "resources": ["pods"],
    }
    return {"resourceRules": [rule]}


def _on_pod_network() -> list[Manifest]:
    """Conditions that limit the policies to pods on the pod network, without mirror pods.

    A kubelet writes a mirror of each static pod. The static pod runs regardless of the mirror's
    requests, and its address is recorded for another uid. The node's unit subtracts that address.
    """
    mirror = "'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({})"
    return [
        {"name": "on-the-pod-network", "expression": "!object.spec.?hostNetwork.orValue(false)"},
        {"name": "not-a-mirror", "expression": f"!({mirror})"},
    ]


def _needs(interfaces: Sequence[str]) -> list[Manifest]:
    """For each NIC: how many addresses the pod takes, and how many its containers ask for.

    What the API server refuses itself, it refuses after the policies: a pod without containers, and
    a fraction of an address. Such a fraction counts as 0, so that the API server gives its reason.
    """
    # A pod without the key has `null` there: the API server writes the key for its own type.
    has_any = "has(object.spec.containers) && dyn(object.spec.containers) != null"
    variables = [cel_variable("containers", f"{has_any} ? object.spec.containers : []")]
    for interface in interfaces:
        request = f"c.?resources.?requests[?{cel_text(address_resource(interface))}].orValue('0')"
        variables += [
            cel_variable(
                f"{interface}Taken",
                f"variables.references.filter(r, r == {cel_text(multus_name(interface))}).size()",
            ),
            cel_variable(
                f"{interface}Requests",
                f"variables.containers.map(c, quantity({request}))"
                ".map(q, q.isInteger() ? q.asInteger() : 0)",
            ),
        ]
    return variables


def _asks_for_all(interface: str) -> Manifest:
    resource = address_resource(interface)
    taken = f"variables.{interface}Taken"
    return {
        "expression": f"!variables.created || {taken} <= variables.{interface}Requests.sum()",
        "messageExpression": f"'This pod takes ' + string({taken}) + ' address(es) of {interface} "
        f"and its containers ask for ' + string(variables.{interface}Requests.sum()) + "
        f"' {resource}. A webhook changed the pod after the policy {NAME} had added the request: "
        "let it keep the requests and the networks of a pod.'",
    }


def _patch(interfaces: Sequence[str]) -> str:
    """CEL for the JSON patch: the network, where it is not the default one, and the requests."""
    written = (
        f"variables.defaultText != '' || variables.network == {cel_text(DEFAULT_POD_NIC)} ? [] : "
        "(has(object.metadata.annotations) ? [] : "
        "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}]) + "
        "[JSONPatch{op: 'add', path: '/metadata/annotations/' + "
        f"jsonpatch.escapeKey({cel_text(DEFAULT_NETWORK)}), "
        f"value: {cel_text(SPIDERPOOL_NAMESPACE + '/ipvlan-')} + variables.network}}]"
    )
    missing = {
        name: f"variables.{name}Taken - variables.{name}Requests.sum()" for name in interfaces
    }
    any_missing = " || ".join(f"{count} > 0" for count in missing.values())
    has_container = f"variables.{interfaces[0]}Requests.size() > 0"
    first = "object.spec.containers[0]"
    parts = [f"(has({first}.resources) ? [] : [{_added('', '{}')}])"]
    parts += [
        f"({first}.?resources.?{part}.hasValue() ? [] : [{_added('/' + part, '{}')}])"
        for part in ("requests", "limits")
    ]
    for name, count in missing.items():
        own = f"string(variables.{name}Requests[0] + {count})"
        key = f" + jsonpatch.escapeKey({cel_text(address_resource(name))})"
        values = ", ".join(_added(f"/{part}/", own, key=key) for part in ("requests", "limits"))
        parts.append(f"({count} > 0 ? [{values}] : [])")
    return f"({written}) + ({has_container} && ({any_missing}) ? {' + '.join(parts)} : [])"


def _added(path: str, value: str, *, key: str = "") -> str:
    return (
        f"JSONPatch{{op: 'add', path: '/spec/containers/0/resources{path}'{key}, value: {value}}}"
    )
