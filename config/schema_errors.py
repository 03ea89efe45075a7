"""Turns the model's own errors into problems, with remedies that work when applied."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from pydantic_core import ErrorDetails

from config.facts.unsupported import limit_of_key, limit_of_value
from config.model import KubernetesConfig, Profile, Role
from config.report import Problem, UnknownKey, path_of
from config.rules.cluster.kubernetes import MINORS, NEW_CLUSTERS
from config.schema_walk import Path, document_path, keys_at, nearest

TWO_NICS = (
    "A node has the NICs eth0 and, at most, eth1: with a second extra NIC the released provider "
    "crashes on refresh (pulumi-terraform-bridge issue 3391)."
)

DNS_LABEL = (
    "A name has small letters, digits and hyphens, begins with a letter, does not end with a "
    "hyphen, and has 63 characters at most: it becomes the name of nodes and resources."
)

_DEFAULT_VERSION = str(KubernetesConfig().version)
_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?")

Fault = tuple[str, str]
"""The rule that a value breaks, and the remedy."""

Context = Mapping[str, object]
"""What pydantic adds to a finding: the bound, the pattern, what it expected."""


def problem_of(detail: ErrorDetails, value: object) -> Problem:
    """One finding of pydantic as a problem; `value` is None when there is none or it is secret."""
    steps = document_path(detail["loc"])
    path = path_of(*steps)
    if "[key]" in detail["loc"]:
        return _bad_key(path, steps, detail)
    if detail["type"] == "extra_forbidden":
        return _unknown_key(path, steps)
    if detail["type"] == "missing":
        return Problem(
            path=path,
            value=None,
            rule="This key is missing, and has no default.",
            remedy=f"Write {steps[-1]}; docs/configuration.md describes it.",
        )
    limit = limit_of_value(steps, value) if isinstance(value, str) else None
    if limit is not None:
        return Problem(path=path, value=str(value), rule=limit.reason, remedy=limit.instead)
    rule, remedy = _fault(steps, value, detail)
    return Problem(path=path, value=_shown(value), rule=rule, remedy=remedy)


def _fault(steps: Path, value: object, detail: ErrorDetails) -> Fault:
    kind, last = detail["type"], steps[-1]
    if last == "targetPort":
        rule = (
            "It must be a port from 1 to 65535, or the name of one of the pods' ports: 15 small "
            "letters, digits and single hyphens at most."
        )
        return rule, "Write a number without quotes, or a name."
    if steps == ("kubernetes", "version"):
        return _version_fault(value)
    misplaced = _misplaced_pod_addresses(steps, value) if last == "podAddresses" else None
    if misplaced is not None:
        return misplaced
    if kind in {"enum", "literal_error"}:
        choices = {"profile": tuple(Profile), "role": tuple(Role)}.get(str(last), ())
        expected = re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected")))
        return _choice_fault(value, tuple(str(c) for c in choices) or tuple(expected))
    fault = _BY_KIND.get(kind)
    if fault is not None:
        return fault(steps, value, detail.get("ctx", {}))
    return (
        f"{detail['msg'].rstrip('.')}.",
        "Correct it; docs/configuration.md has the type and the bounds of every key.",
    )


def _misplaced_pod_addresses(steps: Path, value: object) -> Fault | None:
    """A number where a node's own addresses belong, or a list where the pool's number belongs."""
    pool, nic = steps[1], steps[-2]
    if "nodes" not in steps and isinstance(value, list | tuple):
        rule = "Here it is a number: how many addresses for pods this NIC has on every node."
        remedy = (
            "Write a number, and the addresses of one node as a list below "
            f"nodePools.{pool}.nodes.<name>.interfaces.{nic}."
        )
        return rule, remedy
    if "nodes" in steps and isinstance(value, int) and not isinstance(value, bool):
        rule = (
            "Here it is a list: the node's own addresses. How many they are is a number of the "
            "pool's NIC, the same for all its nodes."
        )
        remedy = (
            f"Write podAddresses: {value} below nodePools.{pool}.interfaces.{nic}; here write a "
            "list, for example [172.31.199.185-172.31.199.189], or take the NIC out to use the "
            "node's block."
        )
        return rule, remedy
    return None


def _address_fault(_steps: Path, _value: object, _context: Context) -> Fault:
    return (
        "Not a valid IPv4 address.",
        "Write four numbers from 0 to 255 with dots between them, for example 172.31.199.183.",
    )


def _name_fault(steps: Path, value: object, _context: Context) -> Fault:
    return DNS_LABEL, f"Write {_name_at(steps, str(value or ''))}."


def _whole_number_fault(_steps: Path, value: object, _context: Context) -> Fault:
    return "It must be a whole number.", _number_remedy(value, whole=True)


def _number_fault(_steps: Path, value: object, _context: Context) -> Fault:
    return "It must be a number.", _number_remedy(value, whole=False)


def _bool_fault(_steps: Path, _value: object, _context: Context) -> Fault:
    return "It must be true or false.", "Write true or false, without quotes."


def _list_fault(_steps: Path, value: object, _context: Context) -> Fault:
    return "It must be a list.", _list_remedy(value)


def _object_fault(steps: Path, _value: object, _context: Context) -> Fault:
    rule = "It must be an object: keys with values, each on a line of its own."
    keys = ", ".join(sorted(keys_at(steps)))
    return rule, f"Write its keys below it: {keys}." if keys else "Write its keys below it."


def _bound_fault(_steps: Path, _value: object, context: Context) -> Fault:
    if "ge" in context:
        return f"It must be at least {context['ge']}.", f"Write {context['ge']}."
    return f"It must be at most {context['le']}.", f"Write {context['le']}."


def _length_fault(_steps: Path, value: object, context: Context) -> Fault:
    most = int(str(context["max_length"]))
    shorter = str(value or "")[:most].strip("-")
    return f"It must have {most} characters at most.", f"Write {shorter}."


def _empty_fault(_steps: Path, _value: object, _context: Context) -> Fault:
    return "It must not be empty.", "Write at least one."


def _shown(value: object) -> str | None:
    """A scalar as YAML has it; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, Mapping | list | tuple):
        return None
    return str(value)


def _text_fault(steps: Path, value: object, _context: Context) -> Fault:
    if value is None:
        return "It must be text.", "Write text, or take the key out."
    if isinstance(value, Mapping | list | tuple):
        return "It must be text.", "Write text, without keys below it and without brackets."
    text = _shown(value)
    kind = "true or false" if isinstance(value, bool) else "a number"
    if not isinstance(value, bool | int | float):
        kind = "a date"
    rule = f"It must be text, and YAML reads it as {kind}."
    if steps[-1] == "ports" and "ingress" in steps and isinstance(value, int):
        return rule, f'Put it in quotes: "{value}/{value}".'
    if steps == ("name",) and not isinstance(value, bool):
        return (
            f"{rule} A cluster's name begins with a letter.",
            f"Write {_name_at(steps, str(text))}.",
        )
    return rule, f'Put it in quotes: "{text}".'


def _version_fault(value: object) -> Fault:
    rule = "A version has three numbers, as Kubernetes' own releases."
    if not isinstance(value, str):
        rule = "It must be text with three numbers, and YAML reads it as a number."
    match = _VERSION.fullmatch(str(value).strip())
    version = _DEFAULT_VERSION
    if match is not None:
        major, minor, patch = (None if part is None else int(part) for part in match.groups())
        if f"{major}.{minor}" != ".".join(_DEFAULT_VERSION.split(".")[:2]):
            version = f"{major}.{minor}.{patch or 0}"
        elif patch is not None:
            version = f"{major}.{minor}.{patch}"
    if int(version.split(".")[1]) not in MINORS:
        # YAML reads 1.30 as the number 1.3, which names another version.
        version = _DEFAULT_VERSION
    remedy = f'Put it in quotes: "{version}".'
    if int(version.split(".")[1]) not in NEW_CLUSTERS:
        oldest, newest = NEW_CLUSTERS.start, NEW_CLUSTERS.stop - 1
        remedy += f" A new cluster needs 1.{oldest} to 1.{newest}, for example {_DEFAULT_VERSION}."
    return rule, remedy


def _number_remedy(value: object, *, whole: bool) -> str:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if number.is_integer():
            return f"Write {int(number)}, without quotes."
    if isinstance(value, float) and whole and value == value:  # noqa: PLR0124 - not a NaN
        return f"Write {round(value)}."
    return "Write a number, without quotes."


def _list_remedy(value: object) -> str:
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip()]
        return f"Write [{', '.join(parts)}]."
    if isinstance(value, bool | int | float):
        return f"Write [{json.dumps(value)}]."
    if isinstance(value, Mapping):
        return "Write a hyphen before each entry instead of a name."
    return "Write the entries in brackets, or each with a hyphen on a line of its own."


def nearest_key(steps: Path) -> str | None:
    """The key that an unknown one was probably meant to be; None when none is near."""
    return nearest(str(steps[-1]), keys_at(steps[:-1]))


def _unknown_key(path: str, steps: Path) -> Problem:
    limit = limit_of_key(steps)
    if limit is not None:
        return Problem(path=path, value=None, rule=limit.reason, remedy=limit.instead)
    keys = keys_at(steps[:-1])
    meant = nearest_key(steps)
    return UnknownKey(
        path=path,
        value=None,
        rule=f"Unknown key {steps[-1]}.",
        remedy=(f"Did you mean {meant}? Otherwise take it out. " if meant else "Take it out. ")
        + f"Known here: {', '.join(sorted(keys))}.",
    )


def _bad_key(path: str, steps: Path, detail: ErrorDetails) -> Problem:
    name = str(steps[-1])
    if "interfaces" in steps:
        return Problem(
            path=path, value=None, rule=TWO_NICS, remedy="Name the NICs eth0 and eth1, no others."
        )
    if detail["type"] == "string_type":
        shown = _shown(steps[-1])
        return Problem(
            path=path_of(*steps[:-1]),
            value=None,
            rule=f"A key must be text, and YAML reads {shown} as something else.",
            remedy=f'Put the key in quotes: "{shown}".',
        )
    return Problem(
        path=path, value=None, rule=DNS_LABEL, remedy=f"Call it {_name_at(steps, name)}."
    )


def _choice_fault(value: object, choices: tuple[str, ...]) -> Fault:
    meant = nearest(str(value), choices) if value is not None else None
    listed = ", ".join(choices[:-1]) + f" or {choices[-1]}" if len(choices) > 1 else choices[0]
    return f"It must be {listed}.", f"Write {meant}." if meant else f"Write {choices[0]}."


def _network_fault(_steps: Path, value: object, _context: Context) -> Fault:
    text = str(value or "").strip()
    if isinstance(value, list | tuple | Mapping):
        return "Not a valid IPv4 network.", "Write one network, without brackets."
    try:
        return "A network needs the length of its prefix.", f"Write {IPv4Address(text)}/32."
    except ValueError:
        pass
    try:
        IPv6Network(text, strict=False)
    except ValueError:
        pass
    else:
        return (
            "This is an IPv6 network, and this key takes IPv4.",
            "Write an IPv4 network, for example 172.31.192.0/20.",
        )
    try:
        aligned = IPv4Network(text, strict=False)
    except ValueError:
        return (
            "Not a valid IPv4 network.",
            "Write the network address and its prefix length, for example 172.31.192.0/20.",
        )
    if text != str(value):
        return "Not a valid IPv4 network: it begins or ends with a space.", f"Write {aligned}."
    rule = (
        f"It is misaligned: a /{aligned.prefixlen} begins at a multiple of its "
        f"{aligned.num_addresses} addresses."
    )
    return rule, f"Write {aligned}, the network that holds this address."


def _name_at(steps: Path, text: str) -> str:
    """A label like this text; of two characters or more where the cloud wants them."""
    label = _label(text)
    if len(label) > 1:
        return label
    if steps == ("name",):
        return f"{label}-cluster"
    return f"node-{label}" if steps[-2:-1] == ("nodes",) else label


def _label(text: str) -> str:
    cleaned = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    cleaned = cleaned[:63].strip("-")
    return cleaned if cleaned[:1].isalpha() else f"n{cleaned}"[:63].strip("-")


_BY_KIND: Mapping[str, Callable[[Path, object, Context], Fault]] = {
    "ip_v4_network": _network_fault,
    "ip_v4_address": _address_fault,
    "string_pattern_mismatch": _name_fault,
    "string_type": _text_fault,
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _whole_number_fault),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _number_fault),
    **dict.fromkeys(("bool_type", "bool_parsing"), _bool_fault),
    "tuple_type": _list_fault,
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _object_fault),
    **dict.fromkeys(("greater_than_equal", "less_than_equal"), _bound_fault),
    "string_too_long": _length_fault,
    **dict.fromkeys(("string_too_short", "too_short"), _empty_fault),
}
"""What is wrong, by pydantic's type of error."""
