"""Requests of somebody without a certificate, among them one who has kept the bootstrap token."""

from __future__ import annotations

import ssl
import time
from http.client import HTTPSConnection
from urllib.parse import urlsplit

from planning.nodes.secrets import ClusterSecrets, parse_secrets
from tests.engine.clouds.local_cloud import SecondCloud

REFUSED = 401
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
"""The path at which a joining machine requests its certificate."""

_CACHED = 10.0
"""Seconds for which an API server accepts a token without looking at its Secret
(`TokenSuccessCacheTTL` in pkg/kubeapiserver/options/authentication.go of Kubernetes)."""


def secrets_of(cloud: SecondCloud) -> ClusterSecrets:
    return parse_secrets(cloud.places.secrets.read_text())


def status_of(cloud: SecondCloud, path: str, *, token: str = "") -> int:
    """The status of one request at the stack's endpoint."""
    url = urlsplit(cloud.outputs()["apiEndpoint"])
    context = ssl.create_default_context(cadata=secrets_of(cloud).ca.certificate)
    connection = HTTPSConnection(str(url.hostname), url.port, context=context, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def answer_to_the_kept_token(cloud: SecondCloud) -> int:
    """`REFUSED` once the token is no longer valid, and no API server has it in its cache."""
    token, until = secrets_of(cloud).bootstrap_token, time.monotonic() + _CACHED
    while (status := status_of(cloud, _REQUESTS, token=token)) != REFUSED:
        if time.monotonic() > until:
            break
        time.sleep(1)
    return status
