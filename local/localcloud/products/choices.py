"""Parameters whose value is one of a few."""

from __future__ import annotations

from localcloud.wire.errors import invalid


def require(name: str, value: str, *allowed: str) -> None:
    """Raise unless the value of a parameter is one of `allowed` or is empty, for the default.

    Raises:
        ApiError: InvalidParameter.
    """
    if value and value not in allowed:
        raise invalid(name, value, f"it must be one of {', '.join(allowed)}")
