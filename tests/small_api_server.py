"""An API server in small: real TLS on loopback, and the answers that a test wants."""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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

from planning.model import ClusterPlan
from planning.nodes.kubeconfig import kubeconfig
from planning.nodes.secrets import ClusterSecrets
from tests.clusters import fake_secrets

Reply = int | tuple[int, Mapping[str, object]]
"""Status code, with a body or without."""
Answer = Callable[[str, int], Reply]
"""Path and how many times it was asked before → what is answered."""


def pair_for_loopback(folder: Path) -> Path:
    """Certificate and key for 127.0.0.1, signed by the fake cluster's CA, in one file."""
    return pair_for(x509.IPAddress(ipaddress.ip_address("127.0.0.1")), folder)


def pair_for(subject: x509.GeneralName, folder: Path) -> Path:
    """The same for another address or name."""
    ca = fake_secrets().ca
    signer = load_pem_private_key(ca.key.encode(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.load_pem_x509_certificate(ca.certificate.encode()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([subject]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    pair = folder / "pair.pem"
    pair.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return pair


@contextmanager
def api_server(answer: Answer, pair: Path) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that wants the administrator's certificate; its address and its log."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            before = asked.count(self.path)
            asked.append(self.path)
            reply = answer(self.path, before)
            code, body = reply if isinstance(reply, tuple) else (reply, None)
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair)
    tls.load_verify_locations(cadata=fake_secrets().ca.certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig_of(plan: ClusterPlan, address: str, secrets: ClusterSecrets | None = None) -> str:
    """The administrator's kubeconfig, for an API server at `address` (host and port)."""
    document = yaml.safe_load(
        kubeconfig(plan, secrets=secrets or fake_secrets(), server_address="127.0.0.1")
    )
    document["clusters"][0]["cluster"]["server"] = f"https://{address}"
    return yaml.safe_dump(document)
