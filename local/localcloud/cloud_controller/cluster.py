"""The API server, with the rights of the pod's service account; events; leader election."""

from __future__ import annotations

import contextlib
import http
import os
import socket
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.kubelet.client import MERGE_PATCH, Access, ApiError, Client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .flags import Flags

AGENT: Final = "cloud-controller-manager"
COMPONENT: Final = "cloud-controller-manager-stand-in"
MARK: Final = "(stand-in of the cloud controller on the local cloud)"
"""Every event's message ends with this text."""

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LONGEST_MESSAGE: Final = 1024


class Cluster:
    """Requests and events of the controller."""

    def __init__(self, kubeconfig: str = "") -> None:
        self._kubeconfig = kubeconfig
        self._token: str | None = None
        self._client: Client | None = None
        self._events: dict[tuple[str, str], tuple[str, str, int]] = {}

    @property
    def client(self) -> Client:
        """A client with the current token, which the kubelet renews."""
        if self._kubeconfig:
            if self._client is None:
                self._client = Client(Access.read(Path(self._kubeconfig)), agent=AGENT)
            return self._client
        try:
            token = (_ACCOUNT / "token").read_text(encoding="ascii").strip()
            if self._client is None or token != self._token:
                host = os.environ["KUBERNETES_SERVICE_HOST"]
                port = os.environ["KUBERNETES_SERVICE_PORT"]
                ca = (_ACCOUNT / "ca.crt").read_bytes()
                access = Access(server=f"https://{host}:{port}", ca=ca, token=token)
                self._client, self._token = Client(access, agent=AGENT), token
        except (OSError, KeyError) as error:
            raise ApiError(0, f"no service account here: {error!r}") from error
        return self._client

    def list(self, path: str) -> list[dict[str, Any]]:
        """Every object below a path."""
        return list(self.client.get(path).get("items") or ())

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch."""
        return self.client.request("PATCH", path, body, MERGE_PATCH)

    def event(self, about: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        """Write an event. A repeated event increments the count of the first one."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        text = f"{message} {MARK}"[-_LONGEST_MESSAGE:]
        key = (metadata["uid"], reason)
        path = f"/api/v1/namespaces/{namespace}/events"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name, last_text, count = self._events.get(key, ("", "", 0))
        with contextlib.suppress(ApiError):
            if last_text == text:
                self._events[key] = (name, last_text, count + 1)
                self.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": now})
                return
            name = f"{metadata['name']}.{time.time_ns():x}"
            self._events[key] = (name, text, 1)
            self.client.request(
                "POST",
                path,
                {
                    "metadata": {"name": name, "namespace": namespace},
                    "involvedObject": {
                        "apiVersion": "v1",
                        "kind": about.get("kind") or "Service",
                        "name": metadata["name"],
                        "namespace": metadata.get("namespace") or "",
                        "uid": metadata["uid"],
                    },
                    "type": kind,
                    "reason": reason,
                    "message": text,
                    "source": {"component": COMPONENT},
                    "firstTimestamp": now,
                    "lastTimestamp": now,
                    "count": 1,
                },
            )


class Election:
    """Leader election: the replica that has the Lease acts."""

    def __init__(self, cluster: Cluster, flags: Flags) -> None:
        self._cluster = cluster
        self._on = flags.leader_elect
        self._seconds = flags.lease_seconds
        self._name = flags.lock_name
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{flags.lock_namespace}/leases"
        self._me = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._seen: tuple[str, float] = ("", 0.0)
        self._until = 0.0

    def holds(self) -> bool:
        """Take or renew the Lease and return whether it is ours. Raises ApiError."""
        if not self._on:
            return True
        lease = self._cluster.client.find(f"{self._path}/{self._name}")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if lease is None:
            body = {"metadata": {"name": self._name}, "spec": self._spec(now, 0)}
            return self._write("POST", self._path, body)
        spec = lease.get("spec") or {}
        holder, renewed = spec.get("holderIdentity") or "", str(spec.get("renewTime"))
        if renewed != self._seen[0]:
            # The clocks of two replicas differ, so expiry counts from when a renewal was seen here.
            self._seen = (renewed, time.monotonic())
        lasts = float(spec.get("leaseDurationSeconds") or self._seconds)
        if holder not in {"", self._me} and time.monotonic() < self._seen[1] + lasts:
            return False
        transitions = int(spec.get("leaseTransitions") or 0) + (holder != self._me)
        kept = {"acquireTime": spec.get("acquireTime")} if holder == self._me else {}
        lease["spec"] = {**self._spec(now, transitions), **kept}
        return self._write("PUT", f"{self._path}/{self._name}", lease)

    def leave(self) -> None:
        """Release the Lease, so that the next leader need not wait."""
        if not self._on:
            return
        with contextlib.suppress(ApiError):
            path = f"{self._path}/{self._name}"
            lease = self._cluster.client.find(path)
            if lease and (lease.get("spec") or {}).get("holderIdentity") == self._me:
                lease["spec"]["holderIdentity"] = ""
                self._cluster.client.request("PUT", path, lease)

    def _spec(self, now: str, transitions: int) -> dict[str, Any]:
        return {
            "holderIdentity": self._me,
            "leaseDurationSeconds": int(self._seconds),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> bool:
        try:
            self._cluster.client.request(method, path, body)
        except ApiError as error:
            if error.status == http.HTTPStatus.CONFLICT:
                return False
            raise
        return True
