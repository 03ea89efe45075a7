"""Security groups as rules for the kernel."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.machines.control import Interface
from localcloud.machines.network.filter import FilterError
from localcloud.machines.network.security_groups import SecurityGroups, rules
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit


def rule(source: str, ports: tuple[int, int] = (-1, -1), **more: Any) -> dict[str, Any]:  # noqa: ANN401  (fields of a rule)
    return {
        "protocol": "tcp",
        "port_from": ports[0],
        "port_to": ports[1],
        "source": source,
        "policy": "accept",
        "priority": 1,
        **more,
    }


def eni(
    number: int,
    *ingress: dict[str, Any],
    groups: tuple[str, ...] = ("sg-a",),
    egress: tuple[dict[str, Any], ...] = (),
) -> Interface:
    raw = fake_cloud.interface(
        f"eni-{number}",
        f"00:16:3e:00:00:0{number}",
        f"172.31.199.{number}",
        "172.31.192.0/20",
        primary=True,
    )
    more = {"secondary_addresses": [f"172.31.199.1{number}"], "ingress": list(ingress)}
    judged = {**raw, **more, "security_group_ids": list(groups), "egress": list(egress)}
    return Interface.read(judged)


def out(destination: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  (fields of a rule)
    """An egress rule."""
    return {"destination": destination, **rule("", **more)}


def chain(script: str, number: int, direction: str = "") -> list[str]:
    """The rules of one ENI's chain, in their order; those of `_out` are for what it sends."""
    begin = f"add rule ip security_groups eni-{number}{direction} "
    return [line.removeprefix(begin) for line in script.splitlines() if line.startswith(begin)]


def test_every_address_of_an_eni_is_judged_by_its_chain() -> None:
    script, chains = rules([eni(1)], ())
    assert chains == ("eni-1_out", "eni-1")
    assert "receivers { 172.31.199.1 : jump eni-1, 172.31.199.11 : jump eni-1 }" in script
    assert "senders { 172.31.199.1 : jump eni-1_out, 172.31.199.11 : jump eni-1_out }" in script


def test_what_no_rule_admits_is_dropped_and_counted() -> None:
    script, _ = rules([eni(1)], ())
    assert chain(script, 1) == ["counter name refused drop"]
    assert chain(script, 1, "_out") == ["counter name refused drop"]


def test_what_a_rule_lets_out_is_then_judged_by_the_rules_of_its_receiver() -> None:
    script, _ = rules([eni(1, egress=(out("0.0.0.0/0", protocol="all"),))], ())
    assert chain(script, 1, "_out")[0] == "ip daddr 0.0.0.0/0 return"


def test_an_egress_rule_may_forbid_ports_of_a_network() -> None:
    closed = out("10.0.0.0/8", ports=(25, 25), policy="drop")
    script, _ = rules([eni(1, egress=(out("0.0.0.0/0", priority=101), closed))], ())
    assert chain(script, 1, "_out") == [
        "ip daddr 10.0.0.0/8 tcp dport 25-25 counter name refused drop",
        "ip daddr 0.0.0.0/0 meta l4proto tcp return",
        "counter name refused drop",
    ]


def test_a_group_as_destination_is_every_address_of_its_members() -> None:
    script, _ = rules([eni(1, egress=(out("sg-b"),)), eni(2, groups=("sg-b",))], ())
    assert chain(script, 1, "_out")[0].startswith("ip daddr { 172.31.199.2, 172.31.199.12 } ")


def test_a_network_may_reach_the_ports_of_its_rule() -> None:
    script, _ = rules([eni(1, rule("10.0.0.0/8", (6443, 6443)))], ())
    assert chain(script, 1)[0] == "ip saddr 10.0.0.0/8 tcp dport 6443-6443 accept"


def test_a_group_as_source_is_every_address_of_its_members() -> None:
    script, _ = rules([eni(1, rule("sg-b", protocol="all")), eni(2, groups=("sg-b",))], ())
    assert chain(script, 1)[0] == "ip saddr { 172.31.199.2, 172.31.199.12 } accept"


@pytest.mark.parametrize("source", ["sg-empty", "pl-1", "::/0"])
def test_a_source_without_addresses_here_admits_nobody(source: str) -> None:
    script, _ = rules([eni(1, rule(source))], ())
    assert chain(script, 1) == ["counter name refused drop"]


def test_a_drop_comes_before_an_accept_of_the_same_priority() -> None:
    accept, drop = rule("10.0.0.0/8"), rule("10.1.0.0/16", policy="drop")
    later = rule("10.2.0.0/16", priority=2, policy="drop")
    script, _ = rules([eni(1, later, accept, drop)], ())
    assert [line.split()[2] for line in chain(script, 1)[:-1]] == [
        "10.1.0.0/16",
        "10.0.0.0/8",
        "10.2.0.0/16",
    ]


@given(st.permutations([rule("10.0.0.0/8", priority=n) for n in range(1, 6)]))
def test_the_order_of_the_rules_in_the_cloud_does_not_matter(
    shuffled: list[dict[str, Any]],
) -> None:
    assert rules([eni(1, *shuffled)], ())[0] == rules([eni(1, *reversed(shuffled))], ())[0]


def test_the_chains_of_before_are_deleted_in_the_same_transaction() -> None:
    script, _ = rules([eni(2)], ("eni-1", "eni-2"))
    lines = script.splitlines()
    assert lines[:8] == [
        "flush map ip security_groups senders",
        "flush map ip security_groups receivers",
        "add chain ip security_groups eni-1",
        "delete chain ip security_groups eni-1",
        "add chain ip security_groups eni-2",
        "delete chain ip security_groups eni-2",
        "add chain ip security_groups eni-2_out",
        "delete chain ip security_groups eni-2_out",
    ]
    assert lines[8] == "add chain ip security_groups eni-2_out"


def test_rules_that_were_not_taken_are_applied_again_with_their_chains() -> None:
    scripts: list[str] = []

    def apply(script: str) -> str:
        scripts.append(script)
        if len(scripts) == 2:  # The first one is the table.
            raise FilterError("busy")
        return ""

    groups = SecurityGroups(apply)
    with pytest.raises(FilterError):
        groups.follow([eni(1)])
    groups.follow([eni(2)])
    assert "delete chain ip security_groups eni-1" in scripts[-1]


def test_what_is_not_an_id_never_becomes_a_rule() -> None:
    raw = fake_cloud.interface(
        "eni-1 { }", "00:16:3e:00:00:01", "10.0.0.1", "172.31.192.0/20", primary=True
    )
    with pytest.raises(ValueError, match="not the id of an ENI"):
        rules([Interface.read(raw)], ())
