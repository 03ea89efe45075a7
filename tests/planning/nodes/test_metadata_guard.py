"""The rules that keep pods from the metadata service, compared with what nft takes."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.machines.guest.commands.nft import applied
from planning.model import ClusterPlan
from planning.nodes.metadata_guard import RULES, SERVICE, TABLE, guard_rules, guards_metadata
from tests.clusters import small, three_control_planes
from tests.planning.documents import booted, every_node, planned, stack_plan

pytestmark = pytest.mark.unit

METADATA = "100.100.100.200"
TABLES = (f"inet {TABLE}", f"netdev {TABLE}")
DEVICES = frozenset({"eth0", "eth1"})


def opened() -> ClusterPlan:
    return planned(small({"kubernetes": {"metadataForPods": "open"}}))


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_every_profile_blocks_and_every_machine_boots_with_the_rules(stack: str, node: str) -> None:
    plan = stack_plan(stack)
    assert guards_metadata(plan)
    files = booted(plan, node).files
    assert files[RULES] == guard_rules(plan, plan.nodes[node])
    assert f"nft -f {RULES}" in files[f"/etc/systemd/system/{SERVICE}.service"]


def test_what_is_forwarded_and_what_leaves_a_nic_is_dropped() -> None:
    plan = planned(three_control_planes())
    node = plan.nodes["workers-0"]
    tables = applied({}, guard_rules(plan, node), DEVICES)
    assert set(tables) == set(TABLES)
    assert tables[TABLES[0]]["forward"][-1] == f"ip daddr {METADATA} drop"
    own = ", ".join(str(node.interfaces[nic].primary) for nic in sorted(node.interfaces))
    assert set(tables[TABLES[1]]) == set(node.interfaces)
    for nic, chain in tables[TABLES[1]].items():
        assert chain[0] == f"type filter hook egress device {nic} priority 0"
        assert chain[-1] == f"ip daddr {METADATA} ip saddr != {{ {own} }} drop"


def test_only_the_metadata_service_is_named_and_no_range() -> None:
    plan = stack_plan("dev")
    rules = guard_rules(plan, plan.nodes["workers-0"])
    assert {word for word in rules.split() if word.startswith("100.")} == {METADATA}


def test_the_rules_may_be_loaded_any_number_of_times() -> None:
    plan = stack_plan("dev")
    rules = guard_rules(plan, plan.nodes["workers-0"])
    once = applied({}, rules, DEVICES)
    assert applied(once, rules, DEVICES) == once


def test_other_tables_stay_and_open_deletes_only_ours() -> None:
    kube_proxy: dict[str, Any] = {"ip filter": {"KUBE-FORWARD": []}}
    plan = planned(small())
    blocked = applied(kube_proxy, guard_rules(plan, plan.nodes["workers-0"]), DEVICES)
    assert set(blocked) == {"ip filter", *TABLES}
    plan = opened()
    rules = guard_rules(plan, plan.nodes["workers-0"])
    assert applied(blocked, rules, DEVICES) == kube_proxy
    assert applied(kube_proxy, rules, DEVICES) == kube_proxy
