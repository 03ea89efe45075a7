"""The senders that requests are authenticated to."""

from __future__ import annotations

from dataclasses import dataclass

from .policies import Asked, allows


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated sender.

    `policies` are the policy documents that bind it; None for the account itself, which may do
    everything. `limit` is a session's own policy, which narrows them further.
    """

    kind: str
    arn: str
    identity: str
    user_id: str = ""
    role_id: str = ""
    policies: tuple[str, ...] | None = None
    limit: str = ""

    def may(self, asked: Asked) -> bool:
        """Whether all policies that bind this principal allow the operation."""
        if self.policies is None:
            return True
        return allows(self.policies, asked) and (not self.limit or allows((self.limit,), asked))
