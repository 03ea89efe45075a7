"""The calls of the real cloud controller, from its own source and a recorded run.

`cloud/controller_calls.json` is independent of the program's policy. Its list is that of the
controller's source at the given commit: each provider method that the controllers *node* and
*service* call, with the OpenAPI actions that the method reaches. `recorded` are the actions of the
recorded run, `notAllowed` has the reason why the program's controller never makes a call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).parent / "cloud" / "controller_calls.json"


@dataclass(frozen=True, kw_only=True)
class ControllerCall:
    """One action, as RAM names it (`slb:TagResources`)."""

    action: str
    called_at: str
    recorded: bool
    not_allowed: str | None
    """Why the policy leaves it out; None for a call that must be allowed."""


@cache
def _document() -> dict[str, Any]:
    return dict(json.loads(_FILE.read_text(encoding="utf-8")))


def controller_calls() -> tuple[ControllerCall, ...]:
    return tuple(
        ControllerCall(
            action=call["action"],
            called_at=call["calledAt"],
            recorded=call["recorded"],
            not_allowed=call.get("notAllowed"),
        )
        for call in _document()["calls"]
    )


def needed_actions() -> frozenset[str]:
    """What the policy must allow."""
    return frozenset(call.action for call in controller_calls() if call.not_allowed is None)


def allowed_without_call() -> dict[str, str]:
    """Actions that the policy allows although the controller does not call them, with reasons."""
    return dict(_document()["allowedWithoutCall"])


def controller_version() -> str:
    return str(_document()["version"])
