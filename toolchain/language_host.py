"""Pulumi's Python language host, for machines that cannot download the official one.

The engine starts it as `pulumi-language-python`, reads a port from its first line, and asks it to
run programs. Programs run in this very process, with this Python: the SDK's Automation API server
does the same for inline programs, and is what this class extends (pulumi/automation/_server.py).
Generating, packing and linking of packages is not here; `pulumi` says so when it is asked.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Final

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime import settings
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

_MAX_MESSAGE: Final = 400 << 20
_WORKERS: Final = 4


class LanguageHost(LanguageServer):
    """Runs the program in the directory that the engine names."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Take note of nothing: the engine's address comes with every run."""
        _ = request, context
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        """Answer with the SDK's version, which is the host's."""
        _ = request, context
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """List the plugins that the installed provider SDKs ask for."""
        _ = request, context
        return language_pb2.GetRequiredPackagesResponse(
            packages=[
                plugin_pb2.PackageDependency(name=name, kind="resource", version=f"v{version}")
                for name, version in required_plugins()
            ]
        )

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """List the installed distributions, for `pulumi about`."""
        _ = request, context
        installed = {
            found.metadata["Name"]: found.version for found in importlib.metadata.distributions()
        }
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version in sorted(installed.items())
            ]
        )

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install nothing: `make up` made the virtual environment from the pinned requirements."""
        _ = request, context
        yield language_pb2.InstallDependenciesResponse(
            stdout=b"The virtual environment is made by `make venv`; nothing to install.\n"
        )

    def Run(
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        """Run the program; what it raised has been shown when this returns."""
        directory = Path(request.info.program_directory or request.pwd or ".").resolve()
        root = request.info.root_directory or str(directory)

        def program() -> None:
            settings.SETTINGS.root_directory = root
            runpy.run_path(str(directory / "__main__.py"), run_name="__main__")

        self.program = program
        os.chdir(directory)
        sys.path.insert(0, str(directory))
        result = super().Run(request, context)  # type: ignore[no-untyped-call]  # untyped upstream
        # The server above has logged the error already; `bail` keeps it from being shown twice.
        return language_pb2.RunResponse(bail=True) if result.error else result


def required_plugins() -> list[tuple[str, str]]:
    """Read `pulumi-plugin.json` of every installed provider SDK: name and version, sorted."""
    found = []
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if not re.fullmatch(r"pulumi[-_][a-z0-9_-]+", name):
            continue
        text = distribution.read_text(f"../{name.replace('-', '_')}/pulumi-plugin.json")
        stated = json.loads(text) if text else {}
        if stated.get("resource"):
            found.append((str(stated["name"]), str(stated["version"]).removeprefix("v")))
    return sorted(found)


def serve() -> None:
    """Serve on a free loopback port, print it, and stay until the engine ends this process."""
    ended = threading.Event()
    # The engine stops plugins by SIGINT, and a terminal's Ctrl-C reaches them too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_WORKERS),
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
        ],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended.wait()
    server.stop(grace=None)


if __name__ == "__main__":
    serve()
