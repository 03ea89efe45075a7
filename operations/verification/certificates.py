"""The check of all certificates' ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from operations.certificates.ends import WARNED_BEFORE, Certificate, warnings
from operations.verification.checks import Check, Needs, Probe


def certificate_check(
    stack: str,
    read: Callable[[], Sequence[Certificate]],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Check:
    """A check that fails from `WARNED_BEFORE` before the end of any certificate.

    Args:
        stack: for the command that shows more.
        read: returns the certificates; it may raise `OperationError`.
        clock: the time of day, aware of its zone.
    """
    return Check(
        name="certificates",
        needs=Needs.OBJECTS,
        how=f"no certificate ends within {WARNED_BEFORE.days} days",
        cause="nobody renewed it: kubeadm's certificates end after a year without an upgrade",
        look=f"python -m operations certificates --stack {stack}",
        probes=lambda _: [Probe(attempt=lambda _: warnings(read(), clock()))],
    )
