"""What the stack files and examples mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.model import Profile, Role
from config.stackfile import read_file
from planning.model import ClusterPlan
from planning.read import plan_from
from planning.report import plan_document

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.yaml"))


def _stack(name: str) -> ClusterPlan:
    return plan_from(read_file(ROOT / f"stacks/Pulumi.{name}.yaml").cluster)


def _example(name: str) -> ClusterPlan:
    return plan_from(read_file(ROOT / f"docs/examples/{name}.yaml").cluster)


def test_the_local_stack_is_the_guide_number_by_number() -> None:
    document = plan_document(_stack("local"))
    nodes = document["nodes"]
    pools = document["pools"]
    assert isinstance(nodes, dict)
    assert isinstance(pools, dict)
    primaries = {
        (name, nic): interface["primary"]
        for name, node in nodes.items()
        for nic, interface in node["interfaces"].items()
    }
    assert primaries == {
        ("master", "eth0"): "172.31.199.183",
        ("master", "eth1"): "192.168.0.154",
        ("worker", "eth0"): "172.31.199.184",
        ("worker", "eth1"): "192.168.0.155",
    }
    assert {
        name: {key: pool[key] for key in ("subnet", "gateway", "nodeName", "multusName", "default")}
        for name, pool in pools.items()
    } == {
        f"{node}-{nic}": {
            "subnet": subnet,
            "gateway": gateway,
            "nodeName": [node],
            "multusName": [f"kube-system/ipvlan-{nic}"],
            "default": True,
        }
        for node in ("master", "worker")
        for nic, subnet, gateway in (
            ("eth0", "172.31.192.0/20", "172.31.207.253"),
            ("eth1", "192.168.0.0/24", "192.168.0.253"),
        )
    }


def test_the_guides_control_plane_takes_ordinary_pods() -> None:
    assert _stack("local").nodes["master"].taints == ()


def test_other_control_planes_do_not() -> None:
    (taint,) = _stack("dev").control_planes[0].taints
    assert (taint.key, taint.effect) == ("node-role.kubernetes.io/control-plane", "NoSchedule")


def test_prod_has_three_control_planes_in_three_zones_and_protects_them() -> None:
    plan = _stack("prod")
    assert len({node.zone for node in plan.control_planes}) == 3
    assert len(plan.control_planes) == 3
    assert plan.protect
    # The life cycle replaces them, one at a time; the cloud would refuse it.
    assert not any(node.deletion_protection for node in plan.control_planes)
    # An edit of a pool deletes and replaces workers; the cloud would refuse it.
    assert not any(node.deletion_protection for node in plan.workers)
    assert all(node.disk.encrypted for node in plan.nodes.values())
    assert not plan.public_endpoint


def test_only_the_local_profile_speaks_to_the_local_cloud() -> None:
    endpoints = {name: _stack(name).cloud_endpoint for name in ("local", "dev", "prod")}
    assert endpoints == {"local": "127.0.0.1:18443", "dev": None, "prod": None}
    assert _stack("local").profile is Profile.LOCAL


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_is_planned(path: Path) -> None:
    plan = plan_from(read_file(path).cluster)
    assert plan.nodes
    assert all(free >= 0 for free in plan_document(plan)["freeAddresses"].values())  # type: ignore[attr-defined]  # a map of numbers


def test_a_dual_stack_node_has_an_ipv6_pool_for_each_ipv4_pool() -> None:
    pools = _example("dual-stack").ip_pools
    assert sorted(p for p in pools if p.startswith("workers-0")) == [
        "workers-0-eth0",
        "workers-0-eth0-v6",
        "workers-0-eth1",
        "workers-0-eth1-v6",
    ]
    six = pools["workers-0-eth0-v6"]
    assert (six.ip_version, six.subnet, six.gateway, six.ips) == (6, None, None, ())
    assert [str(a) for a in six.twins] == [f"10.48.0.{n}" for n in range(145, 154)]


def test_dense_nodes_get_prefixes_of_the_reservation() -> None:
    plan = _example("dense-nodes")
    eth0 = plan.nodes["dense-1"].interfaces["eth0"]
    assert str(eth0.primary) == "10.80.0.160"
    assert [str(p) for p in eth0.pods.blocks] == [f"10.80.25.{16 * n}/28" for n in range(8)]
    assert plan.ip_pools["dense-1-eth0"].ips == ("10.80.25.0-10.80.25.127",)
    assert plan.nodes["dense-1"].max_pods == 163


def test_an_existing_cluster_keeps_its_names_for_the_nodes() -> None:
    pool = _example("existing-cluster").ip_pools["workers-1-eth1"]
    assert pool.node_name == "kube-worker-2.example.internal"
    assert pool.node == "workers-1"


def test_an_extra_pool_takes_its_addresses_out_of_the_nodes_own() -> None:
    pools = _example("three-zones").ip_pools
    assert pools["ledger-only"].ips == ("10.65.36.135-10.65.36.138",)
    assert pools["ledger-only"].namespaces == ("ledger",)
    assert pools["ledger-eth1"].ips == ("10.65.36.129-10.65.36.134",)


def test_the_nat_gateway_is_in_a_vswitch_without_nodes() -> None:
    plan = _stack("prod")
    assert plan.network.nat_vswitch == "services-cn-beijing-h"
    used = {nic.vswitch for node in plan.nodes.values() for nic in node.interfaces.values()}
    assert plan.network.nat_vswitch not in used


def test_a_named_node_may_have_an_instance_type_and_a_disk_of_its_own() -> None:
    node = _example("three-zones").nodes["ledger"]
    assert (node.instance_type, node.disk.size, node.role) == ("ecs.r7.4xlarge", 500, Role.WORKER)


def test_everything_carries_the_clusters_name() -> None:
    assert _stack("prod").tags == {
        "environment": "prod",
        "spiderpool-alicloud/cluster": "prod",
        "spiderpool-alicloud/profile": "prod",
    }
