"""Small clusters for tests, as a stack file would say them, and secrets that open nothing."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from operations.secrets.pki import make_secrets
from planning.nodes.secrets import ClusterSecrets

Document = dict[str, Any]


@cache
def fake_secrets() -> ClusterSecrets:
    """A cluster's secrets from a seed: the same bytes in every run, and no secret at all."""
    entropy = random.Random(20260101).randbytes  # noqa: S311 - not for use
    return make_secrets("test", now=datetime(2026, 1, 1, tzinfo=UTC), entropy=entropy)


def small(changes: Mapping[str, Any] | None = None) -> Document:
    """One control plane and one worker with two NICs, on the real cloud; `changes` laid over."""
    document: Document = {
        "profile": "dev",
        "name": "small",
        "region": "cn-hangzhou",
        "resourceGroup": "rg-test",
        "tags": {"team": "net"},
        "network": {
            "vpc": {"cidr": "10.0.0.0/16", "secondaryCidrs": ["10.1.0.0/16"]},
            "subnets": {
                "primary": {"zones": {"cn-hangzhou-i": {"cidr": "10.0.0.0/20"}}},
                "secondary": {"zones": {"cn-hangzhou-i": {"cidr": "10.1.0.0/20"}}},
            },
        },
        "nodePools": {
            "masters": _pool("control-plane", 1),
            "workers": _pool("worker", 9),
        },
        "kubernetes": {"endpoint": {"public": True, "allowedCidrs": ["203.0.113.0/24"]}},
    }
    return _laid_over(document, changes or {})


def three_control_planes() -> Document:
    """As `small`, with three control planes: behind a load balancer."""
    return small({"nodePools": {"masters": {"count": 3}}})


def counted() -> Document:
    """As `small`, with workers whose eth1 has five addresses that the cloud chooses."""
    subnets = {"free": {"zones": {"cn-hangzhou-i": {"cidr": "10.1.16.0/20"}}}}
    eth1 = {"subnet": "free", "mode": "count"}
    return small(
        {"network": {"subnets": subnets}, "nodePools": {"workers": {"interfaces": {"eth1": eth1}}}}
    )


def adopted() -> Document:
    """As `small`, in a network that exists already: VPC, one vSwitch, NAT gateway and its EIP."""
    document = small(
        {
            "network": {
                "vpc": {"id": "vpc-theirs"},
                "nat": {"id": "ngw-theirs", "eipAddress": "47.98.1.2"},
            }
        }
    )
    zones = document["network"]["subnets"]["primary"]["zones"]
    zones["cn-hangzhou-i"]["vswitchId"] = "vsw-theirs"
    return document


def adopted_there(document: Document) -> dict[str, dict[str, Any]]:
    """What `document` adopts, as it says it is: `there` of the recording cloud."""
    network = document.get("network")
    if network is None:
        return {}
    vpc, nat = network["vpc"], network.get("nat", {})
    address = nat.get("eipAddress")
    there: dict[str, dict[str, Any]] = {
        "vpcs": {
            vpc.get("id"): {
                "cidrBlock": vpc["cidr"],
                "secondaryCidrBlocks": vpc.get("secondaryCidrs", []),
            }
        },
        "vswitches": {
            vswitch["vswitchId"]: {
                "cidrBlock": vswitch["cidr"],
                "zoneId": zone,
                "vpcId": vpc.get("id"),
                "ipv6CidrBlock": "2408:4005:3a0:9900::/64",
            }
            for subnet in network["subnets"].values()
            for zone, vswitch in subnet["zones"].items()
            if "vswitchId" in vswitch
        },
        "gateways": {
            nat.get("id"): {
                "vpcId": vpc.get("id"),
                "ipLists": [address],
                "snatTableIds": [f"stb-{nat.get('id')}"],
            }
        },
        "addresses": {nat.get("eipId"): {"ipAddress": address, "instanceType": ""}},
    }
    return there


def existing_kubernetes() -> Document:
    """As `small`, on machines that somebody else makes a cluster of."""
    return small(
        {
            "kubernetes": {
                "mode": "existing",
                "endpoint": {"public": False, "allowedCidrs": []},
                "nodeNames": {"masters-0": "their-master", "workers-0": "their-worker"},
            }
        }
    )


def _pool(role: str, first_block: int) -> Document:
    return {
        "role": role,
        "count": 1,
        "firstBlock": first_block,
        "instanceType": "ecs.g7.large",
        "interfaces": {
            "eth0": {"subnet": "primary", "podAddresses": 5},
            "eth1": {"subnet": "secondary", "podAddresses": 5},
        },
    }


def _laid_over(under: Document, over: Mapping[str, Any]) -> Document:
    merged = copy.deepcopy(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            merged[key] = _laid_over(below, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
