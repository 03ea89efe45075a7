"""Addresses for pods from Spiderpool's pools, with the rights of the agent's service account."""

from __future__ import annotations

import http
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.kubelet.client import ApiError, Client
from localcloud.machines.guest.kubelet.ipam import pools
from localcloud.machines.guest.kubelet.ipam.pools import NoAddressError, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POOLS: Final = "/apis/spiderpool.spidernet.io/v2beta1/spiderippools"
_RESERVATIONS: Final = "/apis/spiderpool.spidernet.io/v2beta1/spiderreservedips"
_COORDINATORS: Final = "/apis/spiderpool.spidernet.io/v2beta1/spidercoordinators"
_NETWORKS: Final = "/apis/k8s.cni.cncf.io/v1/namespaces/{}/network-attachment-definitions/{}"
_ATTEMPTS: Final = 6


class AgentMissingError(NoAddressError):
    """No spiderpool-agent runs on this node, so it has no CNI."""


class Addresses:
    """Allocates and releases on behalf of the spiderpool-agent of this node."""

    def __init__(self, node: str, client_for: Callable[[dict[str, Any]], Client]) -> None:
        self._node = node
        self._client_for = client_for
        self._agent: dict[str, Any] | None = None

    def set_agent(self, pod: dict[str, Any] | None) -> None:
        """Set the agent's pod; None when it is deleted."""
        self._agent = pod

    def allocate(self, pod: dict[str, Any], node: Mapping[str, Any]) -> list[str]:
        """Return the addresses of the pod's eth0, including those that it already has.

        NICs of `k8s.v1.cni.cncf.io/networks` get theirs too. Raises NoAddressError or ApiError.
        """
        agent = self._agent
        if agent is None:
            raise AgentMissingError("network is not ready: cni plugin not initialized")
        client = self._client_for(agent)
        self._check_coordinator(client)
        addresses: list[str] = []
        namespace = client.get(f"/api/v1/namespaces/{pod['metadata']['namespace']}")
        for nic, network in _networks(pod, agent):
            request = replace(
                _request(pod, (namespace, node), (nic, network), agent["metadata"]["namespace"]),
                network_pools=self._pools_of_network(client, network),
            )
            got = self._allocate_nic(client, pod, request)
            if nic == "eth0":
                addresses = got
        return addresses

    def release(self, pod: dict[str, Any]) -> None:
        """Release every address of the pod. Raises ApiError."""
        if self._agent is None:
            return
        client, uid = self._client_for(self._agent), pod["metadata"]["uid"]
        for pool in client.get(_POOLS)["items"]:
            if any(entry["podUid"] == uid for entry in pools.allocations(pool).values()):
                self._update(
                    client, pool["metadata"]["name"], lambda records: _without(records, uid)
                )

    def _allocate_nic(self, client: Client, pod: dict[str, Any], request: Request) -> list[str]:
        listed = client.get(_POOLS)["items"]
        reservations = (client.find(_RESERVATIONS) or {}).get("items", ())
        # All interfaces of a pod have its uid in a pool's record, but each pool serves one NIC.
        uid = pod["metadata"]["uid"]
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        got: list[str] = []
        for family in pools.candidates(request, listed):
            records = [
                address
                for pool in family
                for address, entry in pools.allocations(pool).items()
                if entry["podUid"] == uid
            ]
            address = (
                records[0] if records else self._take(client, family, reservations, (name, uid))
            )
            if address is None:
                tried = ", ".join(pool["metadata"]["name"] for pool in family)
                raise NoAddressError(
                    f"failed to allocate IP for {request.nic} from IPPool {tried}: "
                    "all IP addresses used out"
                )
            got.append(address)
        return got

    def _take(
        self,
        client: Client,
        family: list[dict[str, Any]],
        reservations: Sequence[Mapping[str, Any]],
        pod: tuple[str, str],
    ) -> str | None:
        """Take the first free address of the first pool that has one, for a pod by name and uid."""
        entry = {"pod": pod[0], "podUid": pod[1]}
        for pool in family:
            after = self._update_pool(
                client,
                pool["metadata"]["name"],
                lambda records, now: _with_one_more(records, now, reservations, entry),
            )
            for address, owner in after.items():
                if owner == entry:
                    return address
        return None

    def _update(
        self, client: Client, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        self._update_pool(client, name, lambda records, _: change(records))

    @staticmethod
    def _update_pool(
        client: Client,
        name: str,
        change: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Change a pool's record and return it; read it again if another agent was quicker."""
        for attempt in range(_ATTEMPTS):
            pool = client.get(f"{_POOLS}/{name}")
            before = pools.allocations(pool)
            after = change(dict(before), pool)
            if after == before:
                return after
            try:
                client.request(
                    "PUT", f"{_POOLS}/{name}/status", pools.with_allocations(pool, after)
                )
            except ApiError as error:
                if error.status != http.HTTPStatus.CONFLICT or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * (attempt + 1))
            else:
                return after
        return {}

    @staticmethod
    def _check_coordinator(client: Client) -> None:
        """Refuse every pod until the coordinator is Synced, as the agent does."""
        listed = client.get(_COORDINATORS)["items"]
        if not listed:
            raise NoAddressError("no SpiderCoordinator found")
        status = listed[0].get("status") or {}
        if status.get("phase") != "Synced":
            reason = status.get("reason") or ""
            raise NoAddressError(
                f"spidercoordinator: {listed[0]['metadata']['name']} no ready {reason}".rstrip()
            )

    @staticmethod
    def _pools_of_network(client: Client, network: str) -> dict[int, list[str]]:
        """Return the pools that the network itself names. Raises NoAddressError without one."""
        namespace, _, name = network.partition("/")
        network_definition = client.find(_NETWORKS.format(namespace, name))
        if network_definition is None:
            raise NoAddressError(
                f"network-attachment-definitions.k8s.cni.cncf.io {name!r} not found in {namespace}"
            )
        config = json.loads((network_definition.get("spec") or {}).get("config") or "{}")
        named: dict[int, list[str]] = {}
        for plugin in config.get("plugins") or [config]:
            ipam = plugin.get("ipam") or {}
            for version in (4, 6):
                if names := ipam.get(f"default_ipv{version}_ippool"):
                    named[version] = names
        return named


def _with_one_more(
    records: dict[str, Any],
    pool: Mapping[str, Any],
    reservations: Sequence[Mapping[str, Any]],
    entry: dict[str, str],
) -> dict[str, Any]:
    free = pools.first_free(pool, reservations)
    return records if free is None else records | {free: entry}


def _without(records: dict[str, Any], uid: str) -> dict[str, Any]:
    return {address: entry for address, entry in records.items() if entry["podUid"] != uid}


def _networks(pod: Mapping[str, Any], agent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (NIC, NAD as namespace/name) of each interface the pod gets."""
    annotations = pod["metadata"].get("annotations") or {}
    own, agents = pod["metadata"]["namespace"], agent["metadata"]["namespace"]
    default = annotations.get("v1.multus-cni.io/default-network")
    if default:
        first = default if "/" in default else f"{agents}/{default}"
    else:
        first = _cluster_network(agent)
        if not first:
            raise NoAddressError("clusterNetwork is unset: multus.multusCNI.defaultCniCRName")
    attachments = [("eth0", first)]
    more = annotations.get("k8s.v1.cni.cncf.io/networks") or ""
    for place, entry in enumerate([text.strip() for text in more.split(",") if text.strip()], 1):
        name, _, nic = entry.partition("@")
        attachments.append((nic or f"net{place}", name if "/" in name else f"{own}/{name}"))
    return attachments


def _cluster_network(agent: Mapping[str, Any]) -> str:
    for container in agent["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable["name"] == "MULTUS_CLUSTER_NETWORK":
                value = variable.get("value") or ""
                return value if "/" in value else f"{agent['metadata']['namespace']}/{value}"
    return ""


def _request(
    pod: Mapping[str, Any],
    surroundings: tuple[Mapping[str, Any], Mapping[str, Any]],
    nic: tuple[str, str],
    agent_namespace: str,
) -> Request:
    """Return the request of a pod's NIC: (namespace, node) objects, (name, network) of the NIC."""
    namespace, node = surroundings
    return Request(
        pod_namespace=pod["metadata"]["namespace"],
        pod_labels=pod["metadata"].get("labels") or {},
        pod_annotations=pod["metadata"].get("annotations") or {},
        namespace_labels=namespace["metadata"].get("labels") or {},
        namespace_annotations=namespace["metadata"].get("annotations") or {},
        node=node["metadata"]["name"],
        node_labels=node["metadata"].get("labels") or {},
        nic=nic[0],
        network=nic[1],
        agent_namespace=agent_namespace,
    )
