"""Rounds: look at the cluster, act where something changed, report failures and try again."""

from __future__ import annotations

import http.server
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from localcloud.machines.guest.kubelet.client import ApiError

from .clb import Clb
from .cloud import Cloud, CloudError, Identity
from .cluster import Cluster, Election
from .desired import (
    CLB_FINALIZER,
    NLB_FINALIZER,
    OF_CLB_ONLY,
    READ,
    Backend,
    Port,
    ServiceError,
    backends,
    desired_load_balancer,
    digest,
    kind_of,
)
from .nlb import Nlb
from .nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .desired import DesiredLoadBalancer
    from .flags import Flags

_ROUND_SECONDS: Final = 1.0
_RESYNC_SECONDS: Final = 300.0
_SHORTEST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 60.0
_ENIS_AT_ONCE: Final = 100


@dataclass(kw_only=True)
class _Kept:
    """What the controller keeps of a Service since it last acted on it."""

    digest: str = ""
    until: float = 0.0
    failures: int = 0
    named: set[str] = field(default_factory=set)


class Controller:
    """The node and service controllers behind one Lease."""

    def __init__(self, flags: Flags, cluster: Cluster, cloud: Cloud) -> None:
        self._flags = flags
        self._cluster = cluster
        self._cloud = cloud
        self._election = Election(cluster, flags)
        self._nodes = Nodes(cluster, cloud, flags, say)
        kinds: dict[str, Clb | Nlb] = {}
        if "service" in flags.controllers:
            kinds["clb"] = Clb(cloud, flags.config)
        if "nlb" in flags.controllers:
            kinds["nlb"] = Nlb(cloud, flags.config)
        self._kinds = kinds
        self._kept: dict[str, _Kept] = {}
        self._last_trouble = ""

    @classmethod
    def from_environment(cls, flags: Flags) -> Self:
        """Create a controller from flags and environment; raises RefusedError."""
        identity = Identity(flags.config, os.environ)
        return cls(flags, Cluster(flags.kubeconfig), Cloud(flags.config.region, identity))

    def run(self, ended: threading.Event) -> None:
        """Do rounds until `ended` is set."""
        say("This is a stand-in for cloud-provider-alibaba-cloud on the local cloud.")
        say(f"Controllers: {', '.join(sorted(self._flags.controllers))}.")
        for left_out in sorted(self._flags.controllers - {"node", "service", "nlb"}):
            say(f"This stand-in has no controller {left_out}.")
        _serve_health(self._flags.health_address)
        leads = False
        while not ended.wait(_ROUND_SECONDS):
            try:
                now_leads = self._election.holds()
                if now_leads != leads:
                    say("Leading." if now_leads else "Waiting for the lease.")
                    leads = now_leads
                if leads:
                    self.round()
                self._last_trouble = ""
            except (ApiError, CloudError) as error:
                if str(error) != self._last_trouble:
                    self._last_trouble = str(error)
                    say(str(error))
        self._election.leave()
        say("Ended.")

    def round(self) -> None:
        """Reconcile the nodes and Services once.

        An error of one Service is reported as an event of that Service. Raises ApiError and
        CloudError for all others.
        """
        nodes = self._cluster.list("/api/v1/nodes")
        trouble: CloudError | ApiError | None = None
        if "node" in self._flags.controllers:
            try:
                self._nodes.sync(nodes)
            except (ApiError, CloudError) as error:
                trouble = error
        services = self._cluster.list("/api/v1/services")
        if any(_finalizers(s) or kind_of(s) in self._kinds for s in services):
            slices = self._cluster.list("/apis/discovery.k8s.io/v1/endpointslices")
            for service in services:
                self._service(service, nodes, slices)
        for uid in self._kept.keys() - {s["metadata"]["uid"] for s in services}:
            del self._kept[uid]
        if trouble is not None:
            raise trouble

    def _service(
        self,
        service: dict[str, Any],
        nodes: Sequence[dict[str, Any]],
        slices: Sequence[dict[str, Any]],
    ) -> None:
        finalizers = _finalizers(service)
        kind = kind_of(service)
        ours = kind if kind in self._kinds else None
        going = bool(service["metadata"].get("deletionTimestamp"))
        if ours is None and not finalizers:
            return
        kept = self._kept.setdefault(service["metadata"]["uid"], _Kept())
        now = time.monotonic()
        inputs = digest(
            service["metadata"].get("annotations"), service["spec"], finalizers, going, ours,
            _views(nodes), _slices_of(service, slices),
        )  # fmt: skip
        if inputs == kept.digest and now < kept.until:
            return
        if kept.failures and now < kept.until:
            return
        kept.digest = inputs
        try:
            if going or ours is None:
                self._take_away(service, finalizers)
            else:
                self._bring(service, ours, nodes, slices, kept)
        except (CloudError, ServiceError, ApiError) as error:
            kept.failures += 1
            kept.until = now + min(_LONGEST_PAUSE, _SHORTEST_PAUSE * 2 ** min(kept.failures - 1, 6))
            reason = "DeleteLoadBalancerFailed" if going else "SyncLoadBalancerFailed"
            where = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            say(f"Service {where}: {error}")
            self._cluster.event(
                {"kind": "Service", **service},
                "Warning",
                reason,
                f"Error syncing load balancer: {error}",
            )
            return
        kept.failures = 0
        kept.until = now + _RESYNC_SECONDS

    def _bring(
        self,
        service: dict[str, Any],
        kind: str,
        nodes: Sequence[dict[str, Any]],
        slices: Sequence[dict[str, Any]],
        kept: _Kept,
    ) -> None:
        desired = desired_load_balancer(service, self._flags.config)
        read = READ if kind == "clb" else READ - OF_CLB_ONLY
        for name in sorted(desired.annotations.keys() - read - kept.named):
            kept.named.add(name)
            say(
                f"Service {desired.namespace}/{desired.name}: annotation {name} has no effect here."
            )
        finalizer = CLB_FINALIZER if kind == "clb" else NLB_FINALIZER
        if finalizer not in (service["metadata"].get("finalizers") or ()):
            self._write_finalizers(service, add=finalizer)
        groups = self._groups(desired, nodes, slices)
        balancer, ingress = self._kinds[kind].ensure(desired, groups)
        if not any(groups.values()):
            self._cluster.event(
                {"kind": "Service", **service},
                "Warning",
                "UnAvailableLoadBalancer",
                "There are no available nodes for LoadBalancer",
            )
        present = (service.get("status") or {}).get("loadBalancer", {}).get("ingress")
        if [{k: v for k, v in e.items() if k in {"ip", "hostname"}} for e in present or ()] != (
            ingress
        ):
            metadata = service["metadata"]
            self._cluster.patch(
                f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status",
                {"status": {"loadBalancer": {"ingress": ingress}}},
            )
            say(f"Service {desired.namespace}/{desired.name}: {balancer}, {ingress[0]}.")
        self._cluster.event(
            {"kind": "Service", **service},
            "Normal",
            "EnsuredLoadBalancer",
            f"Ensured load balancer [{balancer}]",
        )

    def _groups(
        self,
        desired: DesiredLoadBalancer,
        nodes: Sequence[dict[str, Any]],
        slices: Sequence[dict[str, Any]],
    ) -> dict[Port, tuple[Backend, ...]]:
        return {port: backends(desired, port, nodes, slices, self._enis) for port in desired.ports}

    def _enis(self, addresses: Sequence[str]) -> dict[str, str]:
        """Map each address that an ENI in use has, primary or secondary, to that ENI's id."""
        eni_by_address: dict[str, str] = {}
        for first in range(0, len(addresses), _ENIS_AT_ONCE):
            answer = self._cloud(
                "ecs",
                "DescribeNetworkInterfaces",
                VpcId=self._flags.config.vpc_id,
                Status="InUse",
                PrivateIpAddress=list(addresses[first : first + _ENIS_AT_ONCE]),
                PageSize=_ENIS_AT_ONCE,
            )
            for eni in answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]:
                for entry in eni["PrivateIpSets"]["PrivateIpSet"]:
                    eni_by_address[entry["PrivateIpAddress"]] = eni["NetworkInterfaceId"]
        return {
            address: eni_by_address[address] for address in addresses if address in eni_by_address
        }

    def _take_away(self, service: dict[str, Any], finalizers: Sequence[str]) -> None:
        desired = desired_load_balancer(service, self._flags.config)
        for finalizer, kind in ((CLB_FINALIZER, "clb"), (NLB_FINALIZER, "nlb")):
            if finalizer not in finalizers or kind not in self._kinds:
                continue
            gone = self._kinds[kind].remove(desired)
            say(f"Service {desired.namespace}/{desired.name}: deleted {gone or 'nothing'}.")
            self._cluster.event(
                {"kind": "Service", **service},
                "Normal",
                "DeletedLoadBalancer",
                f"Deleted load balancer [{gone}]" if gone else "There was no load balancer",
            )
            metadata = service["metadata"]
            if not metadata.get("deletionTimestamp"):
                path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}"
                self._cluster.patch(f"{path}/status", {"status": {"loadBalancer": None}})
            self._write_finalizers(service, drop=finalizer)

    def _write_finalizers(
        self, service: dict[str, Any], *, add: str | None = None, drop: str | None = None
    ) -> None:
        metadata = service["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}"
        present = self._cluster.client.find(path)
        if present is None:
            return
        kept = [f for f in present["metadata"].get("finalizers") or () if f != drop]
        if add is not None and add not in kept:
            kept.append(add)
        version = present["metadata"]["resourceVersion"]
        self._cluster.patch(path, {"metadata": {"finalizers": kept, "resourceVersion": version}})


def say(text: str) -> None:
    """Write one line of the log."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{moment} {text}\n")
    sys.stderr.flush()


def _finalizers(service: Mapping[str, Any]) -> list[str]:
    present = service["metadata"].get("finalizers") or ()
    return [name for name in present if name in {CLB_FINALIZER, NLB_FINALIZER}]


def _views(nodes: Sequence[Mapping[str, Any]]) -> list[object]:
    """The parts of the Nodes that decide which backends exist; heartbeats are left out."""
    return [
        (
            node["metadata"]["name"],
            node["metadata"].get("labels"),
            node["spec"].get("providerID"),
            node["spec"].get("unschedulable"),
            [
                c["status"]
                for c in (node.get("status") or {}).get("conditions") or ()
                if c["type"] == "Ready"
            ],
        )
        for node in nodes
    ]


def _slices_of(service: Mapping[str, Any], slices: Sequence[Mapping[str, Any]]) -> list[object]:
    metadata = service["metadata"]
    return [
        (piece.get("addressType"), piece.get("ports"), piece.get("endpoints"))
        for piece in slices
        if piece["metadata"]["namespace"] == metadata["namespace"]
        and (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        == metadata["name"]
    ]


def _serve_health(address: str) -> None:
    """`/healthz`; an address of `0` serves nothing."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or port == "0":
        return

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            healthy = self.path == "/healthz"
            self.send_response(200 if healthy else 404)
            self.end_headers()
            self.wfile.write(b"ok" if healthy else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    try:
        server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    except OSError as error:
        say(f"Health probes are not served: {error}.")
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()
