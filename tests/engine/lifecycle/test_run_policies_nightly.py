"""Whole runs by RAM users who have no more than the policies of docs/rights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.models import Config

from config.profiles import LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY
from planning.cloud.run_policies import preview_policy, run_policy
from tests.engine.lifecycle.clouds.light_cloud import QUIET, LightCloud, light_cloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import dual_stack
from tests.engine.lifecycle.clouds.ready_server import ready_server
from tests.engine.lifecycle.interruptions.fault_sweep import edit as guides_edit
from tests.engine.lifecycle.interruptions.test_lost_parts_nightly import with_disks
from tests.localcloud.sdk_api import Api

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

Credentials = Mapping[str, str]
Edit = Callable[[dict[str, Any]], None]


def person(light: LightCloud, name: str, policy: Mapping[str, object]) -> Credentials:
    """A RAM user with that policy alone; its credentials as environment variables."""
    cloud = light.cloud
    api = Api(
        Config(
            access_key_id=LOCAL_ACCESS_KEY,
            access_key_secret=LOCAL_SECRET_KEY,
            endpoint=f"127.0.0.1:{cloud.port}",
            protocol="https",
            region_id="cn-hangzhou",
            ca=str(cloud.places.ca),
        )
    )
    api.ram("CreateUser", UserName=name)
    api.ram("CreatePolicy", PolicyName=name, PolicyDocument=json.dumps(policy))
    api.ram("AttachPolicyToUser", PolicyType="Custom", PolicyName=name, UserName=name)
    key = api.ram("CreateAccessKey", UserName=name)["AccessKey"]
    return {
        "ALICLOUD_ACCESS_KEY": key["AccessKeyId"],
        "ALICLOUD_SECRET_KEY": key["AccessKeySecret"],
    }


def larger_disks(cluster: dict[str, Any]) -> None:
    """Edit a stack with disks for etcd: larger ones, other snapshots, tags, a type, who may ask."""
    cluster["tags"] = {"owner": "platform"}
    cluster["nodePools"]["masters"]["etcdDisk"] = {"size": 40, "snapshots": {"days": 3}}
    cluster["nodePools"]["workers"]["instanceType"] = "ecs.g7.2xlarge"
    cluster["kubernetes"]["endpoint"] = {"allowedCidrs": ["203.0.113.0/24", "198.51.100.0/24"]}


def more_bandwidth(cluster: dict[str, Any]) -> None:
    """Edit a dual-stack cluster: tags, the bandwidth of IPv6, pod addresses."""
    cluster["tags"] = {"owner": "platform"}
    cluster["network"]["ipv6"]["bandwidth"] = 10
    cluster["nodePools"]["workers"]["interfaces"]["eth1"]["podAddresses"] = 1


def guide(home: Path) -> LightCloud:
    """The guide's network and machines, with the cloud controller's role."""
    return light_cloud(home)


def zones(home: Path) -> LightCloud:
    """Three control planes behind a load balancer, with disks for etcd."""
    return light_stack(home, with_disks())


def dual(home: Path) -> LightCloud:
    """IPv6 with a way out."""
    return light_stack(home, dual_stack())


STACKS: Mapping[str, tuple[Callable[[Path], LightCloud], Edit]] = {
    "guide": (guide, guides_edit),
    "zones": (zones, larger_disks),
    "dual-stack": (dual, more_bandwidth),
}


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LightCloud, Edit]]:
    make, edit = STACKS[request.param]
    light = make(tmp_path / "home")
    with light.running(), ready_server(light):
        yield light, edit


def test_the_policies_suffice_for_a_life_cycle_and_for_its_previews(
    stack: tuple[LightCloud, Edit],
) -> None:
    light, edit = stack
    runs = person(light, "runs", run_policy())
    reads = person(light, "reads", preview_policy())
    people = light.alive()
    up = ("up", "--yes", "--skip-preview", *QUIET)
    done = light.pulumi(*up, env=runs)
    assert done.status == 0, done.transcript
    edited = light.edited(edit)
    before = light.alive()
    shown = edited.pulumi("preview", "--suppress-outputs", env=reads)
    assert shown.status == 0, shown.transcript
    refused = edited.pulumi(*up, env=reads)
    assert refused.status != 0
    assert light.alive() == before
    done = edited.pulumi(*up, env=runs)
    assert done.status == 0, done.transcript
    unchanged = edited.pulumi("preview", "--expect-no-changes", env=reads)
    assert unchanged.status == 0, unchanged.transcript
    done = edited.pulumi("destroy", "--yes", "--skip-preview", *QUIET, env=runs)
    assert done.status == 0, done.transcript
    assert light.alive() == people
