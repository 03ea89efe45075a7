from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)
from typing_extensions import override

from toolchain import pins
from toolchain.language_host import required_plugins
from toolchain.places import SOURCES
from toolchain.plugins.plugin_process import command
from toolchain.program import unhandled

pytestmark = pytest.mark.unit

ROOT: Final = SOURCES.parent


class Engine(engine_pb2_grpc.EngineServicer, resource_pb2_grpc.ResourceMonitorServicer):
    """The engine's side of a run: takes logs and the stack's outputs."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, str]] = []
        self.outputs: dict[str, Any] = {}
        self.root = ""

    @override
    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        _ = context
        self.logged.append((request.severity, request.message))
        return empty_pb2.Empty()

    @override
    def SupportsFeature(
        self, request: resource_pb2.SupportsFeatureRequest, context: grpc.ServicerContext
    ) -> resource_pb2.SupportsFeatureResponse:
        _ = request, context
        return resource_pb2.SupportsFeatureResponse(hasSupport=True)

    @override
    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        _ = context
        urn = f"urn:pulumi:dev::project::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn, object=struct_pb2.Struct())

    @override
    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        _ = context
        self.outputs = dict(request.outputs)
        return empty_pb2.Empty()

    @override
    def SignalAndWaitForShutdown(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        _ = request, context
        return empty_pb2.Empty()

    def errors(self) -> list[str]:
        return [message for severity, message in self.logged if severity == engine_pb2.ERROR]


class Host:
    """A language host in a process of its own, as the engine starts it."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._server = grpc.server(futures.ThreadPoolExecutor())
        engine_pb2_grpc.add_EngineServicer_to_server(self.engine, self._server)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(self.engine, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "toolchain.language_host", self.address],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline())
        self.calls = language_pb2_grpc.LanguageRuntimeStub(
            grpc.insecure_channel(f"127.0.0.1:{port}")
        )

    def run(self, directory: Path, lines: str, **config: str) -> language_pb2.RunResponse:
        (directory / "__main__.py").write_text(textwrap.dedent(lines), encoding="utf-8")
        response: language_pb2.RunResponse = self.calls.Run(
            language_pb2.RunRequest(
                project="project",
                stack="dev",
                pwd=str(directory),
                monitor_address=self.address,
                parallel=4,
                dryRun=True,
                config={f"project:{name}": value for name, value in config.items()},
                info=language_pb2.ProgramInfo(
                    root_directory=str(directory),
                    program_directory=str(directory),
                    entry_point=".",
                ),
            ),
            timeout=60,
        )
        return response

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, output = self.process.communicate(timeout=20)
        self._server.stop(grace=None)
        return self.process.returncode, output


@pytest.fixture
def host() -> Iterator[Host]:
    started = Host()
    yield started
    if started.process.poll() is None:
        started.stop()


def test_a_program_reads_its_configuration_and_exports(host: Host, tmp_path: Path) -> None:
    done = host.run(
        tmp_path,
        """
        import pulumi
        pulumi.export("size", pulumi.Config().require_int("size") + 1)
        pulumi.export("root", pulumi.runtime.get_root_directory())
        """,
        size="6",
    )
    assert (done.bail, done.error) == (False, "")
    assert host.engine.outputs == {"size": 7, "root": str(tmp_path)}


def test_an_unhandled_error_is_shown_once_from_the_program_on(host: Host, tmp_path: Path) -> None:
    (tmp_path / "sizes.py").write_text(
        "def check():\n    raise ValueError('7 is odd: write 8')\n", encoding="utf-8"
    )
    done = host.run(tmp_path, "import sizes\nsizes.check()\n")
    (shown,) = host.engine.errors()
    assert (done.bail, done.error) == (True, "")
    assert shown.splitlines()[:3] == [
        "Program failed with an unhandled exception:",
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/__main__.py", line 2, in <module>',
    ]
    assert shown.endswith("ValueError: 7 is odd: write 8")


def test_an_error_in_apply_is_shown_too(host: Host, tmp_path: Path) -> None:
    host.run(
        tmp_path,
        """
        import pulumi
        pulumi.export("x", pulumi.Output.from_input(1).apply(lambda one: one / 0))
        """,
    )
    assert [message.splitlines()[-1] for message in host.engine.errors()] == [
        "ZeroDivisionError: division by zero"
    ]


def test_a_run_error_is_its_message_alone(host: Host, tmp_path: Path) -> None:
    done = host.run(
        tmp_path, "import pulumi\nraise pulumi.RunError('The stack says 7. Write 8.')\n"
    )
    assert done.bail is True
    assert host.engine.errors() == ["The stack says 7. Write 8."]


def test_a_program_that_ends_itself_has_failed(host: Host, tmp_path: Path) -> None:
    assert host.run(tmp_path, "raise SystemExit(3)\n").bail is True
    assert host.engine.errors() == ["The program ended itself with exit status 3."]


def test_the_engines_interrupt_ends_the_host_quietly(host: Host) -> None:
    assert host.stop() == (0, "")


def test_the_plugins_of_the_installed_sdks_are_required(host: Host) -> None:
    answer = host.calls.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest())
    assert {(p.name, p.kind, p.version) for p in answer.packages} >= {
        ("alicloud", "resource", f"v{pins.ALICLOUD_VERSION}"),
        ("kubernetes", "resource", f"v{pins.KUBERNETES_PROVIDER_VERSION}"),
    }


def test_the_pinned_plugins_are_those_of_the_installed_sdks() -> None:
    assert required_plugins() == [
        ("alicloud", pins.ALICLOUD_VERSION),
        ("kubernetes", pins.KUBERNETES_PROVIDER_VERSION),
    ]


def test_about_names_this_python(host: Host) -> None:
    about = host.calls.About(language_pb2.AboutRequest())
    assert about.executable == sys.executable


def test_dependencies_are_listed_without_what_they_need_themselves(host: Host) -> None:
    names = {
        transitive: {
            dependency.name
            for dependency in host.calls.GetProgramDependencies(
                language_pb2.GetProgramDependenciesRequest(transitiveDependencies=transitive)
            ).dependencies
        }
        for transitive in (True, False)
    }
    assert "grpcio" in names[True] - names[False]
    assert names[False] < names[True]


def test_a_plugin_runs_with_its_arguments_and_its_exit_status(host: Host, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import os, sys\n"
        "print(sys.argv[1], os.environ['SIZE'])\n"
        "print('oh', file=sys.stderr)\n"
        "sys.exit(4)\n",
        encoding="utf-8",
    )
    pieces = list(
        host.calls.RunPlugin(
            language_pb2.RunPluginRequest(
                pwd=str(tmp_path),
                kind="resource",
                args=["127.0.0.1:1"],
                env=["SIZE=7"],
                info=language_pb2.ProgramInfo(
                    root_directory=str(tmp_path), program_directory=str(tmp_path)
                ),
            )
        )
    )
    assert {piece.stdout for piece in pieces if piece.stdout} == {b"127.0.0.1:1 7\n"}
    assert {piece.stderr for piece in pieces if piece.stderr} == {b"oh\n"}
    assert pieces[-1].exitcode == 4


def test_a_policy_pack_is_run_by_the_sdks_policy_runner(tmp_path: Path) -> None:
    argv = command("analyzer", tmp_path, ["127.0.0.1:1"])
    assert argv[1:] == ["-u", "-m", "pulumi.policy", "127.0.0.1:1", str(tmp_path)]


def test_a_package_of_components_is_run_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "rooms"\n', encoding="utf-8")
    assert command("resource", tmp_path, ["x"])[1:] == [
        "-u",
        "-m",
        "pulumi.run.plugin",
        "rooms",
        "x",
    ]


def test_a_cause_is_trimmed_like_the_error_itself(tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    code = compile("def go(): raise KeyError('inner')\n", str(source), "exec")
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - a program of our own, at a path of our choice
    try:
        try:
            names["go"]()
        except KeyError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as outer:
        shown = unhandled(outer, tmp_path)
    assert shown.count(f'File "{__file__}"') == 1  # the outer one has no line of the program
    assert f'File "{source}", line 1, in go' in shown
