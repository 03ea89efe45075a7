"""A small client of the Kubernetes API: one kubeconfig, JSON, watches."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server refused; `status` is the HTTP code, 0 when it could not be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the API server is, and the credentials for it. Certificates are PEM."""

    server: str
    ca: bytes
    token: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a kubeconfig's current context. Raises ApiError where it cannot be used."""
        try:
            document = yaml.safe_load(path.read_text("utf-8"))
            named = {
                kind: {entry["name"]: entry[kind.removesuffix("s")] for entry in document[kind]}
                for kind in ("clusters", "contexts", "users")
            }
            context = named["contexts"][document["current-context"]]
            cluster, user = named["clusters"][context["cluster"]], named["users"][context["user"]]
            return cls(
                server=cluster["server"],
                ca=_data(cluster, "certificate-authority") or b"",
                token=user.get("token"),
                certificate=_data(user, "client-certificate"),
                key=_data(user, "client-key"),
            )
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise ApiError(0, f"{path}: {error!r}") from error


def _data(entry: dict[str, Any], name: str) -> bytes | None:
    if text := entry.get(f"{name}-data"):
        return base64.b64decode(text)
    return Path(entry[name]).read_bytes() if entry.get(name) else None


class Client:
    """Requests of one identity; each thread keeps a connection of its own."""

    def __init__(self, access: Access, *, agent: str = "kubelet") -> None:
        self._agent = agent
        parts = urllib.parse.urlsplit(access.server)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._token = access.token
        self._context = ssl.create_default_context(cadata=access.ca.decode())
        # Python 3.13 and later ask for extensions that kubeadm's CA need not carry.
        self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if access.certificate and access.key:
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(access.certificate + b"\n" + access.key)
                pem.flush()
                self._context.load_cert_chain(pem.name)
        self._local = threading.local()

    def get(self, path: str) -> dict[str, Any]:
        """GET; raises ApiError."""
        return self.request("GET", path)

    def find(self, path: str) -> dict[str, Any] | None:
        """GET; None if the object does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def request(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """Send one request. A stale connection is reopened once."""
        data = None if body is None else json.dumps(body).encode()
        for attempt in (1, 2):
            connection: http.client.HTTPSConnection | None = getattr(
                self._local, "connection", None
            )
            fresh = connection is None
            if connection is None:
                connection = self._connect(30)
                self._local.connection = connection
            try:
                connection.request(method, path, data, self._headers(kind))
                answer = connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._local.connection = None
                if fresh or attempt == 2:  # noqa: PLR2004  (the last attempt)
                    raise ApiError(0, f"{method} {path}: {error!r}") from error
        return _document(answer.status, text, f"{method} {path}")

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield watch events until the server ends the stream. Raises ApiError."""
        connection = self._connect(90)
        try:
            connection.request("GET", path, headers=self._headers("application/json"))
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                _document(answer.status, answer.read(), path)
            while line := answer.readline():
                yield cast("dict[str, Any]", json.loads(line))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ApiError(0, f"watch {path}: {error!r}") from error
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            self._host, self._port, context=self._context, timeout=timeout
        )

    def _headers(self, kind: str) -> dict[str, str]:
        headers = {"Content-Type": kind, "Accept": "application/json"}
        headers["User-Agent"] = self._agent
        return headers | ({"Authorization": f"Bearer {self._token}"} if self._token else {})


def _document(status: int, text: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(text) if text else {}
    except ValueError:
        document = {"message": text.decode("utf-8", "replace")}
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise ApiError(status, f"{what}: {status} {document.get('message') or document}")
    return cast("dict[str, Any]", document)
