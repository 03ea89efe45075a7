"""An API server's answer: its document, or the message of a failure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


def document_of(answer: httpx.Response, *, error: type[Exception]) -> Any:  # noqa: ANN401 - JSON
    """The document of an answer. A failed request raises `error` with its status and message."""
    if not answer.is_success:
        raise error(failure_of(answer))
    return answer.json()


def failure_of(answer: httpx.Response) -> str:
    """The status and the message of a failed request."""
    return f"HTTP {answer.status_code}: {message_of(answer)}"


def message_of(answer: httpx.Response) -> str:
    """The message of a Status with those of its causes; text that is not JSON is shortened."""
    try:
        status = answer.json()
    except ValueError:
        return re.sub(r"\s+", " ", answer.text)[:200]
    message = str(status.get("message"))
    causes = [
        str(cause.get("message")) for cause in (status.get("details") or {}).get("causes") or ()
    ]
    # An invalid object's message has its causes already; that of a refused eviction has not.
    return " ".join([message, *(cause for cause in causes if cause not in message)])
