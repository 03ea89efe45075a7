"""What a set of namespaces does with ENIs and addresses that change while it runs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines import channel
from localcloud.machines.control import Instance, Interface
from localcloud.machines.data_disks import DataDisks
from localcloud.machines.kinds.namespaces import NamespaceGuest
from localcloud.machines.network.fabric import Fabric
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit


class NotingFabric(Fabric):
    """Notes what it is asked for, and touches no link."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def plug(self, interface: Interface, guest_name: str, guest_pid: int) -> None:
        assert guest_pid > 1
        self.calls.append(f"plug {interface.id} as {guest_name}")

    def assign(self, interface: Interface) -> None:
        self.calls.append(f"assign {interface.id} {' '.join(interface.secondary_addresses)}")

    def unplug(self, interface_id: str) -> None:
        self.calls.append(f"unplug {interface_id}")


def eni(number: int, *secondary: str) -> dict[str, Any]:
    mac, address = f"00:16:3e:00:00:0{number}", f"172.31.199.{number}"
    raw = fake_cloud.interface(
        f"eni-{number}", mac, address, "172.31.192.0/20", primary=number == 1
    )
    return {**raw, "secondary_addresses": list(secondary)}


def calls_for(*states: list[dict[str, Any]]) -> list[str]:
    """The calls of the fabric after the first state, while the guest follows the others."""
    return followed(*states)[0]


def messages_for(*states: list[dict[str, Any]]) -> list[list[str]]:
    """What each message to the machine is about, the first included."""
    return followed(*states)[1]


def followed(*states: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The calls of the fabric after the first state, and all messages to the machine."""

    async def run() -> tuple[list[str], list[list[str]]]:
        fabric = NotingFabric()
        ours, theirs = channel.pair()
        process = await asyncio.create_subprocess_exec("sleep", "60")
        guest = NamespaceGuest(process, ours, fabric, DataDisks(Path(os.devnull)))
        first, *others = (Instance.read(fake_cloud.instance("x", each, "")) for each in states)
        await guest.follow(first)
        fabric.calls.clear()
        for state in others:
            await guest.follow(state)
        calls = list(fabric.calls)
        await guest.cut_power()
        messages = []
        while (received := channel.receive(theirs)) is not None:
            messages.append(sorted(received[0]))
        theirs.close()
        return calls, messages

    return asyncio.run(run())


def test_an_address_that_is_added_later_is_admitted() -> None:
    assert calls_for([eni(1)], [eni(1, "172.31.199.9")]) == ["assign eni-1 172.31.199.9"]


def test_an_address_that_is_taken_away_is_no_longer_admitted() -> None:
    assert calls_for([eni(1, "172.31.199.9")], [eni(1)]) == ["assign eni-1 "]


def test_an_eni_that_is_attached_later_is_plugged_with_its_addresses() -> None:
    calls = calls_for([eni(1)], [eni(1), eni(2, "172.31.199.9")])
    assert calls == ["plug eni-2 as ens6", "assign eni-1 "]


def test_a_detached_eni_is_unplugged() -> None:
    assert calls_for([eni(1), eni(2)], [eni(1)]) == ["unplug eni-2", "assign eni-1 "]


def test_a_rule_of_a_security_group_is_no_news_for_the_machine() -> None:
    rule = {
        "protocol": "tcp",
        "port_from": 1,
        "port_to": 9,
        "source": "10.0.0.0/8",
        "policy": "accept",
        "priority": 1,
    }
    assert messages_for([eni(1)], [{**eni(1), "ingress": [rule]}]) == [["leases"]]


def test_the_machine_learns_of_an_eni_that_is_attached_later() -> None:
    assert messages_for([eni(1)], [eni(1), eni(2)]) == [["leases"], ["leases"]]
