"""The kubelet's requests to the API server on behalf of pods: objects, tokens, events."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.kubelet.pods.volumes import decode_secret

from .client import Access, ApiError, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RENEW_BEFORE: Final = 600.0


class Cluster:
    """Implements `volumes.Source` with the node's own rights."""

    def __init__(self, access: Access, client: Client, node: str) -> None:
        self._access = access
        self._client = client
        self._node = node
        self._tokens: dict[tuple[str, str | None], tuple[float, str]] = {}
        self._clients: dict[str, tuple[str, Client]] = {}
        self._events: dict[tuple[str, str], tuple[str, int]] = {}

    def config_map(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return a ConfigMap's data, None where there is none."""
        config_map = self._client.find(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        return None if config_map is None else dict(config_map.get("data") or {})

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return a Secret's data decoded, None where there is none."""
        secret = self._client.find(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return None if secret is None else decode_secret(secret)

    def token(self, pod: Mapping[str, Any], audience: str | None, seconds: int) -> str:
        """Return a token of the pod's service account, bound to the pod and renewed in time."""
        key = (pod["metadata"]["uid"], audience)
        until, text = self._tokens.get(key, (0.0, ""))
        if until > time.time():
            return text
        metadata = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        spec: dict[str, Any] = {
            "expirationSeconds": max(seconds, 3600),
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }
        if audience:
            spec["audiences"] = [audience]
        answer = self._client.request(
            "POST",
            f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        )
        text = str(answer["status"]["token"])
        self._tokens[key] = (time.time() + max(seconds, 3600) - _RENEW_BEFORE, text)
        return text

    def client_of(self, pod: Mapping[str, Any]) -> Client:
        """Return a client with the rights of the pod's service account."""
        token, uid = self.token(pod, None, 3607), pod["metadata"]["uid"]
        cached = self._clients.get(uid)
        if cached is not None and cached[0] == token:
            return cached[1]
        client = Client(Access(server=self._access.server, ca=self._access.ca, token=token))
        self._clients[uid] = (token, client)
        return client

    def event(self, pod: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        """Write an event. A repeated one increments the count of the first."""
        metadata = pod["metadata"]
        key = (metadata["uid"], reason)
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        last = self._events.get(key)
        name, count = last or (f"{metadata['name']}.{time.time_ns():x}", 0)
        with contextlib.suppress(ApiError):
            if last:
                self._events[key] = (name, count + 1)
                self._client.request(
                    "PATCH",
                    f"{path}/{name}",
                    {"count": count + 1, "lastTimestamp": now, "message": message},
                    "application/merge-patch+json",
                )
                return
            self._events[key] = (name, 1)
            self._client.request(
                "POST",
                path,
                {
                    "metadata": {"name": name, "namespace": metadata["namespace"]},
                    "involvedObject": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": metadata["name"],
                        "namespace": metadata["namespace"],
                        "uid": metadata["uid"],
                    },
                    "type": kind,
                    "reason": reason,
                    "message": message,
                    "source": {"component": "kubelet", "host": self._node},
                    "firstTimestamp": now,
                    "lastTimestamp": now,
                    "count": 1,
                },
            )

    def forget(self, uid: str) -> None:
        """Drop the cached data of a deleted pod."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
        self._clients.pop(uid, None)
        for event in [key for key in self._events if key[0] == uid]:
            del self._events[event]


def until_it_works(what: str, work: Callable[[], None], say: Callable[[str], None]) -> None:
    """Call `work` until it raises no ApiError. An error is reported when its text changes."""
    last = ""
    while True:
        try:
            work()
        except ApiError as error:
            if str(error) != last:
                say(f"{what}: {error}")
                last = str(error)
            time.sleep(1)
        else:
            return
