"""Evaluates RAM policies: an explicit Deny wins; otherwise an Allow is needed.

The elements Effect, Action, NotAction, Resource and Condition are evaluated. A call that acts on
several resources needs an Allow for each of them; a Deny for one refuses it.
https://help.aliyun.com/document_detail/93739.html, https://help.aliyun.com/document_detail/105217.html
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from . import conditions
from .conditions import Context

_EFFECTS: Final = ("Allow", "Deny")
_ACTION: Final = re.compile(r"\*|[A-Za-z0-9*-]+:[A-Za-z0-9*]+")
_ELEMENTS: Final = frozenset({"Effect", "Action", "NotAction", "Resource", "Condition"})


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource that a call acts on: its ARN, and the condition keys that only it has."""

    arn: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The operation of a request (`ecs:DeleteInstance`), its resources and circumstances."""

    action: str
    resources: Sequence[Resource]
    context: Context = field(default_factory=dict)


@functools.lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(conditions.pattern(text).pattern, re.IGNORECASE | re.DOTALL)


@functools.lru_cache(maxsize=256)
def _statements(document: str) -> tuple[dict[str, Any], ...]:
    statements = json.loads(document).get("Statement") or ()
    return (statements,) if isinstance(statements, dict) else tuple(statements)


def _listed(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value]  # type: ignore[attr-defined]  # JSON: else a list


def _names(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(_pattern(p).fullmatch(action) for p in _listed(statement["NotAction"]))
    return any(_pattern(p).fullmatch(action) for p in _listed(statement["Action"]))


def _covers(statement: Mapping[str, Any], arn: str) -> bool:
    return any(p == "*" or _arn_matches(p, arn) for p in _listed(statement["Resource"]))


def _arn_matches(named: str, arn: str) -> bool:
    """Compare part by part, so that a wildcard of the region never reaches into the account."""
    theirs, ours = named.split(":", 4), arn.split(":", 4)
    return len(theirs) == len(ours) and all(
        # The ARN of a product without regions has an empty region or a wildcard.
        _pattern(their).fullmatch(our) or (n == 2 and not their)  # noqa: PLR2004  # the region
        for n, (their, our) in enumerate(zip(theirs, ours, strict=True))
    )


def _applies(statement: Mapping[str, Any], asked: Asked, resource: Resource) -> bool:
    if not (_names(statement, asked.action) and _covers(statement, resource.arn)):
        return False
    condition = statement.get("Condition")
    return not condition or conditions.hold(condition, {**asked.context, **resource.context})


def allows(documents: Iterable[str], asked: Asked) -> bool:
    """Whether the policies together allow the operation. The documents must have no `problem`."""
    statements = [s for document in documents for s in _statements(document)]
    return bool(asked.resources) and all(
        _allows_one(statements, asked, resource) for resource in asked.resources
    )


def _allows_one(statements: Iterable[Mapping[str, Any]], asked: Asked, resource: Resource) -> bool:
    allowed = False
    for statement in statements:
        if _applies(statement, asked, resource):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def problem(document: str, *, trust: bool = False) -> str | None:
    """Return which of RAM's rules a policy document breaks, or None.

    A trust policy's statements have a Principal instead of a Resource.
    """
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(parsed, dict) or not isinstance(parsed.get("Statement"), list | dict):
        return "it has no Statement"
    if parsed.get("Version") != "1":
        return 'its Version must be "1"'
    statements = parsed["Statement"]
    listed = [statements] if isinstance(statements, dict) else statements
    if not listed:
        return "its Statement is empty"
    return next((p for p in (_statement_problem(s, trust=trust) for s in listed) if p), None)


def _statement_problem(  # noqa: PLR0911  # one return for each rule
    statement: object, *, trust: bool
) -> str | None:
    if not isinstance(statement, dict) or statement.get("Effect") not in _EFFECTS:
        return "each statement needs an Effect, Allow or Deny"
    due = "Principal" if trust else "Resource"
    strange = set(statement) - _ELEMENTS - {due}
    if strange:
        return f"a statement has no element {', '.join(sorted(map(repr, strange)))}"
    if ("Action" in statement) == ("NotAction" in statement):
        return "each statement needs either Action or NotAction"
    named = statement.get("Action", statement.get("NotAction"))
    texts = _as_texts(named)
    if not texts or not all(_ACTION.fullmatch(text) for text in texts):
        return 'each Action must be "*" or like "ecs:Describe*"'
    if trust and not isinstance(statement.get("Principal"), dict):
        return "each statement of a trust policy needs a Principal"
    resources = ["*"] if trust else _as_texts(statement.get("Resource"))
    if not resources or not all(r == "*" or _is_arn(r) for r in resources):
        return 'each Resource must be "*" or like "acs:ecs:*:*:instance/*"'
    return conditions.problem(statement["Condition"]) if statement.get("Condition") else None


def _as_texts(value: object) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    texts = [item for item in listed if isinstance(item, str)]
    return texts if len(texts) == len(listed) else []


def _is_arn(text: str) -> bool:
    parts = text.split(":", 4)
    return len(parts) == 5 and parts[0] == "acs" and bool(parts[4])  # noqa: PLR2004  # an ARN's


def unevaluated(document: str) -> str | None:
    """A condition key of a document that the local cloud cannot evaluate, or None.

    Such a policy must be refused, because without the condition it would mean something else.
    """
    for statement in _statements(document):
        condition = statement.get("Condition")
        key = conditions.unevaluated(condition) if condition else None
        if key:
            return key
    return None
