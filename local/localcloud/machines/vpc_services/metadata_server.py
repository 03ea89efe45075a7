"""The metadata service's HTTP server: the source address identifies the instance."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from localcloud.machines.control import ControlError
from localcloud.machines.network.fabric import METADATA_ADDRESS
from localcloud.machines.vpc_services.metadata import Answer, Request, Tokens, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.machines.control import Control, Instance


def serve(find: Callable[[str], Instance | None], control: Control) -> None:
    """Answer on 100.100.100.200:80 in a thread; `find` returns the instance of an address."""
    tokens = Tokens(secrets.token_bytes(32))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            instance = find(self.client_address[0])
            if instance is None:
                self._send(Answer(status=404))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                asked = Request(method=self.command, path=self.path, headers=headers)
                reply = answer(asked, instance, tokens, lambda: control.credentials(instance.id))
            except ControlError:
                reply = Answer(status=503)
            self._send(reply)

        def _send(self, reply: Answer) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Write nothing: tokens and user-data pass here."""

        do_GET = _answer  # noqa: N815  (the names http.server looks for)
        do_HEAD = _answer  # noqa: N815
        do_PUT = _answer  # noqa: N815
        do_POST = _answer  # noqa: N815

    server = ThreadingHTTPServer((METADATA_ADDRESS, 80), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metadata", daemon=True).start()
