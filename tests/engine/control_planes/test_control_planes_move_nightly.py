"""Three control planes get other addresses, one at a time, while the cluster serves its data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from planning.read import plan_from
from tests.engine.clouds.three_zones import MASTERS
from tests.engine.control_planes.kept_token import REFUSED, answer_to_the_kept_token
from tests.engine.control_planes.test_three_control_planes import api_servers
from tests.engine.machines.test_machine_life_cycle import (
    SILENCE_OF_THREE,
    LifeCycle,
    deployed_life_cycle,
)

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

LIST_MEMBERS = """
cd /etc/kubernetes/pki/etcd
curl -sS --cacert ca.crt --cert healthcheck-client.crt --key healthcheck-client.key -d '{}' \
  https://127.0.0.1:2379/v3/cluster/member/list | grep -o 'https://[0-9.]*:2380'
"""


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LifeCycle]:
    """Three control planes in three zones and one worker."""
    with deployed_life_cycle(
        tmp_path_factory.mktemp("moving") / "home",
        "moving",
        control_planes=3,
        ready=lambda moving: moving.members() == set(MASTERS),
    ) as life_cycle:
        yield life_cycle


def etcd_members(life_cycle: LifeCycle, node: str) -> set[str]:
    """The members' addresses, as the etcd of a control plane lists them."""
    lines = life_cycle.on(node, LIST_MEMBERS).splitlines()
    return {line.removeprefix("https://").removesuffix(":2380") for line in lines}


def planned_addresses(life_cycle: LifeCycle) -> tuple[str, ...]:
    nodes = plan_from(life_cycle.cluster).nodes
    return tuple(str(nodes[name].interfaces["eth0"].primary) for name in MASTERS)


def assert_all_have_moved(life_cycle: LifeCycle, *, before: tuple[str, ...]) -> None:
    """Machines, API servers and etcd have the planned addresses and no others."""
    addresses = planned_addresses(life_cycle)
    assert not set(addresses) & set(before)
    assert tuple(map(life_cycle.address, MASTERS)) == addresses
    life_cycle.until(lambda: api_servers(life_cycle.cloud) == set(addresses))
    life_cycle.until(lambda: life_cycle.members() == set(MASTERS))
    assert [etcd_members(life_cycle, name) for name in MASTERS] == [set(addresses)] * 3
    assert answer_to_the_kept_token(life_cycle.cloud) == REFUSED
    life_cycle.is_settled()


def test_three_control_planes_get_another_block_one_at_a_time(moving: LifeCycle) -> None:
    before, addresses = moving.instances(), planned_addresses(moving)
    moving.cluster["nodePools"]["masters"]["firstBlock"] = 5
    writes = moving.edited("block")
    after = moving.instances()
    assert {name for name in before if before[name] != after[name]} == set(MASTERS)
    assert writes.longest_silence < SILENCE_OF_THREE, writes.refusals
    assert_all_have_moved(moving, before=addresses)
