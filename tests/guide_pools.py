"""The specs of the four SpiderIPPools of Spiderpool's guide for Alibaba Cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GUIDE_POOLS: Final[Mapping[str, Mapping[str, object]]] = {
    "master-eth0": {
        "default": True,
        "ips": ["172.31.199.185-172.31.199.189"],
        "subnet": "172.31.192.0/20",
        "gateway": "172.31.207.253",
        "nodeName": ["master"],
        "multusName": ["kube-system/ipvlan-eth0"],
    },
    "master-eth1": {
        "default": True,
        "ips": ["192.168.0.156-192.168.0.160"],
        "subnet": "192.168.0.0/24",
        "gateway": "192.168.0.253",
        "nodeName": ["master"],
        "multusName": ["kube-system/ipvlan-eth1"],
    },
    "worker-eth0": {
        "default": True,
        "ips": ["172.31.199.190-172.31.199.194"],
        "subnet": "172.31.192.0/20",
        "gateway": "172.31.207.253",
        "nodeName": ["worker"],
        "multusName": ["kube-system/ipvlan-eth0"],
    },
    "worker-eth1": {
        "default": True,
        "ips": ["192.168.0.161-192.168.0.165"],
        "subnet": "192.168.0.0/24",
        "gateway": "192.168.0.253",
        "nodeName": ["worker"],
        "multusName": ["kube-system/ipvlan-eth1"],
    },
}
"""Spec by pool name, `<node>-<interface>`."""
