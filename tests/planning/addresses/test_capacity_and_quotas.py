"""How many pods fit, what is left of a vSwitch, what an account must have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from config.stackfile import read_file
from planning.addresses.capacity import (
    free_addresses,
    free_prefixes,
    host_network_pods,
    pod_capacity,
    usable_addresses,
)
from planning.cloud.quotas import quotas
from planning.model import ClusterPlan
from planning.read import plan_from

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


def _plan(name: str) -> ClusterPlan:
    folder = "docs/examples" if (ROOT / f"docs/examples/{name}.yaml").exists() else "stacks"
    file = f"{name}.yaml" if folder != "stacks" else f"Pulumi.{name}.yaml"
    return plan_from(read_file(ROOT / folder / file).cluster)


def test_a_worker_has_room_for_its_addresses_and_two_pods_of_the_host() -> None:
    worker = _plan("local").nodes["worker"]
    assert (worker.max_pods, pod_capacity(plan, worker)) == (7, 5)


def test_a_control_plane_has_room_for_its_static_pods_and_the_cloud_controller_too() -> None:
    master = _plan("local").nodes["master"]
    assert (master.max_pods, pod_capacity(plan, master)) == (12, 5)
    assert host_network_pods(Role.CONTROL_PLANE, cloud_controller=True) == 7


def test_no_room_is_kept_for_a_cloud_controller_that_is_not_there() -> None:
    assert host_network_pods(Role.CONTROL_PLANE, cloud_controller=False) == 6
    assert host_network_pods(Role.WORKER, cloud_controller=True) == 2


def test_free_addresses_are_what_the_cloud_would_still_give() -> None:
    plan = _plan("local")
    cidr = plan.network.vswitches["secondary-cn-hangzhou-i"].cidr
    assert usable_addresses(cidr) == 252
    assert free_addresses(plan) == {
        "gateways-cn-hangzhou-i": 12 - 1,  # the NAT gateway
        "primary-cn-hangzhou-i": 4092 - 12,
        "secondary-cn-hangzhou-i": 252 - 12,
    }


def test_a_reservation_is_no_free_space_but_prefixes_that_are_left() -> None:
    plan = _plan("dense-nodes")
    assert free_prefixes(plan) == {
        "primary-cn-beijing-l": 256 - 3 * 8,
        "secondary-cn-beijing-l": 256 - 3 * 2,
    }
    assert free_addresses(plan)["secondary-cn-beijing-l"] == 16380 - 4096 - 11 - 3


def test_quotas_count_what_is_created_and_nothing_adopted() -> None:
    counted = {name: quota.needed for name, quota in quotas(_plan("existing-vpc")).items()}
    assert (counted["VPCs"], counted["vSwitches"], counted["NAT gateways"]) == (0, 0, 0)
    assert (counted["ECS instances"], counted["ENIs"], counted["EIPs"]) == (3, 6, 1)


def test_three_control_planes_need_a_load_balancer() -> None:
    counted: dict[str, Any] = {n: q.needed for n, q in quotas(_plan("three-zones")).items()}
    assert counted["CLB instances"] == 1
    assert counted["private addresses"] == 12 * 2 * 11
