"""Random sequences of edits: whatever is edited, the transition is total and safe."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.ranges import expand
from config.report import ConfigError
from planning.transitions.edits import check_edit
from planning.transitions.holders import Holders
from planning.transitions.reading import Record
from planning.transitions.steps import (
    Accepted,
    AddMember,
    AddNode,
    GrowInterface,
    Refused,
    RemoveMember,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
    ShrinkInterface,
    ShrinkPool,
)
from planning.transitions.words import lines
from tests.clusters import Document
from tests.planning.edited import Edit, at, clustered, edited, recorded

pytestmark = pytest.mark.unit

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

POOLS = st.sampled_from(("masters", "workers"))
IMAGES = st.sampled_from(
    tuple(f"ubuntu_24_04_x64_20G_alibase_{n}.vhd" for n in (20260916, 20270101))
)


def added_node(document: Document, name: str) -> None:
    document["nodePools"][name]["count"] += 2 if name == "masters" else 1


def removed_node(document: Document, name: str) -> None:
    less = 2 if name == "masters" else 1
    document["nodePools"][name]["count"] = max(document["nodePools"][name]["count"] - less, 1)


def moved_block(document: Document, name: str, by: int) -> None:
    document["nodePools"][name]["firstBlock"] += by


def another_subnet(document: Document, name: str) -> None:
    document["network"]["subnets"][name] = {"zones": {"cn-hangzhou-i": {"cidr": "10.0.96.0/24"}}}


def another_zone(document: Document) -> None:
    for name, cidr in (("primary", "10.0.112.0/20"), ("secondary", "10.1.112.0/20")):
        document["network"]["subnets"][name]["zones"]["cn-hangzhou-b"] = {"cidr": cidr}
    for pool in document["nodePools"].values():
        pool["zones"] = ["cn-hangzhou-i"]


def service(document: Document, name: str, port: int) -> None:
    services = document.setdefault("services", {})
    services[name] = {"selector": {"app": name}, "ports": {"http": {"port": port}}}


EDITS: st.SearchStrategy[Edit] = st.one_of(
    POOLS.map(lambda p: lambda d: added_node(d, p)),
    POOLS.map(lambda p: lambda d: removed_node(d, p)),
    st.tuples(POOLS, st.sampled_from(("ecs.g7.large", "ecs.g7.xlarge"))).map(
        lambda a: at(f"nodePools/{a[0]}/instanceType", a[1])
    ),
    st.tuples(POOLS, IMAGES).map(lambda a: at(f"nodePools/{a[0]}/image", a[1])),
    st.tuples(POOLS, st.sampled_from(("eth0", "eth1")), st.integers(0, 5)).map(
        lambda a: at(f"nodePools/{a[0]}/interfaces/{a[1]}/podAddresses", a[2])
    ),
    st.tuples(POOLS, st.sampled_from((-1, 1, 32))).map(
        lambda a: lambda d: moved_block(d, a[0], a[1])
    ),
    POOLS.map(lambda p: at(f"nodePools/{p}/interfaces/eth1", None)),
    POOLS.map(lambda p: at(f"nodePools/{p}/labels", {"a.io/b": "c"})),
    POOLS.map(lambda p: at(f"nodePools/{p}/chargeType", "PrePaid")),
    st.sampled_from(("aaa", "zzz")).map(lambda n: lambda d: another_subnet(d, n)),
    st.just(another_zone),
    st.tuples(st.sampled_from(("web", "api")), st.integers(80, 82)).map(
        lambda a: lambda d: service(d, a[0], a[1])
    ),
    st.just(at("services", None)),
    st.just(at("network/nat/enabled", value=False)),
    st.just(at("resourceGroup", "rg-other")),
    st.just(at("spiderpool/enabled", value=False)),
)


@st.composite
def sequences(draw: st.DrawFn) -> list[tuple[Document, frozenset[int]]]:
    """Documents that can be planned, each an edit or three of the one before, and addresses held
    by pods when it is tried."""
    document = clustered(planes=draw(st.sampled_from((1, 3, 5))), workers=draw(st.integers(1, 4)))
    documents = [(document, frozenset[int]())]
    for _ in range(draw(st.integers(1, 4))):
        changed = edited(document, *draw(st.lists(EDITS, min_size=1, max_size=3)))
        try:
            recorded(changed)
        except ConfigError:
            continue
        seed = draw(st.integers(0, 2**16))
        taken = frozenset(
            address
            for node in recorded(document).nodes.values()
            for interface in node.interfaces.values()
            for address in interface.addresses
            if (address * 2654435761 + seed) % 4 == 0
        )
        documents.append((changed, taken))
        document = changed
    return documents


@many
@given(sequences())
def test_every_edit_of_a_sequence_gets_steps_or_reasons(
    documents: list[tuple[Document, frozenset[int]]],
) -> None:
    state = recorded(documents[0][0])
    for document, taken in documents[1:]:
        after = recorded(document)
        cluster = holders(state, taken)
        before = state
        transition = check_edit(state, after, cluster)
        assert all(line.endswith(".") for line in lines(transition))
        if isinstance(transition, Refused):
            assert transition.refusals
            assert state == before
            continue
        walk(state, after, transition, cluster.pods)
        state = after
        assert check_edit(state, state, cluster) == Accepted()


def holders(state: Record, taken: frozenset[int]) -> Holders:
    pods: dict[str, dict[int, str]] = {}
    if state.section("spiderpool", "enabled") is False:
        return Holders()
    for node in state.nodes.values():
        for nic, interface in node.interfaces.items():
            for address in interface.addresses & taken:
                pods.setdefault(f"{node.name}-{nic}", {})[address] = f"default/{address}"
    return Holders(pods=pods)


def walk(  # noqa: C901 - one case a step
    before: Record, after: Record, accepted: Accepted, pods: Mapping[str, Mapping[int, str]]
) -> None:
    """Do the steps one by one on a model of the cloud, and look after each."""
    owners = {
        (node.name, nic): set(interface.addresses) | {int(IPv4Address(interface.address))}
        for node in before.nodes.values()
        for nic, interface in node.interfaces.items()
    }
    taken = {address for addresses in pods.values() for address in addresses}
    members = set(before.control_planes)
    touched: list[str] = []
    for step in accepted.steps:
        match step:
            case ShrinkPool(pool=pool, addresses=ranges):
                assert not set(pods.get(pool, {})) & integers(ranges)
            case ShrinkInterface(node=node, interface=nic, addresses=ranges):
                assert not taken & integers(ranges)
                owners[node, nic] -= integers(ranges)
            case GrowInterface(node=node, interface=nic, addresses=ranges):
                owners[node, nic] |= integers(ranges)
            case RemoveNode(node=node):
                taken -= forget(owners, node)
            case ReplaceWorker(node=node):
                taken -= forget(owners, node)
                take(owners, after, node)
            case AddNode(node=node):
                take(owners, after, node)
            case AddMember(node=node, size=size):
                members.add(node)
                assert len(members) == size
            case RemoveMember(node=node, size=size):
                members.remove(node)
                assert len(members) == size
            case ReplaceControlPlane(node=node, others=others):
                assert len(members) >= 3
                assert members - {node} == set(others)
                forget(owners, node)
                take(owners, after, node)
                touched.append(node)
            case RestartNode(node=node, control_plane=True):
                touched.append(node)
            case _:
                pass
        assert_apart(owners)
    assert len(touched) == len(set(touched))
    assert not touched or members == set(before.control_planes)
    assert members == set(after.control_planes)
    assert owners == {
        (node.name, nic): set(interface.addresses) | {int(IPv4Address(interface.address))}
        for node in after.nodes.values()
        for nic, interface in node.interfaces.items()
    }


def integers(ranges: tuple[str, ...]) -> set[int]:
    return {int(address) for address in expand(ranges)}


def forget(owners: dict[tuple[str, str], set[int]], node: str) -> set[int]:
    gone: set[int] = set()
    for key in [key for key in owners if key[0] == node]:
        gone |= owners.pop(key)
    return gone


def take(owners: dict[tuple[str, str], set[int]], after: Record, node: str) -> None:
    for nic, interface in after.nodes[node].interfaces.items():
        owners[node, nic] = set(interface.addresses) | {int(IPv4Address(interface.address))}


def assert_apart(owners: Mapping[tuple[str, str], set[int]]) -> None:
    assert sum(map(len, owners.values())) == len(set().union(*owners.values()))
