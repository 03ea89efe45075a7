"""One HTTP connection: parsed by httptools, limited in size and time, answered in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, cast

import httptools

from .messages import HttpReply, HttpRequest

MAX_URL: Final = 512 * 1024
MAX_HEADERS: Final = 64 * 1024
MAX_BODY: Final = 4 * 1024 * 1024
RECEIVE_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 120.0
MAX_PIPELINED: Final = 64

Handler = Callable[[HttpRequest], HttpReply | Awaitable[HttpReply]]
Refuse = Callable[[int, str, str], HttpReply]


class HttpProtocol(asyncio.Protocol):
    """Feeds a connection's requests to `handle`; `refuse` answers malformed input."""

    def __init__(self, handle: Handler, refuse: Refuse, connections: set[HttpProtocol]) -> None:
        self._handle = handle
        self._refuse = refuse
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[HttpRequest, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._peer = ""
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        peer = self._transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._connections.add(self)
        self._wait(RECEIVE_SECONDS)

    def connection_lost(self, _exc: Exception | None) -> None:
        """End. Requests in progress continue, and their replies are dropped."""
        self._connections.discard(self)
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._transport = None

    def pause_writing(self) -> None:
        """Read no further request while the client does not read replies."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close now."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes. Input that is not HTTP gets one answer and is disconnected."""
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(400, "InvalidRequest", "Protocol upgrades are not supported.")
        except _LimitError as limit:
            self._fail(limit.status, limit.code, limit.message)
        except httptools.HttpParserCallbackError as error:
            limit_error = error.__context__
            if isinstance(limit_error, _LimitError):
                self._fail(limit_error.status, limit_error.code, limit_error.message)
            else:
                self._fail(400, "InvalidRequest", "The request is not valid HTTP/1.1.")
        except httptools.HttpParserError:
            self._fail(400, "InvalidRequest", "The request is not valid HTTP/1.1.")

    def _fail(self, status: int, code: str, message: str) -> None:
        if self._closing:
            return
        self._closing = True
        if self._transport is not None:
            self._transport.write(self._refuse(status, code, message).encoded(keep_alive=False))
            self._transport.close()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._task is not None or self._queue:
            self._wait(IDLE_SECONDS)
        elif self._url or self._header_bytes:
            self._fail(408, "RequestTimeout", "The request did not arrive in time.")
        else:
            self.close()

    # Parser callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()
        self._wait(RECEIVE_SECONDS)

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._url += url
        if len(self._url) > MAX_URL:
            raise _LimitError(414, "RequestURITooLong", f"The URL exceeds {MAX_URL} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADERS:
            raise _LimitError(431, "RequestHeaderTooLarge", "The headers are too large.")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All headers are there."""
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY:
            raise _LimitError(413, "RequestEntityTooLarge", f"The body exceeds {MAX_BODY} bytes.")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        path, _, query = self._url.decode("latin-1").partition("?")
        request = HttpRequest(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=self._headers,
            body=b"".join(self._body),
            peer=self._peer,
        )
        self._queue.append((request, self._parser.should_keep_alive()))
        self._begin()
        self._wait(IDLE_SECONDS)
        if len(self._queue) > MAX_PIPELINED:
            raise _LimitError(429, "TooManyRequests", "Too many requests at once.")
        if self._task is None:
            self._pump()

    # Answering

    def _pump(self) -> None:
        while self._queue and not self._closing:
            request, keep_alive = self._queue.popleft()
            result = self._handle(request)
            if isinstance(result, HttpReply) and not result.drop and not result.delay:
                self._send(result, keep_alive=keep_alive)
                continue
            self._task = self._loop.create_task(self._later(result, keep_alive=keep_alive))
            return

    async def _later(self, result: HttpReply | Awaitable[HttpReply], *, keep_alive: bool) -> None:
        reply = result if isinstance(result, HttpReply) else await result
        if reply.delay:
            await asyncio.sleep(reply.delay)
        self._task = None
        if reply.drop:
            self._closing = True
            if self._transport is not None:
                self._transport.abort()
            return
        self._send(reply, keep_alive=keep_alive)
        self._pump()

    def _send(self, reply: HttpReply, *, keep_alive: bool) -> None:
        if self._transport is None or self._closing:
            return
        self._transport.write(reply.encoded(keep_alive=keep_alive))
        if not keep_alive:
            self._closing = True
            self._transport.close()


class _LimitError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
