"""The package sources and image registries, by host name, over HTTPS and HTTP."""

from __future__ import annotations

import ssl
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from localcloud.machines.network.fabric import SOURCES_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Sequence

_HTTP: Final = 80
_HTTPS: Final = 443


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


def serve(folders: Sequence[Path], tls: Path) -> None:
    """Answer in threads. A file is looked for in each of `folders` in turn.

    `tls` has `server.pem` and `server.key`.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host = self.headers.get("Host", "")
            files = (file_of(folder, host, self.path) for folder in folders)
            file = next((file for file in files if file is not None), None)
            if file is None:
                self.send_response(HTTPStatus.NOT_FOUND)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            if self.command != "HEAD":
                with file.open("rb") as content:
                    copyfileobj(content, self.wfile)

        do_HEAD = do_GET  # noqa: N815  (the name http.server looks for)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    plain = ThreadingHTTPServer((SOURCES_ADDRESS, _HTTP), Handler)
    secure = ThreadingHTTPServer((SOURCES_ADDRESS, _HTTPS), Handler)
    # The handshake runs in the connection's thread, so that a silent client blocks no other.
    secure.socket = context.wrap_socket(
        secure.socket, server_side=True, do_handshake_on_connect=False
    )
    for server in (plain, secure):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="packages", daemon=True).start()
