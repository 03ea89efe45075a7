"""Requests to a node's own unit: an annotation of its Node, which the unit repeats once it is done.

The unit looks every 15 seconds (docs/decisions/node-unit.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from operations.engine.running import Finished, Runner
from operations.engine.waiting import holds_within

_LOOK: Final = 2.0
_CALL_WITHIN: Final = 30.0


def new_request() -> str:
    """Return a word that no earlier request had: the time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def send_request(runner: Runner, node: str, annotation: str, request: str) -> Finished:
    """Annotate a Node; return what kubectl answered. `runner` has KUBECONFIG."""
    return runner.run(
        ["kubectl", "annotate", "--overwrite", "node", node, f"{annotation}={request}"],
        deadline=_CALL_WITHIN,
        quiet=True,
    )


def wait_for_answer(  # noqa: PLR0913 - times are there for tests
    runner: Runner,
    node: str,
    annotation: str,
    request: str,
    *,
    within: float,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> bool:
    """Whether the annotation has the request within that many seconds."""
    return holds_within(
        lambda: (read_annotations(runner, node) or {}).get(annotation) == request,
        within=within,
        every=_LOOK,
        clock=clock,
        pause=pause,
    )


def read_annotations(runner: Runner, node: str) -> Mapping[str, str] | None:
    """Return a Node's annotations; None while the API server does not answer."""
    done = runner.run(
        ["kubectl", "--request-timeout=10s", "get", "node", node, "--output", "json"],
        deadline=_CALL_WITHIN,
        quiet=True,
    )
    if done.status != 0:
        return None
    document: Mapping[str, Any] = json.loads(done.out)
    return document["metadata"].get("annotations") or {}
