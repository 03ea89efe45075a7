"""Which API server a kubeconfig leads to, and with whose credentials.

Only an API server on loopback is accepted: this stand-in belongs to the local stack.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import yaml

from toolchain.kubernetes_provider.errors import RefusedClusterError, UnreachableError
from toolchain.kubernetes_provider.protocol.wire import Object, Value, objects_at, text_at

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NAMESPACE: Final = "default"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The address of one API server and the credentials for it, as PEM texts, never as paths."""

    server: str
    authority: str | None
    skip_verification: bool
    server_name: str | None
    certificate: str | None = field(repr=False, default=None)
    key: str | None = field(repr=False, default=None)
    token: str | None = field(repr=False, default=None)
    username: str | None = None
    password: str | None = field(repr=False, default=None)
    namespace: str = DEFAULT_NAMESPACE


def parse(path_or_contents: str) -> Object:
    """Return the kubeconfig document named by a path or given as text (YAML or JSON).

    Raises UnreachableError when it is neither, as the official plugin treats a kubeconfig that it
    cannot read: the cluster counts as unreachable.
    """
    contents = _read_if_path(path_or_contents)
    try:
        document = yaml.safe_load(contents)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise UnreachableError(f"The kubeconfig is not YAML{where}.") from None
    if not isinstance(document, dict) or "clusters" not in document:
        raise UnreachableError(
            "The kubeconfig is neither the path of a readable file nor a kubeconfig document."
        )
    return document


def _read_if_path(path_or_contents: str) -> str:
    try:
        path = Path(path_or_contents).expanduser()
        return path.read_text(encoding="utf-8") if path.is_file() else path_or_contents
    except (OSError, ValueError, RuntimeError):
        return path_or_contents  # a document: too long for a path, or not a valid one


def ambient() -> str | None:
    """Return the path that kubectl would use without flags, if there is such a file."""
    for candidate in (os.environ.get("KUBECONFIG") or "").split(os.pathsep):
        if candidate and Path(candidate).is_file():
            return candidate
    home = Path("~/.kube/config").expanduser()
    return str(home) if home.is_file() else None


def active_cluster(document: Object, *, context: str = "", cluster: str = "") -> Object | None:
    """Return the cluster entry in use, ``None`` when the document names none."""
    chosen = _named(
        document, "contexts", "context", context or text_at(document, "current-context")
    )
    name = cluster or text_at(chosen, "cluster")
    return _named(document, "clusters", "cluster", name)


def _named(document: Object, section: str, entry: str, name: str) -> Object | None:
    for item in objects_at(document, section):
        inner = item.get(entry)
        if item.get("name") == name and isinstance(inner, dict):
            return inner
    return None


def refuse_unless_loopback(server: str) -> None:
    """Raise RefusedClusterError unless the server's address is on this machine."""
    host = urlsplit(server).hostname or ""
    if _is_loopback(host):
        return
    raise RefusedClusterError(
        f"The API server {_without_password(server)} is not on loopback. This is the stand-in for "
        "the Kubernetes provider that comes with the local stack; it waits, diffs and deletes less "
        "carefully than the official plugin, so it refuses every other cluster. Use a kubeconfig "
        "whose server is in 127.0.0.0/8, ::1 or localhost, or install the official plugin "
        "(pulumi plugin install resource kubernetes 4.32.0), which is then used instead."
    )


def _without_password(server: str) -> str:
    scheme, separator, rest = server.rpartition("//")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    if host != "localhost":
        return False  # any other name may resolve to another machine later
    try:
        entries = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in entries)


def credentials(document: Object, *, context: str = "", cluster: str = "") -> Credentials:
    """Return what is needed to talk to the cluster in use.

    Raises RefusedClusterError for a server that is not on loopback and for ways of
    authentication that would run other programs; UnreachableError when an entry is missing.
    """
    context_name = context or text_at(document, "current-context")
    chosen = _named(document, "contexts", "context", context_name)
    if chosen is None:
        raise UnreachableError(f"The kubeconfig has no context {context_name!r}.")
    target = active_cluster(document, context=context, cluster=cluster)
    if target is None or not text_at(target, "server"):
        name = cluster or text_at(chosen, "cluster")
        raise UnreachableError(f"The kubeconfig has no cluster {name!r} with a server.")
    server = text_at(target, "server").rstrip("/")
    refuse_unless_loopback(server)
    if text_at(target, "proxy-url"):
        raise RefusedClusterError(
            "The kubeconfig sends requests through a proxy (proxy-url), which may lead off this "
            "machine. The stand-in talks to loopback directly: remove proxy-url."
        )
    user = _named(document, "users", "user", text_at(chosen, "user")) or {}
    for unsupported in ("exec", "auth-provider"):
        if unsupported in user:
            raise RefusedClusterError(
                f"The kubeconfig's user authenticates by {unsupported!r}. The stand-in knows "
                "client certificates, tokens and passwords: use one of these."
            )
    token = text_at(user, "token") or _file(user, "tokenFile").strip()
    return Credentials(
        server=server,
        authority=_pem(target, "certificate-authority") or None,
        skip_verification=target.get("insecure-skip-tls-verify") is True,
        server_name=text_at(target, "tls-server-name") or None,
        certificate=_pem(user, "client-certificate") or None,
        key=_pem(user, "client-key") or None,
        token=token or None,
        username=text_at(user, "username") or None,
        password=text_at(user, "password") or None,
        namespace=text_at(chosen, "namespace") or DEFAULT_NAMESPACE,
    )


def _pem(entry: Object, key: str) -> str:
    data = text_at(entry, f"{key}-data")
    if not data:
        return _file(entry, key)
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise UnreachableError(
            f"{key}-data in the kubeconfig is not a PEM text in base64."
        ) from None


def _file(entry: Object, key: str) -> str:
    path = text_at(entry, key)
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise UnreachableError(
            f"{key} in the kubeconfig names {path}, which cannot be read ({error.strerror})."
        ) from None


def minimal(using: Credentials) -> str:
    """Return a kubeconfig document with this one cluster, for the helm command."""
    cluster: dict[str, Value] = {"server": using.server}
    if using.authority:
        cluster["certificate-authority-data"] = _b64(using.authority)
    if using.skip_verification:
        cluster["insecure-skip-tls-verify"] = True
    if using.server_name:
        cluster["tls-server-name"] = using.server_name
    entries = {
        "client-certificate-data": using.certificate and _b64(using.certificate),
        "client-key-data": using.key and _b64(using.key),
        "token": using.token,
        "username": using.username,
        "password": using.password,
    }
    user = {key: value for key, value in entries.items() if value}
    context = {"cluster": "local", "user": "local", "namespace": using.namespace}
    document: Mapping[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [{"name": "local", "cluster": cluster}],
        "contexts": [{"name": "local", "context": context}],
        "users": [{"name": "local", "user": user}],
    }
    return json.dumps(document)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
