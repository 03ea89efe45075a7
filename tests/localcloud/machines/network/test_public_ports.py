from __future__ import annotations

from dataclasses import asdict

import pytest

from localcloud.ingress import IngressRule, admits
from localcloud.machines.control import Instance, LoadBalancer, PublicAddress
from localcloud.machines.kinds.namespaces import guest_link_names
from localcloud.machines.network.ingress import listening_ports
from localcloud.machines.network.public_addresses import openings
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit

NIC = fake_cloud.interface(
    "eni-1", "00:16:3e:00:00:01", "172.31.199.183", "172.31.192.0/20", primary=True
)
SECOND = fake_cloud.interface(
    "eni-2", "00:16:3e:00:00:02", "192.168.0.155", "192.168.0.0/24", primary=False
)


def rule(
    ports: tuple[int, int] = (6443, 6443),
    source: str = "127.0.0.0/8",
    *,
    protocol: str = "tcp",
    policy: str = "accept",
    priority: int = 1,
) -> IngressRule:
    return IngressRule(
        protocol=protocol,
        port_from=ports[0],
        port_to=ports[1],
        source=source,
        policy=policy,
        priority=priority,
    )


def test_an_internet_clb_listens_on_its_own_address() -> None:
    listener = {"port": 999, "backends": [], "ingress": [asdict(rule((999, 999)))]}
    raw = {"id": "lb-1", "address": "127.66.0.9", "vpc_id": "vpc-1", "listeners": [listener]}
    served = openings([], [], [LoadBalancer.read({**raw, "internet": True})])
    assert set(served) == {("127.66.0.9", 999)}
    assert openings([], [], [LoadBalancer.read(raw)]) == {}


@pytest.mark.parametrize(
    ("of", "ports"),
    [
        (rule(), {6443}),
        (rule((80, 82)), {80, 81, 82}),
        (rule((30000, 32767)), set()),
        (rule((-1, -1), protocol="all"), set()),
        (rule(protocol="udp"), set()),
        (rule(policy="drop"), set()),
        (rule(source="sg-1"), set()),
    ],
)
def test_only_explicit_small_ranges_listen(of: IngressRule, ports: set[int]) -> None:
    assert listening_ports([of]) == ports


def test_a_source_outside_the_rule_is_dropped() -> None:
    assert admits([rule(source="127.0.0.0/16")], "127.0.0.1", 6443)
    assert not admits([rule(source="127.0.0.0/16")], "127.9.0.1", 6443)


def test_a_drop_of_higher_priority_wins() -> None:
    rules = [rule(priority=2), rule(policy="drop", priority=1)]
    assert not admits(rules, "127.0.0.1", 6443)
    assert admits([rule(priority=1), rule(policy="drop", priority=2)], "127.0.0.1", 6443)


def test_at_equal_priority_a_drop_wins() -> None:
    assert not admits([rule(), rule(policy="drop")], "127.0.0.1", 6443)


def instance(**changes: object) -> Instance:
    return Instance.read(fake_cloud.instance("one", [NIC, SECOND], "") | changes)


def bound(ip: str, kind: str = "EcsInstance") -> PublicAddress:
    return PublicAddress.read(
        {"id": "eip-1", "ip": ip, "instance_id": "i-one", "instance_type": kind}
    )


def test_an_eip_of_a_running_instance_opens_to_its_primary_address() -> None:
    [opening] = openings([instance()], [bound("127.66.0.1")]).values()
    assert (opening.ip, opening.port, opening.address) == ("127.66.0.1", 6443, "172.31.199.183")


@pytest.mark.parametrize(
    ("status", "ip", "kind"),
    [
        ("Stopped", "127.66.0.1", "EcsInstance"),
        ("Running", "47.98.0.1", "EcsInstance"),
        ("Running", "127.66.0.1", "Nat"),
    ],
)
def test_nothing_listens_for_others(status: str, ip: str, kind: str) -> None:
    assert openings([instance(status=status)], [bound(ip, kind)]) == {}


def test_the_second_nic_comes_up_under_a_name_nobody_wants() -> None:
    assert guest_link_names(instance().interfaces) == {"eni-1": "eth0", "eni-2": "ens6"}
