"""Control planes are deleted with their disks for etcd, on a cloud whose machines never boot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.engine.control_planes.lost_planes import until_it_works
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_stack
from tests.engine.lifecycle.clouds.ready_server import ready_server
from tests.engine.lifecycle.interruptions.test_lost_parts_nightly import with_disks
from tests.engine.lifecycle.official_sdk import client, models

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

PLANES = ("m-0", "m-1", "m-2")


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[LightCloud]:
    light = light_stack(tmp_path / "home", with_disks())
    with light.running(), ready_server(light):
        done = light.up()
        assert done.status == 0, light.cloud.explain(done)
        yield light


def lose(light: LightCloud, *planes: str) -> None:
    """Delete these machines and their disks."""
    ecs, api = models("ecs"), client("ecs", light.cloud)
    request = ecs.DescribeDisksRequest(region_id="cn-hangzhou", disk_type="data", page_size=100)
    disks = {disk.disk_name: disk.disk_id for disk in api.describe_disks(request).body.disks.disk}
    for plane in planes:
        instance = light.outputs()["nodes"][plane]["instanceId"]
        api.delete_instance(ecs.DeleteInstanceRequest(instance_id=instance, force=True))
    for plane in planes:
        request = ecs.DeleteDiskRequest(disk_id=disks[f"zones-{plane}-etcd"])
        until_it_works(partial(api.delete_disk, request))


def test_a_run_makes_nothing_in_the_place_of_a_lost_majority(zones: LightCloud) -> None:
    lose(zones, *PLANES)
    before = zones.alive()
    for done in (zones.pulumi("preview"), zones.up()):
        assert done.status != 0
        transcript = " ".join((done.out + done.err).split())
        assert "The disks for etcd of m-0, m-1, m-2 are gone" in transcript, done.transcript
        assert "restore --stack local --from SNAPSHOT" in transcript
    assert zones.alive() == before


def test_one_of_three_is_made_again_with_its_machine(zones: LightCloud) -> None:
    lose(zones, PLANES[1])
    done = zones.up()
    assert done.status == 0, done.transcript
    assert zones.steps() == []
