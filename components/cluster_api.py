"""The few questions and orders that a roll-out has for a Kubernetes API server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from components.api_access import api_client

ROLLING: Final = "spiderpool-alicloud.io/rolling"
"""Annotation of a node that a roll-out has cordoned."""
REMOVED: Final = "spiderpool-alicloud.io/removed"
"""Taint of a node that leaves the cluster for good."""

_ANSWER_WITHIN: Final = 10.0
_MERGE: Final = "application/merge-patch+json"
_STRATEGIC: Final = "application/strategic-merge-patch+json"


class ClusterError(Exception):
    """The API server could not be asked, or said no."""


@dataclass(frozen=True, kw_only=True)
class KubernetesNode:
    """What matters of a Node."""

    name: str
    provider_id: str
    ready: bool
    rolling: bool
    """Cordoned by a roll-out that has not uncordoned it yet."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What matters of a pod for a drain."""

    namespace: str
    name: str
    owner: str
    """Kind of its controller; empty for a bare pod."""
    static: bool
    host_network: bool
    """It has the node's address, and none of a pool."""
    finished: bool
    ending: bool
    ready: bool

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ClusterApi:
    """An API server, by a client that is open."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def version(self) -> str:
        """As `v1.35.4`."""
        return str((await self._ask("GET", "/version"))["gitVersion"])

    async def nodes(self) -> Mapping[str, KubernetesNode]:
        """Every node of the cluster, by name."""
        listed = await self._ask("GET", "/api/v1/nodes")
        return {item["metadata"]["name"]: _node(item) for item in listed["items"]}

    async def control_planes(self) -> Sequence[str]:
        """Names of the nodes that kubeadm has labelled so."""
        selector = "node-role.kubernetes.io%2Fcontrol-plane"
        listed = await self._ask("GET", f"/api/v1/nodes?labelSelector={selector}")
        return [item["metadata"]["name"] for item in listed["items"]]

    async def ip_pools(self) -> Sequence[Mapping[str, Any]]:
        """Every SpiderIPPool as it is; none where Spiderpool is not installed."""
        answer = await self._send("GET", "/apis/spiderpool.spidernet.io/v2beta1/spiderippools")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return ()
        pools: Sequence[Mapping[str, Any]] = _checked(answer)["items"]
        return pools

    async def pods_on(self, node: str) -> Sequence[Pod]:
        """Every pod that is bound to the node."""
        listed = await self._ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
        return [_pod(item) for item in listed["items"]]

    async def cordon(self, node: str) -> None:
        """Let nothing new come to the node, and mark it."""
        await self._patch_node(node, unschedulable=True, rolling="true")

    async def uncordon(self, node: str) -> None:
        """Take the mark and the cordon off."""
        await self._patch_node(node, unschedulable=None, rolling=None)

    async def expel(self, node: str) -> None:
        """Drive out what its DaemonSets run, but for those that tolerate everything."""
        taint = {"key": REMOVED, "value": "true", "effect": "NoExecute"}
        answer = await self._send(
            "PATCH",
            f"/api/v1/nodes/{node}",
            json={"spec": {"taints": [taint]}},
            headers={"Content-Type": _STRATEGIC},
        )
        if answer.status_code != HTTPStatus.NOT_FOUND:
            _checked(answer)

    async def evict(self, pod: Pod) -> str | None:
        """Ask a pod to leave. None when it does; else the reason, as a PodDisruptionBudget's."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
        }
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
        answer = await self._send("POST", path, json=body)
        if answer.is_success or answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return _message(answer)

    async def delete_node(self, node: str) -> bool:
        """Delete the Node object, not the machine; False when there is none."""
        answer = await self._send("DELETE", f"/api/v1/nodes/{node}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return False
        _checked(answer)
        return True

    async def unreached_webhook(self, path: str, body: Mapping[str, object]) -> str | None:
        """Try a creation without doing it: None once the webhooks that judge it have judged.

        What they say does not matter here. An object that exists is judged before it is found
        to exist. While a webhook is not reached, the API server's words for that.
        """
        answer = await self._send("POST", f"{path}?dryRun=All", json=body)
        if answer.status_code == HTTPStatus.NOT_FOUND or answer.is_server_error:
            return _message(answer)
        return None

    async def pool_is_usable(self, pool: str) -> bool:
        """Whether a SpiderIPPool gives addresses; one that is not there yet is not waited for."""
        answer = await self._send(
            "GET", f"/apis/spiderpool.spidernet.io/v2beta1/spiderippools/{pool}"
        )
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return True
        found = _checked(answer)
        return "deletionTimestamp" not in found["metadata"] and not found["spec"].get("disable")

    async def _patch_node(
        self, node: str, *, unschedulable: bool | None, rolling: str | None
    ) -> None:
        body = {
            "metadata": {"annotations": {ROLLING: rolling}},
            "spec": {"unschedulable": unschedulable},
        }
        answer = await self._send(
            "PATCH", f"/api/v1/nodes/{node}", json=body, headers={"Content-Type": _MERGE}
        )
        if answer.status_code != HTTPStatus.NOT_FOUND:
            _checked(answer)

    async def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - Kubernetes' JSON
        return _checked(await self._send(method, path))

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return await self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ClusterError(f"{type(error).__name__} {error}".strip()) from error


@asynccontextmanager
async def cluster_api(
    kubeconfig: str, *, within: float = _ANSWER_WITHIN
) -> AsyncIterator[ClusterApi]:
    """Open a client; it asks nothing by itself. `within` is seconds for an answer."""
    async with api_client(kubeconfig, within=within) as client:
        yield ClusterApi(client)


def _checked(answer: httpx.Response) -> Any:  # noqa: ANN401 - Kubernetes' JSON
    if not answer.is_success:
        raise ClusterError(f"HTTP {answer.status_code}: {_message(answer)}")
    return answer.json()


def _message(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return re.sub(r"\s+", " ", answer.text)[:200]
    causes = [
        str(cause.get("message")) for cause in (said.get("details") or {}).get("causes") or ()
    ]
    return " ".join([str(said.get("message")), *causes])


def _node(item: Mapping[str, Any]) -> KubernetesNode:
    metadata = item["metadata"]
    return KubernetesNode(
        name=metadata["name"],
        provider_id=item["spec"].get("providerID", ""),
        ready=_is_ready(item),
        rolling=ROLLING in (metadata.get("annotations") or {}),
    )


def _pod(item: Mapping[str, Any]) -> Pod:
    metadata = item["metadata"]
    owners = [o["kind"] for o in metadata.get("ownerReferences") or () if o.get("controller")]
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        owner=owners[0] if owners else "",
        host_network=bool(item["spec"].get("hostNetwork")),
        static="kubernetes.io/config.mirror" in (metadata.get("annotations") or {}),
        finished=(item.get("status") or {}).get("phase") in {"Succeeded", "Failed"},
        ending="deletionTimestamp" in metadata,
        ready=_is_ready(item),
    )


def _is_ready(item: Mapping[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
