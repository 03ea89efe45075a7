"""Run as ``pulumi-resource-kubernetes ENGINE_ADDRESS``: print the port, serve until a signal.

The engine ends its plugins with SIGINT, a build server with SIGTERM; both end it quietly.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from pulumi.runtime.proto import provider_pb2_grpc

from toolchain.kubernetes_provider.protocol.engine_log import EngineLog
from toolchain.kubernetes_provider.servicer import Provider
from toolchain.plugins import plugin_server

if TYPE_CHECKING:
    from types import FrameType

_WORKERS: Final = 256  # each wait for readiness occupies one; the stack runs hundreds at once
_GRACE: Final = 1.0


def main(arguments: list[str]) -> int:
    """Serve the provider protocol on a loopback port of the system's choosing."""
    engine = plugin_server.Engine()
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    provider = Provider(EngineLog(arguments[0] if arguments else None))
    server = plugin_server.serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
        workers=_WORKERS,
    )
    while not ended.wait(plugin_server.POLL_SECONDS) and engine.runs:
        pass
    provider.close()
    server.stop(_GRACE).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
