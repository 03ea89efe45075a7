"""Tags of ECS resources."""

from __future__ import annotations

from typing import Final

from localcloud.products.tagged import Codes, Tagging

from .entities import (
    AutoSnapshotPolicy,
    Disk,
    Instance,
    KeyPair,
    NetworkInterface,
    SecurityGroup,
    Snapshot,
)

TAGGING: Final = Tagging(
    kinds={
        "INSTANCE": Instance,
        "ENI": NetworkInterface,
        "SECURITYGROUP": SecurityGroup,
        "DISK": Disk,
        "SNAPSHOT": Snapshot,
        "SNAPSHOTPOLICY": AutoSnapshotPolicy,
        "KEYPAIR": KeyPair,
    },
    codes=Codes(
        unknown_type=("InvalidResourceType.NotFound", 404),
        unknown_resource=("InvalidResourceId.NotFound", 404),
    ),
).actions()
