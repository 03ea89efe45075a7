"""How a control plane mounts etcd's own disk at each boot (docs/decisions/etcd-disk.md)."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from planning.nodes.secrets import ClusterSecrets

PROGRAM: Final = "/etc/spiderpool-alicloud/etcd-disk.sh"
SERVICE: Final = "spiderpool-alicloud-etcd-disk"
"""The systemd service that mounts the disk before the kubelet starts etcd."""
RESTORE: Final = "SPIDERPOOL_ALICLOUD_RESTORE"
"""Environment variable of a run that rebuilds the cluster: the id of the snapshot from which the
first control plane's disk is created (docs/decisions/restore.md)."""
SERVICE_FILE: Final = f"""\
[Unit]
Description=Mounts etcd's own disk
ConditionPathExists=/etc/spiderpool-alicloud/etcd-disk-ready
Before=kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=15min
ExecStart={PROGRAM} mount
[Install]
WantedBy=multi-user.target
"""
"""The condition is for a first boot: the boot program mounts the disk, and a kubelet that starts
before it runs nothing yet."""
KUBELET_DROP_IN: Final = f"""\
[Unit]
Requires={SERVICE}.service
After={SERVICE}.service
"""
"""Without the disk no kubelet, and so no etcd that would start empty."""


def ca_fingerprint(secrets: ClusterSecrets) -> str:
    """Which cluster's data a disk has, by the CA of its etcd: 32 hexadecimal digits.

    The disk itself has the whole digest in its file `owner` (planning/nodes/etcd-disk.sh).
    """
    return sha256(secrets.etcd_ca.certificate.encode()).hexdigest()[:32]


def etcd_disk_files() -> dict[str, str]:
    """The systemd units of a control plane that has the disk, by path."""
    return {
        f"/etc/systemd/system/{SERVICE}.service": SERVICE_FILE,
        "/etc/systemd/system/kubelet.service.d/20-spiderpool-etcd-disk.conf": KUBELET_DROP_IN,
    }
