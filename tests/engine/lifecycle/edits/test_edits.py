"""What an edit of the stack file does to network and machines, operation by operation.

Each edit is previewed by the real engine and provider on one deployed stack; some are applied.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.lifecycle.clouds.light_cloud import Edit, LightCloud, Step, node, set_master_eth1

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


def a_nic_more(cluster: dict[str, Any]) -> None:
    plain = cluster["nodePools"]["plain"]
    plain["interfaces"] = cluster["nodePools"]["workers"]["interfaces"]
    plain["nodes"]["plain"] = node(8)


def ipv6(cluster: dict[str, Any]) -> None:
    cluster["network"]["ipv6"] = {"enabled": True}
    for index, subnet in enumerate(("primary", "secondary")):
        cluster["network"]["subnets"][subnet]["zones"]["cn-hangzhou-i"]["ipv6Index"] = index


def a_subnet_and_a_zone_more(cluster: dict[str, Any]) -> None:
    """Names that sort before all others, because nothing may depend on being the first."""
    subnets = cluster["network"]["subnets"]
    subnets["apps"] = {"egress": False, "zones": {"cn-hangzhou-b": {"cidr": "172.31.32.0/24"}}}
    subnets["primary"]["zones"]["cn-hangzhou-b"] = {"cidr": "172.31.33.0/24"}
    cluster["nodePools"]["plain"]["zones"] = ["cn-hangzhou-i"]


def new_worker(name: str) -> list[Step]:
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


WORKERS = ("left", "middle", "right")
NICS = dict.fromkeys(("master", *WORKERS), ("eth0", "eth1")) | {"plain": ("eth0",)}
ENIS: list[Step] = [
    ("update", "EcsNetworkInterface", f"guide-{name}-{nic}")
    for name, nics in NICS.items()
    for nic in nics
]
SWITCHES = [f"guide-{subnet}-cn-hangzhou-i" for subnet in ("primary", "secondary")]
GATEWAYS = "guide-gateways-cn-hangzhou-i"
TAGGED: list[Step] = sorted(
    [
        *(("update", "Instance", f"guide-{name}") for name in NICS),
        *ENIS,
        *(("update", "Switch", name) for name in (GATEWAYS, *SWITCHES)),
        *(
            ("update", kind, "guide")
            for kind in ("Network", "SecurityGroup", "NatGateway", "Role", "Policy")
        ),
        ("update", "EipAddress", "guide-nat"),
    ]
)

EDITS = {
    "a node more": (a_node_more, new_worker("added")),
    "the middle node removed": (without_the_middle_node, of("middle", "delete")),
    "a pool more": (a_pool_more, new_worker("spare")),
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
    "no address on one NIC": (
        pod_addresses_of_master_eth1(0),
        [("update", "EcsNetworkInterface", "guide-master-eth1")],
    ),
    "NAT bandwidth": (nat_bandwidth_of_20, [("update", "EipAddress", "guide-nat")]),
    "another instance type": (
        bigger_workers,
        sorted(("update", "Instance", f"guide-{name}") for name in WORKERS),
    ),
    "a NIC more": (
        a_nic_more,
        [
            ("create", "EcsNetworkInterface", "guide-plain-eth1"),
            ("replace", "Instance", "guide-plain"),
        ],
    ),
    "a subnet and a zone more": (
        a_subnet_and_a_zone_more,
        sorted(
            [
                ("create", "Switch", "guide-apps-cn-hangzhou-b"),
                ("create", "Switch", "guide-primary-cn-hangzhou-b"),
                ("create", "SnatEntry", "guide-primary-cn-hangzhou-b"),
            ]
        ),
    ),
    "a tag": (a_tag, TAGGED),
    "IPv6 turned on": (
        ipv6,
        sorted(
            [
                ("update", "Network", "guide"),
                ("create", "Ipv6Gateway", "guide"),
                *(("update", "Switch", name) for name in SWITCHES),
                *ENIS,
            ]
        ),
    ),
}


@pytest.mark.parametrize(("edit", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_changes_what_carries_its_name_and_nothing_else(
    deployed_light: LightCloud,
    edit: Edit,
    expected: list[Step],
) -> None:
    assert deployed_light.edited(edit).steps() == expected


def test_a_second_up_and_a_refresh_and_the_preview_after_it_find_no_change(
    deployed_light: LightCloud,
) -> None:
    for done in (
        deployed_light.up("--expect-no-changes"),
        deployed_light.refresh("--expect-no-changes"),
        deployed_light.pulumi("preview", "--expect-no-changes"),
    ):
        assert done.status == 0, done.transcript


def test_edits_are_applied_by_one_up_and_the_next_preview_is_empty(
    deployed_light: LightCloud,
) -> None:
    before = deployed_light.alive()
    edits = (
        "a node more",
        "the middle node removed",
        "NAT bandwidth",
        "a NIC more",
        "a tag",
        "no address on one NIC",
        "another instance type",
    )
    edited = deployed_light.edited(*(EDITS[name][0] for name in edits))
    assert {name for _, _, name in edited.steps()} == {
        name for edit in edits for _, _, name in EDITS[edit][1]
    }
    done = edited.up()
    assert done.status == 0, done.transcript
    assert edited.steps() == []
    assert pods_of_master_eth1(edited) == 0
    during = edited.alive()
    assert len(set(before["Instance"]) & set(during["Instance"])) == 3
    assert len(set(during["Instance"]) - set(before["Instance"])) == 2
    assert len(set(before["NetworkInterface"]) & set(during["NetworkInterface"])) == 7
    assert len(set(during["NetworkInterface"]) - set(before["NetworkInterface"])) == 3

    done = deployed_light.up()
    assert done.status == 0, done.transcript
    assert deployed_light.steps() == []
    assert pods_of_master_eth1(deployed_light) == 4
    after = deployed_light.alive()
    assert {kind: len(ids) for kind, ids in after.items()} == {
        kind: len(ids) for kind, ids in before.items()
    }
    # The master and two workers have seen everything; plain changed its machine there and back.
    assert len(set(after["Instance"]) & set(before["Instance"])) == 3


def pods_of_master_eth1(light: LightCloud) -> int:
    """The number of the ENI's pod addresses in the cloud."""
    return len(light.outputs()["nodes"]["master"]["interfaces"]["eth1"]["podAddresses"])


def test_ipv6_is_turned_on_without_another_machine_or_eni(deployed_light: LightCloud) -> None:
    before = deployed_light.alive()
    edited = deployed_light.edited(ipv6)
    done = edited.up()
    assert done.status == 0, done.transcript
    assert edited.steps() == []
    after = edited.alive()
    assert (after["Instance"], after["NetworkInterface"]) == (
        before["Instance"],
        before["NetworkInterface"],
    )


def test_destroy_leaves_nothing(deployed_light: LightCloud) -> None:
    done = deployed_light.destroy()
    assert done.status == 0, done.transcript
    assert deployed_light.alive() == {}
