"""Refuses to create a machine while the control plane's clock differs from this computer's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pulumi

from components.api.cluster_api import ClusterApi

MOST: Final = timedelta(minutes=5)
"""A kubelet's certificate begins five minutes before it is signed (`backdate` in
pkg/controller/certificates/signer/signer.go, Kubernetes 1.36)."""


def _now() -> datetime:
    return datetime.now(UTC)


async def check_clock(api: ClusterApi, node: str) -> None:
    """Compare the API server's clock with this computer's.

    A machine that joins while the control plane's clock is ahead gets a certificate that begins in
    the future. Once the clock is right, the API server refuses that kubelet for as long as the
    clock was ahead.

    Raises:
        pulumi.RunError: they differ by more than `MOST`.
        ClusterError: the API server does not answer.
    """
    difference = await api.time() - _now()
    if abs(difference) <= MOST:
        return
    minutes = round(abs(difference) / timedelta(minutes=1))
    direction = "ahead of" if difference > timedelta() else "behind"
    raise pulumi.RunError(
        f"The API server's clock is {minutes} minutes {direction} this computer's, and at most "
        f"{MOST // timedelta(minutes=1)} are allowed: a certificate that {node} got now could be "
        "refused once the clock is right. Its machine has not been touched. Set the wrong clock "
        "right (`chronyc makestep`, on a control plane through Cloud Assistant), then run `pulumi "
        "up` again: docs/runbooks/outages.md, A wrong clock."
    )
