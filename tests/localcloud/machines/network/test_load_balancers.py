"""CLBs in the VPC: turns, health, and the hairpin, on loopback addresses without a fabric."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from localcloud.ingress import IngressRule
from localcloud.machines.control import (
    Backend,
    Instance,
    Listener,
    LoadBalancer,
    PublicAddress,
)
from localcloud.machines.network.load_balancers import LoadBalancers, rotation
from localcloud.machines.network.public_addresses import openings
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit


RULE = IngressRule(
    protocol="tcp", port_from=6443, port_to=6443, source="127.0.0.0/8", policy="accept", priority=1
)


class NoFabric:
    """Loopback answers for every address of 127.0.0.0/8 already."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def take(self, address: str) -> None:
        self.taken.append(address)

    def give_up(self, address: str) -> None:
        self.taken.remove(address)


def backend(name: str, *, port: int = 6443, weight: int = 100) -> Backend:
    return Backend(instance_id=name, address="127.0.0.1", port=port, weight=weight)


def balancer(port: int, *backends: Backend) -> LoadBalancer:
    listener = Listener(port=port, backends=backends, ingress=(RULE,))
    return LoadBalancer(id="lb-1", address="127.0.0.2", vpc_id="vpc-1", listeners=(listener,))


def admitting(source: str, port: int) -> IngressRule:
    return IngressRule(
        protocol="tcp", port_from=port, port_to=port, source=source, policy="accept", priority=1
    )


def nlb(
    port: int, machine: int, *rules: IngressRule, preserves_client: bool = False
) -> LoadBalancer:
    """An NLB whose own address towards its one backend is 127.0.0.3."""
    behind = Backend(
        instance_id="a",
        address="127.0.0.1",
        port=machine,
        weight=100,
        check_port=machine,
        ingress=rules,
    )
    listener = Listener(
        port=port,
        backends=(behind,),
        ingress=(RULE,),
        sources=("127.0.0.3",),
        preserves_client=preserves_client,
    )
    return LoadBalancer(id="eni-1", address="127.0.0.2", vpc_id="vpc-1", listeners=(listener,))


def test_equal_weights_have_one_turn_each() -> None:
    assert [b.instance_id for b in rotation([backend("a"), backend("b")])] == ["a", "b"]


def test_turns_are_as_the_weights() -> None:
    turns = rotation([backend("a", weight=60), backend("b", weight=20), backend("c", weight=0)])
    assert [b.instance_id for b in turns] == ["a", "a", "a", "b"]


def test_without_weights_no_backend_has_a_turn() -> None:
    assert rotation([backend("a", weight=0)]) == ()


async def answering(name: str) -> tuple[asyncio.Server, int]:
    """A machine's port that answers with its name."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.write_eof()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def ask(port: int, source: str = "127.0.0.9") -> str:
    reader, writer = await asyncio.open_connection("127.0.0.2", port, local_addr=(source, 0))
    try:
        return (await asyncio.wait_for(reader.read(), 1)).decode()
    except TimeoutError:
        return "silence"
    finally:
        writer.close()


async def served(
    steps: Callable[[LoadBalancers, int], Awaitable[Any]], machines: dict[str, Instance]
) -> Any:  # noqa: ANN401 - whatever the steps give
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.2", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    balancers = LoadBalancers(NoFabric(), machines.get)
    try:
        return await steps(balancers, port)
    finally:
        await balancers.follow([])


def test_connections_go_to_the_backends_in_turn_and_past_those_that_are_down() -> None:
    async def steps(balancers: LoadBalancers, port: int) -> list[str]:
        (one, first), (two, second) = await answering("one"), await answering("two")
        gone, closed = await answering("gone")
        gone.close()
        behind = [backend("a", port=first), backend("b", port=second), backend("c", port=closed)]
        await balancers.follow([balancer(port, *behind)])
        replies = [await ask(port) for _ in range(4)]
        one.close()
        two.close()
        return replies

    assert sorted(set(asyncio.run(served(steps, {})))) == ["one", "two"]


def test_a_machine_never_reaches_itself() -> None:
    itself = Instance.read(fake_cloud.instance("one", [], "") | {"id": "a"})

    async def steps(balancers: LoadBalancers, port: int) -> tuple[str, str]:
        server, machine = await answering("one")
        await balancers.follow([balancer(port, backend("a", port=machine))])
        replies = await ask(port, source="127.0.0.5"), await ask(port, source="127.0.0.6")
        server.close()
        return replies

    assert asyncio.run(served(steps, {"127.0.0.5": itself})) == ("silence", "one")


def test_without_a_backend_that_answers_the_connection_is_closed_at_once() -> None:
    async def steps(balancers: LoadBalancers, port: int) -> str:
        await balancers.follow([balancer(port)])
        return await ask(port)

    assert asyncio.run(served(steps, {})) == ""


def test_a_balancer_that_is_gone_gives_its_address_and_its_port_back() -> None:
    fabric = NoFabric()

    async def steps() -> list[str]:
        balancers = LoadBalancers(fabric, lambda _: None)
        await balancers.follow([balancer(0)])
        taken = list(fabric.taken)
        await balancers.follow([])
        return taken

    assert asyncio.run(steps()) == ["127.0.0.2"]
    assert fabric.taken == []


def test_an_eip_on_a_balancer_opens_each_of_its_listeners_to_whom_it_admits() -> None:
    public = PublicAddress.read(
        {"id": "eip-1", "ip": "127.66.0.1", "instance_id": "lb-1", "instance_type": "SlbInstance"}
    )
    [opening] = openings([], [public], [balancer(6443)]).values()
    assert (opening.ip, opening.port, opening.address) == ("127.66.0.1", 6443, "127.0.0.2")
    assert opening.rules == (RULE,)


def through_nlb(*sources: str, preserves_client: bool = False) -> str:
    """What a client at 127.0.0.9 hears when the backend admits these sources."""

    async def steps(balancers: LoadBalancers, port: int) -> str:
        server, machine = await answering("one")
        rules = [admitting(source, machine) for source in sources]
        await balancers.follow([nlb(port, machine, *rules, preserves_client=preserves_client)])
        reply = await ask(port)
        server.close()
        return reply

    return str(asyncio.run(served(steps, {})))


def test_a_backend_of_an_nlb_needs_a_rule_for_the_nlbs_own_address() -> None:
    assert through_nlb("127.0.0.3/32") == "one"


def test_without_a_rule_a_backend_of_an_nlb_is_unhealthy_and_the_connection_is_closed() -> None:
    assert through_nlb() == ""
    assert through_nlb("127.0.0.9/32") == ""


def test_where_the_client_is_preserved_a_rule_must_admit_it_in_addition_to_the_check() -> None:
    assert through_nlb("127.0.0.3/32", preserves_client=True) == ""
    assert through_nlb("127.0.0.3/32", "127.0.0.9/32", preserves_client=True) == "one"


def test_backends_see_the_nlbs_own_address() -> None:
    async def steps(balancers: LoadBalancers, port: int) -> str:
        async def show(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(writer.get_extra_info("peername")[0].encode())
            writer.write_eof()

        server = await asyncio.start_server(show, "127.0.0.1", 0)
        machine = server.sockets[0].getsockname()[1]
        await balancers.follow([nlb(port, machine, admitting("127.0.0.3/32", machine))])
        reply = await ask(port)
        server.close()
        return reply

    assert asyncio.run(served(steps, {})) == "127.0.0.3"


def test_an_eip_of_an_nlb_is_on_the_eni_of_a_zone() -> None:
    public = PublicAddress.read(
        {
            "id": "eip-1",
            "ip": "127.66.0.1",
            "instance_id": "eni-1",
            "instance_type": "NetworkInterface",
        }
    )
    [opening] = openings([], [public], [nlb(80, 8080)]).values()
    assert (opening.ip, opening.port, opening.address) == ("127.66.0.1", 80, "127.0.0.2")
