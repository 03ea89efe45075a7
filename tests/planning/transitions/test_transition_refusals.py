"""Edits that are refused, by what they would have done."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
import yaml

from planning.read import plan_from
from planning.transitions.edits import check_edit
from planning.transitions.holders import Holders, NoAnswer, NotAsked
from planning.transitions.reading import EarlierRelease, Record
from planning.transitions.steps import (
    Accepted,
    AddMember,
    ChangeRunningNode,
    Create,
    Delete,
    Difference,
    KeepMachine,
    Refused,
    RemoveMember,
    ReplaceControlPlane,
    ReplaceWorker,
    ShrinkInterface,
    ShrinkPool,
)
from planning.transitions.upgrades import version_of
from tests.clusters import Document, existing_kubernetes
from tests.planning.edited import Edit, at, clustered, edited, recorded, refused, steps, transition

pytestmark = pytest.mark.unit

IMAGE = "ubuntu_24_04_x64_20G_alibase_20270101.vhd"
SHRINK = at("nodePools/workers/interfaces/eth1/podAddresses", 3)
ON_ETH0 = at("pods/defaultNetwork", "eth0")
LAST = int(IPv4Address("10.1.2.21"))
"""The last pod address of workers-0's eth1, which `SHRINK` takes away."""


@pytest.mark.parametrize(
    "edit",
    [
        at("nodePools/masters/image", IMAGE),
        at("nodePools/masters/disk/category", "cloud_auto"),
        at("nodePools/masters/disk/encrypted", value=True),
        at("nodePools/masters/interfaces/eth1", None),
        at("nodePools/masters/etcdDisk", {"size": 20}),
    ],
    ids=["image", "disk category", "disk encryption", "a NIC less", "a disk for etcd"],
)
def test_the_only_control_plane_keeps_its_machine(edit: Edit) -> None:
    outcome = transition(clustered(planes=1), edited(clustered(planes=1), edit))
    assert isinstance(outcome, Refused)
    assert "the only control plane" in str(outcome.refusals)


def test_a_node_that_stays_is_not_added_after_another_one_has_left() -> None:
    before = edited(clustered(planes=1), at("nodePools/workers/count", 2))
    moved = at("nodePools/workers/firstBlock", 34)
    outcome = transition(before, edited(before, moved, at("nodePools/workers/count", 1)))
    assert isinstance(outcome, Refused)
    assert {refusal.remedy for refusal in outcome.refusals} == {
        "Take workers-1 out first and run `pulumi up`, then make the rest of this edit."
    }
    alone = edited(before, at("nodePools/workers/count", 1))
    assert steps(transition(alone, edited(alone, moved)))


def test_another_order_of_certificate_names_is_no_edit() -> None:
    names = ["a.example.com", "b.example.com"]
    before = edited(clustered(), at("kubernetes/endpoint/certSans", names))
    after = edited(before, at("kubernetes/endpoint/certSans", names[::-1]))
    assert steps(transition(before, after)) == ()
    fewer = edited(before, at("kubernetes/endpoint/certSans", names[:1]))
    assert refused(transition(before, fewer)) == ("kubernetes.endpoint.certSans",)


ONE_PLANE = edited(clustered(planes=1), at("nodePools/masters/etcdDisk", {"size": 30}))
OF_THE_ONLY_PLANE: dict[str, tuple[Edit, str, str]] = {
    "image": (
        at("nodePools/masters/image", IMAGE),
        "nodePools.masters.image",
        "Write nodePools.masters.image: ubuntu_24_04_x64_20G_alibase_20260916.vhd.",
    ),
    "key pair": (
        at("nodePools/masters/keyPair", "ops"),
        "nodePools.masters.keyPair",
        "Write nodePools.masters.keyPair: null.",
    ),
    "disk for etcd": (
        at("nodePools/masters/etcdDisk", None),
        "nodePools.masters.etcdDisk",
        "Write nodePools.masters.etcdDisk: {category: cloud_essd, size: 30}.",
    ),
    "NIC": (
        at("nodePools/masters/interfaces/eth1", None),
        "nodePools.masters.interfaces.eth1",
        "Write nodePools.masters.interfaces.eth1.subnet: secondary.",
    ),
    "IPv6": (
        at("network/ipv6/enabled", value=True),
        "network.ipv6.enabled",
        "Write network.ipv6.enabled: false.",
    ),
}
"""By name: an edit that an only control plane does not take, its path, and what to write."""


@pytest.mark.parametrize(
    ("edit", "path", "remedy"), OF_THE_ONLY_PLANE.values(), ids=OF_THE_ONLY_PLANE
)
def test_the_remedy_for_an_only_control_plane_can_be_written_into_the_stack_file(
    edit: Edit, path: str, remedy: str
) -> None:
    outcome = transition(ONE_PLANE, with_ipv6_indexes(edited(ONE_PLANE, edit)))
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert refusal.path == path
    assert refusal.remedy.startswith(remedy)
    match = re.fullmatch(r"Write (\S+): (.+)\.", remedy)
    assert match is not None
    written, value = match.groups()
    restored = edited(ONE_PLANE, edit, at(written.replace(".", "/"), yaml.safe_load(value)))
    assert isinstance(transition(ONE_PLANE, restored), Accepted)


def with_ipv6_indexes(document: Document) -> Document:
    if not document["network"].get("ipv6"):
        return document
    zones = [z for s in document["network"]["subnets"].values() for z in s["zones"].values()]
    pools = document["nodePools"].values()
    for number, zone in enumerate(zones):
        zone["ipv6Index"] = number
    for interface in (i for pool in pools for i in pool["interfaces"].values()):
        interface["podAddresses"] = 5
    return document


def test_every_setting_that_an_only_control_plane_keeps_is_named_at_once() -> None:
    edits = [edit for name, (edit, _, _) in OF_THE_ONLY_PLANE.items() if name != "IPv6"]
    outcome = transition(ONE_PLANE, edited(ONE_PLANE, *edits))
    assert set(refused(outcome)) == {
        path for name, (_, path, _) in OF_THE_ONLY_PLANE.items() if name != "IPv6"
    }


@pytest.mark.parametrize(
    "edit",
    [
        at("nodePools/masters/firstBlock", 5),
        at("nodePools/masters/blockSize", 32),
    ],
    ids=["firstBlock", "blockSize"],
)
def test_an_only_control_plane_whose_address_would_move_is_refused_once_a_nic(edit: Edit) -> None:
    outcome = transition(clustered(planes=1), edited(clustered(planes=1), edit))
    paths = ("nodePools.masters.interfaces.eth0", "nodePools.masters.interfaces.eth1")
    assert refused(outcome) == paths
    assert isinstance(outcome, Refused)
    for refusal in outcome.refusals:
        assert refusal.remedy.startswith("Take back what moves")


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (5, 3)])
@pytest.mark.parametrize("server", ["1.35.4", "1.36.3"])
def test_the_number_of_control_planes_and_their_version_do_not_change_in_one_edit(
    before: int, after: int, server: str
) -> None:
    old = edited(clustered(planes=before), at("kubernetes/version", "1.35.4"))
    new = edited(clustered(planes=after), at("kubernetes/version", "1.36.3"))
    outcome = transition(old, new, Holders(api_server=version_of(server)))
    assert refused(outcome) == ("nodePools.masters",)


def test_three_control_planes_are_replaced_one_after_the_other() -> None:
    outcome = transition(clustered(), edited(clustered(), at("nodePools/masters/image", IMAGE)))
    assert [(s.node, s.others) for s in steps(outcome) if isinstance(s, ReplaceControlPlane)] == [
        ("masters-0", ("masters-1", "masters-2")),
        ("masters-1", ("masters-0", "masters-2")),
        ("masters-2", ("masters-0", "masters-1")),
    ]


WITH_ETCD_DISK = edited(clustered(), at("nodePools/masters/etcdDisk", {"size": 20}))


@pytest.mark.parametrize(
    ("before", "after"),
    [(clustered(), WITH_ETCD_DISK), (WITH_ETCD_DISK, clustered())],
    ids=["comes", "goes"],
)
def test_three_control_planes_get_a_disk_for_etcd_or_lose_it_one_after_the_other(
    before: Document, after: Document
) -> None:
    outcome = transition(before, after)
    assert {type(step) for step in steps(outcome)} == {ReplaceControlPlane}
    assert [s.node for s in steps(outcome) if isinstance(s, ReplaceControlPlane)] == [
        "masters-0",
        "masters-1",
        "masters-2",
    ]


@pytest.mark.parametrize(
    ("edit", "shrinks"),
    [
        pytest.param(at("nodePools/workers/image", IMAGE), False, id="its content is replaced"),
        pytest.param(at("nodePools/workers/disk/category", "cloud_auto"), True, id="a new one"),
    ],
)
def test_a_disk_of_another_builders_machine_shrinks_only_where_it_is_created_anew(
    edit: Edit, *, shrinks: bool
) -> None:
    machines = edited(existing_kubernetes(), at("nodePools/workers/disk/size", 60))
    outcome = transition(
        machines, edited(edited(machines, at("nodePools/workers/disk/size", 40)), edit)
    )
    assert isinstance(outcome, Accepted) == shrinks
    assert ("a disk never shrinks" in str(outcome)) == (not shrinks)


def test_a_disk_for_etcd_never_shrinks() -> None:
    with_disk = edited(clustered(), at("nodePools/masters/etcdDisk", {"size": 40}))
    outcome = transition(with_disk, edited(with_disk, at("nodePools/masters/etcdDisk/size", 20)))
    assert isinstance(outcome, Refused)
    assert "The etcd disk of masters-0 has 40 GiB, and a disk never shrinks." in str(
        outcome.refusals
    )


def test_control_planes_join_and_leave_etcd_one_by_one() -> None:
    grown = transition(clustered(planes=3), clustered(planes=5))
    shrunk = transition(clustered(planes=5), clustered(planes=3))
    assert [s.size for s in steps(grown) if isinstance(s, AddMember)] == [4, 5]
    assert [(s.node, s.size) for s in steps(shrunk) if isinstance(s, RemoveMember)] == [
        ("masters-4", 4),
        ("masters-3", 3),
    ]


def private(planes: int) -> Document:
    """A cluster whose API server has no public address."""
    return edited(
        clustered(planes=planes),
        at("kubernetes/endpoint/public", value=False),
        at("kubernetes/endpoint/allowedCidrs", []),
    )


@pytest.mark.parametrize("cluster", [private, clustered], ids=["private", "public"])
def test_one_control_plane_becomes_several_and_one_again(
    cluster: Callable[[int], Document],
) -> None:
    grown, shrunk = (transition(cluster(a), cluster(b)) for a, b in ((1, 3), (3, 1)))
    assert [s.size for s in steps(grown) if isinstance(s, AddMember)] == [2, 3]
    assert [s.size for s in steps(shrunk) if isinstance(s, RemoveMember)] == [2, 1]
    balancer = "load balancer of the API servers"
    assert Create(target=balancer) in steps(grown)
    assert Delete(target=balancer) in steps(shrunk)


@pytest.mark.parametrize(
    "edit",
    [
        at("nodePools/workers/labels", {"tier": "web"}),
        at("nodePools/masters/labels", {"tier": "top"}),
        at("nodePools/workers/image", IMAGE),
        SHRINK,
    ],
    ids=["labels of workers", "labels of the control plane", "image", "addresses"],
)
def test_no_node_changes_while_a_private_load_balancer_has_no_backend_yet(edit: Edit) -> None:
    alone, together = private(3), edited(private(3), edit)
    assert steps(transition(private(1), alone))
    assert "has no backend when" in str(transition(private(1), together))
    assert steps(transition(alone, together))


def test_a_renamed_control_plane_is_refused() -> None:
    before = named("first", "second", "third")
    outcome = transition(before, named("first", "second", "other"))
    assert set(refused(outcome)) == {"nodePools.masters"}
    assert "a renamed control plane is one removed and one added" in str(outcome)


def named(*planes: str) -> Document:
    places = {"first": 0, "second": 1, "third": 2, "other": 2}
    return edited(
        clustered(),
        at("nodePools/masters/count", None),
        at("nodePools/masters/nodes", {name: {"ordinal": places[name]} for name in planes}),
    )


def test_control_planes_do_not_change_while_others_come_or_go() -> None:
    outcome = transition(
        clustered(planes=3),
        edited(clustered(planes=5), at("nodePools/masters/instanceType", "ecs.g7.xlarge")),
    )
    assert "would change in the edit that adds masters-3, masters-4" in str(outcome)


def test_an_address_that_a_pod_holds_is_not_taken_and_the_pod_is_named() -> None:
    cluster = Holders(pods={"workers-0-eth1": {LAST: "shop/web-1"}})
    outcome = transition(clustered(), edited(clustered(), SHRINK), cluster)
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert "shop/web-1 (10.1.2.21)" in refusal.rule
    assert refusal.path == "nodePools.workers.interfaces.eth1.podAddresses"


def test_an_ipv6_address_in_use_counts_like_its_ipv4_twin() -> None:
    address = (0x2408_4005 << 96) + LAST
    cluster = Holders(pods={"workers-0-eth1-v6": {address: "shop/web-1"}})
    outcome = transition(clustered(), edited(clustered(), SHRINK), cluster)
    assert isinstance(outcome, Refused)


MOVED = at("nodePools/workers/firstBlock", 49)
UNDRAINED = [
    pytest.param((MOVED,), id="replaced with other addresses"),
    pytest.param(
        (at("nodePools/workers/count", 1), at("kubernetes/nodeNames/workers-1", None)),
        id="removed",
    ),
]


def their_cluster() -> Document:
    """Two workers of a cluster that somebody else has built."""
    return edited(
        existing_kubernetes(),
        at("nodePools/workers/count", 2),
        at("kubernetes/nodeNames/workers-1", "their-second-worker"),
    )


@pytest.mark.parametrize("edits", UNDRAINED)
def test_nobody_drains_somebody_elses_cluster_so_pods_have_to_be_gone(
    edits: tuple[Edit, ...],
) -> None:
    before = their_cluster()
    first = int(plan_from(before).nodes["workers-1"].interfaces["eth1"].pods.planned[0])
    cluster = Holders(pods={"workers-1-eth1": {first: "shop/web-1"}})
    outcome = transition(before, edited(before, *edits), cluster)
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert refusal.path == "nodePools.workers.interfaces.eth1.podAddresses"
    assert "shop/web-1" in refusal.rule


@pytest.mark.parametrize("edits", UNDRAINED)
def test_with_its_pods_gone_a_machine_of_somebody_elses_cluster_goes(
    edits: tuple[Edit, ...],
) -> None:
    before = their_cluster()
    assert steps(transition(before, edited(before, *edits), Holders()))


def test_a_replaced_worker_of_our_own_cluster_is_drained_first() -> None:
    cluster = Holders(pods={"workers-0-eth1": {LAST: "shop/web-1"}})
    assert steps(transition(clustered(), edited(clustered(), MOVED), cluster))


EXCHANGED = (
    at("nodePools/workers/image", IMAGE),
    at(
        "spiderpool/extraPools/shop",
        {
            "node": "workers-0",
            "interface": "eth1",
            "addresses": ["10.1.2.21"],
            "namespaces": ["shop"],
        },
    ),
)


@pytest.mark.parametrize("comes", [True, False], ids=["a pool comes", "a pool goes"])
def test_another_pool_takes_addresses_before_a_replaced_worker_is_drained(*, comes: bool) -> None:
    image, pool = EXCHANGED
    before, after = clustered(), edited(clustered(), image, pool)
    holder = "workers-0-eth1"
    if not comes:
        before, after = edited(clustered(), pool), edited(clustered(), image)
        holder = "shop"
    outcome = transition(before, after, Holders(pods={holder: {LAST: "shop/web-1"}}))
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert refusal.value == "10.1.2.21"
    assert f"{holder} would lose addresses that pods have: shop/web-1" in refusal.rule
    silent = transition(before, after, NoAnswer(reason="no route"))
    assert len(refused(silent)) == 1
    # Pods with the worker's other addresses are drained before its machine goes.
    assert steps(transition(before, after, Holders(pods={holder: {LAST - 1: "shop/web-1"}})))


def test_an_address_in_use_that_stays_is_not_a_reason_to_refuse() -> None:
    cluster = Holders(pods={"workers-0-eth1": {LAST - 4: "shop/web-1"}})
    outcome = transition(clustered(workers=1), edited(clustered(workers=1), SHRINK), cluster)
    assert steps(outcome) == (
        ShrinkPool(pool="workers-0-eth1", addresses=("10.1.2.20-10.1.2.21",)),
        ShrinkInterface(node="workers-0", interface="eth1", addresses=("10.1.2.20-10.1.2.21",)),
        _max_pods(11),
    )


def _max_pods(after: int) -> ChangeRunningNode:
    because = (Difference(key="kubelet.maxPods", before="13", after=str(after)),)
    return ChangeRunningNode(node="workers-0", because=because)


def test_a_nic_gives_up_its_last_addresses_after_its_pool() -> None:
    none = at("nodePools/workers/interfaces/eth1/podAddresses", 0)
    before = edited(clustered(workers=1), ON_ETH0)
    outcome = transition(before, edited(before, none))
    addresses = ("10.1.2.17-10.1.2.21",)
    assert steps(outcome) == (
        ShrinkPool(pool="workers-0-eth1", addresses=addresses),
        ShrinkInterface(node="workers-0", interface="eth1", addresses=addresses),
        _max_pods(8),
    )


def test_the_last_addresses_do_not_leave_while_a_pod_holds_one() -> None:
    none = at("nodePools/workers/interfaces/eth1/podAddresses", 0)
    cluster = Holders(pods={"workers-0-eth1": {LAST: "shop/web-1"}})
    before = edited(clustered(), ON_ETH0)
    outcome = transition(before, edited(before, none), cluster)
    assert set(refused(outcome)) == {"nodePools.workers.interfaces.eth1.podAddresses"}


@pytest.mark.parametrize("left", [0, 3])
def test_addresses_that_the_cloud_chose_do_not_become_fewer(left: int) -> None:
    counted = [at(f"nodePools/{p}/interfaces/eth1/mode", "count") for p in ("masters", "workers")]
    before = edited(clustered(), ON_ETH0, *counted)
    fewer = at("nodePools/workers/interfaces/eth1/podAddresses", left)
    outcome = transition(before, edited(before, fewer))
    assert set(refused(outcome)) == {"nodePools.workers.interfaces.eth1.podAddresses"}


def test_another_mode_is_refused_where_no_address_is_left_too() -> None:
    pools = ("masters", "workers")
    counted = [at(f"nodePools/{pool}/interfaces/eth1/mode", "count") for pool in pools]
    none = at("nodePools/workers/interfaces/eth1/podAddresses", 0)
    before = edited(clustered(), ON_ETH0)
    outcome = transition(before, edited(before, *counted, none))
    assert set(refused(outcome)) == {f"nodePools.{pool}.interfaces.eth1.mode" for pool in pools}


def test_a_machine_that_is_replaced_gives_up_no_address_that_a_pod_holds() -> None:
    """The ENI stays, and a drain leaves the pods of DaemonSets."""
    both = edited(clustered(), SHRINK, at("nodePools/workers/image", IMAGE))
    cluster = Holders(pods={"workers-0-eth1": {LAST: "kube-system/agent-x"}})
    assert set(refused(transition(clustered(), both, cluster))) == {
        "nodePools.workers.interfaces.eth1.podAddresses"
    }


def test_the_addresses_of_a_machine_that_is_replaced_are_announced() -> None:
    before = clustered(workers=1)
    outcome = transition(before, edited(before, SHRINK, at("nodePools/workers/image", IMAGE)))
    leaving = ("10.1.2.20-10.1.2.21",)
    first, second, third = steps(outcome)
    assert (first, second) == (
        ShrinkPool(pool="workers-0-eth1", addresses=leaving),
        ShrinkInterface(node="workers-0", interface="eth1", addresses=leaving),
    )
    assert isinstance(third, ReplaceWorker)


def test_an_update_without_an_answer_takes_no_address() -> None:
    outcome = transition(clustered(), edited(clustered(), SHRINK), NoAnswer(reason="no route"))
    assert set(refused(outcome)) == {"nodePools.workers.interfaces.eth1.podAddresses"}


def test_a_preview_without_an_answer_says_that_it_did_not_ask() -> None:
    outcome = transition(clustered(), edited(clustered(), SHRINK))
    assert isinstance(outcome, Accepted)
    assert "was not asked which pods have them" in outcome.notes[0]


@pytest.mark.parametrize(
    "edit",
    [at("nodePools/workers/count", 2), at("nodePools/workers/image", IMAGE)],
    ids=["removed", "replaced"],
)
def test_a_machine_of_a_subscription_is_neither_removed_nor_replaced(edit: Edit) -> None:
    before = edited(clustered(), at("nodePools/workers/chargeType", "PrePaid"))
    assert set(refused(transition(before, edited(before, edit)))) == {
        "nodePools.workers.chargeType"
    }


def test_a_machine_under_deletion_protection_is_not_replaced_in_somebody_elses_cluster() -> None:
    before = edited(existing_kubernetes(), at("nodePools/workers/deletionProtection", value=True))
    after = edited(before, at("nodePools/workers/image", IMAGE))
    assert set(refused(transition(before, after))) == {"nodePools.workers.deletionProtection"}


def test_force_delete_lets_machines_of_a_subscription_go() -> None:
    before = edited(
        clustered(),
        at("nodePools/workers/chargeType", "PrePaid"),
        at("nodePools/workers/forceDelete", value=True),
    )
    assert steps(transition(before, edited(before, at("nodePools/workers/count", 2))))


def test_a_block_changes_its_node_only_in_two_edits() -> None:
    before = edited(
        clustered(),
        at("nodePools/workers/count", None),
        at("nodePools/workers/nodes", {"old": {"ordinal": 4}}),
    )
    after = edited(before, at("nodePools/workers/nodes", {"new": {"ordinal": 4}}))
    outcome = transition(before, after)
    assert isinstance(outcome, Refused)
    assert "Take old out first" in outcome.refusals[0].remedy


def test_every_node_whose_addresses_another_one_would_take_is_named() -> None:
    before = clustered()
    pools = dict(before["nodePools"])
    renamed = {"masters": pools["masters"], "apps": pools["workers"]}
    judged = transition(before, edited(before, at("nodePools", renamed)))
    assert isinstance(judged, Refused)
    (refusal,) = judged.refusals
    assert refusal.path == "nodePools.apps"
    assert refusal.value == "apps-0 eth0 10.0.2.16-10.0.2.21, and 5 more"
    assert refusal.remedy == (
        "Take workers-0, workers-1, workers-2 out first and run `pulumi up`, then add apps-0, "
        "apps-1, apps-2."
    )


def test_a_pool_that_takes_addresses_of_nodes_that_go_and_of_others_has_both_remedies() -> None:
    workers = clustered()["nodePools"]["workers"]
    named = {name: {"ordinal": number} for number, name in enumerate(("first", "second"))}
    before = edited(
        clustered(),
        at("nodePools/workers", {k: v for k, v in workers.items() if k != "count"}),
        at("nodePools/workers/nodes", named),
    )
    swapped = {"second": {"ordinal": 0}, "third": {"ordinal": 1}}
    judged = transition(before, edited(before, at("nodePools/workers/nodes", swapped)))
    assert isinstance(judged, Refused)
    remedies = {refusal.remedy for refusal in judged.refusals}
    assert "Take first out first and run `pulumi up`, then make the rest of this edit." in remedies
    assert any(remedy.startswith("Give third other addresses") for remedy in remedies)


def in_two_zones(planes_in: str) -> Document:
    """One control plane without a zone of the NAT gateway's own."""
    other = {"primary": "10.0.32.0/20", "secondary": "10.1.32.0/20"}
    return edited(
        clustered(planes=3),
        *(
            at(f"network/subnets/{name}/zones/cn-hangzhou-j", {"cidr": cidr})
            for name, cidr in other.items()
        ),
        at("nodePools/masters/zones", [planes_in]),
        at("nodePools/workers/zones", ["cn-hangzhou-i"]),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (clustered(), edited(clustered(), at("network/nat/subnet", "secondary"))),
        (in_two_zones("cn-hangzhou-i"), in_two_zones("cn-hangzhou-j")),
    ],
    ids=["another subnet", "the first control plane in another zone"],
)
def test_the_nat_gateway_and_the_load_balancer_stay_where_they_are(
    before: Document, after: Document
) -> None:
    outcome = transition(before, after)
    assert isinstance(outcome, Refused)
    assert {refusal.remedy for refusal in outcome.refusals} == {
        "Write network.nat.subnet: gateways, and network.nat.zone: cn-hangzhou-i."
    }


def test_the_remedy_of_a_moved_gateway_works() -> None:
    remedy = at("network/nat", {"subnet": "gateways", "zone": "cn-hangzhou-i"})
    outcome = transition(
        in_two_zones("cn-hangzhou-i"), edited(in_two_zones("cn-hangzhou-j"), remedy)
    )
    assert isinstance(outcome, Accepted)


def with_a_third_subnet() -> Document:
    third = {"cn-hangzhou-i": {"cidr": "10.1.64.0/20"}}
    return edited(clustered(workers=2), at("network/subnets/third/zones", third))


MOVE = at("nodePools/workers/interfaces/eth1/subnet", "third")


def test_not_all_workers_go_to_another_vswitch_in_one_edit() -> None:
    before = with_a_third_subnet()
    outcome = transition(before, edited(before, MOVE))
    assert refused(outcome) == ("nodePools.workers",)
    assert "Not all workers that give addresses of eth1 to pods move" in str(outcome)
    workers = edited(before, MOVE)["nodePools"]["workers"]
    both = edited(before, at("nodePools/others", {**workers, "firstBlock": 65}))
    only_new = edited(both, at("nodePools/workers", None))
    assert steps(transition(before, both))
    assert steps(transition(both, only_new))


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(edited(with_a_third_subnet(), at("nodePools/workers/count", 1)), id="only"),
        pytest.param(
            edited(
                with_a_third_subnet(),
                at("nodePools/others", {**clustered()["nodePools"]["workers"], "firstBlock": 65}),
            ),
            id="others stay",
        ),
    ],
)
def test_a_worker_that_goes_to_another_vswitch_is_told_of_its_pools(before: Document) -> None:
    outcome = transition(before, edited(before, MOVE))
    assert isinstance(outcome, Accepted)
    assert [note for note in outcome.notes if "eth1 of workers-0" in note]


def test_a_subnet_that_sorts_first_moves_no_gateway() -> None:
    more = at("network/subnets/a/zones", {"cn-hangzhou-i": {"cidr": "10.0.64.0/24"}})
    assert steps(transition(clustered(), edited(clustered(), more))) == (
        Create(target="network.subnets.a.zones.cn-hangzhou-i"),
    )


def test_a_namespace_that_leaves_the_stack_file_stays() -> None:
    before = edited(clustered(), at("namespaces", {"shop": {}}))
    assert steps(transition(before, clustered())) == ()


def test_workers_go_over_to_the_load_balancer_while_they_run() -> None:
    outcome = transition(clustered(planes=1, workers=1), clustered(planes=3, workers=1))
    changed = [step for step in steps(outcome) if isinstance(step, ChangeRunningNode)]
    assert [(step.node, step.because[0].after) for step in changed] == [
        ("workers-0", "the load balancer")
    ]


def test_the_endpoint_stays_while_control_planes_come() -> None:
    outcome = transition(clustered(planes=1), clustered(planes=3))
    before, after = recorded(clustered(planes=1)), recorded(clustered(planes=3))
    same = before.chosen.get("endpoint") == after.chosen.get("endpoint")
    assert isinstance(outcome, Accepted) is same


def test_workers_are_not_newer_than_the_only_api_server() -> None:
    before = edited(clustered(planes=1), at("kubernetes/version", "1.34.4"))
    after = edited(before, at("kubernetes/version", "1.35.4"))
    old, new = (Holders(api_server=version_of(v)) for v in ("v1.34.4", "v1.35.4"))
    assert refused(transition(before, after, old)) == ("kubernetes.version",)
    kept = [s for s in steps(transition(before, after, new)) if isinstance(s, KeepMachine)]
    assert [step.node for step in kept] == ["masters-0"]


@pytest.mark.parametrize("version", ["1.31.9", "1.34.4"])
def test_a_new_cluster_does_not_start_with_a_minor_past_its_end_of_life(version: str) -> None:
    document = edited(clustered(), at("kubernetes/version", version))
    outcome = check_edit(Record(), recorded(document), NotAsked(reason="there is no cluster yet"))
    assert isinstance(outcome, Refused)
    [refusal] = outcome.refusals
    assert refusal.path == "kubernetes.version"
    repaired = refusal.remedy.removeprefix("Write kubernetes.version: ").removesuffix(".")
    document = edited(clustered(), at("kubernetes/version", repaired))
    accepted = check_edit(Record(), recorded(document), NotAsked(reason="there is no cluster yet"))
    assert isinstance(accepted, Accepted)


@pytest.mark.parametrize("version", ["1.35.4", "1.36.3", "1.37.2"])
def test_a_new_cluster_starts_with_every_maintained_minor(version: str) -> None:
    document = edited(clustered(), at("kubernetes/version", version))
    outcome = check_edit(Record(), recorded(document), NotAsked(reason="there is no cluster yet"))
    assert isinstance(outcome, Accepted)


def test_a_new_stack_on_an_existing_cluster_may_have_any_version() -> None:
    document = edited(existing_kubernetes(), at("kubernetes/version", "1.34.4"))
    outcome = check_edit(Record(), recorded(document), NotAsked(reason="there is no cluster yet"))
    assert isinstance(outcome, Accepted)


def test_a_cluster_past_its_end_of_life_takes_edits_and_goes_up() -> None:
    before = edited(clustered(), at("kubernetes/version", "1.34.4"))
    grown = edited(before, at("nodePools/workers/count", 4))
    assert isinstance(transition(before, grown), Accepted)
    after = edited(before, at("kubernetes/version", "1.35.4"))
    assert isinstance(transition(before, after), Accepted)


def test_a_cluster_without_a_version_in_its_file_does_not_skip_a_minor() -> None:
    before = edited(clustered(), at("kubernetes/version", "1.34.4"))
    assert refused(transition(before, clustered())) == ("kubernetes.version",)


@pytest.mark.parametrize("planes", [1, 3])
def test_every_machine_of_an_earlier_release_is_kept(planes: int) -> None:
    before = EarlierRelease(workers=("workers-0", "workers-1"), kubernetes="1.36.3")
    outcome = check_edit(before, recorded(clustered(planes=planes, workers=2)), Holders())
    assert [
        (type(step), step.node) for step in steps(outcome) if isinstance(step, KeepMachine)
    ] == [
        *((KeepMachine, f"masters-{n}") for n in range(planes)),
        (KeepMachine, "workers-0"),
        (KeepMachine, "workers-1"),
    ]
    assert len(steps(outcome)) == planes + 2


def test_no_node_leaves_in_the_first_run_over_an_earlier_release() -> None:
    before = EarlierRelease(workers=("workers-0", "workers-9"), kubernetes="1.36.3")
    outcome = check_edit(
        before, recorded(clustered(workers=1)), Holders(control_planes=("masters-0",))
    )
    assert refused(outcome) == ("nodePools", "nodePools")


def with_another_subnet() -> Document:
    return edited(clustered(), at("network/subnets/edge/zones", EDGE))


EDGE = {"cn-hangzhou-i": {"cidr": "10.0.64.0/24"}}
WEB = {"ports": "80/80", "source": "10.200.0.0/16"}
SITE = {"ports": "81/81", "source": "10.200.0.0/16"}


ADOPTING = {"id": "lb-1", "selector": {"app": "web"}, "ports": {"http": {"port": 80}}}


def with_rules() -> Document:
    return edited(clustered(), at("network/ingress", {"web": WEB, "site": SITE}))


@pytest.mark.parametrize(
    ("before", "edits", "path"),
    [
        pytest.param(
            with_another_subnet(),
            (at("network/subnets/edge", None), at("network/subnets/rim/zones", EDGE)),
            "network.subnets.rim.zones.cn-hangzhou-i",
            id="a subnet renamed",
        ),
        pytest.param(
            with_another_subnet(),
            (at("network/subnets/edge/zones", {"cn-hangzhou-j": EDGE["cn-hangzhou-i"]}),),
            "network.subnets.edge.zones.cn-hangzhou-j",
            id="a vSwitch in another zone",
        ),
        pytest.param(
            edited(clustered(), at("network/vpc/secondaryCidrs", ["10.1.0.0/16", "10.2.0.0/16"])),
            (at("network/vpc/secondaryCidrs", ["10.1.0.0/16", "10.2.0.0/17"]),),
            "network.vpc.secondaryCidrs 10.2.0.0/17",
            id="a smaller secondary range",
        ),
        pytest.param(
            with_rules(),
            (at("network/ingress", {"shop": WEB, "site": SITE}),),
            "network.ingress.shop",
            id="a rule renamed",
        ),
        pytest.param(
            with_rules(),
            (at("network/ingress", {"web": SITE}),),
            "network.ingress.web",
            id="a rule becomes one that goes",
        ),
        pytest.param(
            edited(
                clustered(planes=1),
                at("network/ingress", {"api": {"ports": "6443/6443", "source": "10.200.0.0/16"}}),
            ),
            (
                at("network/ingress", None),
                at("kubernetes/endpoint/allowedCidrs", ["203.0.113.0/24", "10.200.0.0/16"]),
            ),
            "kubernetes.endpoint.allowedCidrs 10.200.0.0/16",
            id="a rule becomes an allowed network",
        ),
        pytest.param(
            edited(clustered(), at("services", {"web": ADOPTING})),
            (at("services", {"shop": ADOPTING}),),
            "services.shop.ports.http",
            id="a service of an adopted load balancer renamed",
        ),
    ],
)
def test_what_the_cloud_has_once_does_not_change_its_name_in_one_edit(
    before: Document, edits: tuple[Edit, ...], path: str
) -> None:
    assert refused(transition(before, edited(before, *edits))) == (path,)


def test_two_rules_are_not_exchanged_in_one_edit() -> None:
    before = with_rules()
    outcome = transition(before, edited(before, at("network/ingress", {"web": SITE, "site": WEB})))
    assert refused(outcome) == ("network.ingress.site", "network.ingress.web")
    between = edited(before, at("network/ingress", {"web": WEB}))
    after = edited(before, at("network/ingress", {"shop": SITE, "web": WEB}))
    assert steps(transition(before, between))
    assert steps(transition(between, after))


def test_a_nat_gateway_that_the_cloud_protects_is_not_removed() -> None:
    before = edited(clustered(), at("network/nat/deletionProtection", value=True))
    without = at("network/nat/enabled", value=False)
    outcome = transition(before, edited(before, without))
    assert refused(outcome) == ("network.nat.deletionProtection",)
    unlocked = edited(before, at("network/nat/deletionProtection", value=False))
    assert steps(transition(unlocked, edited(unlocked, without))) == (Delete(target="network.nat"),)


@pytest.mark.parametrize("zone", [None, "cn-hangzhou-i"])
def test_the_load_balancer_stays_where_it_is_when_the_nat_gateway_goes(zone: str | None) -> None:
    before = edited(with_another_subnet(), at("network/nat/subnet", "edge"))
    after = edited(before, at("network/nat/enabled", value=False), at("network/nat/zone", zone))
    assert steps(transition(before, after)) == (Delete(target="network.nat"),)


@pytest.mark.parametrize(
    ("edits", "kept"),
    [
        ((at("nodePools/masters/count", 1),), "masters-1, masters-2"),
        ((at("network/nat/enabled", value=False),), "the NAT gateway"),
        (
            (
                at("kubernetes/endpoint/public", value=False),
                at("kubernetes/endpoint/allowedCidrs", []),
            ),
            "the API server's public address",
        ),
    ],
)
def test_what_is_protected_is_not_removed_before_a_run_without_protection(
    edits: tuple[Edit, ...], kept: str
) -> None:
    before = edited(clustered(), at("protect", value=True))
    after, unprotected = edited(before, *edits), edited(before, at("protect", value=False))
    for document in (after, edited(unprotected, *edits)):
        outcome = transition(before, document)
        assert refused(outcome) == ("protect",)
        assert kept in str(outcome)
    assert steps(transition(before, unprotected))
    assert steps(transition(unprotected, edited(unprotected, *edits)))


def of_any_type(kind: str, **changes: object) -> Document:
    """Workers whose pod addresses follow their type."""
    interfaces = {nic: {"subnet": s} for nic, s in (("eth0", "primary"), ("eth1", "secondary"))}
    return edited(
        clustered(workers=2),
        at("nodePools/workers/instanceType", kind),
        at("nodePools/workers/blockSize", 32),
        at("nodePools/workers/interfaces", interfaces),
        *(at(f"nodePools/workers/interfaces/{n}/podAddresses", v) for n, v in changes.items()),
    )


def test_a_nic_takes_no_more_addresses_than_the_type_of_before_allows() -> None:
    small, large = of_any_type("ecs.g7.large"), of_any_type("ecs.g7.xlarge")
    outcome = transition(small, large)
    assert refused(outcome) == tuple(
        f"nodePools.workers.interfaces.{nic}.podAddresses" for nic in ("eth0", "eth1")
    )
    assert "Write podAddresses: 5 for eth0 and run `pulumi up`." in str(outcome)
    between = of_any_type("ecs.g7.xlarge", eth0=5, eth1=5)
    assert steps(transition(small, between))
    assert steps(transition(between, large))
    assert steps(transition(large, small))


def test_addresses_grow_with_another_type_where_the_one_of_before_has_room_for_them() -> None:
    before = of_any_type("ecs.g7.xlarge", eth0=5, eth1=5)
    assert steps(transition(before, of_any_type("ecs.g7.2xlarge", eth0=9, eth1=9)))
