"""How many pods fit, what is left of a vSwitch, what an account must have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from config.report import ConfigError
from config.stackfile import read_file
from planning.addresses.capacity import advertised_addresses, host_network_pods, pod_capacity
from planning.cloud.quotas import quotas
from planning.cloud.vswitch_room import free_addresses, free_prefixes, usable_addresses
from planning.model import AddressCounting, ClusterPlan, IPPoolPlan
from planning.read import plan_from
from tests.clusters import small

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]


def _plan(name: str) -> ClusterPlan:
    folder = "docs/examples" if (ROOT / f"docs/examples/{name}.yaml").exists() else "stacks"
    file = f"{name}.yaml" if folder != "stacks" else f"Pulumi.{name}.yaml"
    return plan_from(read_file(ROOT / folder / file).cluster)


def test_a_worker_has_room_for_the_addresses_of_both_nics_and_two_pods_of_the_host() -> None:
    plan = _plan("local")
    worker = plan.nodes["worker"]
    assert (worker.max_pods, pod_capacity(plan, worker)) == (13, 10)


def test_a_control_plane_has_room_for_its_static_pods_and_the_cloud_controller_too() -> None:
    plan = _plan("local")
    master = plan.nodes["master"]
    assert (master.max_pods, pod_capacity(plan, master)) == (18, 10)
    assert host_network_pods(Role.CONTROL_PLANE, cloud_controller=True) == 7


def test_where_addresses_are_not_counted_only_eth0_gives_room() -> None:
    plan = plan_from(small({"kubernetes": {"version": "1.35.4"}}))
    worker = plan.nodes["workers-0"]
    assert (worker.max_pods, pod_capacity(plan, worker)) == (7, 5)
    assert (plan.counting, advertised_addresses(plan, worker)) == (None, {})


def test_a_dense_worker_takes_the_pods_of_both_nics() -> None:
    plan = plan_from(
        small(
            {
                "network": {
                    "subnets": {
                        "secondary": {
                            "zones": {"cn-hangzhou-i": {"prefixReservation": "10.1.4.0/22"}}
                        }
                    }
                },
                "nodePools": {
                    "workers": {
                        "instanceType": "ecs.g7.4xlarge",
                        "prefixBlockSize": 64,
                        "interfaces": {
                            "eth0": {"podAddresses": 10},
                            "eth1": {"mode": "prefix", "podAddresses": 48},
                        },
                    }
                },
            }
        )
    )
    worker = plan.nodes["workers-0"]
    assert (worker.max_pods, pod_capacity(plan, worker)) == (61, 58)
    assert advertised_addresses(plan, worker) == {
        "spiderpool-alicloud.io/eth0-addresses": 10,
        "spiderpool-alicloud.io/eth1-addresses": 48,
    }
    # The control plane is tainted: pods that choose no network run on the worker.
    assert plan.counting is not None
    assert plan.counting.shares == {"eth0": 10, "eth1": 48}


@pytest.mark.parametrize(
    ("planes", "workers", "everywhere"),
    [
        ({}, {}, {"eth0": 5, "eth1": 5}),
        ({"eth1": {"podAddresses": 0}}, {}, {"eth0": 5}),
        ({"eth0": {"podAddresses": 0}, "eth1": {"podAddresses": 0}}, {}, {"eth0": 5, "eth1": 5}),
    ],
)
def test_pods_of_certain_nodes_are_spread_over_the_nics_that_every_node_has(
    planes: dict[str, Any], workers: dict[str, Any], everywhere: dict[str, int]
) -> None:
    pools = {"masters": {"interfaces": planes}, "workers": {"interfaces": workers}}
    plan = plan_from(small({"nodePools": pools}))
    assert plan.counting is not None
    assert plan.counting.shares_everywhere == everywhere


def test_addresses_of_an_extra_pool_are_not_advertised() -> None:
    (address, *_) = _workers_pool().ips[0].split("-")
    extra = {"node": "workers-0", "interface": "eth1", "addresses": [address]}
    plan = plan_from(
        small({"spiderpool": {"extraPools": {"db": extra | {"namespaces": ["database"]}}}})
    )
    worker = plan.nodes["workers-0"]
    assert advertised_addresses(plan, worker)["spiderpool-alicloud.io/eth1-addresses"] == 4
    assert pod_capacity(plan, worker) == 10


def _workers_pool() -> IPPoolPlan:
    return plan_from(small()).ip_pools["workers-0-eth1"]


def test_an_address_and_its_ipv6_twin_are_one() -> None:
    plan = _plan("dual-stack")
    for node in plan.nodes.values():
        assert advertised_addresses(plan, node) == {
            f"spiderpool-alicloud.io/{name}-addresses": nic.pods.count
            for name, nic in node.interfaces.items()
        }


def test_one_network_for_all_pods_is_a_choice() -> None:
    plan = plan_from(small({"pods": {"defaultNetwork": "eth0"}}))
    assert plan.counting == AddressCounting(shares={"eth0": 1}, shares_everywhere={"eth0": 1})
    assert plan.nodes["workers-0"].max_pods == 13


@pytest.mark.parametrize(
    "changes",
    [{"kubernetes": {"version": "1.35.4"}}, {"spiderpool": {"enabled": False}}],
)
def test_pods_are_not_spread_where_addresses_are_not_counted(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"pods\.defaultNetwork(.|\n)*Write eth0"):
        plan_from(small(changes | {"pods": {"defaultNetwork": "spread"}}))


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


def test_the_load_balancer_with_most_listeners_and_backends_is_counted() -> None:
    ports = {f"p{n}": {"port": n} for n in range(1, 61)}
    clb = {"selector": {"app": "web"}, "ports": ports}
    few = {"selector": {"app": "web"}, "ports": {"http": {"port": 80}}}
    plan = plan_from(small({"services": {"many": clb, "few": few}}))
    workers = [node for node in plan.nodes.values() if node.role is Role.WORKER]
    counted = quotas(plan)
    listeners, servers = counted["CLB listeners"], counted["CLB backend servers"]
    assert (listeners.needed, listeners.default) == (60, 50)
    assert (servers.needed, servers.default) == (60 * len(workers), 200)
    assert "NLB listeners" not in counted


def test_a_service_with_an_existing_load_balancer_shares_its_listeners() -> None:
    services = {
        name: {"selector": {"app": name}, "ports": {"p": {"port": port}}, "id": "lb-bp1"}
        for name, port in (("a", 80), ("b", 81))
    }
    assert quotas(plan_from(small({"services": services})))["CLB listeners"].needed == 2


def test_pods_as_backends_are_not_counted_beforehand() -> None:
    service = {
        "selector": {"app": "web"},
        "ports": {"http": {"port": 80, "targetPort": 80}},
        "backendType": "eni",
    }
    counted = quotas(plan_from(small({"services": {"web": service}})))
    assert "CLB listeners" in counted
    assert "CLB backend servers" not in counted
