"""Fewer pod addresses of a NIC whose IPv6 addresses have public bandwidth: refused, and the remedy.

Nightly, because its own cloud and five runs take two minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import dual_stack

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

BANDWIDTH = "Ipv6Bandwidth"


def one_address(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["workers"]["interfaces"]["eth0"]["podAddresses"] = 1


def no_egress(cluster: dict[str, Any]) -> None:
    cluster["network"]["ipv6"]["egress"] = False


def bandwidths(light: LightCloud) -> int:
    return len(light.alive().get(BANDWIDTH, []))


def test_the_remedy_for_addresses_with_bandwidth_works_as_written(tmp_path: Path) -> None:
    light = light_stack(tmp_path / "home", dual_stack())
    with light.deployed():
        before = bandwidths(light)
        machines = light.alive()["Instance"]
        fewer, closed = light.edited(one_address), light.edited(no_egress)

        refused = fewer.up()
        assert refused.status != 0
        assert "keeps 10.48." in refused.transcript
        assert bandwidths(light) == before

        for stack in (closed, fewer):
            done = stack.up()
            assert done.status == 0, done.transcript
        assert bandwidths(light) == before - 1
        assert fewer.steps() == []
        assert light.alive()["Instance"] == machines

        destroyed = fewer.destroy()
        assert destroyed.status == 0, destroyed.transcript
        assert light.alive() == {}
