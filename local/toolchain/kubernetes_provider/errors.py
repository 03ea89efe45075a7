"""Errors, in sentences that a person can act on.

Every message of this package is one or more full sentences. It may quote a real component (the API
server, an admission webhook, helm) in parentheses or behind a colon: quoted text stays as that
component writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.protocol.wire import Object


def ended(text: str) -> str:
    """The text as a sentence's end: with a full stop, unless the quoted component wrote one."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


class ProviderError(Exception):
    """A failure whose text is meant for the person who ran pulumi."""


class RefusedClusterError(ProviderError):
    """The kubeconfig leads to a cluster that this stand-in refuses."""


class UnreachableError(ProviderError):
    """The API server does not answer, or no kubeconfig has its address."""


class NoSuchKindError(ProviderError):
    """The API server does not serve this kind in this version."""


class CancelledError(ProviderError):
    """The engine asked to stop."""


class ApiError(ProviderError):
    """The API server answered with an error.

    ``code`` is the HTTP status, ``reason`` the Kubernetes reason (AlreadyExists, Conflict …),
    ``causes`` the (type, field, message) triples of ``details.causes``.
    """

    def __init__(
        self,
        *,
        code: int,
        reason: str,
        message: str,
        causes: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.causes = causes

    @property
    def is_admission_refusal(self) -> bool:
        """Whether an admission webhook or policy refused the request, and not the authorizer."""
        return "denied the request" in str(self) or "denied request" in str(self)


class NotReadyError(ProviderError):
    """The object exists but is not ready; ``live`` is the object as it was last read."""

    def __init__(self, message: str, *, reasons: tuple[str, ...], live: Object) -> None:
        super().__init__(message)
        self.reasons = reasons
        self.live = live
