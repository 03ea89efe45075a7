"""A roll-out without an engine: its parts, a small cluster's names, and its hooks on a fake API."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import pulumi

from components.api.cluster_api import ClusterApi, ClusterError
from components.api.pool_api import PoolApi
from components.machines.machine_generation import generation_inputs
from components.machines.rollout.cluster_access import ClusterAccess
from components.machines.rollout.leaving_nodes import Membership
from components.machines.rollout.machine_changes import MachineChanges
from components.machines.rollout.moved_addresses import MovedAddresses
from components.machines.rollout.progress import Progress
from components.machines.rollout.returning_nodes import ReturningNodes
from planning.model import ClusterPlan
from planning.read import plan_from
from tests.clusters import Document, fake_secrets, small
from tests.fake_cluster import FakeCluster, a_node
from tests.fake_pools import FakePools

FIRST, SECOND = "workers-0", "workers-1"
PLANES = ("masters-0", "masters-1", "masters-2")
NOW = FakeCluster().now

SETTINGS_TEXT = json.dumps({"kubelet": '{"a":1}', "sysctls": ""})
IMAGE = {"identity": {"image": "m-before"}}
RESTART = {"restart": {"instanceType": "ecs.before"}}
SETTINGS_EDIT = {"settings": json.dumps({"kubelet": '{"a":0}', "sysctls": ""})}
ELSEWHERE = {"identity": {"interfaces": {"eth0": {"address": "10.0.9.9", "vswitch": "before"}}}}


def document(planes: int) -> Document:
    """A stack with two workers."""
    return small({"nodePools": {"workers": {"count": 2}, "masters": {"count": planes}}})


@cache
def plan_of(planes: int) -> ClusterPlan:
    """The plan of `document`."""
    return plan_from(document(planes))


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """The parts of a roll-out before anything has happened to its nodes."""

    plan: ClusterPlan
    cluster: ClusterAccess
    progress: Progress
    moved: MovedAddresses
    changes: MachineChanges
    returning: ReturningNodes


def rolling(planes: int) -> Rolling:
    """The roll-out of a cluster with two workers."""

    async def kubeconfig() -> str:
        return "a kubeconfig"

    async def token() -> str:
        return fake_secrets().bootstrap_token

    async def settings(_: object) -> str:
        return SETTINGS_TEXT

    async def planned_addresses() -> dict[str, tuple[str, ...]]:
        return {pool.name: pool.ips for pool in plan.ip_pools.values()}

    plan, cluster = plan_of(planes), ClusterAccess(kubeconfig)
    progress = Progress(
        control_planes=[node.name for node in plan.control_planes],
        workers=[node.name for node in plan.workers],
    )
    moved = MovedAddresses(plan, cluster)
    for node in plan.nodes:
        moved.expect(node, planned_addresses)
    return Rolling(
        plan=plan,
        cluster=cluster,
        progress=progress,
        moved=moved,
        changes=MachineChanges(
            name="small", plan=plan, cluster=cluster, progress=progress, moved=moved, token=token
        ),
        returning=ReturningNodes(
            plan=plan,
            cluster=cluster,
            progress=progress,
            moved=moved,
            token=token,
            settings=settings,
        ),
    )


class Silent(FakeCluster):
    """A cluster that nobody reaches."""

    async def version(self) -> str:
        raise ClusterError("no route to host")


def serving(count: int = 1, /, **changes: Any) -> FakeCluster:  # noqa: ANN401 - its fields
    """A cluster whose nodes all serve."""
    names = PLANES[:count]
    return FakeCluster(
        **{
            "objects": {name: a_node(name, address="10.0.0.9") for name in (*names, FIRST, SECOND)},
            "planes": dict.fromkeys(names, True),
            **changes,
        }
    )


def run(
    cluster: FakeCluster, hook: Coroutine[Any, Any, Any], pools: FakePools | None = None
) -> None:
    """Let a hook run against this cluster."""

    @asynccontextmanager
    async def api(_text: str, **_: float) -> AsyncIterator[ClusterApi]:
        yield cluster

    @asynccontextmanager
    async def pools_api(_text: str, **_: float) -> AsyncIterator[PoolApi]:
        yield pools or FakePools(pools_by_name={})

    with (
        patch("components.machines.rollout.cluster_access.cluster_api", api),
        patch("components.machines.rollout.cluster_access.pool_api", pools_api),
    ):
        asyncio.run(hook)


def args(node: str, **inputs: Any) -> pulumi.ResourceHookArgs:  # noqa: ANN401 - any inputs
    """The arguments of a hook."""
    return pulumi.ResourceHookArgs(urn="", id="", name=f"small-{node}", type="", **inputs)


def inputs(roll: Rolling, node: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A node's generation; `changes` are laid over its parts."""
    plain = generation_inputs(roll.plan, roll.plan.nodes[node], settings=SETTINGS_TEXT)
    laid: dict[str, Any] = copy.deepcopy(plain)
    for key, value in (changes or {}).items():
        laid[key] = {**laid[key], **value} if isinstance(value, Mapping) else value
    return laid


def changes(
    roll: Rolling, node: str, before: Mapping[str, Any] = IMAGE
) -> Coroutine[Any, Any, None]:
    """The hook of an edit, from a generation that was like `before`."""
    return roll.changes.prepare_change(
        args(node, old_inputs=inputs(roll, node, before), new_inputs=inputs(roll, node))
    )


def members(planes: int, *workers: str, protected: bool = False) -> Membership:
    """The nodes of a plan with this many control planes."""
    addresses = {name: f"10.0.0.{16 * n}" for n, name in enumerate(PLANES[:planes], start=1)}
    return Membership(control_planes=addresses, workers=workers, protected=protected)
