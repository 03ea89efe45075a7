"""Admission policies that make every pod request the addresses that it takes.

Two pairs of a policy and its binding, and the right of nodes to read their pools:

* The mutating policy gives a pod that chooses no network one (`v1.multus-cni.io/default-network`),
  and adds the request for each NIC to the first container.
* The validating policy sees the pod after every other mutation. It refuses a pod that asks for
  fewer addresses than it takes, and networks in a form that the first policy cannot read.

A pod takes an address of a NIC only through the NIC's own network, because each pool names that
network (`multusName`). Other networks do not count.

How multus reads the annotations: spiderpool v1.2.2 `pkg/multuscniconfig/utils.go`
(`ParsePodNetworkAnnotation`, the same rules as multus's own). A text with `[`, `{` or `"` is JSON,
any other is a list of `[namespace/]name[@interface]` with commas. A name without a namespace, or
with an empty one, is in kube-system for the default network, and in the pod's own namespace for all
others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from config.facts.nics import DEFAULT_POD_NIC
from planning.addresses.capacity import address_resource
from planning.model import AddressCounting, ClusterPlan
from planning.names import DOMAIN, SPIDERPOOL_NAMESPACE, multus_name

API_VERSION: Final = "admissionregistration.k8s.io/v1"
NAME: Final = f"addresses.{DOMAIN}"
"""Name of all objects: the policies, their bindings, the role and its binding."""
NETWORK_LABEL: Final = f"{DOMAIN}/network"
"""Label of a namespace: the NIC for those of its pods that choose no network."""
DEFAULT_NETWORK: Final = "v1.multus-cni.io/default-network"
NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"

_NAMED_POOLS: Final = ("ipam.spidernet.io/ippool", "ipam.spidernet.io/ippools")
"""Annotations of a pod that names its pools, which belong to one NIC."""
_NAMED_POOL_OF_NAMESPACE: Final = "ipam.spidernet.io/default-ipv4-ippool"

_INDEXES: Final = ("apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index")
"""Labels by which a StatefulSet and an indexed Job number their pods (k8s.io/api
`apps/v1/types.go`, PodIndexLabel; `batch/v1/types.go`, JobCompletionIndexAnnotation)."""
_OF_MANY_NODES: Final = ("kubernetes.io/os", "kubernetes.io/arch")
"""Keys of a node selector that do not bind a pod to certain nodes of a cluster."""
_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
"""k8s.io/apimachinery `pkg/util/rand`: names that the API server generates end in these."""
_HEX: Final = "0123456789abcdef"
_PLACES: Final = 3
_RANGE: Final = (len(_SUFFIX_LETTERS) * len(_HEX)) ** _PLACES
"""Draws are numbers below this one; both alphabets divide it."""

Manifest = Mapping[str, object]


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
            *_annotations(),
            *_choice(interfaces, counting),
            *_references(),
            *_needs(interfaces),
        ],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patch(interfaces)}}],
    }


def _validating(interfaces: Sequence[str]) -> Manifest:
    keys = (DEFAULT_NETWORK, NETWORKS)
    kept = " && ".join(
        f"variables.annotations[?{_text(key)}] == variables.earlier[?{_text(key)}]" for key in keys
    )
    label = f"namespaceObject.metadata.?labels[?{_text(NETWORK_LABEL)}]"
    names = ", ".join(_text(name) for name in interfaces)
    ours = [multus_name(interface) for interface in interfaces]
    return {
        "failurePolicy": "Fail",
        "matchConstraints": _pods("CREATE", "UPDATE"),
        "matchConditions": _on_pod_network(),
        "variables": [
            *_annotations(),
            _variable("network", _text(DEFAULT_POD_NIC)),
            *_references(),
            *_needs(interfaces),
            _variable(
                "unknown",
                "variables.references.filter(r, "
                f"r.matches('^{SPIDERPOOL_NAMESPACE}/ipvlan-eth[0-9]+$') "
                f"&& !(r in [{', '.join(_text(name) for name in ours)}]))",
            ),
            _variable(
                "earlier",
                "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})",
            ),
            _variable("created", "request.operation == 'CREATE'"),
        ],
        "validations": [
            {
                "expression": f"!variables.created || ({_readable('variables.defaultText')} && "
                f"{_readable('variables.networksText')})",
                "message": f"The annotation {NETWORKS} or {DEFAULT_NETWORK} is JSON that names a "
                "network of this cluster and is not a plain list of objects with one name each, "
                "so that the pod's addresses cannot be counted. Write a list with commas, for "
                f"example {multus_name(interfaces[-1])}@net1.",
            },
            {
                "expression": "!variables.created || variables.defaults.size() == 1 || "
                f"({_is_json('variables.defaultText')} && !{_is_flat('variables.defaultText')})",
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
                "expression": f"!variables.created || {label}.orValue({_text(DEFAULT_POD_NIC)}) "
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


def _variable(name: str, expression: str) -> Manifest:
    return {"name": name, "expression": expression}


def _annotations() -> list[Manifest]:
    """The pod's annotations, and the two that name networks, without white space."""
    annotations = "variables.annotations[?{}].orValue('')"
    for white in (" ", "\\t", "\\n", "\\r"):
        annotations += f".replace('{white}', '')"
    return [
        _variable("annotations", "object.metadata.?annotations.orValue({})"),
        _variable("defaultText", annotations.format(_text(DEFAULT_NETWORK))),
        _variable("networksText", annotations.format(_text(NETWORKS))),
    ]


def _choice(interfaces: Sequence[str], counting: AddressCounting) -> list[Manifest]:
    """The variable `network`: the NIC of a pod that chooses none itself.

    The request's own id is not visible to policies (k8s.io/apiserver
    `pkg/admission/plugin/cel/compile.go`), and the pod has no name and no uid yet. Numbered pods of
    one owner take the NICs in turns. What differs between pods of one ReplicaSet is the random end
    of their token volume's name, which the ServiceAccount plugin gave them before. A pod without a
    token follows its owner, and one without either gets the first NIC.
    """
    label = f"namespaceObject.metadata.?labels[?{_text(NETWORK_LABEL)}].orValue('')"
    names = ", ".join(_text(name) for name in interfaces)
    chosen = [_variable("label", label)]
    default = _text(DEFAULT_POD_NIC)
    if len(counting.shares) > 1:
        named_by_namespace = (
            f"namespaceObject.metadata.?annotations[?{_text(_NAMED_POOL_OF_NAMESPACE)}]"
        )
        indifferent = " && ".join(
            (
                "variables.networksText == ''",
                *(f"!({_text(key)} in variables.annotations)" for key in _NAMED_POOLS),
                f"!{named_by_namespace}.hasValue()",
            )
        )
        labels = ", ".join(
            f"object.metadata.?labels[?{_text(key)}].orValue('')" for key in _INDEXES
        )
        drawn = _by_share(counting.shares)
        # If no NIC has addresses on every node, a bound pod is drawn like any other.
        if counting.shares_everywhere not in ({}, counting.shares):
            chosen.append(_variable("bound", _is_bound()))
            everywhere = _by_share(counting.shares_everywhere)
            drawn = f"variables.bound ? {everywhere} : {drawn}"
        chosen += [
            _variable(
                "token",
                "object.spec.?volumes.orValue([]).map(v, v.name)"
                ".filter(n, n.matches('^kube-api-access-.{3}')).map(n, n.substring(16))",
            ),
            _variable(
                "owner",
                "object.metadata.?ownerReferences.orValue([]).map(o, o.uid)"
                f".filter(u, u.size() >= {_PLACES})",
            ),
            _variable("index", f"[{labels}].filter(i, i.matches('^[0-9]{{1,9}}$')).map(i, int(i))"),
            _variable(
                "draw",
                "variables.owner.size() > 0 && variables.index.size() > 0 ? "
                f"{_turn(counting.shares)} : "
                f"variables.token.size() > 0 ? {_number('variables.token[0]', _SUFFIX_LETTERS)} : "
                f"variables.owner.size() > 0 ? {_number('variables.owner[0]', _HEX)} : 0",
            ),
        ]
        default = f"{indifferent} ? ({drawn}) : {default}"
    chosen.append(
        _variable("network", f"variables.label in [{names}] ? variables.label : ({default})")
    )
    return chosen


def _is_bound() -> str:
    """CEL: the pod can run on certain nodes only, like each pod of a DaemonSet.

    It cannot move to another node if its own node has no addresses on the drawn NIC.
    """
    many = ", ".join(_text(key) for key in _OF_MANY_NODES)
    return (
        "object.spec.?nodeName.orValue('') != '' || "
        f"object.spec.?nodeSelector.orValue({{}}).exists(k, !(k in [{many}])) || "
        "object.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution"
        ".hasValue()"
    )


def _turn(shares: Mapping[str, int]) -> str:
    """CEL for the draw of a numbered pod: its owner's first one, and on by a fixed step.

    The step has no divisor in common with the sum of the shares, so that as many pods in a row as
    that sum get exactly their shares.
    """
    unit = math.gcd(*shares.values())
    total = sum(shares.values()) // unit
    golden = round(total * (math.sqrt(5) - 1) / 2)
    step = next(s for s in range(max(golden, 1), total + golden) if math.gcd(s, total) == 1)
    start = _digits("variables.owner[0]", _HEX)
    return f"({start} + variables.index[0] * {step}) % {total} * {_RANGE} / {total}"


def _number(text: str, letters: str) -> str:
    """CEL for a number below `_RANGE` from a text's first letters; each letter weighs the same.

    A letter that is not among `letters` counts as the first one.
    """
    return f"{_digits(text, letters)} * {_RANGE // len(letters) ** _PLACES}"


def _digits(text: str, letters: str) -> str:
    """CEL for the number whose digits to the base `len(letters)` are a text's first letters."""
    digits = " + ".join(
        f"{len(letters) ** (_PLACES - 1 - place)} * "
        f"{_text(letters)}.indexOf({text}.charAt({place}))"
        for place in range(_PLACES)
    )
    return f"({digits})"


def _by_share(shares: Mapping[str, int]) -> str:
    """CEL that maps a draw to a NIC: cumulative shares of the range, in the order of the NICs."""
    names = list(shares)
    total, below, expression = sum(shares.values()), 0, ""
    for name in names[:-1]:
        below += shares[name]
        expression += f"variables.draw < {_RANGE * below // total} ? {_text(name)} : "
    return f"({expression}{_text(names[-1])})"


def _references() -> list[Manifest]:
    """`references`: every network that the pod takes, as namespace/name, with repetitions.

    `defaults` are those of the default network: one, unless the annotation is wrong.
    """
    first = f"variables.defaultText == '' ? [{_text(SPIDERPOOL_NAMESPACE + '/ipvlan-')} + "
    first += f"variables.network] : {_parsed('variables.defaultText', SPIDERPOOL_NAMESPACE)}"
    others = _parsed("variables.networksText", None)
    return [
        _variable("defaults", first),
        _variable("references", f"variables.defaults + ({others})"),
    ]


def _parsed(text: str, namespace: str | None) -> str:
    """CEL for the networks of an annotation's text; `namespace` None is the pod's own."""
    own = "request.namespace" if namespace is None else _text(namespace)
    name = """o.find('(?i)"name":"[^"]*"')"""
    written = """o.find('(?i)"namespace":"[^"]*"')"""
    value = f"""{written}.split('"')[3]"""
    quoted = f"({written} == '' || {value} == '' ? {own} : {value})"
    from_json = (
        rf"{text}.findAll('\\{{[^{{}}]*\\}}').filter(o, {name} != '')"
        rf""".map(o, {quoted} + '/' + {name}.split('"')[3])"""
    )
    # `trim` is Go's strings.TrimSpace, as in multus: a no-break space counts as white space.
    plain = (
        f"{text}.split(',').map(n, n.split('@')[0].split('/').map(p, p.trim()).join('/'))"
        f".map(n, n.startsWith('/') ? {own} + n : n.contains('/') ? n : {own} + '/' + n)"
    )
    return f"{_is_json(text)} ? {from_json} : {plain}"


def _is_json(text: str) -> str:
    return f"{text}.matches('[\\\\[{{\"]')"


def _is_flat(text: str) -> str:
    """CEL: the text is a JSON list of objects without further objects or escapes in them."""
    flat = r"""[^{}\\\\]*"""
    objects = rf"^\\[(\\{{{flat}\\}}(,\\{{{flat}\\}})*)?\\]$"
    return f"{text}.matches('{objects}')"


def _readable(text: str) -> str:
    """CEL: `_parsed` has read the text as multus does, or it names none of our networks."""
    one_name = """o.findAll('(?i)"name":').size() == 1"""
    one_namespace = """o.findAll('(?i)"namespace":').size() <= 1"""
    return (
        rf"(!{_is_json(text)} || !{text}.matches('ipvlan-|\\\\') || ({_is_flat(text)} "
        rf"&& {text}.findAll('\\{{[^{{}}]*\\}}').all(o, {one_name} && {one_namespace})))"
    )


def _needs(interfaces: Sequence[str]) -> list[Manifest]:
    """For each NIC: how many addresses the pod takes, and how many its containers ask for.

    What the API server refuses itself, it refuses after the policies: a pod without containers, and
    a fraction of an address. Such a fraction counts as 0, so that the API server gives its reason.
    """
    # A pod without the key has `null` there: the API server writes the key for its own type.
    has_any = "has(object.spec.containers) && dyn(object.spec.containers) != null"
    variables = [_variable("containers", f"{has_any} ? object.spec.containers : []")]
    for interface in interfaces:
        request = f"c.?resources.?requests[?{_text(address_resource(interface))}].orValue('0')"
        variables += [
            _variable(
                f"{interface}Taken",
                f"variables.references.filter(r, r == {_text(multus_name(interface))}).size()",
            ),
            _variable(
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
        f"variables.defaultText != '' || variables.network == {_text(DEFAULT_POD_NIC)} ? [] : "
        "(has(object.metadata.annotations) ? [] : "
        "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}]) + "
        "[JSONPatch{op: 'add', path: '/metadata/annotations/' + "
        f"jsonpatch.escapeKey({_text(DEFAULT_NETWORK)}), "
        f"value: {_text(SPIDERPOOL_NAMESPACE + '/ipvlan-')} + variables.network}}]"
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
        key = f" + jsonpatch.escapeKey({_text(address_resource(name))})"
        values = ", ".join(_added(f"/{part}/", own, key=key) for part in ("requests", "limits"))
        parts.append(f"({count} > 0 ? [{values}] : [])")
    return f"({written}) + ({has_container} && ({any_missing}) ? {' + '.join(parts)} : [])"


def _added(path: str, value: str, *, key: str = "") -> str:
    return (
        f"JSONPatch{{op: 'add', path: '/spec/containers/0/resources{path}'{key}, value: {value}}}"
    )


def _text(value: str) -> str:
    """A CEL string; none of ours has a quote or a backslash."""
    return f"'{value}'"
