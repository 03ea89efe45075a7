"""Answers lost for good in the creation of a load balancer's parts and of etcd's disks.

The guide's stack has neither, so the other sweeps do not reach these calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import three_zones
from tests.engine.lifecycle.clouds.ready_server import ready_server
from tests.engine.lifecycle.interruptions.fault_sweep import KINDS, findings, leaks, run

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

CREATIONS = (
    "AddAccessControlListEntry",
    "AddVServerGroupBackendServers",
    "ApplyAutoSnapshotPolicy",
    "AttachDisk",
    "AuthorizeSecurityGroup",
    "CreateAccessControlList",
    "CreateAutoSnapshotPolicy",
    "CreateDisk",
    "CreateLoadBalancer",
    "CreateLoadBalancerTCPListener",
    "CreateVServerGroup",
)
REMOVED = {
    "access control list",
    "access entry",
    "backend server",
    "disk",
    "listener",
    "load balancer",
    "server group",
    "snapshot policy",
}
MOST_RUNS = 12


def with_disks() -> dict[str, Any]:
    """Three control planes behind a CLB, with disks and snapshots for etcd."""
    cluster = three_zones()
    cluster["nodePools"]["masters"]["etcdDisk"] = {"snapshots": {}}
    return cluster


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[LightCloud]:
    light = light_stack(tmp_path / "home", with_disks())
    with light.running(), ready_server(light):
        yield light


def test_what_a_lost_answer_left_is_removed_or_taken_into_the_state(zones: LightCloud) -> None:
    fault = KINDS["lost-answer-final"]
    zones.ask("POST", "/faults", [{"action": a, "each": True, **fault} for a in CREATIONS])
    runs = [run(zones, "up")]
    removed: set[str] = set()
    disks: set[str] = set()
    while runs[-1].status != 0 and len(runs) < MOST_RUNS:
        recovered = zones.operations("recover", "--yes", "--json")
        assert recovered.status == 0, recovered.transcript
        document = json.loads(recovered.out)
        removed |= {str(item["kind"]) for item in document["leftovers"]}
        disks |= {str(item["object"]) for item in document["cluster"]}
        runs.append(run(zones, "up"))
    assert runs[-1].status == 0, runs[-1].transcript
    struck = {rule["action"] for rule in zones.ask("GET", "/faults") if rule["matched"]}
    assert struck == set(CREATIONS)
    assert removed >= REMOVED
    assert len(disks) == 3
    zones.ask("DELETE", "/faults")
    assert zones.steps() == []
    assert leaks(zones) == {}
    assert findings(zones, runs) == []
    assert zones.destroy().status == 0
    assert zones.alive() == {}
