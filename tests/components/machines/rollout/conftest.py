"""Roll-outs whose waits end soon."""

from __future__ import annotations

import pytest

from tests.components.machines.rollout.rolling import NOW, Rolling, rolling


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_READY_SECONDS", "0.05")
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0.05")
    monkeypatch.setattr("components.machines.clock_difference._now", lambda: NOW)
    monkeypatch.setattr("components.machines.rollout.other_nodes.ASK_EVERY", 0.005)
    monkeypatch.setattr("components.machines.rollout.returning_nodes.ASK_EVERY", 0.005)


@pytest.fixture
def roll() -> Rolling:
    """One control plane and two workers."""
    return rolling(1)


@pytest.fixture
def three() -> Rolling:
    """Three control planes and two workers."""
    return rolling(3)
