"""One process: the API over TLS on a port, the control API on a unix socket, one store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TextIO

import structlog

from localcloud.control_api.control import Control
from localcloud.requests.actions import Product
from localcloud.requests.calls import CallLog
from localcloud.requests.faults import Faults
from localcloud.requests.gateway import Gateway

from . import certificates
from .products.catalogue import KINDS, PRODUCTS
from .settings import LOOPBACK, Cloud, Places
from .state.store import StateError, Store
from .web.protocol import Handler, HttpProtocol, Refuse

BACKLOG: Final = 1024
_HANDSHAKE_SECONDS: Final = 10.0
_SETTLE_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running cloud; lets a test look inside."""

    port: int
    gateway: Gateway
    store: Store
    calls: CallLog
    faults: Faults


def log_to(stream: TextIO) -> None:
    """Log JSON lines to a stream."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


@contextlib.asynccontextmanager
async def running(
    places: Places, cloud: Cloud, port: int, products: Mapping[str, Product] = PRODUCTS
) -> AsyncIterator[Running]:
    """Serve a cloud; port 0 takes a free one.

    Raises:
        StateError: the state is in use, unreadable or was created for another region.
        OSError: the port is in use.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_quiet)
    certificates.ensure(places.tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(places.tls / "server.pem", places.tls / "server.key")
    places.run.mkdir(parents=True, exist_ok=True)
    store = Store(places.state, KINDS)
    connections: set[HttpProtocol] = set()
    try:
        _check_region(store, cloud)
        calls, faults = CallLog(), Faults()
        gateway = Gateway(store, cloud, products, calls=calls, faults=faults)
        api = await loop.create_server(
            _maker(gateway.answer, gateway.refuse, connections),
            LOOPBACK,
            port,
            ssl=context,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            backlog=BACKLOG,
        )
        bound = api.sockets[0].getsockname()[1]
        control = Control(store, cloud, calls=calls, faults=faults, port=bound)
        settling = asyncio.create_task(_settle_always(gateway))
        try:
            async with api, await _control_server(places, control, connections):
                yield Running(port=bound, gateway=gateway, store=store, calls=calls, faults=faults)
                for connection in list(connections):
                    connection.close()
        finally:
            settling.cancel()
    finally:
        store.close()


async def _settle_always(gateway: Gateway) -> None:
    """Let time pass in a cloud that nobody calls, until cancelled."""
    while True:
        await asyncio.sleep(_SETTLE_SECONDS)
        gateway.settle()


def _maker(handle: Handler, refuse: Refuse, connections: set[HttpProtocol]) -> Any:  # noqa: ANN401  # a protocol factory
    def make() -> HttpProtocol:
        return HttpProtocol(handle, refuse, connections)

    return make


async def _control_server(
    places: Places, control: Control, connections: set[HttpProtocol]
) -> asyncio.Server:
    path = places.control_socket
    path.unlink(missing_ok=True)
    # A socket's path has at most 107 bytes; a folder's descriptor shortens it.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        before = os.umask(0o177)
        try:
            return await asyncio.get_running_loop().create_unix_server(
                _maker(control.answer, control.refuse, connections),
                f"/proc/self/fd/{folder}/{path.name}",
            )
        finally:
            os.umask(before)
    finally:
        os.close(folder)


def _check_region(store: Store, cloud: Cloud) -> None:
    region = store.fact("region", cloud.region)
    if region != cloud.region:
        raise StateError(
            f"The state was created for region {region}, not {cloud.region}. Start with "
            f"--region {region}, or choose another --home."
        )


def _quiet(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log every error except those of clients that disconnect or do not use TLS."""
    error = context.get("exception")
    if isinstance(error, OSError | ssl.SSLError | asyncio.CancelledError):
        return
    structlog.get_logger("server").error(
        "event loop", message=context.get("message"), error=repr(error)
    )


async def serve_until_signalled(places: Places, cloud: Cloud, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    log = structlog.get_logger("server")
    async with running(places, cloud, port) as server:
        log.info("serving", port=server.port, region=cloud.region, home=str(places.home))
        sys.stdout.write(f"serving https://{LOOPBACK}:{server.port}\n")
        sys.stdout.flush()
        await stop.wait()
    log.info("stopped")
