"""What an ENI may send, as rules for the kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localcloud.machines.control import Interface
from localcloud.machines.network.filter import COUNTERS, Port, counts, elements, table
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit


def port(link: str, mac: str, address: str, *secondary: str) -> Port:
    raw = fake_cloud.interface("eni-1", mac, address, "172.31.192.0/20", primary=True)
    raw["secondary_addresses"] = list(secondary)
    return Port(link=link, interface=Interface.read(raw))


FIRST = port("tap1", "00:16:3e:00:00:01", "172.31.199.1", "172.31.199.5")
SECOND = port("tap2", "00:16:3e:00:00:02", "172.31.199.2")


def test_each_port_admits_its_own_mac_with_each_of_its_addresses() -> None:
    lines = elements([SECOND, FIRST]).splitlines()
    [line] = [line for line in lines if line.startswith("add element bridge localcloud addresses")]
    assert line.partition("addresses ")[2] == (
        '{ "tap1" . 00:16:3e:00:00:01 . 172.31.199.1, '
        '"tap1" . 00:16:3e:00:00:01 . 172.31.199.5, '
        '"tap2" . 00:16:3e:00:00:02 . 172.31.199.2 }'
    )


def test_every_address_of_a_prefix_is_admitted() -> None:
    raw = fake_cloud.interface(
        "eni-1", "00:16:3e:00:00:01", "172.31.199.1", "172.31.192.0/20", primary=True
    )
    eni = Interface.read({**raw, "prefixes": ["172.31.200.16/28"]})
    numbers = [address.rpartition(".")[2] for address in Port(link="tap1", interface=eni).addresses]
    assert numbers == ["1", *(str(number) for number in range(16, 32))]


def test_each_port_admits_its_ipv6_addresses() -> None:
    eni = replace(FIRST.interface, ipv6_addresses=("2001:db8::1",))
    lines = elements([replace(FIRST, interface=eni)]).splitlines()
    [line] = [line for line in lines if line.startswith("add element") and "ipv6" in line]
    assert line.partition("ipv6_addresses ")[2] == '{ "tap1" . 00:16:3e:00:00:01 . 2001:db8::1 }'


def test_what_was_admitted_before_is_flushed_in_the_same_transaction() -> None:
    lines = elements([FIRST]).splitlines()
    for name in ("ports", "macs", "addresses"):
        flush = lines.index(f"flush set bridge localcloud {name}")
        assert lines[flush + 1].startswith(f"add element bridge localcloud {name} ")


def test_without_ports_nothing_is_admitted() -> None:
    assert "add element" not in elements([])


def test_a_name_that_is_no_link_is_refused() -> None:
    with pytest.raises(ValueError, match="not the name of a link"):
        elements([port('x" accept; "', "00:16:3e:00:00:01", "172.31.199.1")])


def test_frames_are_dropped_unless_a_rule_admits_them() -> None:
    assert "policy drop" in table()
    assert all(f"counter {name} {{}}" in table() for name in COUNTERS)


def test_counters_are_read_by_name() -> None:
    listing = '{"nftables": [{"metainfo": {}}, {"counter": {"name": "passed", "packets": 7}}]}'
    assert counts(listing) == {"passed": 7}
