"""Rules that need more than one field: each a small function that yields problems.

All of them run, so that one report has all problems. A rule does not report what another rule
reports. Rules about single addresses are in `planning.addresses.layout`.
"""

from __future__ import annotations

from collections.abc import Iterator

from config.model import ClusterConfig
from config.report import Problem
from config.rules import cloud
from config.rules.cluster import (
    kubelet,
    kubelet_agreement,
    kubernetes,
    pods,
    sample_apps,
    services,
    spiderpool,
    versions,
)
from config.rules.network import bandwidth, vpc
from config.rules.nodes import (
    addresses,
    disks,
    images,
    interfaces,
    labels,
    node_pools,
    references,
)

RULES = (
    *cloud.RULES,
    *vpc.RULES,
    *node_pools.RULES,
    *images.RULES,
    *disks.RULES,
    *references.RULES,
    *labels.RULES,
    *bandwidth.RULES,
    *interfaces.RULES,
    *addresses.RULES,
    *kubernetes.RULES,
    *kubelet.RULES,
    *kubelet_agreement.RULES,
    *spiderpool.RULES,
    *pods.RULES,
    *versions.RULES,
    *sample_apps.RULES,
    *services.RULES,
)


def broken_rules(config: ClusterConfig) -> Iterator[Problem]:
    """The problems that all rules report."""
    for rule in RULES:
        yield from rule(config)
