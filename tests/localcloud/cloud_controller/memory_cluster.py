"""An API server in memory: enough of it for one controller, with merge patches and finalizers."""

from __future__ import annotations

import copy
import http
import itertools
from collections.abc import Mapping
from typing import Any

from localcloud.cloud_controller.cluster import Cluster
from localcloud.machines.guest.kubelet.client import ApiError

Object = dict[str, Any]


class MemoryCluster(Cluster):
    """Objects by path."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Object] = {}
        self._versions = itertools.count(1)

    @property
    def client(self) -> MemoryCluster:  # type: ignore[override]  # as much of a Client as is used
        return self

    def put(self, path: str, document: Object) -> Object:
        stored = copy.deepcopy(document)
        metadata = stored.setdefault("metadata", {})
        metadata.setdefault("name", path.rpartition("/")[2])
        metadata.setdefault("uid", f"{next(self._versions):08x}-0000-4000-8000-000000000000")
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[path] = stored
        return stored

    def mark_deleted(self, path: str) -> None:
        """As `kubectl delete`: an object with finalizers stays until they are gone."""
        self.objects[path]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._end(path)

    def get(self, path: str) -> Object:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        kind = path.rpartition("/")[2]
        if kind in {"nodes", "services", "endpointslices", "events", "leases"}:
            objects = [o for p, o in self.objects.items() if p.split("/")[-2] == kind]
            return {"items": copy.deepcopy(objects)}
        raise ApiError(http.HTTPStatus.NOT_FOUND, f"{path} not found")

    def find(self, path: str) -> Object | None:
        return copy.deepcopy(self.objects.get(path))

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        kind: str = "application/json",  # noqa: ARG002 - every patch is a merge here
    ) -> Object:
        if method == "DELETE":
            return self.objects.pop(path)
        assert isinstance(body, Mapping)
        if method == "POST":
            return self.put(f"{path}/{body['metadata']['name']}", dict(body))
        plain = path.removesuffix("/status")
        present = self.objects.get(plain)
        if present is None:
            raise ApiError(http.HTTPStatus.NOT_FOUND, f"{plain} not found")
        version = body.get("metadata", {}).get("resourceVersion")
        if version is not None and version != present["metadata"]["resourceVersion"]:
            raise ApiError(http.HTTPStatus.CONFLICT, "the object has been modified")
        if method == "PUT":
            return self.put(plain, dict(body))
        merged: Object = _merged(present, body)
        merged["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[plain] = merged
        self._end(plain)
        return merged

    def events(self, reason: str) -> list[str]:
        return [
            o["message"]
            for p, o in self.objects.items()
            if "/events/" in p and o["reason"] == reason
        ]

    def _end(self, path: str) -> None:
        metadata = self.objects[path]["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self.objects[path]


def _merged(old: Any, new: Any) -> Any:  # noqa: ANN401  # JSON
    if not isinstance(new, Mapping):
        return copy.deepcopy(new)
    merged = dict(old) if isinstance(old, Mapping) else {}
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
