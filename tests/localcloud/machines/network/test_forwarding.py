"""Which backend a connection to an internet CLB goes to, as rules for the kernel."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from localcloud.machines.control import LoadBalancer
from localcloud.machines.network.forwarding import Endpoint, Forwarding, forwards, table
from localcloud.machines.network.load_balancers import by_this_process

pytestmark = pytest.mark.unit


def balancer(*weights: int, http: bool = False, internet: bool = True) -> LoadBalancer:
    """A CLB with the listener 999, and a backend for each weight."""
    backends: list[dict[str, Any]] = [
        {"instance_id": f"i-{n}", "address": f"10.0.0.{n}", "port": 30080, "weight": weight}
        for n, weight in enumerate(weights, start=1)
    ]
    return LoadBalancer.read(
        {
            "id": "lb-1",
            "address": "127.66.0.9",
            "vpc_id": "vpc-1",
            "internet": internet,
            "listeners": [{"port": 999, "backends": backends, "ingress": [], "http": http}],
        }
    )


def targets(script: str) -> list[str]:
    """Where the rules send connections to 127.66.0.9:999."""
    return re.findall(r'iifname "internet" ip daddr 127.66.0.9 tcp dport 999 dnat ip (.*)', script)


def test_one_backend_gets_every_connection() -> None:
    assert targets(table(forwards([balancer(100)]))) == ["to 10.0.0.1:30080"]


def test_a_backend_has_turns_by_its_weight_and_none_without() -> None:
    [target] = targets(table(forwards([balancer(100, 0, 50)])))
    turns = "{ 0 : 10.0.0.1 . 30080, 1 : 10.0.0.1 . 30080, 2 : 10.0.0.3 . 30080 }"
    assert target == f"addr . port to numgen inc mod 3 map {turns}"


@pytest.mark.parametrize("other", [balancer(100, http=True), balancer(100, internet=False)])
def test_the_kernel_forwards_neither_http_nor_what_is_inside_the_vpc(other: LoadBalancer) -> None:
    assert forwards([other]) == ()
    assert [len(served.listeners) for served in by_this_process([other])] == [1]


def test_what_the_kernel_forwards_is_not_served_twice() -> None:
    assert [served.listeners for served in by_this_process([balancer(100)])] == [()]


def test_only_backends_that_take_a_connection_have_turns() -> None:
    scripts: list[str] = []
    healthy: set[Endpoint] = {("10.0.0.2", 30080)}

    def apply(script: str) -> str:
        scripts.append(script)
        return ""

    async def check(endpoint: Endpoint) -> bool:
        return endpoint in healthy

    forwarding = Forwarding(apply, check)
    forwarding.follow([balancer(100, 100)])
    asyncio.run(forwarding.update())
    asyncio.run(forwarding.update())
    healthy.clear()
    asyncio.run(forwarding.update())
    assert [targets(script) for script in scripts] == [["to 10.0.0.2:30080"], []]
