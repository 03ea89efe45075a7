"""Errors as the OpenAPI answers them."""

from __future__ import annotations

from collections.abc import Mapping

HOST_ID = "localcloud"
TROUBLESHOOT = "https://next.api.aliyun.com/troubleshoot"


class ApiError(Exception):
    """An answer other than success: `code` and `message` reach the client unchanged.

    Never use 404 or "NotFound" for a gap of the emulator: clients read both as
    "the resource no longer exists" and drop it from their state.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def body(self, request_id: str) -> Mapping[str, object]:
        """The JSON object of the answer; all five fields, none empty."""
        return {
            "RequestId": request_id,
            "HostId": HOST_ID,
            "Code": self.code,
            "Message": self.message,
            "Recommend": f"{TROUBLESHOOT}?q={self.code}",
        }


def missing(name: str) -> ApiError:
    """The error for a missing mandatory parameter."""
    return ApiError(
        "MissingParameter",
        f'The input parameter "{name}" that is mandatory for processing this request is '
        "not supplied.",
    )


def invalid(name: str, value: object, rule: str) -> ApiError:
    """The error for a value that breaks a rule. The message has the value, shortened."""
    shown = str(value)
    if len(shown) > 80:  # noqa: PLR2004  # enough to recognise a value, too short to flood a log
        shown = shown[:80] + "…"
    return ApiError("InvalidParameter", f"The value {shown!r} of {name} is not valid: {rule}.")
