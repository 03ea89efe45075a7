"""Static pods: manifests in a folder, and their mirrors in the API server.

Rules: kubelet's `pkg/kubelet/config/file.go`, `common.go` and `pod/mirror_client.go`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MIRROR: Final = "kubernetes.io/config.mirror"
_HASH: Final = "kubernetes.io/config.hash"


class Manifests:
    """The pods of a folder, read again when a file changes."""

    def __init__(self, folder: Path, node: str) -> None:
        self._folder = folder
        self._node = node
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._pods: list[dict[str, Any]] = []

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods of every manifest; the same objects while no file changes."""
        stamps = []
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                about = path.stat()
                stamps.append((path.name, about.st_mtime_ns, about.st_size))
        if tuple(stamps) != self._seen:
            self._pods, self._seen = read(self._folder, self._node), tuple(stamps)
        return self._pods


def read(folder: Path, node: str) -> list[dict[str, Any]]:
    """Return the pods of every manifest, named for this node. A broken manifest is left out."""
    pods = []
    for path in sorted(folder.glob("*")):
        if path.name.startswith(".") or path.suffix not in {".yaml", ".yml", ".json"}:
            continue
        try:
            pod = yaml.safe_load(path.read_text("utf-8"))
            name = pod["metadata"]["name"]
            pod["spec"]["containers"][0]["command"]
        except (OSError, yaml.YAMLError, KeyError, TypeError, IndexError):
            continue
        digest = hashlib.md5(  # Only a name, as in the kubelet; it protects nothing.
            json.dumps(pod, sort_keys=True).encode() + node.encode(), usedforsecurity=False
        ).hexdigest()
        metadata = pod["metadata"]
        metadata["name"] = f"{name}-{node}"
        metadata.setdefault("namespace", "default")
        metadata["uid"] = digest
        metadata["annotations"] = (metadata.get("annotations") or {}) | {
            _HASH: digest,
            "kubernetes.io/config.source": "file",
        }
        pod["spec"]["nodeName"] = node
        pod["spec"].setdefault("tolerations", [{"effect": "NoExecute", "operator": "Exists"}])
        pods.append(pod)
    return pods


def mirror(pod: Mapping[str, Any], node: str, node_uid: str) -> dict[str, Any]:
    """Return the mirror pod; NodeRestriction requires its Node as owner."""
    digest = pod["metadata"]["annotations"][_HASH]
    metadata = {key: value for key, value in pod["metadata"].items() if key != "uid"}
    metadata["annotations"] = metadata["annotations"] | {MIRROR: digest}
    metadata["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "name": node,
            "uid": node_uid,
            "controller": True,
        }
    ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def is_mirror_of(present: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether the API server's pod mirrors this very manifest."""
    annotations = present["metadata"].get("annotations") or {}
    same: bool = annotations.get(MIRROR) == pod["metadata"]["annotations"][_HASH]
    return same
