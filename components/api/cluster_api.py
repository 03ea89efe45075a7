"""Requests to the Kubernetes API server for the life cycle of machines."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from components.api.api_access import api_client, request_errors
from components.api.api_answers import document_of, message_of

if TYPE_CHECKING:
    import httpx

ROLLING: Final = "spiderpool-alicloud.io/rolling"
"""Annotation of a Node that a roll-out has cordoned."""
REMOVED: Final = "spiderpool-alicloud.io/removed"
"""Taint of a node whose pods must all leave, because the node or its addresses are removed."""

_ANSWER_WITHIN: Final = 10.0
_CORDONED: Final = "node.kubernetes.io/unschedulable"
"""Key of the NoSchedule taint that the node controller adds to a cordoned Node."""
_MERGE: Final = "application/merge-patch+json"
_STRATEGIC: Final = "application/strategic-merge-patch+json"
_AGAIN_AFTER: Final = 1.0
"""Seconds between two attempts to connect."""
_TRIES: Final = 5
"""Attempts at a change that conflicts with another writer."""
_SYSTEM: Final = "/api/v1/namespaces/kube-system"
_KUBEADM: Final = f"{_SYSTEM}/configmaps/kubeadm-config"
_KUBE_PROXY: Final = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"

Taint = tuple[str, str, str]
"""Key, value, effect."""


class ClusterError(Exception):
    """The API server did not answer, or refused."""


@dataclass(frozen=True, kw_only=True)
class KubernetesNode:
    """The parts of a Node that the life cycle of machines uses."""

    name: str
    provider_id: str
    ready: bool
    rolling: bool
    """Whether a roll-out has cordoned the node and not uncordoned it yet."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    address: str = ""
    """The InternalIP; empty while the Node reports none."""
    uid: str = ""
    kubelet: str = ""
    """Version of its kubelet, for example `v1.35.4`."""


@dataclass(frozen=True, kw_only=True)
class ControlPlanePod:
    """A static pod of a control plane, as its mirror in the API shows it."""

    component: str
    """The value of kubeadm's `component` label, for example `etcd` or `kube-apiserver`."""
    node: str
    node_uid: str
    """UID of its Node. After a replacement a mirror may still have the former Node's UID."""
    ready: bool
    image: str


@dataclass(frozen=True, kw_only=True)
class NodeChange:
    """A change of a Node; None removes a label or an annotation."""

    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    taints: tuple[Taint, ...] | None = None
    """The whole list; None leaves it unchanged."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The parts of a pod that a drain uses."""

    namespace: str
    name: str
    owner: str
    """Kind of its controller; empty for a bare pod."""
    static: bool
    host_network: bool
    """Whether the pod has the node's address instead of one from a pool."""
    finished: bool
    ending: bool
    ready: bool
    uid: str = ""
    tolerates_cordon: bool = False
    """Whether the scheduler may place its replacement on a cordoned node."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ClusterApi:
    """Requests by an open client.

    A request whose connection failed is repeated for `patience` seconds, because the address may be
    moving or lead to an API server that has just stopped. All requests here are safe to repeat.
    """

    def __init__(self, client: httpx.AsyncClient, *, patience: float = 0.0) -> None:
        self._client = client
        self._patience = patience

    async def version(self) -> str:
        """The API server's version, for example `v1.35.4`."""
        return str((await self._ask("GET", "/version"))["gitVersion"])

    async def time(self) -> datetime:
        """The API server's own time of day."""
        return _time_of(await self._send("GET", "/version"))

    async def nodes(self) -> Mapping[str, KubernetesNode]:
        """Every node of the cluster, by name."""
        listed = await self._ask("GET", "/api/v1/nodes")
        return {item["metadata"]["name"]: _node(item) for item in listed["items"]}

    async def ip_pools(self) -> Sequence[Mapping[str, Any]]:
        """Every SpiderIPPool as JSON; none where Spiderpool is not installed."""
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
        """Keep new pods off the node, and mark it as rolling."""
        await self._patch_node(node, unschedulable=True, rolling="true")

    async def uncordon(self, node: str) -> None:
        """Remove the mark, the cordon, and the taint of `taint_removed`."""
        await self._patch_node(node, unschedulable=None, rolling=None)
        await self.change_node(node, _without_removed)

    async def taint_removed(self, node: str) -> None:
        """Add the taint that evicts DaemonSet pods, except those that tolerate every taint.

        The taint is added to the node's own: `taints` is an atomic list.
        """
        removed: Taint = (REMOVED, "true", "NoExecute")
        await self.change_node(
            node,
            lambda current: NodeChange(
                taints=(*(t for t in current.taints if t[0] != REMOVED), removed)
            ),
        )

    async def change_node(
        self, node: str, change: Callable[[KubernetesNode], NodeChange | None]
    ) -> None:
        """Read a Node, and write what `change` returns for it.

        The write is conditional on the resourceVersion that was read; after a conflict, both are
        repeated. Nothing is written when `change` returns None or the Node does not exist. Raises
        `ClusterError`.
        """
        path = f"/api/v1/nodes/{node}"
        for _ in range(_TRIES):
            response = await self._send("GET", path)
            if response.status_code == HTTPStatus.NOT_FOUND:
                return
            item = _checked(response)
            requested = change(_node(item))
            if requested is None:
                return
            written = await self._send(
                "PATCH", path, json=_patch_of(item, requested), headers={"Content-Type": _MERGE}
            )
            if written.status_code == HTTPStatus.NOT_FOUND:
                return
            if written.status_code != HTTPStatus.CONFLICT:
                _checked(written)
                return
        raise ClusterError(f"Node {node} changed {_TRIES} times before it could be written.")

    async def control_plane_pods(self) -> Sequence[ControlPlanePod]:
        """The mirrors of the control planes' static pods (kubeadm: label tier=control-plane)."""
        listed = await self._ask("GET", f"{_SYSTEM}/pods?labelSelector=tier%3Dcontrol-plane")
        return [
            ControlPlanePod(
                component=(item["metadata"].get("labels") or {}).get("component", ""),
                node=item["spec"].get("nodeName", ""),
                node_uid=next(
                    (
                        owner["uid"]
                        for owner in item["metadata"].get("ownerReferences") or ()
                        if owner["kind"] == "Node"
                    ),
                    "",
                ),
                ready=_is_ready(item) and "deletionTimestamp" not in item["metadata"],
                image=item["spec"]["containers"][0]["image"],
            )
            for item in listed["items"]
        ]

    async def cluster_configuration(self) -> str:
        """Kubeadm's ClusterConfiguration, as YAML text: what a joining control plane reads."""
        return str((await self._ask("GET", _KUBEADM))["data"]["ClusterConfiguration"])

    async def write_cluster_configuration(self, text: str) -> None:
        """Replace kubeadm's ClusterConfiguration with this YAML text."""
        body = {"data": {"ClusterConfiguration": text}}
        _checked(await self._send("PATCH", _KUBEADM, json=body, headers={"Content-Type": _MERGE}))

    async def kube_proxy_image(self) -> str | None:
        """The image of kube-proxy's DaemonSet; None without one."""
        response = await self._send("GET", _KUBE_PROXY)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return str(_checked(response)["spec"]["template"]["spec"]["containers"][0]["image"])

    async def write_kube_proxy_image(self, image: str) -> None:
        """Give kube-proxy's DaemonSet another image; Kubernetes rolls its pods."""
        containers = [{"name": "kube-proxy", "image": image}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        _checked(
            await self._send("PATCH", _KUBE_PROXY, json=body, headers={"Content-Type": _STRATEGIC})
        )

    async def evict(self, pod: Pod) -> str | None:
        """Evict a pod. Return None if it leaves, else the reason, such as a PodDisruptionBudget."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
        }
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
        answer = await self._send("POST", path, json=body)
        if answer.is_success or answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return message_of(answer)

    async def delete_node(self, node: str) -> bool:
        """Delete the Node object, not the machine; False when there is none."""
        answer = await self._send("DELETE", f"/api/v1/nodes/{node}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return False
        _checked(answer)
        return True

    async def read_secret(
        self, namespace: str, name: str
    ) -> tuple[Mapping[str, str] | None, datetime]:
        """A Secret's decoded data (None without the Secret) and the API server's own time."""
        answer = await self._send("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        now = _time_of(answer)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None, now
        entries = _checked(answer).get("data") or {}
        return {key: base64.b64decode(text).decode() for key, text in entries.items()}, now

    async def write_secret(self, secret: Mapping[str, Any]) -> None:
        """Create the Secret, or replace the one of its name. No message repeats its data."""
        metadata = secret["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/secrets"
        answer = await self._send("POST", path, json=secret)
        if answer.status_code == HTTPStatus.CONFLICT:
            answer = await self._send("PUT", f"{path}/{metadata['name']}", json=secret)
        _checked(answer)

    async def delete_secret(self, namespace: str, name: str) -> bool:
        """Delete a Secret; False when there is none."""
        answer = await self._send("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return False
        _checked(answer)
        return True

    async def unreached_webhook(self, path: str, body: Mapping[str, object]) -> str | None:
        """Try a creation as a dry run: None once its admission webhooks have answered.

        Their verdict does not matter here. Webhooks are called even for an object that exists
        already, before the conflict is reported. While a webhook is unreachable, the API server's
        message is returned.
        """
        answer = await self._send("POST", f"{path}?dryRun=All", json=body)
        if answer.status_code == HTTPStatus.NOT_FOUND or answer.is_server_error:
            return message_of(answer)
        return None

    async def pool_is_usable(self, pool: str) -> bool:
        """Whether a SpiderIPPool gives addresses; True for one that does not exist yet."""
        answer = await self._send(
            "GET", f"/apis/spiderpool.spidernet.io/v2beta1/spiderippools/{pool}"
        )
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return True
        item = _checked(answer)
        return "deletionTimestamp" not in item["metadata"] and not item["spec"].get("disable")

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
        began = time.monotonic()
        while True:
            try:
                return await self._client.request(method, path, **more)
            except request_errors() as error:
                if time.monotonic() - began >= self._patience:
                    raise ClusterError(f"{type(error).__name__} {error}".strip()) from error
            await asyncio.sleep(_AGAIN_AFTER)


@asynccontextmanager
async def cluster_api(
    kubeconfig: str, *, within: float = _ANSWER_WITHIN, patience: float = 0.0
) -> AsyncIterator[ClusterApi]:
    """Open a client; opening sends no request.

    `within` is seconds for an answer, `patience` seconds for a connection (see `ClusterApi`).
    """
    async with api_client(kubeconfig, within=within) as client:
        yield ClusterApi(client, patience=patience)


def _checked(answer: httpx.Response) -> Any:  # noqa: ANN401 - Kubernetes' JSON
    return document_of(answer, error=ClusterError)


def _time_of(answer: httpx.Response) -> datetime:
    """When the API server answered, by its own clock; by ours if the answer has no valid Date."""
    try:
        return parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)


def _patch_of(item: Mapping[str, Any], change: NodeChange) -> dict[str, Any]:
    """A JSON merge patch that fails if another write came in between."""
    metadata: dict[str, Any] = {"resourceVersion": item["metadata"]["resourceVersion"]}
    if change.labels:
        metadata["labels"] = dict(change.labels)
    if change.annotations:
        metadata["annotations"] = dict(change.annotations)
    patch: dict[str, Any] = {"metadata": metadata}
    if change.taints is not None:
        before = {_taint(entry): entry for entry in item["spec"].get("taints") or ()}
        # A taint that stays keeps its other fields, such as `timeAdded`.
        patch["spec"] = {
            "taints": [
                before.get(taint) or {"key": taint[0], "value": taint[1], "effect": taint[2]}
                for taint in change.taints
            ]
        }
    return patch


def _without_removed(node: KubernetesNode) -> NodeChange | None:
    kept = tuple(taint for taint in node.taints if taint[0] != REMOVED)
    return None if kept == node.taints else NodeChange(taints=kept)


def _taint(entry: Mapping[str, Any]) -> Taint:
    return entry["key"], entry.get("value", ""), entry["effect"]


def _node(item: Mapping[str, Any]) -> KubernetesNode:
    metadata, status = item["metadata"], item.get("status") or {}
    addresses = [a["address"] for a in status.get("addresses") or () if a["type"] == "InternalIP"]
    return KubernetesNode(
        name=metadata["name"],
        provider_id=item["spec"].get("providerID", ""),
        ready=_is_ready(item),
        rolling=ROLLING in (metadata.get("annotations") or {}),
        annotations=metadata.get("annotations") or {},
        labels=metadata.get("labels") or {},
        taints=tuple(_taint(entry) for entry in item["spec"].get("taints") or ()),
        address=addresses[0] if addresses else "",
        uid=metadata["uid"],
        kubelet=(status.get("nodeInfo") or {}).get("kubeletVersion", ""),
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
        uid=metadata["uid"],
        tolerates_cordon=any(map(_covers_cordon, item["spec"].get("tolerations") or ())),
    )


def _covers_cordon(toleration: Mapping[str, Any]) -> bool:
    """Whether a toleration covers the taint that a cordon puts on a Node."""
    return toleration.get("key", "") in {"", _CORDONED} and toleration.get("effect", "") in {
        "",
        "NoSchedule",
    }


def _is_ready(item: Mapping[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
