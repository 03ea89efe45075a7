from __future__ import annotations

import pytest
import yaml

from localcloud.machines.guest.network.netplan import (
    Lease,
    Link,
    NetplanError,
    Route,
    Rule,
    interpret,
    merge,
)

pytestmark = pytest.mark.unit

LINKS = [
    Link(name="eth0", mac="00:16:3e:00:00:01"),
    Link(name="ens6", mac="00:16:3e:00:00:02"),
]
LEASES = [
    Lease(
        mac="00:16:3e:00:00:01",
        address="172.31.199.183",
        prefix_length=20,
        gateway="172.31.207.253",
    )
]


def netplan(**ethernets: object) -> str:
    return yaml.safe_dump({"network": {"version": 2, "ethernets": ethernets}})


def test_a_link_is_matched_by_its_mac_and_renamed() -> None:
    text = netplan(
        second={
            "match": {"macaddress": "00:16:3E:00:00:02"},
            "set-name": "eth1",
            "addresses": ["192.168.0.155/24"],
        }
    )
    [plan] = interpret(merge([("60.yaml", text)]), LINKS, LEASES)
    assert (plan.present_name, plan.name, plan.addresses) == (
        "ens6",
        "eth1",
        ("192.168.0.155/24",),
    )


def test_dhcp_gives_the_primary_address_and_the_default_route() -> None:
    [plan] = interpret(merge([("50.yaml", netplan(eth0={"dhcp4": True}))]), LINKS, LEASES)
    assert plan.addresses == ("172.31.199.183/20",)
    assert plan.routes == (
        Route(to="0.0.0.0/0", via="172.31.207.253", metric=100, source="172.31.199.183"),
    )


def test_a_later_file_overrides_scalars_and_adds_to_lists() -> None:
    first = netplan(eth0={"dhcp4": True, "addresses": ["10.0.0.1/24"]})
    second = netplan(eth0={"dhcp4": False, "addresses": ["10.0.0.2/24"]})
    [plan] = interpret(merge([("60.yaml", second), ("50.yaml", first)]), LINKS, LEASES)
    assert plan.addresses == ("10.0.0.1/24", "10.0.0.2/24")
    assert plan.routes == ()


def test_source_routing_keeps_tables_and_priorities() -> None:
    text = netplan(
        eth0={
            "routes": [
                {"to": "172.31.192.0/20", "scope": "link", "table": 101},
                {"to": "default", "via": "172.31.207.253", "table": 101},
            ],
            "routing-policy": [{"from": "172.31.199.183", "table": 101, "priority": 2000}],
        }
    )
    [plan] = interpret(merge([("60.yaml", text)]), LINKS, LEASES)
    assert plan.routes == (
        Route(to="172.31.192.0/20", table=101),
        Route(to="0.0.0.0/0", via="172.31.207.253", table=101),
    )
    assert plan.rules == (Rule(table=101, priority=2000, source="172.31.199.183/32"),)


def test_a_link_that_nobody_names_is_left_alone() -> None:
    plans = interpret(merge([("60.yaml", netplan(eth0={"dhcp4": True}))]), LINKS, LEASES)
    assert [plan.present_name for plan in plans] == ["eth0"]


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ({"adresses": []}, "unknown key 'adresses'"),
        ({"set-name": "eth1"}, "requires 'match:'"),
        ({"addresses": ["172.31.199.183"]}, "malformed address"),
        ({"routes": [{"to": "default"}]}, "must include both"),
        ({"routes": [{"to": "nowhere", "via": "10.0.0.1"}]}, "invalid IP family"),
        ({"routing-policy": [{"table": 101}]}, "'from' or 'to'"),
        ({"routing-policy": [{"from": "10.0.0.1", "prio": 1}]}, "unknown key 'prio'"),
    ],
)
def test_what_netplan_refuses_is_refused(definition: dict[str, object], reason: str) -> None:
    with pytest.raises(NetplanError, match=reason):
        interpret(merge([("60.yaml", netplan(eth0=definition))]), LINKS, LEASES)


def test_a_file_without_version_2_is_refused() -> None:
    with pytest.raises(NetplanError, match="version must be 2"):
        merge([("60.yaml", "network: {ethernets: {}}")])
