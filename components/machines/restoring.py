"""The snapshot from which a run restores the cluster, when every control plane is lost."""

from __future__ import annotations

import os
import re
from typing import Final

import pulumi

from planning.nodes.etcd_disk import RESTORE

_SNAPSHOT: Final = re.compile(r"s-[a-z0-9]+")


def restored_snapshot() -> str | None:
    """The id of the snapshot that this run restores; None in every other run.

    Raises:
        pulumi.RunError: the variable has a value that is not the id of a snapshot.
    """
    text = os.environ.get(RESTORE, "")
    if text and not _SNAPSHOT.fullmatch(text):
        raise pulumi.RunError(
            f"{RESTORE}={text} is not the id of a snapshot, which begins with s-. Unset it, and "
            "run `python -m operations restore`, which sets it."
        )
    return text or None
