"""The words that people read, example by example."""

from __future__ import annotations

import pytest

from planning.transitions.words import lines
from tests.planning.edited import Edit, at, clustered, edited, transition

pytestmark = pytest.mark.unit


def explicit(pods: int) -> dict[str, object]:
    """What workers-0 has on eth1 by its block, written out, with so many pod addresses."""
    return {"eth1": {"address": "10.1.2.16", "podAddresses": [f"10.1.2.17-10.1.2.{16 + pods}"]}}


EXAMPLES: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "another type": (
        at("nodePools/workers/nodes/workers-2/instanceType", "ecs.g7.xlarge"),
        (
            (
                "workers-2: restarted, drained first, because instanceType ecs.g7.large becomes "
                "ecs.g7.xlarge."
            ),
        ),
    ),
    "another image of one node": (
        at("nodePools/workers/nodes/workers-2/image", "ubuntu_24_04_x64_20G_alibase_20270101.vhd"),
        (
            (
                "workers-2: replaced, drained first, because image "
                "ubuntu_24_04_x64_20G_alibase_20260916.vhd becomes "
                "ubuntu_24_04_x64_20G_alibase_20270101.vhd."
            ),
        ),
    ),
    "a label": (
        at("nodePools/workers/nodes/workers-0/labels", {"a.io/b": "c"}),
        ('workers-0: changed while it runs, because labels becomes {"a.io/b": "c"}.',),
    ),
    "a worker less": (
        at("nodePools/workers/count", 2),
        ("workers-2: removed, drained first.",),
    ),
    "two control planes more": (
        at("nodePools/masters/count", 5),
        (
            "masters-3: added; joins etcd, which then has 4 members.",
            "masters-4: added; joins etcd, which then has 5 members.",
        ),
    ),
    "bandwidth": (
        at("network/nat/bandwidth", 20),
        ("network.nat: changed in place, because bandwidth 10 becomes 20.",),
    ),
    "an address less on a NIC": (
        at("nodePools/workers/nodes/workers-0/interfaces", explicit(4)),
        (
            (
                "Addresses would leave workers-0-eth1. The cluster was not asked which pods have "
                "them: a test does not ask."
            ),
            "pool workers-0-eth1: gives up 10.1.2.21.",
            "workers-0 eth1: gives up 10.1.2.21.",
            "workers-0: changed while it runs, because kubelet.maxPods 13 becomes 12.",
        ),
    ),
    "nothing": (at("cloud/unlistedRegion", value=True), ()),
    "a service": (
        at("services/web", {"selector": {"app": "web"}, "ports": {"http": {"port": 80}}}),
        ("services.web: created.",),
    ),
    "a refusal": (
        at("name", "other"),
        (
            (
                "name: other\n"
                "    It is small and cannot change after the stack was created. Every resource is "
                "named after it, and all would be re-created.\n"
                "    → Write name: small. To change it, create a new stack."
            ),
        ),
    ),
}


@pytest.mark.parametrize(("edit", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_an_edit_in_words(edit: Edit, expected: tuple[str, ...]) -> None:
    assert lines(transition(clustered(), edited(clustered(), edit))) == expected


@pytest.mark.parametrize("comes", [True, False])
def test_an_extra_pool_is_named_by_its_addresses_alone(comes: bool) -> None:  # noqa: FBT001
    address = {"node": "workers-0", "interface": "eth1", "addresses": ["10.1.2.21"]}
    special = {"special": {**address, "namespaces": ["shop"], "podLabels": {"a": "b"}}}
    plain = clustered()
    with_pool = edited(plain, at("spiderpool/extraPools", special))
    before, after = (plain, with_pool) if comes else (with_pool, plain)
    _, *steps = lines(transition(before, after))
    gives, takes = ("workers-0-eth1", "special") if comes else ("special", "workers-0-eth1")
    assert steps == [f"pool {gives}: gives up 10.1.2.21.", f"pool {takes}: takes 10.1.2.21."]
