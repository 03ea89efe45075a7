"""A door in front of an API server that counts what changes something, and can cut it off.

It ends the client's TLS and asks the API server as the administrator, so clients need nothing but
its kubeconfig. It listens on loopback only.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.api.api_access import access_of
from tests.toolchain.kubernetes_provider.servers.real_cluster import Authority

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_ASKS_ONLY = ("authentication.k8s.io", "authorization.k8s.io")
"""Groups whose POST changes nothing."""
_HOP_BY_HOP = frozenset(
    {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server"}
)


@dataclass(frozen=True, kw_only=True)
class Write:
    """One request that changes something."""

    number: int
    """Counted from 1."""
    method: str
    path: str
    """With its query."""
    body: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """The plural of the kind that is written: `services`."""
        parts = self.path.partition("?")[0].strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            rest = rest[2:]
        return rest[0] if rest else ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Equal for a request and its repetition: a POST names its object in the body."""
        name = ""
        if self.method == "POST":
            try:
                name = str(json.loads(self.body)["metadata"]["name"])
            except (ValueError, KeyError, TypeError):
                name = ""
        return self.method, self.path.partition("?")[0], name


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of the gate's own, in the place of the API server's."""

    status: int
    message: str
    after_effect: bool = False
    """The API server does what it was asked for, and its answer is lost."""
    drop: bool = False
    """The connection is closed without any answer."""


Judge = Callable[[Write], Reply | None]
"""Decides about one write, before it is forwarded; None lets it pass."""
Witness = Callable[[Write], None]
"""Is called after a write was done and before its answer is passed on."""


@dataclass(kw_only=True)
class ApiGate:
    """The gate; `judge` and `witness` may change while it runs."""

    kubeconfig: str = field(repr=False)
    """Of clients that go through the gate."""
    judge: Judge = field(default=lambda _: None)
    witness: Witness = field(default=lambda _: None)
    writes: list[Write] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str, path: str, body: bytes) -> Write | None:
        """Write down a request that changes something; None for any other."""
        dry = "dryRun=" in path
        if method not in WRITES or dry or any(group in path for group in _ASKS_ONLY):
            return None
        with self._lock:
            write = Write(number=len(self.writes) + 1, method=method, path=path, body=body)
            self.writes.append(write)
            return write

    def reset(self) -> None:
        """Begin to count again, and let everything pass."""
        with self._lock:
            self.writes = []
            self.judge = lambda _: None
            self.witness = lambda _: None


@contextmanager
def api_gate(kubeconfig: str) -> Iterator[ApiGate]:
    """Open a gate in front of the API server of this kubeconfig."""
    authority = Authority.new()
    issued = authority.issue("gate")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_text(issued.certificate + issued.key)
        tls.load_cert_chain(pair)
    access = access_of(kubeconfig)
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(
        base_url=access.server, verify=access.tls, timeout=120, trust_env=False, limits=limits
    ) as client:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.gate = ApiGate(kubeconfig=_kubeconfig(server.server_port, authority.pem))
        server.client = client
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.gate
        finally:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gate: ApiGate
    client: httpx.Client

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - inherited
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gate = self.server.gate
        write = gate.count(self.command, self.path, body)
        reply = None if write is None else gate.judge(write)
        if reply is not None and not reply.after_effect:
            self._answer(reply)
            return
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"host", "authorization", "accept-encoding", *_HOP_BY_HOP}
        }
        with self.server.client.stream(
            self.command, self.path, headers=headers, content=body
        ) as response:
            if write is None:
                self._stream(response)
                return
            response.read()
            if reply is not None:
                self._answer(reply)
                return
            gate.witness(write)
            self._send(response.status_code, dict(response.headers), response.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass  # noqa: N815 - inherited

    def _stream(self, response: httpx.Response) -> None:
        """A watch has no end, so its lines are passed on as they come."""
        if "watch=" not in self.path:
            response.read()
            self._send(response.status_code, dict(response.headers), response.content)
            return
        self.send_response(response.status_code)
        self.send_header("Content-Type", response.headers.get("Content-Type", "application/json"))
        self.send_header("Connection", "close")
        self.end_headers()
        for chunk in response.iter_bytes():
            self.wfile.write(chunk)
            self.wfile.flush()
        self.close_connection = True

    def _answer(self, reply: Reply) -> None:
        if reply.drop:
            self.close_connection = True
            return
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": reply.message,
            "reason": _REASONS.get(reply.status, "InternalError"),
            "code": reply.status,
        }
        self._send(reply.status, {"Content-Type": "application/json"}, json.dumps(status).encode())

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_REASONS = {403: "Forbidden", 429: "TooManyRequests", 503: "ServiceUnavailable"}


def _kubeconfig(port: int, authority: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "gate",
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
            "clusters": [
                {
                    "name": "gate",
                    "cluster": {
                        "server": f"https://127.0.0.1:{port}",
                        "certificate-authority-data": base64.b64encode(authority.encode()).decode(),
                    },
                }
            ],
            "users": [{"name": "gate", "user": {"token": "opens-the-gate-only"}}],
        }
    )
