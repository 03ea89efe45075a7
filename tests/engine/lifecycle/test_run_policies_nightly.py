"""Whole runs and previews make no call that the policies of docs/rights do not allow.

On the local cloud the program has the root key pair, so the calls are compared with the policies.
That the local cloud refuses every other call to a user with such a policy is in
tests/localcloud/access/test_run_policies.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_cloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import dual_stack
from tests.engine.lifecycle.clouds.ready_server import ready_server
from tests.engine.lifecycle.interruptions.fault_sweep import edit as guides_edit
from tests.engine.lifecycle.interruptions.test_lost_parts_nightly import with_disks
from tests.localcloud.access.test_run_policies import OF_EVERYBODY, allowed

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

Edit = Callable[[dict[str, Any]], None]


def refused(calls: Iterable[Mapping[str, Any]], policy: str) -> list[str]:
    """Calls that a RAM user with this policy alone would be refused."""
    may = allowed(policy) | OF_EVERYBODY
    sent = {(str(call["product"]).capitalize(), str(call["action"])) for call in calls}
    return [f"{product}:{action}" for product, action in sorted(sent - may)]


def larger_disks(cluster: dict[str, Any]) -> None:
    """Edit a stack with disks for etcd: larger ones, other snapshots, tags, a type, who may ask."""
    cluster["tags"] = {"owner": "platform"}
    cluster["nodePools"]["masters"]["etcdDisk"] = {"size": 40, "snapshots": {"days": 3}}
    cluster["nodePools"]["workers"]["instanceType"] = "ecs.g7.2xlarge"
    cluster["kubernetes"]["endpoint"] = {"allowedCidrs": ["203.0.113.0/24", "198.51.100.0/24"]}


def more_bandwidth(cluster: dict[str, Any]) -> None:
    """Edit a dual-stack cluster: tags and the bandwidth of IPv6."""
    cluster["tags"] = {"owner": "platform"}
    cluster["network"]["ipv6"]["bandwidth"] = 10


def guide(home: Path) -> LightCloud:
    """The guide's network and machines, with the cloud controller's role."""
    return light_cloud(home)


def zones(home: Path) -> LightCloud:
    """Three control planes behind a load balancer, with disks for etcd."""
    return light_stack(home, with_disks())


def dual(home: Path) -> LightCloud:
    """IPv6 with a way out."""
    return light_stack(home, dual_stack())


STACKS: Mapping[str, tuple[Callable[[Path], LightCloud], Edit]] = {
    "guide": (guide, guides_edit),
    "zones": (zones, larger_disks),
    "dual-stack": (dual, more_bandwidth),
}


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LightCloud, Edit]]:
    make, edit = STACKS[request.param]
    light = make(tmp_path / "home")
    with light.running(), ready_server(light):
        yield light, edit


def test_the_policies_suffice_for_a_life_cycle_and_for_its_previews(
    stack: tuple[LightCloud, Edit],
) -> None:
    light, edit = stack
    edited = light.edited(edit)

    def preview() -> Done:
        return edited.pulumi("preview", "--suppress-outputs")

    steps = (
        ("run", light.up),
        ("preview", preview),
        ("run", edited.up),
        ("run", edited.refresh),
        ("preview", preview),
        ("run", edited.destroy),
    )
    for policy, step in steps:
        before = light.last_call()
        done = step()
        assert done.status == 0, done.transcript
        assert refused(light.calls(after=before), policy) == []
    assert light.alive() == {}
