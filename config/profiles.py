"""The defaults of each kind of environment.

A profile is a document of the same shape as a stack file. The stack file overrides it: maps are
merged key by key, everything else is replaced. `POOLS` has the defaults of every node pool, and
`ROLES` those of every pool of that role, because the user names the pools.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.model import Profile, Role

Document = Mapping[str, object]

DEFAULT_IMAGE = "ubuntu_24_04_x64_20G_alibase_20260916.vhd"
"""Ubuntu 24.04: cgroup v2 and kernel 6.8, which Kubernetes 1.35 and ipvlan want. Pinned, because a
later image would replace the system disk of every node."""

LOCAL_ENDPOINT = "127.0.0.1:18443"
"""Where `make up` starts the local cloud."""
LOCAL_ACCESS_KEY = "localcloud"
LOCAL_SECRET_KEY = "localcloud-secret-not-real"  # noqa: S105 - published, opens nothing real
"""The key pair of a local cloud's root user (`localcloud.settings`)."""

CLUSTERS: Mapping[Profile, Document] = {
    Profile.LOCAL: {
        "cloud": {"endpoint": LOCAL_ENDPOINT},
        "kubernetes": {"endpoint": {"public": True, "allowedCidrs": ["127.0.0.0/8"]}},
        "spiderpool": {
            "chart": {
                "repository": None,
                "name": ".local/charts/spiderpool",
                "version": "1.2.2",
            }
        },
    },
    Profile.DEV: {
        "network": {"nat": {"bandwidth": 10}},
        "kubernetes": {"endpoint": {"public": True}},
    },
    Profile.PROD: {
        "protect": True,
        "network": {"nat": {"bandwidth": 100}},
        "kubernetes": {"endpoint": {"public": False}},
    },
}

POOLS: Mapping[Profile, Document] = {
    Profile.LOCAL: {
        "image": DEFAULT_IMAGE,
        "disk": {"category": "cloud_essd", "size": 40, "encrypted": False},
    },
    Profile.DEV: {
        "image": DEFAULT_IMAGE,
        "disk": {
            "category": "cloud_essd",
            "size": 40,
            "performanceLevel": "PL0",
            "encrypted": False,
        },
    },
    Profile.PROD: {
        "image": DEFAULT_IMAGE,
        "disk": {
            "category": "cloud_essd",
            "size": 120,
            "performanceLevel": "PL1",
            "encrypted": True,
        },
    },
}

ETCD_DISKS: Mapping[Profile, Document] = {
    Profile.LOCAL: {},
    Profile.DEV: {},
    Profile.PROD: {"snapshots": {}},
}
"""Defaults of `etcdDisk`, for pools that have one."""

ROLES: Mapping[Profile, Mapping[Role, Document]] = {
    Profile.LOCAL: {},
    Profile.DEV: {},
    Profile.PROD: {Role.CONTROL_PLANE: {"count": 3}},
}


def with_profile(document: Document) -> dict[str, object]:
    """The document laid over its profile's defaults; unchanged without a known profile."""
    name = document.get("profile")
    if not isinstance(name, str) or name not in tuple(Profile):
        return dict(document)
    profile = Profile(name)
    merged = merge(CLUSTERS[profile], document)
    pools = merged.get("nodePools")
    if isinstance(pools, Mapping):
        merged["nodePools"] = {key: _pool(profile, pool) for key, pool in pools.items()}
    return merged


def merge(under: Document, over: Document) -> dict[str, object]:
    """`over` laid over `under`; only maps are merged, and an explicit null in `over` wins."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def _pool(profile: Profile, pool: object) -> object:
    if not isinstance(pool, Mapping):
        return pool
    under = POOLS[profile]
    role = pool.get("role", Role.WORKER)
    if role in tuple(Role) and not ("nodes" in pool or "count" in pool):
        under = merge(under, ROLES[profile].get(Role(role), {}))
    disk = pool.get("disk")
    merged = merge(under, pool)
    merged["disk"] = _disk(under["disk"], disk)
    etcd_disk = pool.get("etcdDisk")
    if isinstance(etcd_disk, Mapping):
        merged["etcdDisk"] = merge(ETCD_DISKS[profile], etcd_disk)
    nodes = merged.get("nodes")
    if isinstance(nodes, Mapping):
        merged["nodes"] = {name: _node(node, merged["disk"]) for name, node in nodes.items()}
    return merged


def _node(node: object, disk: object) -> object:
    if isinstance(node, Mapping) and node.get("disk") is not None:
        return {**node, "disk": _disk(disk, node["disk"])}
    return node


def _disk(under: object, over: object) -> object:
    """One disk laid over another, so that a key that only one of them sets (encryption) is kept."""
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return under if over is None else over
    if over.get("category", under.get("category")) != under.get("category"):
        # A performance level belongs to its category, and must not outlive it.
        under = {k: v for k, v in under.items() if k != "performanceLevel"}
    return merge(under, over)
