"""Whatever a stack file makes, its resources can only go from the workloads down to the network.

The engine deletes a resource after everything that depends on it, is its child or is behind it as a
provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import pytest

from tests.program.golden_plans import run_stack, stack_files
from tests.recording import Resource

pytestmark = pytest.mark.unit

FILES = stack_files()

LEVELS: Mapping[str, Callable[[Resource], bool]] = {
    "workloads": lambda r: "sample-" in r.name or "SampleApps" in r.parent,
    "pools": lambda r: r.kind == "SpiderIPPool",
    "multus configs": lambda r: r.kind == "SpiderMultusConfig",
    "release": lambda r: r.kind == "Release",
    "cloud controller": lambda r: r.kind == "Deployment" and "CloudController" in r.parent,
    "nodes": lambda r: r.type.startswith("alicloud:ecs/instance:"),
    # A node needs the vSwitches of its own zone alone; the VPC is everybody's.
    "network": lambda r: r.type == "alicloud:vpc/network:Network",
}


def levels(resources: Sequence[Resource]) -> dict[str, list[Resource]]:
    """What a stack has of each level, from the top down."""
    present = {name: [r for r in resources if is_it(r)] for name, is_it in LEVELS.items()}
    return {name: some for name, some in present.items() if some}


def outlives(resources: Sequence[Resource]) -> dict[str, set[str]]:
    """URN → everything that is deleted after it."""
    by_urn = {r.urn: r for r in resources}
    outliving: dict[str, set[str]] = {}

    def after(urn: str) -> set[str]:
        if urn not in outliving:
            outliving[urn] = set()
            r = by_urn.get(urn)
            direct = set() if r is None else {*r.dependencies, r.provider, r.parent} - {""}
            outliving[urn] = direct.union(*(after(other) for other in direct))
        return outliving[urn]

    for urn in by_urn:
        after(urn)
    return outliving


def depths(resources: Sequence[Resource]) -> dict[str, int]:
    """URN → the length of its longest chain of what outlives it.

    The engine deletes all of one depth together and waits for them (`ScheduleDeletes` of
    `pkg/resource/deploy/step_generator.go` in github.com/pulumi/pulumi).
    """
    by_urn = {r.urn: r for r in resources}
    depth: dict[str, int] = {}

    def of(urn: str) -> int:
        if urn not in depth:
            r = by_urn.get(urn)
            direct = set() if r is None else {*r.dependencies, r.provider, r.parent} - {""}
            depth[urn] = 1 + max((of(other) for other in direct), default=0)
        return depth[urn]

    return {urn: of(urn) for urn in by_urn}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["EcsNetworkInterface", "Switch", "Instance"])
def test_resources_of_one_kind_are_deleted_together(kind: str, name: str) -> None:
    resources = run_stack(name, FILES[name]).resources
    depth = depths(resources)
    assert len({depth[r.urn] for r in resources if r.kind == kind}) <= 1


@pytest.mark.parametrize("name", FILES)
def test_each_level_goes_before_the_one_below(name: str) -> None:
    resources = run_stack(name, FILES[name]).resources
    after, present = outlives(resources), levels(resources)
    assert {"pools", "multus configs", "release", "nodes"} <= set(present)
    for (upper, above), (lower, below) in pairwise(present.items()):
        for one in above:
            for other in below:
                assert other.urn in after[one.urn], f"{upper} {one.name} ≥ {lower} {other.name}"


def test_the_levels_of_the_guide_are_all_there_but_its_workloads() -> None:
    present = levels(run_stack("local", FILES["local"]).resources)
    assert set(present) >= set(LEVELS) - {"workloads"}
