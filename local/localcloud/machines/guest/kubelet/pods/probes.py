"""httpGet and tcpSocket probes, done for real."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


_TRUSTED_SECONDS: Final = 5.0


class Readiness:
    """The readiness of containers; a ready one is probed again only after some seconds."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def of(self, key: str, container: Mapping[str, Any], pod_ip: str) -> bool:
        """Whether the container `key` is ready."""
        now = time.monotonic()
        if now < self._until.get(key, 0.0):
            return True
        ready = passes(container.get("readinessProbe"), container, pod_ip)
        self._until[key] = now + _TRUSTED_SECONDS if ready else 0.0
        return ready


def passes(probe: Mapping[str, Any] | None, container: Mapping[str, Any], pod_ip: str) -> bool:
    """Whether a readiness probe passes now; no probe, or an exec one, passes."""
    if not probe:
        return True
    if get := probe.get("httpGet"):
        host, port = get.get("host") or pod_ip, _port(get["port"], container)
        return _get(host, port, get.get("path") or "/", get.get("scheme") or "HTTP")
    if tcp := probe.get("tcpSocket"):
        try:
            address = (tcp.get("host") or pod_ip, _port(tcp["port"], container))
            with socket.create_connection(address, timeout=1):
                return True
        except OSError:
            return False
    return True


def _get(host: str, port: int, path: str, scheme: str) -> bool:
    # The kubelet does not verify a probed server's certificate either.
    connection: http.client.HTTPConnection
    if scheme.upper() == "HTTPS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=1, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=1)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
    return http.HTTPStatus.OK <= status < http.HTTPStatus.BAD_REQUEST


def _port(port: int | str, container: Mapping[str, Any]) -> int:
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    raise ValueError(f"container {container['name']} has no port named {port}")
