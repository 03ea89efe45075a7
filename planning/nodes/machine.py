"""A machine's identity, and the settings that can change while it runs.

Three groups of settings, for both roles:

* `identity`: a running machine cannot take another value. Any difference means a new machine.
* `restart_settings`: the cloud changes them on a stopped machine. Any difference means one stop
  and one start; the disk, the addresses and the instance id stay.
* `node_settings`: the node's own unit applies them while it runs (`planning/nodes/node.sh`).

The text of the user-data is in none of them: a release may change the boot program without
replacing anything. `kubernetes.mirrors` is not in them either: a machine keeps the package sources
and image mirrors that it booted with, and only new machines take others. A higher `MACHINE_SCHEMA`
asks for new machines on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from config.model import Role
from planning.model import ClusterPlan, NodePlan
from planning.nodes.endpoint import private_address
from planning.nodes.guest_system import KUBELET_SYSCTLS, sysctls
from planning.nodes.kubeadm import kubelet_settings, own_kubelet_settings
from planning.nodes.metadata_guard import guard_rules

MACHINE_SCHEMA: Final = 1
"""Raised when machines of an earlier release cannot serve. The changelog then has an entry
under **Required action**."""

SETTINGS: Final = "spiderpool-alicloud.io/settings"
"""Annotation of a Node: the JSON text of `node_settings`, written by the program."""
SETTINGS_APPLIED: Final = "spiderpool-alicloud.io/settings-applied"
"""Annotation of a Node: `settings_digest` of the text that the node has applied, written by it."""
SETTINGS_FAILED: Final = "spiderpool-alicloud.io/settings-failed"
"""Annotation of a Node: why the node could not apply them, written by it; absent otherwise. Begins
with `settings_digest` of the text that failed and a colon. The node then has the settings from
before, and does not try the same text again before its next boot."""
UNIT_VERSION: Final = 3
"""Version of the node's own unit. Raised when it gets a feature that the program uses: 2 advertises
the addresses of the node's pools (`planning.addresses.capacity.address_resource`), 3 subtracts the
reserved ones, loads the rules that keep pods from the metadata service, renews the certificates of
a control plane, and gives its API server other keys of Secrets."""
COUNTING_UNIT: Final = 2
"""The first version that advertises pod addresses."""
RESERVING_UNIT: Final = 3
"""The first version of which each unit subtracts the free addresses that a SpiderReservedIP
reserves."""
GUARDING_UNIT: Final = 3
"""The first version that applies the setting `metadata`."""
RENEWING_UNIT: Final = 3
"""The first version that renews certificates."""
ENCRYPTING_UNIT: Final = 3
"""The first version that applies the setting `encryption`."""
UNIT_SCHEMA: Final = "spiderpool-alicloud.io/unit"
"""Annotation of a Node: the version of the node's own unit. A Node without it cannot change its
settings while it runs, nor leave etcd by itself."""
LEAVE_ETCD: Final = "spiderpool-alicloud.io/leave-etcd"
"""Annotation of a control plane, written by the program: the provider id of the machine that has
to remove its own etcd member and stop its API server."""
ETCD_LEFT: Final = "spiderpool-alicloud.io/etcd-left"
"""Annotation of a control plane, written by the node: the provider id whose member is gone."""
ETCD_FAILED: Final = "spiderpool-alicloud.io/etcd-failed"
"""Annotation of a control plane, written by the node: why it cannot remove a member (it is the only
one, or too few would be left); absent otherwise. The node tries again every few seconds."""
FORGET_MEMBERS: Final = "spiderpool-alicloud.io/forget-members"
"""Annotation of a control plane that stays, written by the program: private addresses, separated
by commas, of dead control planes whose etcd members it has to remove."""
METADATA_FOR_PODS: Final = "spiderpool-alicloud.io/metadata-for-pods"
"""Annotation of a Node, written by the node: `blocked` or `open`, as its kernel's rules are, once
the machine itself has reached the metadata service with them; or `failed:` and the reason. It
tries again every few seconds. Absent where the unit is older than `GUARDING_UNIT`."""
ENCRYPTION_KEYS: Final = "spiderpool-alicloud.io/encryption-keys"
"""Annotation of a control plane, written by the node: names of the keys with which its API server
runs, separated by spaces, the one that encrypts first. Absent where the API server takes no keys
because an earlier release created its cluster."""
MEMBERS_FORGOTTEN: Final = "spiderpool-alicloud.io/members-forgotten"
"""Annotation of a control plane, written by the node: the addresses of `FORGET_MEMBERS`, once etcd
has no member there."""


RENEW_CERTIFICATES: Final = "spiderpool-alicloud.io/renew-certificates"
"""Annotation of a control plane, written by `operations certificates`: any text that is not that of
`CERTIFICATES_RENEWED` asks for new certificates."""
CERTIFICATES_RENEWED: Final = "spiderpool-alicloud.io/certificates-renewed"
"""Annotation of a control plane, written by the node: that text, once its pods have them."""
BACK_UP: Final = "spiderpool-alicloud.io/back-up"
"""Annotation of a control plane with a disk for etcd, written by `operations backup`: any text that
is not that of `BACKED_UP` asks for a snapshot of etcd on that disk."""
BACKED_UP: Final = "spiderpool-alicloud.io/backed-up"
"""Annotation of a control plane, written by the node: that text, once the snapshot is written."""


def identity(plan: ClusterPlan, node: NodePlan) -> dict[str, object]:
    """Settings that need a new machine, as JSON values; equal machines have equal ones."""
    return {
        "schema": MACHINE_SCHEMA,
        "image": node.image,
        "kubernetes": plan.kubernetes.version,
        "ipv6": plan.network.ipv6.enabled,
        "keyPair": node.key_pair or "",
        "spot": {
            "strategy": node.spot.strategy,
            "priceLimit": "" if node.spot.price_limit is None else str(node.spot.price_limit),
        },
        "disk": {
            "category": node.disk.category,
            "encrypted": bool(node.disk.encrypted),
            "kmsKeyId": node.disk.kms_key_id or "",
        },
        # A machine of an earlier release has none, and its identity does not name it.
        **({} if node.etcd_disk is None else {"etcdDisk": "attached"}),
        "interfaces": {
            name: {"address": str(nic.primary), "vswitch": nic.vswitch}
            for name, nic in sorted(node.interfaces.items())
        },
    }


def identity_digest(plan: ClusterPlan, node: NodePlan) -> str:
    """A digest of `identity`."""
    return _digest(_text(identity(plan, node)))


def restart_settings(node: NodePlan) -> dict[str, object]:
    """Settings that the cloud changes on a stopped machine (ECS, ModifyInstanceSpec)."""
    return {"instanceType": node.instance_type}


def node_settings(
    plan: ClusterPlan,
    node: NodePlan,
    endpoint_address: str,
    *,
    encryption_keys: tuple[str, ...] = (),
) -> str:
    """The JSON text of `SETTINGS`: what the node's own unit applies while the machine runs.

    Args:
        plan: the cluster, in `kubeadm` mode.
        node: one of the plan's nodes.
        endpoint_address: where workers reach the API servers: the only control plane's address, or
            the load balancer's. A control plane reaches its own.
        encryption_keys: names of the keys of Secrets in etcd; without any, a node keeps its own.

    Returns:
        An object of texts: `endpoint`, an address for /etc/hosts; `kubelet`, `metadata` and
        `sysctls`, contents of files; on a control plane with keys also `encryption`, their names
        with spaces between. The user-data has the same ones, so a new machine has nothing to
        change.
    """
    control_plane = node.role is Role.CONTROL_PLANE
    settings = {
        "endpoint": private_address(node) if control_plane else endpoint_address,
        "kubelet": kubelet_settings(plan, node),
        "metadata": guard_rules(plan, node),
        "sysctls": sysctls(plan),
    }
    if control_plane and encryption_keys:
        settings["encryption"] = " ".join(encryption_keys)
    return _text(settings)


def applicable(text: str, unit: int) -> str:
    """The part of `node_settings` that a unit of that version applies. It ignores the rest."""
    settings = json.loads(text)
    if unit < GUARDING_UNIT:
        settings.pop("metadata", None)
    if unit < ENCRYPTING_UNIT:
        settings.pop("encryption", None)
        # Defaults of the release that has this unit. Older machines need no restart for them.
        settings["kubelet"] = _text(own_kubelet_settings(settings["kubelet"]))
        settings["sysctls"] = "".join(
            line
            for line in settings["sysctls"].splitlines(keepends=True)
            if line.partition(" = ")[0] not in KUBELET_SYSCTLS
        )
    return _text(settings)


def settings_digest(text: str) -> str:
    """The digest by which a node names its applied settings: 16 hexadecimal digits."""
    return _digest(text)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def unit_version(annotations: Mapping[str, str]) -> int:
    """Version of the unit on a Node, by its annotations; 0 for a node without one."""
    version = annotations.get(UNIT_SCHEMA, "")
    return int(version) if version.isdecimal() else 0
