"""Reads a kubeconfig and opens a client of its API server."""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    # Imported by the first client: most previews open none.
    import httpx


class UnusableKubeconfigError(ValueError):
    """A kubeconfig whose authentication is not supported. The message contains no secret."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach an API server: its URL, its CA, and a client certificate or token."""

    server: str
    server_name: str | None
    """The name in the server's certificate, if it differs from the URL's host."""
    tls: ssl.SSLContext = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the server is on loopback, which is never reached through a proxy (as in Go)."""
        try:
            return ip_address(urlsplit(self.server).hostname or "").is_loopback
        except ValueError:
            return False


def access_of(kubeconfig: str) -> Access:
    """Read the current context's cluster and user, which must contain their certificates or token.

    Raises `UnusableKubeconfigError` for a kubeconfig that names files or a login program (`exec`):
    only the Kubernetes provider supports those.
    """
    try:
        document = yaml.safe_load(kubeconfig)
        context = _named(document, "context", document["current-context"])
        cluster = _named(document, "cluster", context["cluster"])
        user = _named(document, "user", context["user"])
        tls = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        token = user.get("token")
        if token is None:
            certificate = _decoded(user["client-certificate-data"])
            _identify(tls, certificate + _decoded(user["client-key-data"]))
        return Access(
            server=cluster["server"],
            server_name=cluster.get("tls-server-name"),
            tls=tls,
            token=token,
        )
    except KeyError as error:
        raise UnusableKubeconfigError(f"it has no {error.args[0]}") from error
    except (TypeError, ValueError, binascii.Error, yaml.YAMLError, ssl.SSLError) as error:
        # The parsers' messages may quote the text, which is a secret.
        raise UnusableKubeconfigError("it is malformed") from error


@asynccontextmanager
async def api_client(kubeconfig: str, *, within: float) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client; opening sends no request. `within` is seconds for a response.

    Raises `UnusableKubeconfigError` as `access_of` does.
    """
    import httpx

    access = access_of(kubeconfig)

    async def name_server(request: httpx.Request) -> None:
        if access.server_name is not None:
            # httpcore checks the certificate for this name instead of the URL's host.
            request.extensions["sni_hostname"] = access.server_name

    headers = {} if access.token is None else {"Authorization": f"Bearer {access.token}"}
    async with httpx.AsyncClient(
        base_url=access.server,
        headers=headers,
        event_hooks={"request": [name_server]},
        verify=access.tls,
        timeout=within,
        trust_env=not access.is_local,
    ) as client:
        yield client


def request_errors() -> type[httpx.HTTPError]:
    """The class of what a client raises for a request without an answer, for an `except`."""
    import httpx

    return httpx.HTTPError


def _named(document: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    entries = {entry["name"]: entry for entry in document[f"{kind}s"]}
    entry: Mapping[str, Any] = entries[name][kind]
    return entry


def _identify(tls: ssl.SSLContext, pair: str) -> None:
    # OpenSSL reads a client certificate only from a file, so a temporary one is written.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pair.pem")
        file.touch(mode=0o600)
        file.write_text(pair)
        tls.load_cert_chain(file)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
