"""Parameters whose value is one of a few words, in upper or lower case."""

from __future__ import annotations

from localcloud.wire.errors import ApiError


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The allowed word that `value` spells.

    Raises:
        ApiError: `value` is not one of the allowed words.
    """
    for word in allowed:
        if value.lower() == word.lower():
            return word
    raise ApiError(
        f"IllegalParam.{name}",
        f"The param of {name} is illegal: {value[:40]!r} is not one of {', '.join(allowed)}.",
    )
