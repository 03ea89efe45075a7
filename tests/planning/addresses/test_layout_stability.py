"""No edit moves an address that it does not name: over a thousand generated configurations."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from config.facts.reserved import PREFIX_SIZE
from config.load import load
from planning.addresses.canonical import canonical_ranges, expand
from planning.addresses.capacity import (
    address_resource,
    advertised_addresses,
    host_network_pods,
    pod_capacity,
)
from planning.build import build_plan
from planning.model import ClusterPlan
from planning.report import plan_document

pytestmark = pytest.mark.unit

REGION = "cn-hangzhou"
ZONES = tuple(f"{REGION}-{letter}" for letter in "ghijk")
ROOM = 64
"""Blocks that the generator leaves to each pool, so that pools may grow without meeting."""

EXAMPLES = 100 if settings.default is not None and settings.default.derandomize else 1_000
"""Of each property. `make check` draws the same ones each time, `make nightly` others."""

many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

names = st.sampled_from(
    [
        f"{first}{middle}{last}"
        for first in "abmwz"
        for middle in ("a", "z", "-a", "-z", "mb", "-mb")
        for last in ("", "a", "-z", "bb")
    ]
)
"""Names of pools, of which some begin others and some differ only in a hyphen. One draw for each: a
regular expression takes a draw for each character, and was a third of the time of these tests."""
Document = dict[str, Any]


@st.composite
def documents(draw: st.DrawFn, *, workers: int = 0, named: bool = False) -> Document:
    """Valid configurations: counted and named pools, one to three zones, one or two NICs.

    They have at least so many pools of workers; with `named` the first of them has two named nodes.
    """
    zones = draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True))
    dense = draw(st.booleans())
    subnets = {
        name: {"zones": {zone: _vswitch(role, ZONES.index(zone), dense) for zone in zones}}
        for role, name in enumerate(("primary", "secondary"))
    }
    pools: Document = {}
    of_workers = draw(st.lists(names, min_size=workers, max_size=4, unique=True))
    for place, name in enumerate(["masters", *of_workers]):
        pools[name] = draw(_pool(name, place, zones, dense, named=named and place == 1))
    return {
        "profile": "dev",
        "name": "generated",
        "region": REGION,
        "network": {
            "vpc": {"cidr": "10.0.0.0/8"},
            "subnets": subnets,
        },
        "nodePools": pools,
        "kubernetes": {
            "serviceCidr": "172.20.0.0/18",
            "podCidr": "172.21.0.0/16",
            "endpoint": {"public": False},
        },
    }


def _vswitch(role: int, zone: int, dense: bool) -> Document:  # noqa: FBT001
    network = IPv4Network((int(IPv4Address("10.0.0.0")) + ((role * 8 + zone) << 16), 16))
    vswitch: Document = {"cidr": str(network)}
    if dense:
        middle = int(network.network_address) + (1 << 15)
        vswitch["prefixReservation"] = str(IPv4Network((middle, 18)))
    return vswitch


@st.composite
def _pool(  # noqa: PLR0913 - a pool's place among the others
    draw: st.DrawFn,
    name: str,
    place: int,
    zones: list[str],
    dense: bool,  # noqa: FBT001
    *,
    named: bool,
) -> Document:
    control = place == 0
    mode = draw(st.sampled_from(["pinned", "prefix"])) if dense and not control else "pinned"
    nics = draw(st.sampled_from([["eth0"], ["eth0", "eth1"]]))
    pool: Document = {
        "role": "control-plane" if control else "worker",
        "instanceType": "ecs.g7.4xlarge",
        "firstBlock": 1 + place * ROOM,
        "zones": list(draw(st.sampled_from(list(permutations(zones))))),
        "prefixBlockSize": 32,
        "interfaces": {
            nic: {
                "subnet": "primary" if nic == "eth0" else "secondary",
                "mode": mode,
                "podAddresses": draw(st.integers(1, 32 if mode == "prefix" else 10)),
            }
            for nic in nics
        },
    }
    if control:
        pool["count"] = draw(st.sampled_from([1, 3, 5]))
    elif not named and draw(st.booleans()):
        pool["count"] = draw(st.integers(0, 12))
    else:
        least = 2 if named else 1
        ordinals = draw(st.lists(st.integers(0, ROOM - 1), min_size=least, max_size=6, unique=True))
        pool["nodes"] = {
            f"{name}-n{ordinal}x": {"ordinal": ordinal, "zone": draw(st.sampled_from(zones))}
            for ordinal in ordinals
        }
    return pool


def _plan(document: Mapping[str, object]) -> ClusterPlan:
    return build_plan(load(document))


def _shuffled(draw: st.DrawFn, document: Any) -> Any:  # noqa: ANN401
    """The same document with every map and every list of zones in another order."""
    if isinstance(document, dict):
        keys = draw(st.permutations(sorted(document)))
        return {key: _shuffled(draw, document[key]) for key in keys}
    if isinstance(document, list):
        return list(draw(st.permutations(document)))
    return document


@st.composite
def shuffled_twins(draw: st.DrawFn) -> tuple[Document, Document]:
    document = draw(documents())
    return document, _shuffled(draw, document)


@many
@given(shuffled_twins())
def test_permuting_pools_nodes_zones_and_subnets_changes_nothing(
    twins: tuple[Document, Document],
) -> None:
    document, shuffled = twins
    plan, other = _plan(document), _plan(shuffled)
    assert plan_document(plan) == plan_document(other)
    assert plan == other


@many
@given(documents(workers=1), st.data())
def test_removing_a_pool_changes_only_what_carries_its_name(
    document: Document, data: st.DataObject
) -> None:
    others = sorted(set(document["nodePools"]) - {"masters"})
    gone = data.draw(st.sampled_from(others))
    before = _plan(document)
    smaller = copy.deepcopy(document)
    del smaller["nodePools"][gone]
    after = _plan(smaller)
    kept = {name: node for name, node in before.nodes.items() if node.pool != gone}
    assert dict(after.nodes) == kept
    assert dict(after.ip_pools) == {n: p for n, p in before.ip_pools.items() if p.node in kept}
    assert after.network == before.network


@many
@given(documents(workers=1, named=True), st.data())
def test_removing_a_named_node_changes_only_what_carries_its_name(
    document: Document, data: st.DataObject
) -> None:
    named = sorted(
        (pool, node)
        for pool, spec in document["nodePools"].items()
        for node in spec.get("nodes", {})
        if len(spec["nodes"]) > 1
    )
    pool, gone = data.draw(st.sampled_from(named))
    before = _plan(document)
    smaller = copy.deepcopy(document)
    del smaller["nodePools"][pool]["nodes"][gone]
    after = _plan(smaller)
    assert dict(after.nodes) == {n: p for n, p in before.nodes.items() if n != gone}
    assert dict(after.ip_pools) == {n: p for n, p in before.ip_pools.items() if p.node != gone}


@many
@given(documents(), st.data())
def test_growing_a_counted_pool_moves_none_of_its_members(
    document: Document, data: st.DataObject
) -> None:
    counted = sorted(n for n, p in document["nodePools"].items() if "count" in p)
    pool = data.draw(st.sampled_from(counted))
    more = data.draw(st.sampled_from([2, 4, 8]))
    before = _plan(document)
    larger = copy.deepcopy(document)
    larger["nodePools"][pool]["count"] += more
    after = _plan(larger)
    assert {n: after.nodes[n] for n in before.nodes} == dict(before.nodes)
    assert {n: after.ip_pools[n] for n in before.ip_pools} == dict(before.ip_pools)
    assert len(after.nodes) == len(before.nodes) + more


@many
@given(documents(), st.data())
def test_a_new_zone_in_the_subnets_moves_no_node(document: Document, data: st.DataObject) -> None:
    used = set(document["network"]["subnets"]["primary"]["zones"])
    zone = data.draw(st.sampled_from(sorted(set(ZONES) - used)))
    before = _plan(document)
    wider = copy.deepcopy(document)
    for role, subnet in enumerate(("primary", "secondary")):
        zones = wider["network"]["subnets"][subnet]["zones"]
        zones[zone] = _vswitch(role, ZONES.index(zone), "prefixReservation" in str(zones))
    after = _plan(wider)
    assert after.nodes == before.nodes
    assert after.ip_pools == before.ip_pools


@many
@given(documents(), st.data())
def test_more_pod_addresses_move_none_that_are_there(
    document: Document, data: st.DataObject
) -> None:
    pool = data.draw(st.sampled_from(sorted(document["nodePools"])))
    nic = data.draw(st.sampled_from(sorted(document["nodePools"][pool]["interfaces"])))
    larger = copy.deepcopy(document)
    interface = larger["nodePools"][pool]["interfaces"][nic]
    highest = 32 if interface["mode"] == "prefix" else 10
    assume(interface["podAddresses"] < highest)
    interface["podAddresses"] = data.draw(st.integers(interface["podAddresses"] + 1, highest))
    before, after = _plan(document), _plan(larger)
    for name, node in before.nodes.items():
        for key, there in node.interfaces.items():
            now = after.nodes[name].interfaces[key]
            assert now.primary == there.primary
            kept = now.pods.planned[: len(there.pods.planned)]
            assert kept == there.pods.planned


@many
@given(documents())
def test_every_address_is_inside_its_vswitch_unique_and_not_reserved(document: Document) -> None:
    plan = _plan(document)
    seen: set[IPv4Address] = set()
    for node in plan.nodes.values():
        for interface in node.interfaces.values():
            vswitch = plan.network.vswitches[interface.vswitch]
            assert vswitch.zone == node.zone
            last = int(vswitch.cidr.broadcast_address)
            reserved = {vswitch.cidr.network_address, *(IPv4Address(last - n) for n in range(3))}
            assert vswitch.gateway == IPv4Address(last - 2)
            for address in (interface.primary, *interface.pods.planned):
                assert address in vswitch.cidr
                assert address not in reserved
                assert address not in seen
                seen.add(address)
            reservation = vswitch.prefix_reservation
            for prefix in interface.pods.blocks:
                assert reservation is not None
                assert prefix.subnet_of(reservation)
            assert reservation is None or interface.primary not in reservation


@many
@given(documents())
def test_a_nic_has_as_many_pod_addresses_as_its_pool_asks_for(document: Document) -> None:
    for node in _plan(document).nodes.values():
        for nic, interface in document["nodePools"][node.pool]["interfaces"].items():
            blocks = -(-interface["podAddresses"] // PREFIX_SIZE) * PREFIX_SIZE
            expected = blocks if interface["mode"] == "prefix" else interface["podAddresses"]
            assert len(node.interfaces[nic].pods.planned) == expected


@many
@given(documents())
def test_pools_hold_exactly_the_pod_addresses_of_their_nics(document: Document) -> None:
    plan = _plan(document)
    for pool in plan.ip_pools.values():
        interface = plan.nodes[pool.node].interfaces[pool.interface]
        assert expand(pool.ips) == tuple(sorted(interface.pods.planned))
        assert canonical_ranges(expand(pool.ips)) == pool.ips
        assert pool.gateway not in expand(pool.ips)
        assert interface.primary not in expand(pool.ips)
    assert set(plan.ip_pools) == {
        f"{node.name}-{nic}" for node in plan.nodes.values() for nic in node.interfaces
    }


@many
@given(documents())
def test_capacity_never_exceeds_addresses(document: Document) -> None:
    plan = _plan(document)
    for node in plan.nodes.values():
        addresses = sum(len(nic.pods.planned) for nic in node.interfaces.values())
        assert pod_capacity(plan, node) <= addresses
        sure = host_network_pods(node.role, cloud_controller=plan.cloud_controller.enabled)
        assert node.max_pods == addresses + sure + 1


@many
@given(documents())
def test_what_nodes_advertise_is_what_their_pools_hold(document: Document) -> None:
    plan = _plan(document)
    for node in plan.nodes.values():
        assert advertised_addresses(plan, node) == {
            address_resource(nic): len(expand(pool.ips))
            if (pool := plan.ip_pools.get(f"{node.name}-{nic}")) is not None
            else 0
            for nic in node.interfaces
        }
        assert sum(advertised_addresses(plan, node).values()) == pod_capacity(plan, node)


@given(st.sets(st.integers(0, 2**32 - 1), max_size=300))
@settings(max_examples=500, deadline=None)
def test_canonical_ranges_and_addresses_are_one_to_one(numbers: set[int]) -> None:
    addresses = tuple(IPv4Address(n) for n in sorted(numbers))
    ranges = canonical_ranges(reversed(addresses))
    assert expand(ranges) == addresses
    bounds = [tuple(int(a) for a in expand([r.split("-")[0], r.split("-")[-1]])) for r in ranges]
    assert all(low <= high for low, high in ((b[0], b[-1]) for b in bounds))
    assert all(later[0] > earlier[-1] + 1 for earlier, later in pairwise(bounds))
