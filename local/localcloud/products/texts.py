"""How long the names and descriptions of resources may be, and how they may not begin.

The rules are in the field texts of the actions in the API reference (metadata of 2025-12-19), the
codes in their error tables. Those of ECS are in `ecs/names.py`.
"""

from __future__ import annotations

from typing import Final

from localcloud.wire.errors import ApiError

NAME: Final = range(1, 129)
"""The usual number of characters of a name."""
LONGER_NAME: Final = range(2, 129)
DESCRIPTION: Final = range(1, 257)
"""The usual number of characters of a description."""
LONGER_DESCRIPTION: Final = range(2, 257)
_WEB: Final = ("http://", "https://")


def check(
    text: str | None, code: str, lengths: range = NAME, *, letter_first: bool = False
) -> None:
    """Raise unless a resource can have this name or description, which may be left out.

    Args:
        text: The name or description.
        code: The error code of the action for it.
        lengths: How many characters it may have.
        letter_first: Whether it must begin with a letter.

    Raises:
        ApiError: the text is too short or too long, is a web address, or begins with no letter.
    """
    if not text:
        return
    if len(text) not in lengths or text.startswith(_WEB):
        raise ApiError(
            code,
            f"{text[:40]!r} must have {lengths.start} to {lengths.stop - 1} characters and not be "
            "a web address.",
        )
    if letter_first and not text[0].isalpha():
        raise ApiError(code, f"{text[:40]!r} must begin with a letter.")
