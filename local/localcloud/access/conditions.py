"""Conditions of RAM policies: operators over the facts of a request.

All operators of a Condition must hold, and each operator must hold for all of its keys. If a key
has several values, one match is enough; a negated operator requires that none matches. A key that
the request does not have fails an operator and passes a negated one.
https://www.alibabacloud.com/help/en/ram/conditional-operator
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Context = Mapping[str, str]
"""Condition key (as `canonical` writes it) to the request's value."""

KEYS: Final = frozenset(
    {
        "acs:currenttime",
        "acs:mfapresent",
        "acs:principalarn",
        "acs:securetransport",
        "acs:sourceip",
        "ram:servicename",
        "sts:externalid",
    }
)
"""The keys that the local cloud can evaluate, in addition to `PREFIXES` followed by a tag's key."""
PREFIXES: Final = ("acs:requesttag/", "acs:resourcetag/")


def canonical(key: str) -> str:
    """A condition key in the form that contexts use: lower case except for a tag's own key."""
    head, slash, tag = key.partition("/")
    return head.lower() + slash + tag


@functools.lru_cache(maxsize=1024)
def pattern(text: str) -> re.Pattern[str]:
    """`*` is any text, `?` one character."""
    escaped = "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in text)
    return re.compile(escaped, re.DOTALL)


def _number(text: str) -> float:
    number = float(text)
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124  # NaN
        raise ValueError(text)
    return number


def _date(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bool(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _within(sender: str, block: str) -> bool:
    address = ipaddress.ip_address(sender)
    return address in ipaddress.ip_network(block, strict=False)


Test = Callable[[str, str], bool]
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "Equals": lambda actual, expected: actual == expected,
    "LessThan": lambda actual, expected: actual < expected,
    "LessThanEquals": lambda actual, expected: actual <= expected,
    "GreaterThan": lambda actual, expected: actual > expected,
    "GreaterThanEquals": lambda actual, expected: actual >= expected,
}


def _ordered(read: Callable[[str], Any], order: Callable[[Any, Any], bool]) -> Test:
    return lambda actual, expected: order(read(actual), read(expected))


def _operators() -> dict[str, tuple[Test, bool]]:
    """Operator → (whether a request's value matches one of the policy's, is it negated)."""
    operators: dict[str, tuple[Test, bool]] = {}
    for name, test, opposite in (
        ("StringEquals", lambda actual, expected: actual == expected, "StringNotEquals"),
        (
            "StringEqualsIgnoreCase",
            lambda actual, expected: actual.lower() == expected.lower(),
            "StringNotEqualsIgnoreCase",
        ),
        (
            "StringLike",
            lambda actual, expected: pattern(expected).fullmatch(actual) is not None,
            "StringNotLike",
        ),
        ("IpAddress", _within, "NotIpAddress"),
    ):
        operators[name] = (test, False)
        operators[opposite] = (test, True)
    for kind, read in (("Numeric", _number), ("Date", _date)):
        for order, compare in _ORDERS.items():
            operators[f"{kind}{order}"] = (_ordered(read, compare), False)
        operators[f"{kind}NotEquals"] = (_ordered(read, _ORDERS["Equals"]), True)
    operators["Bool"] = (_ordered(_bool, _ORDERS["Equals"]), False)
    return operators


_OPERATORS: Final = _operators()
OPERATORS: Final = tuple(sorted(_OPERATORS))
_READERS: Final[tuple[tuple[str, Callable[[str], object]], ...]] = (
    ("Numeric", _number),
    ("Date", _date),
    ("Bool", _bool),
    ("IpAddress", lambda text: ipaddress.ip_network(text, strict=False)),
    ("NotIpAddress", lambda text: ipaddress.ip_network(text, strict=False)),
)


def _texts(values: object) -> list[str]:
    listed = values if isinstance(values, list) else [values]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in listed]


def hold(condition: Mapping[str, Mapping[str, object]], context: Context) -> bool:
    """Whether a statement's Condition is met. The condition must have no `problem`."""
    return all(
        _holds(operator, key, values, context)
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def _holds(operator: str, key: str, values: object, context: Context) -> bool:
    test, negated = _OPERATORS[operator]
    actual = context.get(canonical(key))
    if actual is None:
        return negated
    matched = any(_matches(test, actual, expected) for expected in _texts(values))
    return matched != negated


def _matches(test: Test, actual: str, expected: str) -> bool:
    try:
        return test(actual, expected)
    except (ValueError, TypeError):
        # The request's value does not have the operator's type, so it matches nothing.
        return False


def problem(condition: object) -> str | None:
    """Return which of RAM's rules a Condition breaks, or None."""
    if not isinstance(condition, dict):
        return "Condition must be an object of operators"
    for operator, keys in condition.items():
        if operator not in _OPERATORS:
            return f"there is no condition operator {operator!r}; there are {', '.join(OPERATORS)}"
        if not isinstance(keys, dict) or not keys:
            return f"{operator} must be an object of condition keys"
        for key, values in keys.items():
            reason = _values_problem(operator, key, values)
            if reason:
                return reason
    return None


def _values_problem(operator: str, key: str, values: object) -> str | None:
    listed = values if isinstance(values, list) else [values]
    if not listed:
        return f"{key!r} under {operator} has no value"
    for value in listed:
        if not isinstance(value, str | int | float | bool):
            return f"a value of {key!r} under {operator} must be text"
    for text in _texts(values):
        if not _readable(operator, text):
            return f"{text[:60]!r} is no value for {operator}"
    return None


def _readable(operator: str, value: str) -> bool:
    for prefix, read in _READERS:
        if operator.startswith(prefix):
            try:
                read(value)
            except ValueError:
                return False
    return True


def unevaluated(condition: Mapping[str, Mapping[str, object]]) -> str | None:
    """A condition key that the real RAM may evaluate and the local cloud cannot, or None."""
    for keys in condition.values():
        for key in keys:
            name = canonical(key)
            if name not in KEYS and not name.startswith(PREFIXES):
                return key
    return None
