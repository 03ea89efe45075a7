"""Which rules of a security group are the stack's own, and which somebody added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from operations.failure import OperationError
from operations.sweep.foreign_rules import ForeignRule, foreign_rules, revoke
from operations.sweep.state import StackState

pytestmark = pytest.mark.unit

OWN = {
    "members": "sg-1:ingress:all:-1/-1:intranet:sg-1:accept:1",
    "api": "sg-1:ingress:tcp:6443/6443:intranet:203.0.113.0/24:accept:1",
    "out": "sg-1:egress:all:-1/-1:intranet:0.0.0.0/0:accept:1",
}


class Group:
    """A cloud with one security group; its rules come in pages of two."""

    def __init__(self, *rules: dict[str, str]) -> None:
        self.rules = [{"SecurityGroupRuleId": f"sgr-{n}", **r} for n, r in enumerate(rules)]
        self.revoked: list[tuple[str, str]] = []

    def call(self, product: str, action: str, **parameters: object) -> Mapping[str, Any]:
        assert product == "ecs"
        assert parameters["SecurityGroupId"] == "sg-1"
        if action == "DescribeSecurityGroupAttribute":
            start = int(str(parameters["NextToken"] or 0))
            more = str(start + 2) if start + 2 < len(self.rules) else ""
            page = self.rules[start : start + 2]
            return {"Permissions": {"Permission": page}, "NextToken": more}
        self.revoked.append((action, str(parameters["SecurityGroupRuleId.1"])))
        return {}

    def every(self, *_: object, **__: object) -> list[Mapping[str, Any]]:
        raise AssertionError("one group is asked for by its id")


def permission(direction: str, protocol: str, ports: str, **peer: str) -> dict[str, str]:
    return {
        "Direction": direction,
        "IpProtocol": protocol,
        "PortRange": ports,
        "Policy": "Accept",
        "Priority": "1",
        "Description": "",
        **peer,
    }


def own() -> list[dict[str, str]]:
    return [
        permission("ingress", "ALL", "-1/-1", SourceGroupId="sg-1", SourceCidrIp=""),
        permission("ingress", "TCP", "6443/6443", SourceCidrIp="203.0.113.0/24"),
        permission("egress", "ALL", "-1/-1", DestCidrIp="0.0.0.0/0"),
    ]


def state(*rules: str) -> StackState:
    return StackState.of(
        {
            "resources": [
                {"type": "alicloud:ecs/securityGroup:SecurityGroup", "id": "sg-1"},
                *(
                    {"type": "alicloud:ecs/securityGroupRule:SecurityGroupRule", "id": id_}
                    for id_ in rules
                ),
            ]
        }
    )


def test_the_stacks_own_rules_are_not_foreign() -> None:
    assert foreign_rules(Group(*own()), state(*OWN.values())) == []


@pytest.mark.parametrize(
    ("added", "peer"),
    [
        (permission("ingress", "TCP", "22/22", SourceCidrIp="0.0.0.0/0"), "0.0.0.0/0"),
        (permission("ingress", "TCP", "6443/6443", SourceCidrIp="0.0.0.0/0"), "0.0.0.0/0"),
        (permission("ingress", "ALL", "-1/-1", Ipv6SourceCidrIp="::/0"), "::/0"),
        (permission("egress", "UDP", "53/53", DestGroupId="sg-2"), "sg-2"),
    ],
)
def test_a_rule_added_by_hand_is_foreign_whatever_it_is_for(
    added: dict[str, str], peer: str
) -> None:
    (rule,) = foreign_rules(Group(*own(), added), state(*OWN.values()))
    assert (rule.id, rule.peer) == ("sgr-3", peer)
    assert (rule.direction, rule.ports) == (added["Direction"], added["PortRange"])


def test_a_rule_is_foreign_as_soon_as_the_state_lost_it() -> None:
    rules = foreign_rules(Group(*own()), state(OWN["members"], OWN["out"]))
    assert [rule.ports for rule in rules] == ["6443/6443"]


def test_a_rule_over_ipv6_is_recognised_by_the_providers_id() -> None:
    own_id = "sg-1:ingress:tcp:443/443:intranet:2001:db8::/32:accept:1"
    listed = permission("ingress", "TCP", "443/443", Ipv6SourceCidrIp="2001:db8::/32")
    assert foreign_rules(Group(listed), state(own_id)) == []


def test_revoking_calls_the_action_of_each_direction_with_the_rules_id() -> None:
    cloud = Group(
        permission("ingress", "TCP", "22/22", SourceCidrIp="0.0.0.0/0"),
        permission("egress", "UDP", "53/53", DestCidrIp="192.0.2.1/32"),
    )
    revoke(cloud, foreign_rules(cloud, state()))
    assert sorted(cloud.revoked) == [
        ("RevokeSecurityGroup", "sgr-0"),
        ("RevokeSecurityGroupEgress", "sgr-1"),
    ]


def test_a_stack_that_is_not_up_is_refused() -> None:
    with pytest.raises(OperationError, match="pulumi up"):
        foreign_rules(Group(), StackState.of(None))


def test_a_rule_shows_all_that_one_needs_to_judge_it() -> None:
    (rule,) = foreign_rules(
        Group(permission("ingress", "TCP", "22/22", SourceCidrIp="0.0.0.0/0")), state()
    )
    assert isinstance(rule, ForeignRule)
    assert rule.as_document() == {
        "id": "sgr-0",
        "group": "sg-1",
        "direction": "ingress",
        "protocol": "tcp",
        "ports": "22/22",
        "peer": "0.0.0.0/0",
        "policy": "accept",
        "priority": "1",
        "description": "",
    }
