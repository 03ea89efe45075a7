"""How long a ClusterIP is answered for: from its service's first sight to well after its end."""

from __future__ import annotations

import pytest
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # ships no types

from localcloud.machines.guest.kubelet.services import LINGER_SECONDS, LocalAddresses

pytestmark = pytest.mark.unit

ADDRESS = "10.96.0.10"


class Machine:
    """What a machine answers for; `refusals`: how often it cannot take an address."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.local: set[str] = set()
        self.refusals = refusals
        self.addresses = LocalAddresses(take=self._take, give_back=self.local.remove)

    def _take(self, address: str) -> None:
        assert address not in self.local
        if self.refusals:
            self.refusals -= 1
            raise NetlinkError(12, "no buffer space")
        self.local.add(address)

    def after(self, *rounds: tuple[float, set[str]]) -> set[str]:
        for now, addresses in rounds:
            self.addresses.hold(addresses, now=now)
        return self.local


def test_an_address_is_taken_when_its_service_is_first_seen() -> None:
    assert Machine().after((0, {ADDRESS}), (1, {ADDRESS})) == {ADDRESS}


def test_connections_of_a_service_that_is_gone_may_still_end() -> None:
    assert Machine().after((0, {ADDRESS}), (1, set()), (LINGER_SECONDS, set())) == {ADDRESS}


def test_an_address_is_removed_in_the_end() -> None:
    assert Machine().after((0, {ADDRESS}), (1, set()), (1 + LINGER_SECONDS, set())) == set()


def test_a_service_that_returns_has_its_whole_time_again() -> None:
    machine = Machine()
    machine.after((0, {ADDRESS}), (1, set()), (20, {ADDRESS}), (21, set()))
    assert machine.after((20 + LINGER_SECONDS, set())) == {ADDRESS}


def test_an_address_that_could_not_be_taken_is_tried_again() -> None:
    machine = Machine(refusals=1)
    assert machine.after((0, {ADDRESS, "10.96.0.1"}), (1, {ADDRESS, "10.96.0.1"})) == {
        ADDRESS,
        "10.96.0.1",
    }


def test_an_address_that_was_never_taken_is_not_removed() -> None:
    assert Machine(refusals=1).after((0, {ADDRESS}), (1, set()), (99, set())) == set()
