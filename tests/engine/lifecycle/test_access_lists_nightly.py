"""The networks that the API server's load balancer admits, more of them than the provider sees.

The provider takes an entry beyond the tenth of a list for absent (docs/localcloud.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.lifecycle.clouds.light_cloud import Edit, LightCloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import three_zones
from tests.engine.lifecycle.clouds.ready_server import ready_server

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

LOOPBACK = "127.0.0.0/8"
"""Where the program reaches the local cloud's API server from."""


VSWITCHES = {
    zone["cidr"]
    for subnet in three_zones()["network"]["subnets"].values()
    for zone in subnet["zones"].values()
}
"""The list has them, too."""


def networks(count: int, start: int = 0) -> list[str]:
    return [LOOPBACK, *(f"198.51.{n}.0/24" for n in range(start, start + count))]


def allowing(cidrs: list[str]) -> Edit:
    def edit(cluster: dict[str, Any]) -> None:
        cluster["kubernetes"].setdefault("endpoint", {})["allowedCidrs"] = cidrs

    return edit


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[LightCloud]:
    light = light_stack(tmp_path / "home", three_zones())
    with light.running(), ready_server(light):
        yield light


def admitted(light: LightCloud) -> set[str]:
    """What the listener of the API server admits, as the machines see it."""
    (balancer,) = light.ask("GET", "/machines")["load_balancers"]
    (listener,) = balancer["listeners"]
    return {rule["source"] for rule in listener["ingress"]}


STEPS = (networks(2), networks(12), networks(12, 6), networks(2, 16))
"""Few networks, many, other ones, and few again."""


def test_every_network_is_admitted_after_every_edit(zones: LightCloud) -> None:
    for cidrs in STEPS:
        stack = zones.edited(allowing(cidrs))
        done = stack.up()
        assert done.status == 0, done.transcript
        assert stack.steps() == []
        assert admitted(stack) == {*cidrs, *VSWITCHES}
    assert zones.destroy().status == 0
    assert zones.alive() == {}
