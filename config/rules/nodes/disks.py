"""Rules about disks: sizes, performance levels, encryption, and the types that take them.

Sizes: ECS, RunInstances, `SystemDisk.Size` and `SystemDisk.PerformanceLevel`. Which families take
which disks: ECS, "Instance families", and "ESSD Entry disks".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from config.facts.instance_limits import family_of
from config.model import ClusterConfig, DiskConfig, EtcdDiskConfig, Role
from config.report import Problem

LEAST_SIZE: Mapping[str, int] = {"PL0": 20, "PL1": 20, "PL2": 461, "PL3": 1261}
"""GiB of a system disk of cloud_essd, by performance level."""

LAST_WITH_ULTRA_DISKS = 6
"""The last generation of families that takes cloud_efficiency; later ones take ESSDs only."""

_GENERATION = re.compile(r"[a-z]+?([0-9]+)")
_ENTRY_FAMILIES = frozenset({"e", "u1", "u2a", "u2i"})
"""Families that take ESSD Entry disks. They do not take cloud_efficiency."""


def disks_fit(config: ClusterConfig) -> Iterator[Problem]:
    """The keys of a disk agree, and the instance type takes it."""
    for path, instance_type, disk in disks(config):
        yield from _disk(path, disk)
        yield from _on_type(path, instance_type, disk)


def disks(config: ClusterConfig) -> Iterator[tuple[str, str, DiskConfig]]:
    """Every disk with the path that sets it and the instance type that gets it."""
    for name, pool in sorted(config.node_pools.items()):
        yield f"nodePools.{name}.disk", pool.instance_type, pool.disk
        for node, own in sorted(pool.nodes.items()):
            instance_type = own.instance_type or pool.instance_type
            if own.disk is not None:
                yield f"nodePools.{name}.nodes.{node}.disk", instance_type, own.disk
            elif own.instance_type is not None:
                yield f"nodePools.{name}.disk", instance_type, pool.disk


def etcd_disks_fit(config: ClusterConfig) -> Iterator[Problem]:
    """Only control planes have a disk for etcd, and its keys agree."""
    for name, pool in sorted(config.node_pools.items()):
        disk = pool.etcd_disk
        if disk is None:
            continue
        path = f"nodePools.{name}.etcdDisk"
        if pool.role is not Role.CONTROL_PLANE or config.kubernetes.mode != "kubeadm":
            yield Problem(
                path=path,
                value=None,
                rule="Only control planes that this program builds have a disk for etcd.",
                remedy="Leave it out.",
            )
            continue
        hours = disk.snapshots.hours if disk.snapshots is not None else ()
        if len(set(hours)) < len(hours):
            yield Problem(
                path=f"{path}.snapshots.hours",
                value=", ".join(map(str, hours)),
                rule="An hour is named twice.",
                remedy=f"Write [{', '.join(map(str, dict.fromkeys(hours)))}].",
            )
        types = {pool.instance_type, *(node.instance_type for node in pool.nodes.values())}
        yield from _level(path, disk)
        for instance_type in sorted(each for each in types if each is not None):
            yield from _on_type(path, instance_type, disk)


def _disk(path: str, disk: DiskConfig) -> Iterator[Problem]:
    yield from _level(path, disk)
    if disk.kms_key_id is not None and not disk.encrypted:
        yield Problem(
            path=f"{path}.kmsKeyId",
            value=disk.kms_key_id,
            rule="This disk has a KMS key but is not encrypted.",
            remedy="Write encrypted: true, or leave kmsKeyId out.",
        )


def _level(path: str, disk: DiskConfig | EtcdDiskConfig) -> Iterator[Problem]:
    level = disk.performance_level
    if level is not None and disk.category != "cloud_essd":
        yield Problem(
            path=f"{path}.performanceLevel",
            value=level,
            rule=f"Performance levels are for cloud_essd, and this disk is {disk.category}.",
            remedy="Leave it out, or write category: cloud_essd.",
        )
    elif level is not None and disk.size < LEAST_SIZE[level]:
        fitting = max(name for name, least in LEAST_SIZE.items() if disk.size >= least)
        yield Problem(
            path=f"{path}.size",
            value=str(disk.size),
            rule=f"A disk of {level} has {LEAST_SIZE[level]} GiB or more.",
            remedy=f"Write size: {LEAST_SIZE[level]}, or performanceLevel: {fitting}.",
        )


def _on_type(path: str, instance_type: str, disk: DiskConfig | EtcdDiskConfig) -> Iterator[Problem]:
    family = family_of(instance_type).split("-")[0]
    generation = _GENERATION.match(family)
    if disk.category == "cloud_essd_entry" and family not in _ENTRY_FAMILIES:
        yield Problem(
            path=f"{path}.category",
            value=disk.category,
            rule="Only entry-level types (u1, u2a, u2i, e) take ESSD Entry disks; "
            f"{instance_type} does not.",
            remedy="Write category: cloud_essd with performanceLevel: PL0.",
        )
    essd_only = family in _ENTRY_FAMILIES or (
        generation is not None and int(generation[1]) > LAST_WITH_ULTRA_DISKS
    )
    if disk.category == "cloud_efficiency" and essd_only:
        yield Problem(
            path=f"{path}.category",
            value=disk.category,
            rule=f"{instance_type} takes ESSDs only.",
            remedy="Write category: cloud_essd with performanceLevel: PL0.",
        )


RULES = (disks_fit, etcd_disks_fit)
