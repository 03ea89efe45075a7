"""Refusals of a parameter's value, and parameters whose value is one of a few words."""

from __future__ import annotations

from localcloud.wire.errors import ApiError


def illegal(name: str, rule: str) -> ApiError:
    """The code of most actions of NLB for a value that breaks a rule.

    Their error tables have `IllegalParam` with "The param of %s is illegal." (API metadata of
    2025-12-19).
    """
    return ApiError("IllegalParam", f"The param of {name} is illegal: {rule}.")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The allowed word that `value` spells, in upper or lower case.

    Raises:
        ApiError: `value` is not one of the allowed words.
    """
    for word in allowed:
        if value.lower() == word.lower():
            return word
    raise illegal(name, f"{value[:40]!r} is not one of {', '.join(allowed)}")
