"""RAM policies, evaluated: an explicit Deny wins, else an Allow is needed.

Evaluated are Effect, Action, NotAction and the product part of Resource. Conditions are not; a
Deny with a Condition is taken as if it did not match, an Allow with one as if it did.
https://help.aliyun.com/document_detail/93739.html
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from typing import Any


@functools.lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    parts = (re.escape(part).replace(r"\?", ".") for part in text.split("*"))
    return re.compile(".*".join(parts), re.IGNORECASE)


@functools.lru_cache(maxsize=256)
def _statements(document: str) -> tuple[dict[str, Any], ...]:
    statements = json.loads(document).get("Statement") or ()
    return (statements,) if isinstance(statements, dict) else tuple(statements)


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]  # type: ignore[attr-defined]  # JSON: else a list


def _names(statement: dict[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(_pattern(p).fullmatch(action) for p in _listed(statement["NotAction"]))
    return any(_pattern(p).fullmatch(action) for p in _listed(statement.get("Action")))


def _covers(statement: dict[str, Any], product: str) -> bool:
    for resource in _listed(statement.get("Resource", "*")):
        parts = resource.split(":")
        if resource == "*" or (len(parts) > 1 and parts[1].lower() in {"*", product}):
            return True
    return False


def allows(documents: Iterable[str], product: str, action: str) -> bool:
    """Whether the policies together allow `product:action`; product in lower case."""
    named = f"{product}:{action}"
    allowed = False
    for document in documents:
        for statement in _statements(document):
            if not (_names(statement, named) and _covers(statement, product)):
                continue
            if statement.get("Effect") == "Deny":
                if not statement.get("Condition"):
                    return False
            else:
                allowed = True
    return allowed


def problem(document: str) -> str | None:
    """What is wrong with a policy document, or None."""
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(parsed, dict) or not isinstance(parsed.get("Statement"), list | dict):
        return "it has no Statement"
    statements = parsed["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in {"Allow", "Deny"}:
            return "each statement needs an Effect, Allow or Deny"
        if not (statement.get("Action") or statement.get("NotAction")):
            return "each statement needs an Action or NotAction"
    return None
