"""Two nested documents compared: which settings differ, as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from planning.transitions.steps import Difference


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], *, at: str = ""
) -> tuple[Difference, ...]:
    """Every setting that differs, by its path below `at`, sorted."""
    return tuple(sorted(_differences(before, after, at), key=lambda each: each.key))


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], at: str
) -> Iterator[Difference]:
    for key in before.keys() | after.keys():
        here = f"{at}.{key}" if at else key
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, here)
        elif isinstance(one, Mapping) or isinstance(other, Mapping):
            # The whole object is added or removed.
            yield Difference(key=here, before=text(one), after=text(other))
        else:
            yield Difference(key=here, before=text(one), after=text(other))


def text(value: object) -> str | None:
    """A setting's value for people; None for an empty one."""
    if value in (None, "", [], {}):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(str(item) for item in value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
