"""Before a machine boots: no Node has its name, and its token is valid."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pulumi
import pytest

from tests.clusters import fake_secrets, small
from tests.components.machines.rollout.rolling import (
    FIRST,
    NOW,
    PLANES,
    SECOND,
    Rolling,
    args,
    run,
    serving,
)
from tests.deploying import deploy
from tests.fake_cluster import FakeCluster

pytestmark = pytest.mark.unit


def test_a_machine_that_boots_finds_no_node_of_its_name(roll: Rolling) -> None:
    cluster = serving()
    run(cluster, roll.changes.prepare_machine(args(FIRST)))
    assert cluster.done == [f"delete {FIRST}"]


def test_a_machine_that_boots_finds_a_token_with_an_expiry(roll: Rolling) -> None:
    cluster = serving()
    run(cluster, roll.changes.prepare_machine(args(FIRST)))
    (secret,) = cluster.secrets.values()
    assert secret["expiration"] == "2026-01-01T01:00:00Z"
    token = f"{secret['token-id']}.{secret['token-secret']}"
    assert token == fake_secrets().bootstrap_token


def test_a_machine_of_a_first_creation_boots_without_an_api_server(roll: Rolling) -> None:
    cluster = FakeCluster(failures=1)
    run(cluster, roll.changes.prepare_machine(args(FIRST)))
    assert cluster.done == []


def test_every_machine_has_a_generation_that_other_machines_do_not_change() -> None:
    def generations(count: int) -> dict[str, Any]:
        resources = deploy(small({"nodePools": {"workers": {"count": count}}})).resources
        return {r.name: r.inputs for r in resources if r.kind == "MachineGeneration"}

    two, more = generations(2), generations(3)
    assert set(two) == {f"small-{name}" for name in (PLANES[0], FIRST, SECOND)}
    assert {name: more[name] for name in two} == two


def test_a_label_changes_the_generation_of_its_pool_only_and_no_identity() -> None:
    def generations(document: dict[str, Any]) -> dict[str, Any]:
        resources = deploy(document).resources
        return {r.name: r.inputs for r in resources if r.kind == "MachineGeneration"}

    spare = {**small()["nodePools"]["workers"], "firstBlock": 65}
    before = generations(small({"nodePools": {"spare": spare}}))
    after = generations(small({"nodePools": {"spare": spare, "workers": {"labels": {"a": "b"}}}}))
    assert {name for name in before if before[name] != after[name]} == {f"small-{FIRST}"}
    assert {k for k, v in before[f"small-{FIRST}"].items() if after[f"small-{FIRST}"][k] != v} == {
        "labels"
    }


def test_no_new_machine_boots_while_the_control_planes_clock_is_wrong(roll: Rolling) -> None:
    cluster = serving(now=NOW + timedelta(minutes=6))
    with pytest.raises(pulumi.RunError, match="6 minutes ahead of this computer's"):
        run(cluster, roll.changes.prepare_machine(args(FIRST)))
    assert cluster.secrets == {}
