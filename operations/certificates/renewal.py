"""Gives every control plane new certificates, one after the other.

The node's own unit renews them (`planning/nodes/node.sh`, `renew`): kubeadm creates them from the
CAs on the machine, and the static pods restart. The command only requests this and waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from operations.engine.cluster_access import check_answer
from operations.engine.running import Runner
from operations.engine.steps import Progress
from operations.engine.unit_requests import (
    new_request,
    read_annotations,
    send_request,
    wait_for_answer,
)
from operations.failure import ExitCode, OperationError
from planning.model import ClusterPlan
from planning.nodes.machine import (
    CERTIFICATES_RENEWED,
    RENEW_CERTIFICATES,
    RENEWING_UNIT,
    unit_version,
)

RENEWED_WITHIN: Final = 300.0
"""Seconds for one control plane: its unit looks every 15 s, and etcd and API server start again."""


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """The renewal of a cluster's control planes."""

    plan: ClusterPlan
    runner: Runner
    """Its environment has KUBECONFIG."""
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Renew one control plane after the other.

        Raises:
            OperationError: A control plane's unit cannot renew certificates, and nothing was
                changed; or one did not answer in time, and those after it were not touched.
        """
        planes = [plane.name for plane in self.plan.control_planes]
        before = {name: read_annotations(self.runner, name) for name in planes}
        silent = [name for name, annotations in before.items() if annotations is None]
        if silent:
            raise OperationError(
                f"kubectl could not read the Nodes of {', '.join(silent)}, so nothing was changed. "
                "Check that the API server answers (`kubectl get nodes`), then run this again."
            )
        unable = [
            name
            for name, annotations in before.items()
            if unit_version(annotations or {}) < RENEWING_UNIT
        ]
        if unable:
            raise OperationError(
                f"{', '.join(unable)} come from an earlier release, whose unit cannot renew "
                "certificates, so nothing was changed. An upgrade of Kubernetes renews "
                "them. Until then, run `kubeadm certs renew all` on each, and restart it.",
                code=ExitCode.REFUSED,
            )
        for name in planes:
            with self.progress.step(f"{name}: new certificates"):
                self._renew(name)

    def _renew(self, name: str) -> None:
        request = new_request()
        done = send_request(self.runner, name, RENEW_CERTIFICATES, request)
        check_answer(done, f"kubectl could not ask {name} for new certificates")
        if not wait_for_answer(
            self.runner,
            name,
            CERTIFICATES_RENEWED,
            request,
            within=RENEWED_WITHIN,
            clock=self.clock,
            pause=self.pause,
        ):
            raise OperationError(
                f"{name} has not renewed its certificates within {RENEWED_WITHIN:.0f} s. "
                "`journalctl -u spiderpool-alicloud-node` on it shows why. The control planes "
                "after it were not touched; run this again once it is repaired."
            )
