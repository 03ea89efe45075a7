"""Two nested documents compared: which settings differ, as text for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from planning.transitions.steps import Difference

_PLAIN: Final = re.compile(r"(?=[\w./-]*[A-Za-z/]|(?:\d+\.){2})[A-Za-z\d][\w./-]*")
"""Text that needs no quotes in YAML: a word, a range, an address, a version; no number."""
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Words that YAML 1.1 reads as another type, in small letters."""
_NUMBER: Final = re.compile(r"\d[\d_]*(\.\d*)?[eE][-+]?\d+|0[xXoO][\da-fA-F_]+")
"""Numbers that have letters."""


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


def written(value: object) -> str:
    """A setting's value as a stack file has it, on one line; `null` for none."""
    if value is None:
        return "null"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value)
        is_bare = plain and value.lower() not in _WORDS
        return value if is_bare else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{written(key)}: {written(v)}' for key, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value)
