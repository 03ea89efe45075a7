"""The types of a kubelet's fields: what is wrong with a value, and what to write instead."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from config.report import Problem, path_of

_DURATION: Final = re.compile(r"0|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+")
QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?([KMGTPE]i|[numkMGTPE]|[eE][0-9]+)?")
_PERCENT: Final = re.compile(r"(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%")
_INT: Final = re.compile(r"-?[0-9]+")
_WORDS: Final[Mapping[str, bool]] = {"true": True, "false": False, "yes": True, "no": False}

Path = tuple[str | int, ...]
"""Where a value is in the stack file."""
Fault = tuple[str, str]
"""The rule that a value breaks, and the remedy."""


def amount_fault(name: str, value: object) -> Fault | None:
    """What is wrong with an amount of `name`, a reservation or an eviction threshold, as text."""
    fault = _text(value)
    if fault is not None:
        return fault
    text = str(value)
    if name == "evictionSoftGracePeriod":
        return _duration(text)
    if name.startswith("eviction") and _PERCENT.fullmatch(text):
        return None
    if QUANTITY.fullmatch(text):
        return None
    more = ", or a share such as 10%" if name.startswith("eviction") else ""
    return (
        f"Not a Kubernetes quantity{more}: a number with a unit such as Mi, Gi or m.",
        "Write a quantity, for example 512Mi.",
    )


def _bool(value: object) -> Fault | None:
    if isinstance(value, bool):
        return None
    meant = _WORDS.get(str(value).lower())
    remedy = "Write true or false, without quotes."
    if meant is not None:
        remedy = f"Write {str(meant).lower()}, without quotes."
    return "It must be true or false.", remedy


def _int(value: object) -> Fault | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return None
    if isinstance(value, str) and _INT.fullmatch(value):
        return "It must be a whole number.", f"Write {int(value)}, without quotes."
    return "It must be a whole number.", "Write a whole number, without quotes."


def _float(value: object) -> Fault | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return None
    return "It must be a number.", "Write a number, without quotes."


def _text(value: object) -> Fault | None:
    if isinstance(value, str):
        return None
    if isinstance(value, bool | int | float):
        return "It must be text.", f'Put it in quotes: "{json.dumps(value)}".'
    return "It must be text.", "Write text."


def _duration(value: object) -> Fault | None:
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return None
    seconds = str(value)
    plain = not isinstance(value, bool) and _INT.fullmatch(seconds) and not seconds.startswith("-")
    return (
        "It must be a duration: numbers with the units h, m, s or ms.",
        f"Write {seconds}s, if these are seconds."
        if plain
        else "Write a duration, for example 1m30s.",
    )


def _quantity(value: object) -> Fault | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return None
    if isinstance(value, str) and QUANTITY.fullmatch(value):
        return None
    return "It must be a Kubernetes quantity.", "Write a quantity, for example 512Mi."


def _object(value: object) -> Fault | None:
    return None if isinstance(value, Mapping) else ("It must be a map.", "Write a map.")


SCALARS: Final[Mapping[str, Callable[[object], Fault | None]]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "text": _text,
    "duration": _duration,
    "quantity": _quantity,
    "object": _object,
}


def problem_at(at: Path, value: object, rule: str, remedy: str) -> Problem:
    """A problem of the setting at this path; a value that is not a scalar is not shown."""
    shown = None
    if isinstance(value, bool):
        shown = str(value).lower()
    elif isinstance(value, str | int | float):
        shown = str(value)
    return Problem(path=path_of(*at), value=shown, rule=rule, remedy=remedy)
