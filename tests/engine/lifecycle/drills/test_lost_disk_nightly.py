"""A control plane's disk for etcd is deleted while its machine runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.clouds.local_cloud import Done
from tests.engine.clouds.three_zones import MASTERS
from tests.engine.lifecycle.drills.power_cuts import stack_of
from tests.engine.lifecycle.official_sdk import client, models
from tests.engine.machines.test_machine_life_cycle import LifeCycle
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

LOST = MASTERS[1]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LifeCycle]:
    """Three control planes, each with a disk for etcd."""
    kind = "roll of three control planes"
    with stack_of(tmp_path_factory.mktemp("disk"), kind) as cycle:
        cycle.uid = cycle.cluster_uid()
        yield cycle


def disks(cycle: LifeCycle) -> dict[str, str]:
    """Name → id of the disks for etcd."""
    request = models("ecs").DescribeDisksRequest(region_id="cn-hangzhou", page_size=100)
    body = client("ecs", cycle.cloud).describe_disks(request).body
    return {d.disk_name: d.disk_id for d in body.disks.disk if d.disk_name.endswith("-etcd")}


def delete_disk(cycle: LifeCycle, node: str) -> None:
    ecs, sdk = models("ecs"), client("ecs", cycle.cloud)
    disk, instance = disks(cycle)[f"drill-{node}-etcd"], cycle.instances()[node]
    sdk.detach_disk(ecs.DetachDiskRequest(disk_id=disk, instance_id=instance))
    until(
        "the disk is detached",
        60,
        lambda: sdk.delete_disk(ecs.DeleteDiskRequest(disk_id=disk)),
    )


def until_the_api_server_is_stopped(cycle: LifeCycle, node: str) -> None:
    """Wait until the node's own unit has stopped the API server whose etcd has lost its disk.

    The load balancer then leaves it out, and its only one is not reached.
    """
    ask = "curl -sk --max-time 3 -o /dev/null -w '%{time_connect}' https://127.0.0.1:6443/"
    until(
        f"the API server on {node} is stopped",
        90,
        lambda: cycle.on(node, f"{ask} || true").strip() == "0.000000",
    )


def refusal(run: Callable[[], Done]) -> str:
    """What a run that is refused writes, with single spaces."""
    done = run()
    assert done.status != 0
    # Shown by `pytest -s`: the figures of docs/reliability.md.
    sys.stdout.write(f"refused after {done.seconds:.0f} s\n")
    return " ".join((done.out + done.err).split())


@pytest.fixture
def one(tmp_path: Path) -> Iterator[LifeCycle]:
    """One control plane with a disk for etcd."""
    with stack_of(tmp_path, "roll") as cycle:
        yield cycle


def test_a_preview_names_the_lost_disk_of_the_only_control_plane_and_the_restore(
    one: LifeCycle,
) -> None:
    plane = MASTERS[0]
    delete_disk(one, plane)
    until_the_api_server_is_stopped(one, plane)
    for run in (one.preview, one.up):
        sentences = refusal(run)
        assert f"The disk for etcd of {plane} is gone" in sentences
        assert "python -m operations restore --stack local --from SNAPSHOT" in sentences
    assert f"drill-{plane}-etcd" not in disks(one)


def test_a_preview_and_a_run_refuse_an_empty_disk_and_say_what_to_do(three: LifeCycle) -> None:
    machines = three.instances()
    delete_disk(three, LOST)
    listed = three.cloud.on_stack_file("backup", "--stack", "local", "--list", deadline=60)
    assert f"Disks for etcd that are not in cn-hangzhou: {LOST}." in " ".join(listed.out.split())
    until_the_api_server_is_stopped(three, LOST)
    for run in (three.preview, three.up):
        sentences = refusal(run)
        assert f"The disk for etcd of {LOST} is gone" in sentences
        assert "Delete the machine, too" in sentences
    assert f"drill-{LOST}-etcd" not in disks(three)
    assert three.instances() == machines


def test_what_it_says_brings_both_back_as_a_new_member(three: LifeCycle) -> None:
    machines = three.instances()
    request = models("ecs").DeleteInstanceRequest(instance_id=machines[LOST], force=True)
    client("ecs", three.cloud).delete_instance(request)
    writes = three.edited("lost-disk")
    assert writes.longest_silence < 30, writes.refusals
    assert f"drill-{LOST}-etcd" in disks(three)
    assert {name for name in machines if machines[name] != three.instances()[name]} == {LOST}
    three.until(lambda: three.members() == set(MASTERS))
    three.is_settled()
