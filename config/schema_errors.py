"""What the model itself refuses, told as a problem with a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network

from pydantic_core import ErrorDetails

from config.model import Profile, Role
from config.report import Problem, path_of
from config.schema_walk import keys_at, nearest

TWO_NICS = (
    "A node has the NICs eth0 and, at most, eth1: with a second extra NIC the released provider "
    "crashes on refresh (pulumi-terraform-bridge issue 3391)."
)

_DNS_LABEL = (
    "A name is a DNS label: small letters, digits and hyphens, first a letter, last no hyphen, "
    "63 characters at most. It becomes the name of nodes, resources and addresses."
)


def problem_of(detail: ErrorDetails, value: str | None) -> Problem:
    """One finding of pydantic as a problem; `value` is None when there is none or it is secret."""
    steps = tuple(step for step in detail["loc"] if step != "[key]")
    path = path_of(*steps)
    if "[key]" in detail["loc"]:
        return _bad_key(path, steps)
    if detail["type"] == "extra_forbidden":
        return _unknown_key(path, steps)
    if detail["type"] == "missing":
        return Problem(
            path=path,
            value=None,
            rule="It is missing, and has no default.",
            remedy=f"Write {steps[-1]}: see docs/configuration.md for what it says.",
        )
    return _bad_value(path, value, detail)


def _bad_value(path: str, value: str | None, detail: ErrorDetails) -> Problem:
    kind, last = detail["type"], detail["loc"][-1]
    if kind in {"ip_v4_network", "ip_v4_address"}:
        return _bad_address(path, value, network=kind == "ip_v4_network")
    if kind in {"enum", "literal_error"}:
        choices = {"profile": tuple(Profile), "role": tuple(Role)}.get(str(last), ())
        expected = re.findall(r"'([^']+)'", str(_context(detail).get("expected")))
        return _bad_choice(path, value, tuple(str(c) for c in choices) or tuple(expected))
    if kind == "string_pattern_mismatch" and "a-z" in str(_context(detail).get("pattern")):
        return Problem(
            path=path, value=value, rule=_DNS_LABEL, remedy=f"Write {_label(value or '')}."
        )
    message = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Problem(
        path=path,
        value=value,
        rule=f"It must be {message}."
        if detail["msg"].startswith("Input should be")
        else f"{detail['msg']}.",
        remedy="Correct it; docs/configuration.md has the type and the bounds of every key.",
    )


def _context(detail: ErrorDetails) -> Mapping[str, object]:
    return detail.get("ctx", {})


def _unknown_key(path: str, steps: tuple[str | int, ...]) -> Problem:
    known = keys_at(steps[:-1])
    meant = nearest(str(steps[-1]), known)
    return Problem(
        path=path,
        value=None,
        rule=f"There is no key {steps[-1]} here; a key that nothing reads would be a silent typo.",
        remedy=(f"Did you mean {meant}? " if meant else "Take it out. ")
        + f"Known here: {', '.join(sorted(known))}.",
    )


def _bad_key(path: str, steps: tuple[str | int, ...]) -> Problem:
    name = str(steps[-1])
    if "interfaces" in steps:
        return Problem(
            path=path, value=None, rule=TWO_NICS, remedy="Name the NICs eth0 and eth1, no others."
        )
    return Problem(path=path, value=None, rule=_DNS_LABEL, remedy=f"Call it {_label(name)}.")


def _bad_choice(path: str, value: str | None, choices: tuple[str, ...]) -> Problem:
    meant = nearest(value or "", choices)
    return Problem(
        path=path,
        value=value,
        rule=f"It is none of {', '.join(choices)}.",
        remedy=f"Write {meant}." if meant else "Write one of them.",
    )


def _bad_address(path: str, value: str | None, *, network: bool) -> Problem:
    if not network:
        return Problem(
            path=path,
            value=value,
            rule="It is no IPv4 address.",
            remedy="Write four numbers from 0 to 255 with dots between them, as 172.31.199.183.",
        )
    try:
        aligned = IPv4Network(value or "", strict=False)
    except ValueError:
        return Problem(
            path=path,
            value=value,
            rule="It is no IPv4 network.",
            remedy="Write the network address and the length of its prefix, as 172.31.192.0/20.",
        )
    return Problem(
        path=path,
        value=value,
        rule=(
            f"It is misaligned: a /{aligned.prefixlen} begins at a multiple of its "
            f"{aligned.num_addresses} addresses."
        ),
        remedy=f"Write {aligned}, the network that holds this address.",
    )


def _label(text: str) -> str:
    cleaned = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower()).strip("-")
    cleaned = cleaned[:63].strip("-")
    return cleaned if cleaned[:1].isalpha() else f"n{cleaned}"[:63].strip("-")
