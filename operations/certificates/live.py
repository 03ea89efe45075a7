"""Reads the certificates of a running cluster: over TLS, and by kubectl."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from config.facts.ports import API_SERVER
from operations.certificates.ends import (
    CONTROL_PLANE,
    KUBEADM_LIFETIME,
    KUBELET,
    WEBHOOK,
    Certificate,
    certificates_in,
    stored_certificates,
)
from operations.engine.cluster_access import reaching, stack_of
from operations.engine.places import Places
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import OperationError
from operations.secrets.admin_access import admin_kubeconfig, own_kubeconfig
from operations.secrets.command import deployed_webhook, store_of
from operations.secrets.store import read_secrets
from planning.model import ClusterPlan, NodePlan
from planning.nodes.endpoint import private_address
from planning.nodes.machine import CERTIFICATES_RENEWED

_CONNECT_WITHIN: Final = 3.0
_READ_WITHIN: Final = 60.0
_TTL: Final = re.compile(r"^kubelet_certificate_manager_client_ttl_seconds (\S+)$", re.MULTILINE)
"""The kubelet's own metric of its client certificate (pkg/kubelet/certificate/kubelet.go)."""

Node = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CertificateReport:
    """Every certificate that could be read, and sentences about those that could not."""

    certificates: tuple[Certificate, ...]
    notes: tuple[str, ...]


def read_certificates(
    name: str, places: Places, *, config_file: Path | None = None
) -> CertificateReport:
    """Read all certificates of a stack and of its cluster.

    Raises:
        OperationError: The stack has no secrets, or they cannot be read.
    """
    stack_file = Stack.read(config_file or path_of_stack(name))
    plan = stack_file.plan()
    stack = stack_of(name, places, config_file)
    is_own = plan.kubernetes.mode == "kubeadm"
    secrets = None
    if is_own or plan.spiderpool.enabled:
        secrets = read_secrets(store_of(name, stack_file))
    stored = () if secrets is None else stored_certificates(secrets)
    try:
        if is_own and secrets is not None:
            kubeconfig = own_kubeconfig(plan, secrets, stack)
        else:
            kubeconfig = admin_kubeconfig(name, places, config_file=config_file)
    except OperationError as error:
        return CertificateReport(certificates=stored, notes=(str(error),))
    with reaching(kubeconfig, stack.runner) as runner:
        live = _Live(name=name, plan=plan, runner=runner, server=_server(kubeconfig))
        report = live.report()
    return CertificateReport(certificates=(*stored, *report.certificates), notes=report.notes)


def control_plane_end(node: Node) -> datetime:
    """Return when the certificates of a control plane end, from its Node alone.

    kubeadm makes them all when the machine joins, and again at a renewal, whose time is in the
    node's answer.
    """
    metadata = node["metadata"]
    renewed = (metadata.get("annotations") or {}).get(CERTIFICATES_RENEWED, "")
    try:
        since = datetime.fromisoformat(renewed)
    except ValueError:
        since = datetime.fromisoformat(metadata["creationTimestamp"])
    return since.astimezone(UTC) + KUBEADM_LIFETIME


def kubelet_end(metrics: str, now: datetime) -> datetime | None:
    """Return when a kubelet's client certificate ends, from its metrics; None if they lack it."""
    match = _TTL.search(metrics)
    try:
        return None if match is None else now + timedelta(seconds=float(match[1]))
    except (OverflowError, ValueError):  # +Inf: the kubelet has no certificate yet
        return None


def served_certificate(host: str, port: int, *, name: str) -> Certificate | None:
    """Return the certificate that a server presents at that address; None without an answer."""
    try:
        pem = ssl.get_server_certificate((host, port), timeout=_CONNECT_WITHIN)
    except OSError:
        return None
    (certificate,) = certificates_in(
        pem, name=name, where=f"{host}:{port}", renewed_by=CONTROL_PLANE
    )
    return certificate


@dataclass(frozen=True, kw_only=True)
class _Live:
    name: str
    plan: ClusterPlan
    runner: Runner
    server: tuple[str, int]

    def report(self) -> CertificateReport:
        endpoint = served_certificate(*self.server, name="API server")
        if endpoint is None:
            host, port = self.server
            note = f"The API server at {host}:{port} does not answer from here."
            return CertificateReport(certificates=(), notes=(note,))
        nodes = self._nodes()
        planes = self.plan.control_planes if self.plan.kubernetes.mode == "kubeadm" else ()
        if len(planes) == 1:
            # The endpoint serves the only control plane's certificate. The age of its Node is less
            # reliable: an upgrade in place and the unit's own renewal leave the Node as it is.
            planes = ()
        with ThreadPoolExecutor(max_workers=16) as pool:
            of_planes = list(pool.map(lambda plane: self._control_plane(plane, nodes), planes))
            of_kubelets = list(pool.map(self._kubelet, sorted(nodes)))
        kubelets = [end for end in of_kubelets if end is not None]
        notes = []
        if len(kubelets) < len(nodes):
            notes.append(
                f"{len(nodes) - len(kubelets)} of {len(nodes)} kubelets do not report their "
                "client certificate; each renews its own before its end."
            )
        certificates = [endpoint, *(c for c in of_planes if c is not None), *kubelets]
        if self.plan.spiderpool.enabled:
            try:
                certificates += self._webhook()
            except OperationError as error:
                notes.append(str(error))
        return CertificateReport(certificates=tuple(certificates), notes=tuple(notes))

    def _control_plane(self, plane: NodePlan, nodes: Mapping[str, Node]) -> Certificate | None:
        name = f"control plane {plane.name}"
        served = served_certificate(private_address(plane), API_SERVER, name=name)
        node = nodes.get(plane.name)
        if served is not None or node is None:
            return served
        return Certificate(
            name=name,
            where="by the age of its Node",
            end=control_plane_end(node),
            renewed_by=CONTROL_PLANE,
        )

    def _kubelet(self, node: str) -> Certificate | None:
        done = self._kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics")
        end = kubelet_end(done, datetime.now(UTC))
        if end is None:
            return None
        return Certificate(name=f"kubelet {node}", where="its metrics", end=end, renewed_by=KUBELET)

    def _webhook(self) -> Iterator[Certificate]:
        deployed = deployed_webhook(self.name, self.runner)
        yield from certificates_in(
            deployed.certificate, name="webhook", where="in the cluster", renewed_by=WEBHOOK
        )
        for bundle in sorted(set(deployed.bundles)):
            yield from certificates_in(
                bundle, name="webhook CA", where="in the cluster", renewed_by=WEBHOOK
            )

    def _nodes(self) -> Mapping[str, Node]:
        text = self._kubectl("get", "nodes", "--output", "json")
        items: Sequence[Node] = json.loads(text)["items"] if text else ()
        return {item["metadata"]["name"]: item for item in items}

    def _kubectl(self, *arguments: str) -> str:
        done = self.runner.run(
            ["kubectl", "--request-timeout=20s", *arguments], deadline=_READ_WITHIN, quiet=True
        )
        return done.out if done.status == 0 else ""


def _server(kubeconfig: str) -> tuple[str, int]:
    document = yaml.safe_load(kubeconfig)
    contexts = {entry["name"]: entry["context"] for entry in document["contexts"]}
    clusters = {entry["name"]: entry["cluster"] for entry in document["clusters"]}
    url = urlsplit(clusters[contexts[document["current-context"]]["cluster"]]["server"])
    return url.hostname or "", url.port or 443
