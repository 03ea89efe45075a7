"""Roll-outs whose waits end soon."""

from __future__ import annotations

import pytest

from tests.components.machines.rollout.rolling import Rolling, rolling


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_READY_SECONDS", "0.05")
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0.05")


@pytest.fixture
def roll() -> Rolling:
    """One control plane and two workers."""
    return rolling(1)


@pytest.fixture
def three() -> Rolling:
    """Three control planes and two workers."""
    return rolling(3)
