"""Pulumi's Python language host, for machines that cannot download the official one.

The engine starts it as `pulumi-language-python ADDRESS`, reads a port from its first line, and
asks it to run programs. Programs run in this very process, with this Python. It does not generate,
pack or link packages; `pulumi` reports that when asked to.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    LanguageRuntimeServicer,
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
)

from toolchain import program
from toolchain.plugins import plugin_server
from toolchain.plugins.plugin_process import PluginProcess, command

_Dependency = TypeVar("_Dependency")

_WORKERS: Final = 16


class LanguageHost(LanguageRuntimeServicer):
    """Runs Python programs and plugins for the engine at `engine` (`host:port`).

    The protocol fixes every signature; an argument that a call does not read begins with an
    underscore.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._plugins: set[PluginProcess] = set()

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, _context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Take the engine's address; it is the one on the command line."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        """Answer with the SDK's version, which is the host's."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def About(
        self, _request: language_pb2.AboutRequest, _context: grpc.ServicerContext
    ) -> language_pb2.AboutResponse:
        """Name the Python that runs programs."""
        return language_pb2.AboutResponse(
            executable=sys.executable, version=platform.python_version()
        )

    def GetRequiredPackages(
        self, _request: language_pb2.GetRequiredPackagesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """List the plugins that the installed provider SDKs ask for."""
        return language_pb2.GetRequiredPackagesResponse(
            packages=_dependencies(plugin_pb2.PackageDependency)
        )

    def GetRequiredPlugins(
        self, _request: language_pb2.GetRequiredPluginsRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPluginsResponse:
        """List the same in the older form."""
        return language_pb2.GetRequiredPluginsResponse(
            plugins=_dependencies(plugin_pb2.PluginDependency)
        )

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """List the installed distributions; on request only those that no other one needs."""
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version in installed(transitive=request.transitiveDependencies)
            ]
        )

    def InstallDependencies(
        self, _request: language_pb2.InstallDependenciesRequest, _context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install nothing: the virtual environment is created from the pinned requirements."""
        note = f"Dependencies are those of {sys.executable}; `make up` keeps them as pinned.\n"
        yield language_pb2.InstallDependenciesResponse(stdout=note.encode())

    def Run(
        self, request: language_pb2.RunRequest, _context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        """Run the program; its error, if any, has been shown when this returns."""
        directory = Path(request.info.program_directory or request.pwd or ".").resolve()
        os.chdir(request.pwd or directory)
        done = program.run(
            program.Run(
                directory=directory,
                root=Path(request.info.root_directory or directory),
                project=request.project,
                stack=request.stack,
                organization=request.organization,
                preview=request.dryRun,
                parallel=request.parallel,
                engine=self._engine,
                monitor=request.monitor_address,
                config=dict(request.config),
                secret_keys=tuple(request.configSecretKeys),
                arguments=tuple(request.args),
            )
        )
        # `bail` tells the engine that the error has been shown already.
        return language_pb2.RunResponse(bail=not done)

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a plugin written in Python until it ends or the engine ends it."""
        entry = Path(request.info.program_directory or request.program)
        plugin = PluginProcess(
            command(request.kind, entry, request.args),
            directory=request.pwd,
            environment=request.env,
        )
        self._plugins.add(plugin)
        context.add_callback(plugin.end)
        try:
            for piece in plugin.output():
                if piece.stream == "stdout":
                    yield language_pb2.RunPluginResponse(stdout=piece.data)
                else:
                    yield language_pb2.RunPluginResponse(stderr=piece.data)
            yield language_pb2.RunPluginResponse(exitcode=plugin.exit_status())
        finally:
            plugin.end()
            self._plugins.discard(plugin)

    def Cancel(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End the plugins that still run; a program ends by itself, because the engine is gone."""
        self.end()
        return empty_pb2.Empty()

    def end(self) -> None:
        """End the plugins that still run."""
        for plugin in list(self._plugins):
            plugin.end()


def _dependencies(message: Callable[..., _Dependency]) -> list[_Dependency]:
    """Write `required_plugins` in one of the protocol's two forms, which have the same fields."""
    return [
        message(name=name, kind="resource", version=f"v{version}")
        for name, version in required_plugins()
    ]


def required_plugins() -> list[tuple[str, str]]:
    """Read `pulumi-plugin.json` of every installed provider SDK: name and version, sorted."""
    plugins = []
    for distribution in importlib.metadata.distributions():
        package = distribution.metadata["Name"].replace("-", "_")
        if not re.fullmatch(r"pulumi_\w+", package):
            continue
        text = distribution.read_text(f"../{package}/pulumi-plugin.json")
        contents = json.loads(text) if text else {}
        if contents.get("resource"):
            plugins.append((str(contents["name"]), str(contents["version"]).removeprefix("v")))
    return sorted(plugins)


def installed(*, transitive: bool) -> list[tuple[str, str]]:
    """List installed distributions, sorted; without `transitive` only what nothing else needs."""
    distributions = list(importlib.metadata.distributions())
    needed = {
        _normal(requirement)
        for distribution in distributions
        for requirement in distribution.requires or ()
        if "extra ==" not in requirement
    }
    return sorted(
        (distribution.metadata["Name"], distribution.version)
        for distribution in distributions
        if transitive or _normal(distribution.metadata["Name"]) not in needed
    )


def _normal(requirement: str) -> str:
    """Return the distribution's name in a requirement, spelled as PEP 503 says."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else requirement


def serve(engine: str) -> None:
    """Serve on a free loopback port, print it, and stay until the engine ends this process."""
    parent = plugin_server.Engine()
    ended = _ending()
    host = LanguageHost(engine)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a program prints is shown at once
    _server = plugin_server.serve(  # A server that nothing refers to stops.
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server),
        workers=_WORKERS,
    )
    while not select.select([ended], [], [], plugin_server.POLL_SECONDS)[0] and parent.runs:
        pass
    host.end()
    # Exit at once: a program thread may still wait for an engine that is gone.
    os._exit(0)


def _ending() -> int:
    """Return a descriptor that becomes readable when the engine, or Ctrl-C, ends this process.

    The interpreter writes to it in whichever thread the signal arrives; a lock or an event in a
    Python handler would wait for the main thread to wake up, which may never happen.
    """
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return readable


if __name__ == "__main__":
    serve(sys.argv[-1] if len(sys.argv) > 1 else "")
