"""Stacks other than the guide's, each as small as its subject allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIGHT = {
    "spiderpool": {"enabled": False},
    "cloudController": {"enabled": False},
}
"""Nothing inside Kubernetes."""


def dual_stack() -> dict[str, Any]:
    """IPv6 for every NIC, with a way out, like docs/examples/dual-stack.yaml."""
    return {
        "profile": "local",
        "name": "dual",
        "region": "cn-shanghai",
        "network": {
            "vpc": {"cidr": "10.48.0.0/16"},
            "subnets": {
                "primary": {
                    "zones": {"cn-shanghai-l": {"cidr": "10.48.0.0/20", "ipv6Index": 0}},
                },
                "secondary": {
                    "zones": {"cn-shanghai-l": {"cidr": "10.48.16.0/20", "ipv6Index": 1}},
                },
            },
            "ipv6": {"enabled": True, "egress": True, "bandwidth": 5},
        },
        "nodePools": {
            "masters": _pool(["master-0"], first=1, pods=2, role="control-plane"),
            "workers": _pool(["worker-0"], first=9, pods=2),
        },
        "kubernetes": {"mode": "existing"},
    }


def three_zones() -> dict[str, Any]:
    """Three control planes behind a CLB and two workers, like docs/examples/three-zones.yaml."""
    zones = ["cn-hangzhou-i", "cn-hangzhou-j", "cn-hangzhou-k"]
    return {
        **LIGHT,
        "profile": "local",
        "name": "zones",
        "region": "cn-hangzhou",
        "network": {
            "vpc": {"cidr": "10.64.0.0/16", "secondaryCidrs": ["10.65.0.0/16"]},
            "subnets": {
                "primary": {"zones": _thirds(zones, "10.64")},
                "secondary": {"zones": _thirds(zones, "10.65")},
                "services": {
                    "egress": False,
                    "zones": {zones[0]: {"cidr": "10.64.96.0/24"}},
                },
            },
            "nat": {"subnet": "services"},
        },
        "nodePools": {
            "masters": {
                **_pool(["m-0", "m-1", "m-2"], first=1, pods=3, role="control-plane"),
                "zones": zones,
            },
            "workers": {**_pool(["w-0", "w-1"], first=17, pods=3), "zones": zones},
        },
        "kubernetes": {"mode": "kubeadm"},
    }


def adopted(ids: Mapping[str, str]) -> dict[str, Any]:
    """A stack on an existing network.

    `ids` has `vpc`, `primary`, `secondary`, `nat` and the NAT's `address`.

    Its vSwitches are 10.96.0.0/20 and 10.96.16.0/20 in cn-hangzhou-i.
    """
    zone = "cn-hangzhou-i"
    return {
        **LIGHT,
        "profile": "local",
        "name": "adopted",
        "region": "cn-hangzhou",
        "network": {
            "vpc": {"id": ids["vpc"], "cidr": "10.96.0.0/16"},
            "subnets": {
                "primary": {
                    "zones": {zone: {"cidr": "10.96.0.0/20", "vswitchId": ids["primary"]}},
                },
                "secondary": {
                    "zones": {zone: {"cidr": "10.96.16.0/20", "vswitchId": ids["secondary"]}},
                },
            },
            "nat": {"id": ids["nat"], "eipAddress": ids["address"]},
            "ipv6": {"gateway": False},
        },
        "nodePools": {
            "masters": _pool(["master-0"], first=128, pods=3, role="control-plane"),
            "workers": _pool(["worker-0"], first=136, pods=3),
        },
        "kubernetes": {"mode": "existing"},
    }


def _pool(names: list[str], *, first: int, pods: int, role: str = "worker") -> dict[str, Any]:
    return {
        "role": role,
        "firstBlock": first,
        "instanceType": "ecs.g7.xlarge",
        "nodes": {name: {} for name in names},
        "interfaces": {
            "eth0": {"subnet": "primary", "podAddresses": pods},
            "eth1": {"subnet": "secondary", "podAddresses": pods},
        },
    }


def _thirds(zones: list[str], prefix: str) -> dict[str, Any]:
    return {zone: {"cidr": f"{prefix}.{32 * n}.0/19"} for n, zone in enumerate(zones)}


def prod() -> dict[str, Any]:
    """The prod profile as it is, one control plane and two workers in one zone."""
    zone = "cn-beijing-h"
    return {
        "profile": "prod",
        "name": "prod",
        "region": "cn-beijing",
        "network": {
            "vpc": {"cidr": "10.32.0.0/16"},
            "subnets": {
                "primary": {"zones": {zone: {"cidr": "10.32.0.0/18"}}},
                "secondary": {"zones": {zone: {"cidr": "10.32.64.0/18"}}},
            },
        },
        "nodePools": {
            "masters": _pool(["m-0"], first=1, pods=2, role="control-plane"),
            "workers": _pool(["w-0", "w-1"], first=9, pods=2),
        },
        "kubernetes": {"mode": "existing"},
    }
