"""An API server that is ready and has a Node for each machine, and nothing else.

For stacks whose machines never boot. It listens where the cloud forwards port 6443 to, with a
certificate of the cluster's own CA, so the program's real readiness check passes for a reason.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from config.model import KubernetesConfig
from planning.nodes.secrets import ClusterSecrets, parse_secrets
from tests.engine.lifecycle.clouds.light_cloud import LightCloud

PORT = 6443
VERSION = KubernetesConfig().version
READY = frozenset({"/readyz", "/api/v1/namespaces/kube-system"})
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
"""The group of the policy that the program gives every cluster; its objects are kept."""
_ADMISSION_KINDS = {
    "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
}
LEADS_TO_AN_API_SERVER = frozenset({"EcsInstance", "SlbInstance"})


@contextlib.contextmanager
def ready_server(light: LightCloud) -> Iterator[None]:
    """Answer at the endpoint's EIP as soon as it is bound to a machine or a load balancer."""
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(light, over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _watch(light: LightCloud, over: threading.Event) -> None:
    secrets = parse_secrets(light.cloud.places.secrets.read_text())
    standing: dict[str, ThreadingHTTPServer] = {}
    objects: dict[str, Any] = {}
    while not over.wait(0.5):
        bound = {
            address["ip"]
            for address in light.ask("GET", "/machines")["addresses"]
            if address["instance_type"] in LEADS_TO_AN_API_SERVER
        }
        for gone in standing.keys() - bound:
            _end(standing.pop(gone))
        for ip in bound - standing.keys():
            standing[ip] = _begin(ip, secrets, light, objects)
    for server in standing.values():
        _end(server)


def _begin(
    ip: str, secrets: ClusterSecrets, light: LightCloud, objects: dict[str, Any]
) -> ThreadingHTTPServer:
    handler = partial(_Handler, light, f"v{VERSION}", objects)
    server = ThreadingHTTPServer((ip, PORT), handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = light.cloud.places.home / f"{ip}.pem"
    pair.touch(mode=0o600)
    pair.write_text(_certificate(ip, secrets))
    tls.load_cert_chain(pair)
    tls.load_verify_locations(cadata=secrets.ca.certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    # The handshake belongs to the connection's own thread, or one slow client holds all.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _end(server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()


def _certificate(ip: str, secrets: ClusterSecrets) -> str:
    """Key and certificate, PEM, for this address, by the cluster's CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(secrets.ca.certificate.encode())
    issuer_key = load_pem_private_key(secrets.ca.key.encode(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(ip))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=6))
        .add_extension(names, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    ).decode()


class _Handler(BaseHTTPRequestHandler):
    """Answers what readiness and a roll-out request, and Kubernetes' 404 to everything else."""

    protocol_version = "HTTP/1.1"

    def __init__(
        self,
        light: LightCloud,
        version: str,
        objects: dict[str, Any],
        *args: Any,  # noqa: ANN401
    ) -> None:
        self._light = light
        self._objects = objects
        self._version = version
        super().__init__(*args)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in READY:
            self._answer(200, {})
        elif path == "/version":
            self._answer(200, {"gitVersion": self._version})
        elif path == "/api/v1/nodes":
            self._answer(200, {"kind": "NodeList", "items": self._nodes()})
        elif path == "/api/v1/pods":
            self._answer(200, {"kind": "PodList", "items": []})
        elif path == ADMISSION:
            resources = [
                {"name": plural, "kind": kind, "namespaced": False}
                for plural, kind in _ADMISSION_KINDS.items()
            ]
            self._answer(200, {"kind": "APIResourceList", "resources": resources})
        elif path in self._objects:
            self._answer(200, self._objects[path])
        else:
            self._missing()

    def do_POST(self) -> None:
        """Accept the Secret of the bootstrap token; no machine ever joins by it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, query = self.path.partition("?")
        if not path.startswith(ADMISSION):
            self._answer(201, {})
            return
        stored = json.loads(body)
        name = stored["metadata"]["name"]
        stored["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "1"}
        if "dryRun" not in query:
            self._objects[f"{path}/{name}"] = stored
        self._answer(201, stored)

    def do_PATCH(self) -> None:
        """Accept a cordon; nothing is ever scheduled here. Kept objects stay as they are."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, self._objects.get(self.path.partition("?")[0], {}))

    def do_DELETE(self) -> None:
        if self._objects.pop(self.path.partition("?")[0], None) is None:
            self._missing()
        else:
            self._answer(200, {"kind": "Status", "status": "Success"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as inherited
        """Write no log."""

    def _nodes(self) -> list[object]:
        machines = self._light.ask("GET", "/machines")["instances"]
        return [
            {
                "metadata": {"name": machine["hostname"], "uid": f"uid-{machine['id']}"},
                "spec": {"providerID": f"{machine['region']}.{machine['id']}"},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "nodeInfo": {"kubeletVersion": self._version},
                },
            }
            for machine in machines
            if machine["status"] == "Running"
        ]

    def _missing(self) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound"}
        self._answer(404, {**status, "code": 404, "message": "there is nothing here"})

    def _answer(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
