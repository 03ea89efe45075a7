"""The package sources and image registries, by host name, over HTTPS and HTTP."""

from __future__ import annotations

import ssl
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import unquote

from localcloud.machines.network.fabric import SOURCES_ADDRESS
from localcloud.machines.vpc_services import registry
from localcloud.machines.vpc_services.registry import Part, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localcloud.virtual.images.layout import Layout

_HTTP: Final = 80
_HTTPS: Final = 443
_READ: Final = ("GET", "HEAD")
_CHUNK: Final = 1 << 18


def file_of(folder: Path, host: str, target: str) -> Path | None:
    """The file below `folder`/`host` that a request asks for, or None.

    None also for a path that leaves the folder.
    """
    name = host.partition(":")[0].lower()
    steps = [step for step in unquote(target.partition("?")[0]).split("/") if step]
    if ".." in steps or not name or "/" in name or name.startswith("."):
        return None
    file = folder.joinpath(name, *steps)
    return file if file.is_file() else None


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests.

    A file is looked for in each of `folders` in turn. Paths below `/v2` are those of the registry
    of `images`; without images they are not there.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, folders: Sequence[Path], images: Layout | None, *connection: Any) -> None:  # noqa: ANN401  # socketserver's own
        self._folders = folders
        self._images = images
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Answer any method; those that do not read are refused."""
        host = self.headers.get("Host", "")
        if self._images is not None and _is_of_registry(self.path):
            headers = dict(self.headers.items())
            self._send(registry.answer(self.command, host, self.path, headers, self._images))
            return
        if self.command not in _READ:
            self._send(_empty(HTTPStatus.METHOD_NOT_ALLOWED))
            return
        files = (file_of(folder, host, self.path) for folder in self._folders)
        file = next((file for file in files if file is not None), None)
        if file is None:
            self._send(_empty(HTTPStatus.NOT_FOUND))
            return
        size = file.stat().st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        whole = Part(file=file, first=0, length=size)
        self._send(Response(status=HTTPStatus.OK, headers=headers, body=whole))

    # The names that http.server looks for.
    do_HEAD = do_GET  # noqa: N815
    do_DELETE = do_PATCH = do_POST = do_PUT = do_GET  # noqa: N815

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, text in response.headers.items():
            self.send_header(name, text)
        if self.command not in _READ:
            # The request's body was not read, so the next request cannot be told from it.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(response.body, bytes):
            self.wfile.write(response.body)
            return
        with response.body.file.open("rb") as content:
            content.seek(response.body.first)
            _copy(content, self.wfile.write, response.body.length)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def _empty(status: HTTPStatus) -> Response:
    return Response(status=status, headers={"Content-Length": "0"})


def _is_of_registry(target: str) -> bool:
    path = target.partition("?")[0]
    return path == registry.PREFIX or path.startswith(f"{registry.PREFIX}/")


def _copy(content: BinaryIO, write: Callable[[bytes], object], length: int) -> None:
    """Pass on `length` bytes."""
    while length > 0 and (chunk := content.read(min(_CHUNK, length))):
        write(chunk)
        length -= len(chunk)


def serve(folders: Sequence[Path], tls: Path, images: Layout | None) -> None:
    """Answer in threads, as `Handler` describes it. `tls` has `server.pem` and `server.key`."""
    answering = partial(Handler, folders, images)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    plain = ThreadingHTTPServer((SOURCES_ADDRESS, _HTTP), answering)
    secure = ThreadingHTTPServer((SOURCES_ADDRESS, _HTTPS), answering)
    # The handshake runs in the connection's thread, so that a silent client blocks no other.
    secure.socket = context.wrap_socket(
        secure.socket, server_side=True, do_handshake_on_connect=False
    )
    for server in (plain, secure):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="packages", daemon=True).start()
