"""Three control planes get other addresses, one at a time, while the cluster serves its data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from planning.read import plan_from
from tests.engine.clouds.three_zones import MASTERS, ZONES
from tests.engine.control_planes.kept_token import REFUSED, answer_to_the_kept_token
from tests.engine.control_planes.test_three_control_planes import api_servers
from tests.engine.control_planes.writing_client import stored, writing
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.official_sdk import Sdk, client, models
from tests.engine.machines.test_machine_life_cycle import (
    SILENCE_OF_THREE,
    LifeCycle,
    deployed_life_cycle,
)

ecs: Any = models("ecs")

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


def zones(life_cycle: LifeCycle) -> tuple[str, ...]:
    """The planned zones of the control planes, in the order of their names."""
    nodes = plan_from(life_cycle.cluster).nodes
    return tuple(nodes[name].zone for name in MASTERS)


def assert_one_at_a_time(moving: LifeCycle, run: str) -> None:
    """The edit replaces all control planes and no worker, and the API keeps answering."""
    before, addresses = moving.instances(), tuple(map(moving.address, MASTERS))
    writes = moving.edited(run)
    after = moving.instances()
    assert {name for name in before if before[name] != after[name]} == set(MASTERS)
    assert writes.longest_silence < SILENCE_OF_THREE, writes.refusals
    assert_all_have_moved(moving, before=addresses)


def masters(life_cycle: LifeCycle) -> dict[str, Any]:
    pool = life_cycle.cluster["nodePools"]["masters"]
    assert isinstance(pool, dict)
    return pool


def test_three_control_planes_get_another_block_one_at_a_time(moving: LifeCycle) -> None:
    masters(moving)["firstBlock"] = 5
    assert_one_at_a_time(moving, "block")


def test_three_control_planes_get_another_subnet_one_at_a_time(moving: LifeCycle) -> None:
    moving.cluster["network"]["subnets"]["control"] = {
        "zones": {zone: {"cidr": f"10.64.{224 + 8 * at}.0/21"} for at, zone in enumerate(ZONES)}
    }
    eth1 = masters(moving)["interfaces"]["eth1"]
    masters(moving)["interfaces"] = {"eth0": {"subnet": "control", "podAddresses": 5}, "eth1": eth1}
    assert_one_at_a_time(moving, "subnet")


def test_three_control_planes_get_other_ordinals_and_zones_one_at_a_time(moving: LifeCycle) -> None:
    # As the refusal of the edit without these lines says: gateways stay where they are.
    moving.cluster["network"]["nat"] = {"subnet": "gateways", "zone": ZONES[0]}
    before = zones(moving)
    del masters(moving)["count"]
    masters(moving)["nodes"] = {name: {"ordinal": 4 + at} for at, name in enumerate(MASTERS)}
    assert_one_at_a_time(moving, "ordinals")
    assert all(old != new for old, new in zip(before, zones(moving), strict=True))


def test_a_move_that_fails_half_way_is_finished_by_the_next_run(moving: LifeCycle) -> None:
    before, addresses = moving.instances(), tuple(map(moving.address, MASTERS))
    masters(moving)["firstBlock"] = 9
    control = LightCloud(cloud=moving.cloud, document=moving.document)
    refused = {"action": "RunInstances", "status": 403, "code": "Forbidden.Injected", "nth": 2}
    control.ask("POST", "/faults", [refused])
    with writing(moving.kubeconfig(), run="half") as writes:
        failed = moving.up()
        control.ask("DELETE", "/faults")
        assert failed.status != 0
        assert "Forbidden.Injected" in failed.transcript, failed.transcript
        # The outputs of the stack are still those of before the run that failed.
        machines = control.alive()["Instance"]
        moved = {name for name, id_ in before.items() if id_ not in machines}
        done = moving.up()
    assert done.status == 0, moving.cloud.explain(done)
    assert 0 < len(moved) < len(MASTERS), sorted(moved)
    assert set(writes.acknowledged) <= stored(moving.kubeconfig(), run="half")
    assert moving.cluster_uid() == moving.uid
    assert writes.longest_silence < SILENCE_OF_THREE, writes.refusals
    assert_all_have_moved(moving, before=addresses)


def types(sdk: Sdk, moving: LifeCycle) -> dict[str, str]:
    """Control plane → its instance type in the cloud."""
    return {name: machine(sdk, moving.instances()[name]).instance_type for name in MASTERS}


def machine(sdk: Sdk, instance: str) -> Any:  # noqa: ANN401 - the SDK's model
    request = ecs.DescribeInstancesRequest(
        region_id="cn-hangzhou", instance_ids=json.dumps([instance])
    )
    (machine,) = sdk.describe_instances(request).body.instances.instance
    return machine


def change_type_by_hand(sdk: Sdk, moving: LifeCycle, name: str, instance_type: str) -> None:
    """Stop, change and start a machine, and wait until it serves again."""
    instance, boot = moving.instances()[name], boot_id(moving, name)
    sdk.stop_instance(ecs.StopInstanceRequest(instance_id=instance))
    moving.until(lambda: bool(machine(sdk, instance).status == "Stopped"))
    sdk.modify_instance_spec(
        ecs.ModifyInstanceSpecRequest(instance_id=instance, instance_type=instance_type)
    )
    sdk.start_instance(ecs.StartInstanceRequest(instance_id=instance))
    moving.until(lambda: serves_again(moving, name, boot))


def serves_again(moving: LifeCycle, name: str, boot: str) -> bool:
    try:
        return boot_id(moving, name) != boot and moving.members() == set(MASTERS)
    except AssertionError:  # An API server that has just started has not read the roles yet.
        return False


def boot_id(moving: LifeCycle, name: str) -> str:
    return str(moving.nodes()[name]["status"]["nodeInfo"]["bootID"])


def test_types_that_somebody_changed_by_hand_are_set_back_one_at_a_time(moving: LifeCycle) -> None:
    sdk = client("ecs", moving.cloud)
    planned = types(sdk, moving)
    for name in MASTERS:
        change_type_by_hand(sdk, moving, name, "ecs.g7.2xlarge")
    shown = moving.preview()
    assert "masters-0: restarted, because its instance type" in " ".join(shown.out.split())
    before = moving.instances()
    writes = moving.edited("by-hand")
    assert moving.instances() == before
    assert types(sdk, moving) == planned
    assert writes.longest_silence < SILENCE_OF_THREE, writes.refusals
    moving.is_settled()
