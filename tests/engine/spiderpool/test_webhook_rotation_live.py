"""The real controller's certificate is rotated while pools are written through its webhook."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from localcloud.machines.guest.kubelet.client import Access, ApiError, Client
from operations.secrets.rotation import (
    HANDED_OVER_WITHIN,
    Deployed,
    read_deployed,
    serve_the_new,
    trust_both,
    trust_the_new,
)
from planning.nodes.key_pairs import authorities
from planning.nodes.secrets import ClusterSecrets
from planning.spiderpool.chart import chart_values
from tests.engine.spiderpool.cluster import DRY, GROUP, POOLS, Judge, helm, thing
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WITNESS = f"{ADMISSION}/validatingwebhookconfigurations/witness"
CONTROLLERS = (
    "/api/v1/namespaces/kube-system/pods"
    "?labelSelector=app.kubernetes.io/component%3Dspiderpool-controller"
)


@dataclass
class Writer:
    """Writes pools without a pause, each through both webhooks, and records every refusal."""

    client: Client
    refused: list[str] = field(default_factory=list)
    written: int = 0
    ends: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        body = thing("SpiderIPPool", "written", {"subnet": "10.20.0.0/24", "ips": ["10.20.0.9"]})
        while not self.ends.is_set():
            try:
                self.client.request("POST", f"{POOLS}{DRY}", body)
            except ApiError as error:
                self.refused.append(str(error))
            self.written += 1


@contextmanager
def writing(judge: Judge) -> Iterator[Writer]:
    """Two writers for as long as the block lasts."""
    writer = Writer(Client(Access.read(judge.kubeconfig)))
    threads = [threading.Thread(target=writer.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield writer
    finally:
        writer.ends.set()
        for thread in threads:
            thread.join(30)


def deploy(judge: Judge, secrets: ClusterSecrets) -> None:
    helm(judge, "upgrade", chart_values(judge.plan, secrets=secrets), "--timeout=120s")


def deployed(judge: Judge) -> Deployed:
    name = "spiderpool-controller"
    paths = (
        f"{ADMISSION}/mutatingwebhookconfigurations/{name}",
        f"{ADMISSION}/validatingwebhookconfigurations/{name}",
        f"/api/v1/namespaces/kube-system/secrets/{name}-server-certs",
    )
    return read_deployed({"items": [judge.client.get(path) for path in paths]})


def newest(secrets: ClusterSecrets) -> str:
    return authorities(secrets.webhook_ca)[-1].public_bytes(Encoding.PEM).decode()


@contextmanager
def witness(judge: Judge, ca: str) -> Iterator[Callable[[], str | None]]:
    """Call the controller through a webhook registration of our own that trusts `ca` alone.

    Yields a function that returns why the controller was not trusted; None if it was. Only objects
    with our label are looked at.
    """
    configuration = {
        "metadata": {"name": "witness"},
        "webhooks": [
            {
                "name": "witness.spiderpool.spidernet.io",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "objectSelector": {"matchLabels": {"witness": "yes"}},
                "clientConfig": {
                    "service": {
                        "name": "spiderpool-controller",
                        "namespace": "kube-system",
                        "path": "/validate-spiderpool-spidernet-io-v2beta1-spiderreservedip",
                        "port": 5722,
                    },
                    "caBundle": base64.b64encode(ca.encode()).decode(),
                },
                "rules": [
                    {
                        "apiGroups": ["spiderpool.spidernet.io"],
                        "apiVersions": ["v2beta1"],
                        "operations": ["CREATE"],
                        "resources": ["spiderreservedips"],
                    }
                ],
            }
        ],
    }
    path, _, _ = WITNESS.rpartition("/")
    judge.client.request("POST", path, configuration)
    body = thing("SpiderReservedIP", "witnessed", {"ipVersion": 4, "ips": ["10.21.0.9"]})
    body["metadata"]["labels"] = {"witness": "yes"}

    def refusal() -> str | None:
        try:
            judge.client.request("POST", f"{GROUP}/spiderreservedips{DRY}", body)
        except ApiError as error:
            return str(error)
        return None

    try:
        yield refusal
    finally:
        judge.client.request("DELETE", WITNESS)


def pods(judge: Judge) -> list[tuple[str, int]]:
    """The controller's pods and their restarts."""
    return [
        (
            pod["metadata"]["uid"],
            sum(s["restartCount"] for s in pod["status"]["containerStatuses"]),
        )
        for pod in judge.client.get(CONTROLLERS)["items"]
    ]


def test_no_request_is_refused_while_the_certificate_is_rotated(judge: Judge) -> None:
    before = pods(judge)
    old = judge.secrets
    both = trust_both(old, now=datetime.now(UTC), entropy=os.urandom)
    with writing(judge) as writer:
        deploy(judge, both)
        assert set(authorities(deployed(judge).bundles[0])) == set(authorities(both.webhook_ca))
        new = serve_the_new(both, deployed(judge))
        with witness(judge, newest(both)) as refusal:
            until("the first refusal of the registration with the new CA", 30, refusal)
            assert "certificate signed by unknown authority" in (refusal() or "")
            deploy(judge, new)
            until("the new certificate is served", 120, lambda: refusal() is None)
        # What the command waits for has passed as far as this kubelet goes.
        cluster = deployed(judge)
        cluster = replace(cluster, since=cluster.since - HANDED_OVER_WITHIN)
        only = trust_the_new(new, cluster, now=datetime.now(UTC))
        deploy(judge, only)
        seen = writer.written
        until("more writes", 30, lambda: writer.written > seen + 20)
    assert writer.refused == []
    assert writer.written > 100
    assert pods(judge) == before
    with witness(judge, old.webhook_ca) as refusal:
        until("the refusal of the old CA", 30, refusal)
