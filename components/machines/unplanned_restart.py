"""Detects updates of an instance that restart its machine without an edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RUNNING: Final = "Running"


def restart_reason(
    old_outputs: Mapping[str, object], new_inputs: Mapping[str, object]
) -> str | None:
    """Why the provider stops and starts the machine; None if it does not.

    `old_outputs` are what the run read from the cloud (`refresh: always`). The provider changes the
    type of a stopped machine only. It also stops a machine that runs whenever the state has another
    status, because the machine was starting at that moment
    (`resourceAliCloudInstanceUpdate`, `statusUpdate`, in resource_alicloud_instance.go, v1.285.0).
    """
    kind, status = old_outputs.get("instanceType"), old_outputs.get("status")
    planned = new_inputs.get("instanceType")
    if isinstance(kind, str) and isinstance(planned, str) and kind != planned:
        return f"its instance type in the cloud is {kind}, and the plan has {planned}"
    if isinstance(status, str) and status != RUNNING:
        return f"the cloud reported it as {status}"
    return None


def is_running(old_outputs: Mapping[str, object]) -> bool:
    """Whether the run read the machine as running."""
    return old_outputs.get("status") == RUNNING
