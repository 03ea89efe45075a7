"""Waiting for an API server: a real one in small, with TLS, that starts to answer late."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pulumi
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from components.readiness import until_ready
from planning.kubeconfig import kubeconfig
from planning.model import ClusterPlan
from planning.read import plan_from
from planning.secrets import ClusterSecrets
from tests.clusters import fake_secrets, small

pytestmark = pytest.mark.unit

Answer = Callable[[str, int], int]
"""Path and how many times it was asked before → status code."""


@pytest.fixture(scope="module")
def plan() -> ClusterPlan:
    return plan_from(small())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For 127.0.0.1, signed by the fake cluster's CA."""
    ca = fake_secrets().ca
    signer = load_pem_private_key(ca.key.encode(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.load_pem_x509_certificate(ca.certificate.encode()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    pair = tmp_path_factory.mktemp("apiserver") / "pair.pem"
    pair.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return pair


@contextmanager
def _api_server(answer: Answer, certificate: Path) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that wants the administrator's certificate; its address and its log."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            before = asked.count(self.path)
            asked.append(self.path)
            self.send_response(answer(self.path, before))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.load_verify_locations(cadata=fake_secrets().ca.certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(plan: ClusterPlan, address: str, secrets: ClusterSecrets | None = None) -> str:
    document = yaml.safe_load(
        kubeconfig(plan, secrets=secrets or fake_secrets(), server_address="127.0.0.1")
    )
    document["clusters"][0]["cluster"]["server"] = f"https://{address}"
    return yaml.safe_dump(document)


def _wait(text: str, *, within: float = 5, report: Callable[[str], object] = str) -> str:
    return asyncio.run(until_ready(text, within=within, report=report, ask_every=0.01))


def test_a_ready_api_server_is_asked_once_for_each_thing(
    plan: ClusterPlan, certificate: Path
) -> None:
    with _api_server(lambda *_: 200, certificate) as (address, asked):
        text = _kubeconfig(plan, address)
        assert _wait(text) == text
    assert asked == ["/readyz", "/api/v1/namespaces/kube-system"]


def test_it_waits_while_the_api_server_says_it_is_not_ready(
    plan: ClusterPlan, certificate: Path
) -> None:
    def late(path: str, before: int) -> int:
        return 200 if path != "/readyz" or before >= 3 else 500

    with _api_server(late, certificate) as (address, asked):
        _wait(_kubeconfig(plan, address))
    assert asked.count("/readyz") == 4


def test_it_waits_for_the_administrators_rights_too(plan: ClusterPlan, certificate: Path) -> None:
    def unbound(path: str, before: int) -> int:
        return 403 if path.startswith("/api/") and before < 2 else 200

    with _api_server(unbound, certificate) as (address, asked):
        _wait(_kubeconfig(plan, address))
    assert asked.count("/api/v1/namespaces/kube-system") == 3


def test_it_gives_up_with_the_last_answer_and_where_to_look(
    plan: ClusterPlan, certificate: Path
) -> None:
    with _api_server(lambda *_: 503, certificate) as (address, _):
        text = _kubeconfig(plan, address)
        with pytest.raises(pulumi.RunError) as refused:
            _wait(text, within=0.1)
    message = str(refused.value)
    assert "HTTP 503" in message
    assert "console output" in message
    assert "allowedCidrs" in message


def test_nobody_listening_is_waited_for_like_anything_else(
    plan: ClusterPlan, certificate: Path
) -> None:
    with _api_server(lambda *_: 200, certificate) as (address, _):
        text = _kubeconfig(plan, address)
    with pytest.raises(pulumi.RunError, match="ConnectError"):
        _wait(text, within=0.1)


def test_an_api_server_of_another_cluster_is_not_this_one(
    plan: ClusterPlan, certificate: Path
) -> None:
    secrets = fake_secrets()
    stranger = replace(secrets, ca=replace(secrets.ca, certificate=secrets.webhook_ca))
    with _api_server(lambda *_: 200, certificate) as (address, asked):
        text = _kubeconfig(plan, address, stranger)
        with pytest.raises(pulumi.RunError, match="CERTIFICATE_VERIFY_FAILED"):
            _wait(text, within=0.1)
    assert not asked


def test_no_key_is_in_a_message_and_none_stays_on_disk(
    plan: ClusterPlan, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with _api_server(lambda *_: 503, certificate) as (address, _):
        text = _kubeconfig(plan, address)
        with pytest.raises(pulumi.RunError) as refused:
            _wait(text, within=0.1)
    user = yaml.safe_load(text)["users"][0]["user"]
    assert user["client-key-data"] not in str(refused.value)
    assert not list(tmp_path.iterdir())
