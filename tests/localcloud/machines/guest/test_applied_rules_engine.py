"""Routing rules of a simulated machine after netplan is applied, in a network of the test's own."""

from __future__ import annotations

import pytest

from tests.localcloud.machines.own_namespaces import printed_json

pytestmark = [pytest.mark.engine, pytest.mark.timeout(60)]

PROGRAM = """
import json
from pyroute2 import IPRoute
from localcloud.machines.guest.network.links import _apply_rules
from localcloud.machines.guest.network.netplan import Rule

rules = [
    Rule(table=101, priority=2000, source="172.31.199.183"),
    Rule(table=102, priority=2000, source="192.168.0.154"),
]
with IPRoute() as ip:
    # An administrator's, equal but for the protocol.
    ip.rule("add", table=102, priority=2000, src="192.168.0.154", protocol=3)
    for _ in range(3):
        _apply_rules(ip, rules)
    present = [
        (rule.get_attr("FRA_TABLE"), rule.get_attr("FRA_PROTOCOL"))
        for rule in ip.get_rules(family=2)
        if rule.get_attr("FRA_PRIORITY") == 2000
    ]
    print(json.dumps(sorted(present)))
"""


def test_netplan_applied_again_replaces_its_own_rules_and_leaves_an_equal_one_of_others() -> None:
    assert printed_json("-c", PROGRAM, timeout=50) == [[101, 4], [102, 3], [102, 4]]
