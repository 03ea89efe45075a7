"""The invariants hold for the state of a cloud, and each notices a state that breaks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.products.ecs.entities import Disk, Instance, NetworkInterface, SecurityGroup
from localcloud.products.vpc.entities import AddressClaim, Eip, NatGateway, SnatEntry, Vpc, VSwitch
from tests.localcloud.attacks.invariants import State, problems
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.sdk_api import Api

pytestmark = pytest.mark.unit
Edit = Callable[[State], list[Any]]


@pytest.fixture
def state(cloud: CloudThread, api: Api) -> State:
    place = Place(api, ipv6=True)
    eni = place.eni(SecondaryPrivateIpAddressCount=2, Ipv6AddressCount=1)
    place.run(eni["NetworkInterfaceId"])
    nat = api.vpc("CreateNatGateway", VpcId=place.vpc, VSwitchId=place.vswitch, NatType="Enhanced")
    eip = api.vpc("AllocateEipAddress")
    api.vpc(
        "AssociateEipAddress",
        AllocationId=eip["AllocationId"],
        InstanceId=nat["NatGatewayId"],
        InstanceType="Nat",
    )
    api.vpc(
        "CreateSnatEntry",
        SnatTableId=nat["SnatTableIds"]["SnatTableId"][0],
        SnatIp=eip["EipAddress"],
        SourceVSwitchId=place.vswitch,
    )
    return State.read(cloud.places.state)


def changed(kind: type[Any], **fields: object) -> Edit:
    """The state with one entity of a kind changed."""

    def edit(state: State) -> list[Any]:
        first, *others = state.all(kind)
        rest = [e for e in state.entities() if type(e) is not kind]
        return [*rest, *others, dataclasses.replace(first, **fields)]

    return edit


def without(kind: type[Any]) -> Edit:
    """The state without the entities of a kind."""
    return lambda state: [e for e in state.entities() if type(e) is not kind]


def test_the_state_of_a_cloud_is_whole(state: State) -> None:
    assert state.all(Instance)
    assert problems(state) == []


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (without(AddressClaim), "shown, not claimed"),
        (without(NatGateway), "claimed and shown nowhere"),
        (without(Vpc), "needs the Vpc"),
        (without(VSwitch), "is outside of"),
        (without(SecurityGroup), "needs the SecurityGroup"),
        (without(Instance), "needs the Instance"),
        (without(Disk), "not exactly one system disk"),
        (without(Eip), "not all bound to"),
        (changed(NetworkInterface, address="172.31.0.9"), "172.31.0.9"),
        (changed(NetworkInterface, primary=False), "has 0 primary ENIs"),
        (changed(NetworkInterface, ipv6=()), "on the address or on the ENI"),
        (
            changed(NetworkInterface, secondary=tuple(f"172.31.192.{n}" for n in range(9, 20))),
            "on a",
        ),
        (changed(Vpc, secondary_cidrs=("10.0.0.0/16",) * 6), "at most 5"),
        (changed(Vpc, tags=tuple((str(n), "") for n in range(21))), "at most 20"),
        (changed(Eip, instance_id="ngw-none"), "which does not exist"),
        (changed(SnatEntry, ips=("127.66.9.9",)), "not all bound to"),
    ],
)
def test_a_broken_state_is_noticed(state: State, edit: Edit, problem: str) -> None:
    assert any(problem in line for line in problems(State(edit(state))))
