"""A file server on loopback that behaves as release hosts do on good and bad days."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from toolchain.builds.golang import platform_name
from toolchain.downloads.archives import Archive

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class ReleaseServer:
    """Answers each path as `behaviours` has it, and others with 404; use it as a context."""

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        self.requests: list[str] = []
        self.is_over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                behaviour = behaviours.get(self.path.removeprefix("/mirror/"))
                if behaviour is None:
                    self.send_error(404)
                else:
                    behaviour(self)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/mirror"

    def __enter__(self) -> Self:
        serve = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        serve.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()


def whole(content: bytes) -> Behaviour:
    """The file as it is."""
    return lambda request: _send(request, content, length=len(content))


def truncated(content: bytes) -> Behaviour:
    """The first half, although the whole length was announced."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _send(request, content[: len(content) // 2], length=len(content))
        request.close_connection = True

    return answer


def redirected(to: str) -> Behaviour:
    """A redirect to another path of this server."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"/mirror/{to}")
        request.end_headers()

    return answer


def dripping(until: threading.Event) -> Behaviour:
    """A byte every few milliseconds, of a file that has a billion."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _send(request, b"x", length=10**9)
        while not until.wait(0.005):
            try:
                request.wfile.write(b"x")
            except OSError:
                return

    return answer


def stalled(content: bytes, until: threading.Event) -> Behaviour:
    """The first half, and then nothing."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _send(request, content[: len(content) // 2], length=len(content))
        until.wait(60)

    return answer


def silent(until: threading.Event) -> Behaviour:
    """No answer at all."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        until.wait(60)
        request.close_connection = True

    return answer


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A `.tar.gz` with these files, by their path in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def swapped(content: bytes) -> bytes:
    """Other content of the same length."""
    return bytes(byte ^ 1 for byte in content)


def archive(address: str, content: bytes, program: str = "tool", build: str = "tool") -> Archive:
    """The pinned entry of a file with this content."""
    return Archive(
        build=build,
        version="1.2.3",
        platform=platform_name(),
        address=address,
        sha256=hashlib.sha256(content).hexdigest(),
        source="the publisher's checksum file",
        programs=(program,),
    )


def _send(request: BaseHTTPRequestHandler, content: bytes, *, length: int) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(length))
    request.end_headers()
    request.wfile.write(content)
    request.wfile.flush()
