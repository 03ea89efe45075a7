"""A stack in three zones: its subnets, its control planes and one worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.engine.clouds.local_cloud import CLUSTER, SecondCloud, deployed, second_cloud

ZONES = ("cn-hangzhou-i", "cn-hangzhou-j", "cn-hangzhou-k")
MASTERS = ("masters-0", "masters-1", "masters-2")
"""The control planes in the order of their ordinals; a stack has as many as it asks for."""

_INTERFACES = {
    "eth0": {"subnet": "primary", "podAddresses": 5},
    "eth1": {"subnet": "secondary", "podAddresses": 5},
}


def use_three_zones(document: dict[str, Any], *, name: str, control_planes: int) -> None:
    """Give the stack file a network in three zones, these control planes and one worker."""
    cluster = document["config"][CLUSTER]
    cluster["name"] = name
    cluster["network"] = {
        "vpc": {"cidr": "10.64.0.0/16"},
        "subnets": {
            subnet: {
                "zones": {
                    zone: {"cidr": f"10.64.{first + 32 * at}.0/19"} for at, zone in enumerate(ZONES)
                }
            }
            for subnet, first in (("primary", 0), ("secondary", 128))
        },
    }
    pool = {"instanceType": "ecs.g7.large", "interfaces": _INTERFACES}
    cluster["nodePools"] = {
        "masters": {
            **pool,
            "role": "control-plane",
            "zones": list(ZONES),
            "count": control_planes,
            "firstBlock": 1,
        },
        "workers": {**pool, "zones": [ZONES[0]], "count": 1, "firstBlock": 17},
    }


@contextmanager
def three_with_etcd_disks(home: Path, name: str) -> Iterator[SecondCloud]:
    """Three control planes with disks for etcd and one worker, deployed; gone at the end."""
    cloud = second_cloud(home)
    document = yaml.safe_load(cloud.config_file.read_text())
    use_three_zones(document, name=name, control_planes=3)
    document["config"][CLUSTER]["nodePools"]["masters"]["etcdDisk"] = {}
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    with deployed(cloud):
        yield cloud
