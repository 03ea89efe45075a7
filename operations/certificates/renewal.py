"""Gives every control plane new certificates, one after the other.

The node's own unit renews them (`planning/nodes/node.sh`, `renew`): kubeadm creates them from the
CAs on the machine, and the static pods restart. The command only requests this and waits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from operations.engine.cluster_access import check_answer
from operations.engine.running import Runner
from operations.engine.steps import Progress
from operations.engine.waiting import holds_within
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
_LOOK: Final = 2.0
_CALL_WITHIN: Final = 30.0


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
        before = {name: self._annotations(name) for name in planes}
        silent = [name for name, annotations in before.items() if annotations is None]
        if silent:
            raise OperationError(
                f"kubectl could not read the Nodes of {', '.join(silent)}, so nothing was changed. "
                "Look whether the API server answers (`kubectl get nodes`), then run this again."
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
        request = datetime.now(UTC).isoformat(timespec="seconds")
        done = self.runner.run(
            ["kubectl", "annotate", "--overwrite", "node", name, f"{RENEW_CERTIFICATES}={request}"],
            deadline=_CALL_WITHIN,
            quiet=True,
        )
        check_answer(done, f"kubectl could not ask {name} for new certificates")
        if not holds_within(
            lambda: (self._annotations(name) or {}).get(CERTIFICATES_RENEWED) == request,
            within=RENEWED_WITHIN,
            every=_LOOK,
            clock=self.clock,
            pause=self.pause,
        ):
            raise OperationError(
                f"{name} has not renewed its certificates within {RENEWED_WITHIN:.0f} s. "
                "`journalctl -u spiderpool-alicloud-node` on it says why. The control planes "
                "after it were not touched; run this again once it is well."
            )

    def _annotations(self, name: str) -> Mapping[str, str] | None:
        """Return a Node's annotations; None while the API server does not answer."""
        done = self.runner.run(
            ["kubectl", "--request-timeout=10s", "get", "node", name, "--output", "json"],
            deadline=_CALL_WITHIN,
            quiet=True,
        )
        if done.status != 0:
            return None
        node: Mapping[str, Any] = json.loads(done.out)
        return node["metadata"].get("annotations") or {}
