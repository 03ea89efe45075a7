"""Rules for injected faults: the kind of fault, the calls that it strikes, and how often."""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

_RANGES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "nth": (1, 10**9),
        "rate": (0, 1),
        "seconds": (0, 3600),
        "status": (200, 599),
        "times": (0, 10**9),
        "transactions": (0, 10**6),
    }
)
KINDS: Final = ("error", "timeout", "drop", "after-effect", "stale")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rule.

    `action` and `product` may have wildcards; `resource` is text that one of the call's parameters
    must contain. The rule strikes the first `times` matching calls, or only the `nth` one, or each
    with probability `rate`; without any of these it strikes every one. With `each`, only the first
    of equal calls counts (same action, same values in any order), so that every call is struck once
    and its repetition passes.

    `kind` is error (before the effect), after-effect (the effect happens, the answer is an error),
    timeout (no answer for `seconds`), drop (the connection is closed without an answer) or stale
    (the answer is that of `transactions` changes ago).
    """

    action: str = "*"
    product: str = "*"
    resource: str = ""
    kind: str = "error"
    code: str = "InternalError"
    message: str = ""
    status: int = 400
    times: int | None = None
    nth: int | None = None
    rate: float | None = None
    each: bool = False
    seconds: float = 30.0
    transactions: int = 1


class BadFaultError(ValueError):
    """A rule is not valid; the message has the reason."""


def read(document: Mapping[str, Any]) -> Fault:
    """A rule from its JSON object.

    Raises:
        BadFaultError: a name or a value is not valid.
    """
    names = set(Fault.__dataclass_fields__)
    unknown = sorted(set(document) - names)
    if unknown:
        raise BadFaultError(
            f"A fault has no {', '.join(unknown)}; it has only {', '.join(sorted(names))}."
        )
    fields = {name: value for name, value in document.items() if value is not None}
    if fields.get("kind", "error") not in KINDS:
        raise BadFaultError(
            f"The kind {fields['kind']!r} of a fault must be one of {', '.join(KINDS)}."
        )
    numbers: dict[str, tuple[type, ...]] = {
        "times": (int,),
        "nth": (int,),
        "status": (int,),
        "transactions": (int,),
        "rate": (int, float),
        "seconds": (int, float),
        "each": (bool,),
    }
    for name, value in fields.items():
        types = numbers.get(name, (str,))
        if not isinstance(value, types) or isinstance(value, bool) is not (types == (bool,)):
            raise BadFaultError(f"The value {value!r} of {name} must be a {types[-1].__name__}.")
    for name, (least, most) in _RANGES.items():
        if name in fields and not least <= fields[name] <= most:
            raise BadFaultError(
                f"The value {fields[name]!r} of {name} must be from {least} to {most}."
            )
    return Fault(**fields)


class Faults:
    """The rules in force and how often each has matched."""

    def __init__(self, seed: int = 1) -> None:
        self._rules: list[tuple[Fault, int]] = []
        self._seen: set[tuple[int, str, tuple[str, ...]]] = set()
        self._random = random.Random(seed)  # noqa: S311  # reproducible, not secret

    def add(self, fault: Fault) -> None:
        """Put a rule in force."""
        self._rules.append((fault, 0))

    def clear(self) -> None:
        """Forget all rules."""
        self._rules.clear()
        self._seen.clear()

    def rules(self) -> list[tuple[Fault, int]]:
        """The rules, each with the number of calls it has matched."""
        return list(self._rules)

    def strike(self, product: str, action: str, parameters: Mapping[str, str]) -> Fault | None:
        """The first rule that strikes this call; every rule that matches counts it."""
        struck: Fault | None = None
        for position, (fault, count) in enumerate(self._rules):
            if not fnmatch.fnmatchcase(action, fault.action):
                continue
            if not fnmatch.fnmatchcase(product, fault.product):
                continue
            if fault.resource and not any(fault.resource in v for v in parameters.values()):
                continue
            if fault.each:
                call = (position, action, tuple(sorted(map(_sorted, parameters.values()))))
                if call in self._seen:
                    continue
                self._seen.add(call)
            self._rules[position] = (fault, count + 1)
            if struck is None and self._due(fault, count + 1):
                struck = fault
        return struck

    def _due(self, fault: Fault, count: int) -> bool:
        if fault.times is not None and count > fault.times:
            return False
        if fault.nth is not None and count != fault.nth:
            return False
        return fault.rate is None or self._random.random() < fault.rate


def _sorted(value: str) -> str:
    """A JSON array with its items in a fixed order, because clients send sets in any order."""
    if value.startswith("["):
        try:
            return json.dumps(sorted(json.dumps(i, sort_keys=True) for i in json.loads(value)))
        except (ValueError, RecursionError):
            return value
    return value
