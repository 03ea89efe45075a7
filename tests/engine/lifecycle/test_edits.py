"""What an edit of the stack file does to network and machines, operation by operation.

Each edit is previewed by the real engine and provider on one deployed stack; some are applied.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.lifecycle.light_cloud import Edit, LightCloud, Step, node, set_master_eth1

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def a_node_more(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["workers"]["nodes"]["added"] = node(5)


def without_the_middle_node(cluster: dict[str, Any]) -> None:
    del cluster["nodePools"]["workers"]["nodes"]["middle"]


def a_pool_more(cluster: dict[str, Any]) -> None:
    workers = cluster["nodePools"]["workers"]
    cluster["nodePools"]["spare"] = {**workers, "nodes": {"spare": node(6)}}


def without_the_workers_pool(cluster: dict[str, Any]) -> None:
    del cluster["nodePools"]["workers"]


def pod_addresses_of_master_eth1(pods: int) -> Edit:
    def edit(cluster: dict[str, Any]) -> None:
        set_master_eth1(cluster["nodePools"]["masters"], pods=pods)

    return edit


def nat_bandwidth_of_20(cluster: dict[str, Any]) -> None:
    cluster["network"].setdefault("nat", {})["bandwidth"] = 20


def bigger_workers(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["workers"]["instanceType"] = "ecs.g7.xlarge"


def a_tag(cluster: dict[str, Any]) -> None:
    cluster["tags"] = {"owner": "platform"}


def made(name: str) -> list[Step]:
    """A worker and what belongs to it alone."""
    return of(name, "create")


def of(name: str, operation: str) -> list[Step]:
    return sorted(
        [
            (operation, "Node", f"guide-{name}"),
            (operation, "Instance", f"guide-{name}"),
            (operation, "EcsNetworkInterface", f"guide-{name}-eth0"),
            (operation, "EcsNetworkInterface", f"guide-{name}-eth1"),
        ]
    )


EDITS = {
    "a node more": (a_node_more, made("added")),
    "the middle node removed": (without_the_middle_node, of("middle", "delete")),
    "a pool more": (a_pool_more, made("spare")),
    "a pool removed": (
        without_the_workers_pool,
        sorted([*of("left", "delete"), *of("middle", "delete"), *of("right", "delete")]),
    ),
    "an address more on one NIC": (
        pod_addresses_of_master_eth1(5),
        [("update", "EcsNetworkInterface", "guide-master-eth1")],
    ),
    "an address less on one NIC": (
        pod_addresses_of_master_eth1(3),
        [("update", "EcsNetworkInterface", "guide-master-eth1")],
    ),
    "NAT bandwidth": (nat_bandwidth_of_20, [("update", "EipAddress", "guide-nat")]),
    "another instance type": (
        bigger_workers,
        sorted(("update", "Instance", f"guide-{n}") for n in ("left", "middle", "right")),
    ),
}


@pytest.mark.parametrize(("edit", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_changes_what_carries_its_name_and_nothing_else(
    deployed_light: LightCloud,
    edit: Edit,
    expected: list[Step],
) -> None:
    assert deployed_light.edited(edit).steps() == expected


def test_a_tag_is_put_on_everything_in_place(deployed_light: LightCloud) -> None:
    steps = deployed_light.edited(a_tag).steps()
    assert {operation for operation, _, _ in steps} == {"update"}
    assert {kind for _, kind, _ in steps} >= {
        *("Network", "Switch", "SecurityGroup", "EcsNetworkInterface", "Instance"),
        *("NatGateway", "EipAddress"),
    }


def test_edits_are_applied_by_one_up_and_the_next_preview_is_empty(
    deployed_light: LightCloud,
) -> None:
    before = deployed_light.alive()
    grown = deployed_light.edited(
        a_node_more, without_the_middle_node, nat_bandwidth_of_20, pod_addresses_of_master_eth1(5)
    )
    done = grown.up()
    assert done.status == 0, done.said
    assert grown.steps() == []
    during = grown.alive()
    assert len(set(before["Instance"]) - set(during["Instance"])) == 1
    assert len(set(during["Instance"]) - set(before["Instance"])) == 1
    assert len(set(before["NetworkInterface"]) & set(during["NetworkInterface"])) == 6

    done = deployed_light.up()
    assert done.status == 0, done.said
    assert deployed_light.steps() == []
    after = deployed_light.alive()
    assert {kind: len(ids) for kind, ids in after.items()} == {
        kind: len(ids) for kind, ids in before.items()
    }
    assert len(set(after["Instance"]) & set(before["Instance"])) == 3


def test_destroy_leaves_nothing(deployed_light: LightCloud) -> None:
    done = deployed_light.destroy()
    assert done.status == 0, done.said
    assert deployed_light.alive() == {}
