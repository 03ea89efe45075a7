"""Which public address a packet leaves with, as rules for the kernel."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

import pytest

from localcloud.machines.control import Instance
from localcloud.machines.network.translation import Translation, of_machines, table
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit


def translation(source: str, *addresses: str) -> Translation:
    return Translation(
        source=IPv4Network(source), addresses=tuple(IPv4Address(one) for one in addresses)
    )


def sources(script: str) -> list[str]:
    """The networks in the order in which they are looked for."""
    return re.findall(r"ip saddr (\S+) snat", script)


def test_the_smallest_network_decides() -> None:
    wide, narrow = translation("10.0.0.0/8", "127.0.0.1"), translation("10.1.0.0/16", "127.0.0.2")
    assert sources(table([wide, narrow])) == ["10.1.0.0/16", "10.0.0.0/8"]


def test_a_machines_own_address_comes_before_an_entry_for_the_same_address() -> None:
    own, entry = translation("10.0.0.1/32", "127.0.0.1"), translation("10.0.0.1/32", "127.0.0.2")
    script = table([own, entry])
    assert re.findall(r"snat to (\S+)", script) == ["127.0.0.1", "127.0.0.2"]


def test_a_client_keeps_its_address_where_an_entry_has_several() -> None:
    script = table([translation("10.0.0.0/8", "127.0.0.1", "127.0.0.2")])
    assert "snat to jhash ip saddr mod 2 map { 0 : 127.0.0.1, 1 : 127.0.0.2 }" in script


def test_nothing_else_leaves() -> None:
    chain = table([translation("10.0.0.0/8", "127.0.0.1")]).partition("chain forward")[2]
    assert re.findall(r'oifname "internet" (.*)', chain) == ["ip saddr 10.0.0.0/8 accept", "drop"]
    assert chain.index("ct direction reply accept") < chain.index("oifname")


def test_a_machine_with_a_public_address_is_translated_to_it() -> None:
    nic = fake_cloud.interface(
        "eni-1", "00:16:3e:00:00:01", "172.31.199.1", "172.31.192.0/20", primary=True
    )
    raw = fake_cloud.instance("one", [nic], "")
    instances = [Instance.read({**raw, "public_address": ip}) for ip in ("127.66.0.1", "")]
    assert of_machines(instances) == [translation("172.31.199.1/32", "127.66.0.1")]
