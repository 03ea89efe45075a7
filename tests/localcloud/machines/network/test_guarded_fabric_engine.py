"""The bridges and ports of a guarded fabric, in a network namespace of the test's own."""

from __future__ import annotations

import pytest

from tests.localcloud.machines.own_namespaces import printed_json

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PROGRAM = """
import json
from pyroute2 import IPRoute
from localcloud.machines.control import Interface
from localcloud.machines.network.fabric import Fabric, link_name
from tests.localcloud.machines import fake_cloud

class Guard:
    def follow(self, ports):
        self.ports = list(ports)

def eni(number):
    raw = fake_cloud.interface(
        f"eni-{number}", f"00:16:3e:00:00:0{number}", f"172.31.199.{number}", "172.31.192.0/20",
        primary=True,
    )
    return Interface.read({**raw, "secondary_addresses": [f"172.31.199.1{number}"]})

def neighbours():
    with IPRoute() as ip:
        return sorted(
            n.get_attr("NDA_DST") for n in ip.get_neighbours(family=2) if n["state"] == 0x80
        )

fabric = Fabric(Guard())
seen = {}
for number in range(1, 5):
    fabric.plug_tap(eni(number))
    seen[f"after {number}"] = neighbours()
with IPRoute() as ip:
    bridge = ip.link_lookup(ifname=link_name("vsw", "vsw-172"))[0]
    seen["mac"] = ip.get_links(bridge)[0].get_attr("IFLA_ADDRESS")
    seen["fdb"] = sorted(
        e.get_attr("NDA_LLADDR") for e in ip.fdb("dump")
        if e["state"] & 0x40 and e.get_attr("NDA_MASTER")
    )
for number in range(1, 5):
    fabric.unplug(f"eni-{number}")
seen["after all"] = neighbours()
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, object]:
    """What the fabric has after each of four ENIs was plugged, and after all were unplugged."""
    document: dict[str, object] = printed_json("-c", PROGRAM, timeout=100)
    return document


def addresses(count: int) -> list[str]:
    return sorted(f"172.31.199.{n}" for k in range(1, count + 1) for n in (k, f"1{k}"))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_gateway_knows_every_address_of_every_eni_so_far(
    seen: dict[str, object], count: int
) -> None:
    assert seen[f"after {count}"] == addresses(count)


def test_each_mac_has_its_port(seen: dict[str, object]) -> None:
    assert seen["fdb"] == [f"00:16:3e:00:00:0{number}" for number in range(1, 5)]


def test_the_gateways_mac_does_not_depend_on_the_ports(seen: dict[str, object]) -> None:
    assert seen["mac"] == "ee:ff:ff:ff:ff:ff"


def test_what_was_unplugged_is_forgotten(seen: dict[str, object]) -> None:
    assert seen["after all"] == []
