"""What every test needs: no credentials, and no leftovers of the developer's own environment."""

from __future__ import annotations

import gc
import os

import hypothesis
import pytest

_CLOUD = ("ALICLOUD_", "ALIBABA_CLOUD_", "ALIBABACLOUD_", "PULUMI_", "TF_")

# Hypothesis' deadline of 200 ms an example measures the machine's load; pytest's timeout stays.
# The suite draws the same examples in every run, so that a change is judged by what it changes;
# `make nightly` draws others (`--hypothesis-profile=random`).
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.register_profile("random", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")


# Python searches all living objects for cycles again and again. The modules of thousands of tests,
# and of the SDKs below them, live until the end: they are searched never, and the rest seldom.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Search for cycles from here on, but not in what the collection has brought."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def _hermetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a real account, a real cluster, or a real Pulumi backend."""
    for name in list(os.environ):
        if name.startswith(_CLOUD) or name == "KUBECONFIG":
            monkeypatch.delenv(name)
    # Text made of an Output by accident raises instead of warning.
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


_LONG_GROUPS = (
    "test_machine_life_cycle",
    "served",
    "rolling",
    "cloud",
    "test_provider_configurations",
    "test_machines_boot_from_user_data",
    "deployed_light",
    "test_three_control_planes",
    "test_cycles",
    "test_existing_mode",
    "test_earlier_release",
    "test_interrupts",
    "test_destroy_order",
    "test_endpoint_name_runbook",
    "judge",
)
"""Groups of engine tests that take more than a minute and a half, the longest first.

They start first, so that no worker has one of them left when the others have nothing to do.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep engine tests that share a cloud on one worker, in order (`--dist loadgroup`)."""
    groups: dict[pytest.Item, str] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("engine"):
            fixtures = item._fixtureinfo.name2fixturedefs
            shared = sorted(
                name
                for name, (*_, used) in fixtures.items()
                if used.scope == "session" and used.baseid.startswith("tests")
            )
            groups[item] = shared[0] if shared else item.path.stem
            item.add_marker(pytest.mark.xdist_group(shared[0] if shared else str(item.path)))
    places = {group: place for place, group in enumerate(_LONG_GROUPS)}
    items.sort(key=lambda item: places.get(groups.get(item, ""), len(places)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which clouds of the engine tier were hostile, so that the run can be repeated."""
    if "engine" in terminalreporter.config.option.markexpr:
        # Not above: test_house runs this file in a folder that has no `tests`.
        from tests.engine.clouds import hostile_turns  # noqa: PLC0415

        terminalreporter.write_line(hostile_turns.announcement())
