"""Rules about `kubernetes.kubelet`: names, types and values that the cluster's kubelet takes.

A kubelet does not start with a value of the wrong type, and ignores a field that it does not know
(`pkg/kubelet/kubeletconfig/util/codec` decodes leniently in the end). The names and types come from
`config.facts.kubelet_fields`, the bounds from `kubelet_values`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from config.facts.kubelet_fields import FIELDS, ROOT
from config.model import ClusterConfig
from config.report import Problem
from config.rules.cluster.kubelet_gates import gate_problem, gated_settings_have_their_gate
from config.rules.cluster.kubelet_types import (
    QUANTITY,
    SCALARS,
    Fault,
    Path,
    amount_fault,
    problem_at,
)
from config.rules.cluster.kubelet_values import (
    BOUNDS,
    CHOICES,
    CHOICES_IN_LISTS,
    KEYS,
    OWN_FIELDS,
    TRAPS,
)
from config.schema_walk import nearest


def kubelet_settings_exist(config: ClusterConfig) -> Iterator[Problem]:
    """Names, types and values of every field, by the version of the cluster."""
    if not config.kubernetes.kubelet:
        return
    minor = int(config.kubernetes.version.split(".")[1])
    spans = [entry[1:] for entry in FIELDS[ROOT].values()]
    first, last = min(m[0] for m in spans), max(m[1] for m in spans)
    if not first <= minor <= last:
        return  # `kubernetes.version_is_supported` refuses the version
    for name, value in sorted(config.kubernetes.kubelet.items()):
        at = ("kubernetes", "kubelet", name)
        if name in OWN_FIELDS:
            yield problem_at(at, value, OWN_FIELDS[name], "Take it out.")
        elif name in TRAPS and _is_trap(value, TRAPS[name][0]):
            yield problem_at(at, value, TRAPS[name][1], "Take it out.")
        else:
            yield from _field(ROOT, name, value, at, minor)


def _field(struct: str, name: str, value: object, at: Path, minor: int) -> Iterator[Problem]:
    entry = FIELDS[struct].get(name)
    if entry is None:
        fields = [n for n, (_, first, last) in FIELDS[struct].items() if first <= minor <= last]
        meant = nearest(name, fields)
        remedy = f"Did you mean {meant}? Otherwise take it out." if meant else "Take it out."
        if meant is not None and meant in OWN_FIELDS and struct == ROOT:
            remedy = f"Take it out. {meant} is not free either: this program or kubeadm sets it."
        rule = f"The kubelet of Kubernetes 1.{minor} has no setting {name}."
        yield problem_at(at, None, rule, remedy)
        return
    kind, first, last = entry
    if not first <= minor <= last:
        span = f"from 1.{first} on" if minor < first else f"up to 1.{last}"
        yield problem_at(
            at, None, f"The kubelet has it {span}, and this cluster is 1.{minor}.", "Take it out."
        )
        return
    yield from _typed(kind, value, at, minor)


def _typed(kind: str, value: object, at: Path, minor: int) -> Iterator[Problem]:
    if kind in FIELDS:
        if not isinstance(value, Mapping):
            yield problem_at(
                at, value, "It must be a map.", f"Write its fields: {_fields_of(kind)}."
            )
            return
        for key, item in value.items():
            yield from _field(kind, str(key), item, (*at, str(key)), minor)
        return
    if kind.startswith("list of "):
        inner = kind.removeprefix("list of ")
        if not isinstance(value, list | tuple):
            yield problem_at(at, value, "It must be a list.", _as_list(value))
            return
        for place, item in enumerate(value):
            yield from _typed(inner, item, (*at, place), minor)
        return
    if kind.startswith("map of "):
        if not isinstance(value, Mapping):
            yield problem_at(at, value, "It must be a map.", "Write keys with their values.")
            return
        yield from _map(kind.removeprefix("map of "), value, at, minor)
        return
    fault = SCALARS[kind](value) or _bounded(at, value)
    if fault is not None:
        yield problem_at(at, value, *fault)


def _map(kind: str, value: Mapping[object, object], at: Path, minor: int) -> Iterator[Problem]:
    name = str(at[-1])
    keys = KEYS.get(name)
    for key, item in sorted(value.items(), key=lambda pair: str(pair[0])):
        here = (*at, str(key))
        if keys is not None and key not in keys:
            meant = nearest(str(key), keys)
            yield problem_at(
                here,
                item,
                f"The kubelet has no key {key} here. Its keys are {', '.join(keys)}.",
                f"Did you mean {meant}? Otherwise take it out." if meant else "Take it out.",
            )
            continue
        if name == "featureGates":
            problem = gate_problem(str(key), item, here, minor)
            if problem is not None:
                yield problem
                continue
        if name in KEYS and kind == "text":
            fault = amount_fault(name, item)
            if fault is not None:
                yield problem_at(here, item, *fault)
            continue
        yield from _typed(kind, item, here, minor)


def _bounded(at: Path, value: object) -> Fault | None:
    """Choices and bounds of a single field; its type is right."""
    name = ".".join(str(step) for step in at[2:])
    choices = CHOICES_IN_LISTS.get(str(at[2])) or CHOICES.get(name)
    if choices is not None and value not in choices:
        meant = nearest(str(value), choices)
        return (
            f"The kubelet takes {', '.join(choices[:-1])} or {choices[-1]}.",
            f"Write {meant or choices[0]}.",
        )
    bounds = BOUNDS.get(name)
    if bounds is not None and isinstance(value, int) and not bounds[0] <= value <= bounds[1]:
        low, high = bounds
        return (
            f"The kubelet takes {low} to {high}.",
            f"Write {min(max(value, low), high)}.",
        )
    if name == "containerLogMaxSize" and not QUANTITY.fullmatch(str(value)):
        return "It must be a Kubernetes quantity.", "Write a quantity, for example 10Mi."
    return None


def _is_trap(value: object, trap: object) -> bool:
    return value not in trap if isinstance(trap, tuple) else value is trap


def _as_list(value: object) -> str:
    if isinstance(value, str | int | float | bool):
        return f"Write [{json.dumps(value)}]."
    return "Write a list."


def _fields_of(struct: str) -> str:
    return ", ".join(sorted(FIELDS[struct]))


RULES = (kubelet_settings_exist, gated_settings_have_their_gate)
