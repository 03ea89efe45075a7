"""The RAM policy against a list of the controller's calls that was not made from the policy."""

from __future__ import annotations

from typing import Any

import pytest

from config.model import CloudControllerConfig
from planning.cloud.cloud_controller import ram_policy
from tests.planning.controller_calls import (
    allowed_without_call,
    controller_calls,
    controller_version,
    needed_actions,
)

pytestmark = pytest.mark.unit


def allowed_actions() -> set[str]:
    statements: Any = ram_policy()["Statement"]
    listed = [statement["Action"] for statement in statements]
    return {action for each in listed for action in ([each] if isinstance(each, str) else each)}


def test_the_list_is_that_of_the_version_that_is_deployed() -> None:
    assert CloudControllerConfig().version == controller_version()


def test_every_call_of_the_controller_is_allowed() -> None:
    assert needed_actions() - allowed_actions() == set()


def test_every_recorded_call_is_allowed() -> None:
    recorded = {call.action for call in controller_calls() if call.recorded}
    assert len(recorded) == 68
    assert recorded - allowed_actions() == set()


def test_nothing_is_allowed_that_no_call_needs() -> None:
    assert allowed_actions() - needed_actions() == set(allowed_without_call())
