"""CEL that chooses a NIC for a pod that chooses none itself: by the NICs' shares of addresses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from config.facts.nics import DEFAULT_POD_NIC
from planning.cel import Manifest, cel_text, cel_variable
from planning.model import AddressCounting
from planning.names import DOMAIN

NETWORK_LABEL: Final = f"{DOMAIN}/network"
"""Label of a namespace: the NIC for those of its pods that choose no network."""
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


def choice_variables(interfaces: Sequence[str], counting: AddressCounting) -> list[Manifest]:
    """The variable `network`: the NIC of a pod that chooses none itself.

    The request's own id is not visible to policies (k8s.io/apiserver
    `pkg/admission/plugin/cel/compile.go`), and the pod has no name and no uid yet. Numbered pods of
    one owner take the NICs in turns. What differs between pods of one ReplicaSet is the random end
    of their token volume's name, which the ServiceAccount plugin gave them before. A pod without a
    token follows its owner, and one without either gets the first NIC.
    """
    label = f"namespaceObject.metadata.?labels[?{cel_text(NETWORK_LABEL)}].orValue('')"
    names = ", ".join(cel_text(name) for name in interfaces)
    chosen = [cel_variable("label", label)]
    default = cel_text(DEFAULT_POD_NIC)
    if len(counting.shares) > 1:
        named_by_namespace = (
            f"namespaceObject.metadata.?annotations[?{cel_text(_NAMED_POOL_OF_NAMESPACE)}]"
        )
        indifferent = " && ".join(
            (
                "variables.networksText == ''",
                *(f"!({cel_text(key)} in variables.annotations)" for key in _NAMED_POOLS),
                f"!{named_by_namespace}.hasValue()",
            )
        )
        labels = ", ".join(
            f"object.metadata.?labels[?{cel_text(key)}].orValue('')" for key in _INDEXES
        )
        drawn = _by_share(counting.shares)
        # If no NIC has addresses on every node, a bound pod is drawn like any other.
        if counting.shares_everywhere not in ({}, counting.shares):
            chosen.append(cel_variable("bound", _is_bound()))
            everywhere = _by_share(counting.shares_everywhere)
            drawn = f"variables.bound ? {everywhere} : {drawn}"
        chosen += [
            cel_variable(
                "token",
                "object.spec.?volumes.orValue([]).map(v, v.name)"
                ".filter(n, n.matches('^kube-api-access-.{3}')).map(n, n.substring(16))",
            ),
            cel_variable(
                "owner",
                "object.metadata.?ownerReferences.orValue([]).map(o, o.uid)"
                f".filter(u, u.size() >= {_PLACES})",
            ),
            cel_variable(
                "index", f"[{labels}].filter(i, i.matches('^[0-9]{{1,9}}$')).map(i, int(i))"
            ),
            cel_variable(
                "draw",
                "variables.owner.size() > 0 && variables.index.size() > 0 ? "
                f"{_turn(counting.shares)} : "
                f"variables.token.size() > 0 ? {_number('variables.token[0]', _SUFFIX_LETTERS)} : "
                f"variables.owner.size() > 0 ? {_number('variables.owner[0]', _HEX)} : 0",
            ),
        ]
        default = f"{indifferent} ? ({drawn}) : {default}"
    chosen.append(
        cel_variable("network", f"variables.label in [{names}] ? variables.label : ({default})")
    )
    return chosen


def _is_bound() -> str:
    """CEL: the pod can run on certain nodes only, like each pod of a DaemonSet.

    It cannot move to another node if its own node has no addresses on the drawn NIC.
    """
    many = ", ".join(cel_text(key) for key in _OF_MANY_NODES)
    return (
        "object.spec.?nodeName.orValue('') != '' || "
        f"object.spec.?nodeSelector.orValue({{}}).exists(k, !(k in [{many}])) || "
        "object.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution"
        ".hasValue()"
    )


def _turn(shares: Mapping[str, int]) -> str:
    """CEL for the draw of a numbered pod: its owner's draw plus its number times a fixed step.

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
        f"{cel_text(letters)}.indexOf({text}.charAt({place}))"
        for place in range(_PLACES)
    )
    return f"({digits})"


def _by_share(shares: Mapping[str, int]) -> str:
    """CEL that maps a draw to a NIC: cumulative shares of the range, in the order of the NICs."""
    names = list(shares)
    total, below, expression = sum(shares.values()), 0, ""
    for name in names[:-1]:
        below += shares[name]
        expression += f"variables.draw < {_RANGE * below // total} ? {cel_text(name)} : "
    return f"({expression}{cel_text(names[-1])})"
