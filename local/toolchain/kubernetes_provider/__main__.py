"""Run as ``pulumi-resource-kubernetes ENGINE_ADDRESS``: print the port, serve until a signal.

The engine ends its plugins with SIGINT, a build server with SIGTERM; both end it quietly.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent import futures
from typing import TYPE_CHECKING, Final

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from toolchain.kubernetes_provider.engine_log import EngineLog
from toolchain.kubernetes_provider.servicer import Provider

if TYPE_CHECKING:
    from types import FrameType

_WORKERS: Final = 256  # each wait for readiness occupies one; the stack runs hundreds at once
_LARGEST_MESSAGE: Final = 400 << 20  # the engine's own limit
_GRACE: Final = 1.0
_ENGINE_POLL: Final = 1.0


def main(arguments: list[str]) -> int:
    """Serve the provider protocol on a loopback port of the system's choosing."""
    # A killed engine does not end its plugins, so they must notice that it is gone. Read the parent
    # before printing the port: afterwards the engine may be gone and our parent another process.
    engine_process = os.getppid()
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    provider = Provider(EngineLog(arguments[0] if arguments else None))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_WORKERS),
        options=[
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(_ENGINE_POLL) and os.getppid() == engine_process:
        pass
    provider.close()
    server.stop(_GRACE).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
