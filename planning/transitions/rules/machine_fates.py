"""What happens to each node's machine, by the settings that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from planning.transitions.differences import differences
from planning.transitions.reading import Record
from planning.transitions.record import METADATA
from planning.transitions.steps import Difference

MACHINE_SCHEMA_NAME: Final = "the machines' schema"
ETCD_DISK: Final = "etcdDisk"
"""Key of the disk in a machine's identity, and of its settings in those that change in place."""
SETTING_NAMES: Final = {
    "endpoint": "address of the API servers",
    "schema": MACHINE_SCHEMA_NAME,
    "kubernetes": "kubernetes.version",
    "ipv6": "network.ipv6.enabled",
    METADATA: "kubernetes.metadataForPods",
}
"""Parts of a machine's identity that have another name in the stack file."""
_NOT_BOOTED_BY_US: Final = frozenset({"schema", "kubernetes", "ipv6"})
"""Settings without effect on machines of a cluster that this program did not build."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Node names by change."""

    added: frozenset[str]
    removed: frozenset[str]
    replaced: frozenset[str]
    restarted: frozenset[str]


def fates(before: Record, after: Record) -> Nodes:
    """What happens to each node's machine."""
    both = before.nodes.keys() & after.nodes.keys()
    return Nodes(
        added=frozenset(after.nodes.keys() - before.nodes.keys()),
        removed=frozenset(before.nodes.keys() - after.nodes.keys()),
        replaced=frozenset(name for name in both if identity_differences(before, after, name)),
        restarted=frozenset(
            name for name in both if before.nodes[name].restart != after.nodes[name].restart
        ),
    )


def identity_differences(before: Record, after: Record, name: str) -> tuple[Difference, ...]:
    """The settings that need a new machine, where they differ."""
    one, other = before.nodes[name].identity, after.nodes[name].identity
    if not after.is_kubeadm:
        one, other = _without_boot(one), _without_boot(other)
    return differences(one, other)


def _without_boot(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in identity.items() if key not in _NOT_BOOTED_BY_US}
