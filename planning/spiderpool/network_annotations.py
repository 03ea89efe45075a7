"""CEL that reads the networks of a pod from its annotations, as multus does.

The rules are those of spiderpool v1.2.2 `pkg/multuscniconfig/utils.go`
(`ParsePodNetworkAnnotation`), which are multus's own. A text with `[`, `{` or `"` is JSON, any
other is a list of `[namespace/]name[@interface]` with commas. A name without a namespace, or with
an empty one, is in kube-system for the default network, and in the pod's own namespace for all
others.
"""

from __future__ import annotations

from typing import Final

from planning.cel import Manifest, cel_text, cel_variable
from planning.names import SPIDERPOOL_NAMESPACE

DEFAULT_NETWORK: Final = "v1.multus-cni.io/default-network"
NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"


def annotation_variables() -> list[Manifest]:
    """The pod's annotations, and the two that name networks, without white space."""
    annotations = "variables.annotations[?{}].orValue('')"
    for white in (" ", "\\t", "\\n", "\\r"):
        annotations += f".replace('{white}', '')"
    return [
        cel_variable("annotations", "object.metadata.?annotations.orValue({})"),
        cel_variable("defaultText", annotations.format(cel_text(DEFAULT_NETWORK))),
        cel_variable("networksText", annotations.format(cel_text(NETWORKS))),
    ]


def reference_variables() -> list[Manifest]:
    """`references`: every network that the pod takes, as namespace/name, with repetitions.

    `defaults` are those of the default network: one, unless the annotation is wrong.
    """
    first = f"variables.defaultText == '' ? [{cel_text(SPIDERPOOL_NAMESPACE + '/ipvlan-')} + "
    first += f"variables.network] : {_parsed('variables.defaultText', SPIDERPOOL_NAMESPACE)}"
    others = _parsed("variables.networksText", None)
    return [
        cel_variable("defaults", first),
        cel_variable("references", f"variables.defaults + ({others})"),
    ]


def _parsed(text: str, namespace: str | None) -> str:
    """CEL for the networks of an annotation's text; `namespace` None is the pod's own."""
    own = "request.namespace" if namespace is None else cel_text(namespace)
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
    return f"{is_json(text)} ? {from_json} : {plain}"


def is_json(text: str) -> str:
    """CEL: multus reads the text as JSON."""
    return f"{text}.matches('[\\\\[{{\"]')"


def is_flat(text: str) -> str:
    """CEL: the text is a JSON list of objects without further objects or escapes in them."""
    flat = r"""[^{}\\\\]*"""
    objects = rf"^\\[(\\{{{flat}\\}}(,\\{{{flat}\\}})*)?\\]$"
    return f"{text}.matches('{objects}')"


def is_readable(text: str) -> str:
    """CEL: `_parsed` has read the text as multus does, or it names none of our networks."""
    one_name = """o.findAll('(?i)"name":').size() == 1"""
    one_namespace = """o.findAll('(?i)"namespace":').size() <= 1"""
    return (
        rf"(!{is_json(text)} || !{text}.matches('ipvlan-|\\\\') || ({is_flat(text)} "
        rf"&& {text}.findAll('\\{{[^{{}}]*\\}}').all(o, {one_name} && {one_namespace})))"
    )
