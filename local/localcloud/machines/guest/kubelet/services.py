"""A userspace service proxy in kube-proxy's place: every ClusterIP answers on this machine.

Started when a kube-proxy pod runs here, with that pod's own service account and configuration.
TCP only. Where a process of this machine listens on the port already (hostNetwork), it answers.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # ships no types

from localcloud.machines.guest.network import links
from localcloud.polling import first_answer

from .client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from .client import Client

_SLICES: Final = "/apis/discovery.k8s.io/v1/endpointslices"
_SERVICES: Final = "/api/v1/services"
_ROUND_SECONDS: Final = 1.5
LINGER_SECONDS: Final = 30.0
"""How long an address outlives its service, so that connections to it end as with conntrack.

Without it the last packets of the other end are lost, and a client keeps a dead connection for
most of a minute, for example an API server to a webhook that was reinstalled."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A service's address and port, and the backends that are ready."""

    address: str
    port: int
    backends: tuple[tuple[str, int], ...]


def ports(
    services: Iterable[Mapping[str, Any]], slices: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, int], Port]:
    """Return every TCP port of every ClusterIP (IPv4), by address and port."""
    by_address: dict[tuple[str, int], Port] = {}
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        address = spec.get("clusterIP") or ""
        if address in {"", "None"} or ":" in address:
            continue
        own = [
            entry
            for entry in slices
            if entry["metadata"]["namespace"] == metadata["namespace"]
            and (entry["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
            == metadata["name"]
        ]
        for port in spec.get("ports") or ():
            if port.get("protocol", "TCP") == "TCP":
                backends = tuple(sorted(_backends(own, port.get("name") or "")))
                by_address[address, port["port"]] = Port(
                    address=address, port=port["port"], backends=backends
                )
    return by_address


def _backends(slices: Iterable[Mapping[str, Any]], name: str) -> set[tuple[str, int]]:
    return {
        (address, port["port"])
        for entry in slices
        for port in entry.get("ports") or ()
        if (port.get("name") or "") == name
        for endpoint in entry.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    }


class LocalAddresses:
    """The ClusterIPs that this machine answers for: added at once, removed late."""

    def __init__(self, *, take: Callable[[str], None], give_back: Callable[[str], None]) -> None:
        self._take = take
        self._give_back = give_back
        self._gone: dict[str, float | None] = {}
        """Address → when its service was first missing; None while it exists."""

    def hold(self, addresses: Collection[str], *, now: float) -> None:
        """Add new addresses, and remove those that no service has had for long. `now` in seconds.

        An address that cannot be added is tried again in the next round.
        """
        for address in self._gone.keys() - addresses:
            gone = self._gone[address]
            if gone is None:
                self._gone[address] = now
            elif now - gone >= LINGER_SECONDS:
                with contextlib.suppress(NetlinkError):
                    self._give_back(address)
                del self._gone[address]
        for address in addresses:
            with contextlib.suppress(NetlinkError):
                if address not in self._gone:
                    self._take(address)
                self._gone[address] = None


class ServiceProxy:
    """Listens on ClusterIPs while a kube-proxy pod runs on this node."""

    def __init__(self, client_of: Callable[[Mapping[str, Any]], Client]) -> None:
        self._client_of = client_of
        self._pod: dict[str, Any] | None = None
        self._api: tuple[str, int] | None = None
        self._ports: dict[tuple[str, int], Port] = {}
        self._listeners: dict[tuple[str, int], socket.socket] = {}
        self._addresses = LocalAddresses(take=links.add_local, give_back=links.remove_local)
        self._left: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        threading.Thread(target=self._follow, daemon=True).start()
        threading.Thread(target=self._accept, daemon=True).start()

    def pod_is(self, pod: dict[str, Any] | None) -> None:
        """Set the kube-proxy pod of this node; None when there is none."""
        self._pod = pod

    def leave(self, ports_of_processes: frozenset[int]) -> None:
        """Stop listening on these ports, because a process of this machine is about to bind them.

        It binds the port on every address, ClusterIPs too, and so answers for them itself.
        """
        with self._lock:
            self._left = ports_of_processes
            for key in [key for key in self._listeners if key[1] in ports_of_processes]:
                self._close(key)

    def environment(self) -> dict[str, str] | None:
        """Return the variables of the service `kubernetes`; None until services were read."""
        if self._api is None:
            return None
        address, port = self._api
        return {"KUBERNETES_SERVICE_HOST": address, "KUBERNETES_SERVICE_PORT": str(port)}

    def _follow(self) -> None:
        while True:
            time.sleep(_ROUND_SECONDS)
            pod = self._pod
            if pod is None:
                continue
            try:
                client = self._client_of(pod)
                services = client.get(_SERVICES)["items"]
                slices = client.get(_SLICES)["items"]
            except ApiError:
                continue
            self._ports = ports(services, slices)
            self._apply()
            for service in services:
                metadata = service["metadata"]
                if (metadata["namespace"], metadata["name"]) == ("default", "kubernetes"):
                    self._api = (service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"])

    def _apply(self) -> None:
        self._addresses.hold({address for address, _ in self._ports}, now=time.monotonic())
        with self._lock:
            for key in self._listeners.keys() - self._ports.keys():
                self._close(key)
            for key in self._ports.keys() - self._listeners.keys():
                if key[1] not in self._left:
                    self._open(key)

    def _open(self, key: tuple[str, int]) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(key)
            listener.listen(64)
        except OSError:
            listener.close()
            return
        self._listeners[key] = listener
        self._selector.register(listener, selectors.EVENT_READ, key)

    def _close(self, key: tuple[str, int]) -> None:
        listener = self._listeners.pop(key)
        self._selector.unregister(listener)
        listener.close()

    def _accept(self) -> None:
        while True:
            if not self._listeners:
                time.sleep(0.1)
                continue
            for ready, _ in self._selector.select(1):
                try:
                    connection, _ = ready.fileobj.accept()  # type: ignore[union-attr]  # a socket
                except OSError:
                    continue
                threading.Thread(
                    target=self._serve, args=(connection, ready.data), daemon=True
                ).start()

    def _serve(self, connection: socket.socket, key: tuple[str, int]) -> None:
        # A backend that has just become ready appears after the next round.
        with connection:
            other = first_answer(lambda: self._connect(key), within=2 * _ROUND_SECONDS, every=0.2)
            if other is not None:
                with other, contextlib.suppress(OSError):
                    _join(connection, other)

    def _connect(self, key: tuple[str, int]) -> socket.socket | None:
        """Connect to one of the port's backends, tried in random order; None if none answers."""
        port = self._ports.get(key)
        backends = list(port.backends) if port else []
        random.shuffle(backends)
        for backend in backends:
            with contextlib.suppress(OSError):
                return socket.create_connection(backend, 3)
        return None


def _join(one: socket.socket, other: socket.socket) -> None:
    other.settimeout(None)
    back = threading.Thread(target=_copy, args=(other, one), daemon=True)
    back.start()
    _copy(one, other)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
