"""Packets over a guarded fabric: what arrives, what an ENI drops, what security groups refuse."""

from __future__ import annotations

import os
from typing import Any

import pytest

from localcloud.machines.network import internet
from localcloud.settings import Places, virtual_folder
from localcloud.virtual.failure import PreparationError
from localcloud.virtual.preparation import prepare
from tests.localcloud.machines.fake_cloud import REPOSITORY
from tests.localcloud.machines.network.fabric_trial import EIPS
from tests.localcloud.machines.own_namespaces import printed_json

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What `fabric_trial` saw."""
    folder = virtual_folder(Places(home=REPOSITORY / ".local"), os.environ)
    try:
        prepared = prepare(folder, os.environ, print)
    except PreparationError as error:
        pytest.skip(str(error))
    nft = prepared.programs.command("usr/sbin/nft")
    program = ("-m", "tests.localcloud.machines.network.fabric_trial")
    document: dict[str, Any] = printed_json(*program, *nft, timeout=600)
    return document


@pytest.mark.parametrize(
    ("connection", "client"),
    [
        ("node to node", "172.31.199.1"),
        ("pod to other node", "172.31.199.11"),
        ("pod to pod", "172.31.199.11"),
        ("pod to pod in another subnet", "172.31.199.11"),
        ("and back", "192.168.0.13"),
        ("node to node by IPv6", "2001:db8:0:1::1"),
        ("pod to pod by IPv6", "2001:db8:0:1::b"),
        ("to another subnet by IPv6", "2001:db8:0:1::b"),
        ("and back by IPv6", "2001:db8:0:2::d"),
    ],
)
def test_the_other_end_sees_the_clients_own_address(
    seen: dict[str, Any], connection: str, client: str
) -> None:
    assert seen[connection] == client


def test_no_frame_of_an_assigned_address_is_dropped(seen: dict[str, Any]) -> None:
    counted = seen["counted"]
    assert counted["passed"] > 0
    assert [counted[n] for n in ("foreign_mac", "foreign_address", "refused")] == [0, 0, 0]


def test_the_internet_sees_the_address_of_the_nat_gateways_entry(seen: dict[str, Any]) -> None:
    assert seen["internet by the gateway"] == EIPS[0]
    assert seen["internet by one of several"] in EIPS


def test_a_machine_with_an_eip_is_seen_by_it_and_its_pods_by_the_gateways(
    seen: dict[str, Any],
) -> None:
    assert seen["internet by an address of its own"] == EIPS[1]


@pytest.mark.parametrize(
    "attempt", ["internet without an entry", "internet from a subnet without an entry"]
)
def test_without_an_entry_nothing_leaves_the_vpc(seen: dict[str, Any], attempt: str) -> None:
    assert seen[attempt].startswith("failed")


def test_an_ipv6_address_with_bandwidth_is_seen_by_the_internet_as_itself(
    seen: dict[str, Any],
) -> None:
    assert seen["internet by IPv6"] == "2001:db8:0:2::d"


@pytest.mark.parametrize(
    "attempt", ["internet by IPv6 without bandwidth", "internet by another address"]
)
def test_without_bandwidth_an_ipv6_address_does_not_leave_the_vpc(
    seen: dict[str, Any], attempt: str
) -> None:
    assert seen[attempt].startswith("failed")


@pytest.mark.parametrize("attempt", ["through a load balancer", "again"])
def test_behind_an_internet_clb_a_machine_sees_the_client_and_needs_no_rule(
    seen: dict[str, Any], attempt: str
) -> None:
    assert seen[attempt] == internet.ADDRESS


def test_an_internet_clb_without_a_listener_refuses_a_client(seen: dict[str, Any]) -> None:
    assert seen["through a load balancer without a listener"] == "failed: ConnectionRefusedError"


def test_an_address_that_the_eni_does_not_have_gets_no_answer(seen: dict[str, Any]) -> None:
    assert seen["foreign address"].startswith("failed")
    assert seen["counted with a foreign address"]["foreign_address"] > 0


def test_a_pod_with_macvlan_gets_no_answer_although_its_address_is_assigned(
    seen: dict[str, Any],
) -> None:
    assert seen["macvlan"].startswith("failed")
    assert seen["counted with macvlan"]["foreign_mac"] > 0


def test_an_ipv6_address_that_the_eni_does_not_have_gets_no_answer(seen: dict[str, Any]) -> None:
    assert seen["foreign IPv6 address"].startswith("failed")
    counted = "counted with a foreign IPv6 address"
    before = seen["counted with a foreign address"]["foreign_address"]
    assert seen[counted]["foreign_address"] > before


@pytest.mark.parametrize("attempt", ["without rules", "without rules by IPv6"])
def test_a_connection_that_no_rule_admits_gets_no_answer(
    seen: dict[str, Any], attempt: str
) -> None:
    assert seen[attempt].startswith("failed")
    assert seen["counted without rules"]["refused"] > 0


def test_a_connection_that_was_admitted_lives_on_without_the_rule(seen: dict[str, Any]) -> None:
    assert seen["an answer without rules"] == "still here"


def test_a_member_of_another_group_is_refused_until_a_rule_names_its_network(
    seen: dict[str, Any],
) -> None:
    assert seen["from another group"].startswith("failed")
    assert seen["from an admitted network"] == "192.168.0.13"


@pytest.mark.parametrize("attempt", ["to a forbidden port", "without a rule that lets it out"])
def test_what_an_egress_rule_forbids_does_not_leave(seen: dict[str, Any], attempt: str) -> None:
    assert seen[attempt].startswith("failed")


def test_an_egress_rule_forbids_nothing_else(seen: dict[str, Any]) -> None:
    assert seen["to another address"] == "172.31.199.11"


def test_without_egress_rules_a_machine_still_answers(seen: dict[str, Any]) -> None:
    assert seen["and its answers to others"] == "192.168.0.13"
