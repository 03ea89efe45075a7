"""The emulated cloud on this machine: its start, its stop, its status and its resources."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import certifi

from config.profiles import LOCAL_ENDPOINT
from operations.engine.environment import env_file, tool_environment, write_trust_bundle
from operations.engine.places import Places
from operations.engine.running import Finished, Runner
from operations.failure import ExitCode, OperationError
from operations.writing import write_file
from planning.model import ClusterPlan

EIP_RANGE = "127.66.0.0/16"
"""Loopback addresses that the emulated cloud hands out as EIPs."""
_TOOLCHAIN = 3600.0
_START = 300.0
_START_VIRTUAL = 1800.0
"""The disk image of virtual machines may have to be made first."""


@dataclass(frozen=True, kw_only=True)
class EmulatedCloud:
    """One emulated cloud, by its commands. Each call raises `OperationError` when it fails."""

    places: Places
    stack_file: Path
    """For messages: it has the cloud's address."""
    eip_range: str = EIP_RANGE
    machines: str | None = None
    """What instances boot into (`localcloud start --machines`); None keeps the former choice."""
    outer: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def build_tools(self) -> None:
        """Get or build the toolchain."""
        _check(
            # In the caller's own environment: its proxies, CAs and installed tools count.
            Runner(env=self.outer).run(_module("toolchain", "ensure"), deadline=_TOOLCHAIN),
            "The toolchain is not complete",
        )

    def assemble_chart(self) -> None:
        """Assemble Spiderpool's chart.

        It depends only on the checkout and the toolchain, so all local clouds share it.
        """
        self._run(
            "Could not assemble the chart",
            *_module("localcloud.charts", "--home", str(self.places.tools)),
        )

    def check_machine(self, plan: ClusterPlan) -> None:
        """Check that this machine can run the cloud, and that the cloud's port is free."""
        host, port = _endpoint(plan)
        if sys.platform != "linux":
            raise OperationError(
                f"The local cloud boots machines in Linux namespaces, and this is {sys.platform}. "
                "Run it in a Linux machine or container.",
                code=ExitCode.UNPREPARED,
            )
        if not (self.places.bin / "pulumi").exists() and shutil.which("go") is None:
            raise OperationError(
                "go is not on PATH, and the toolchain is not built yet. Install Go 1.26 or newer "
                "(https://go.dev/dl) and run `make up` again.",
                code=ExitCode.UNPREPARED,
            )
        if not self.status().get("running") and not _is_free(host, port):
            raise OperationError(
                f"{host}:{port} is in use by another program. Stop it (`ss -ltnp` shows which), "
                "or write another port in cloud.endpoint of "
                f"{self.stack_file}.",
                code=ExitCode.UNPREPARED,
            )

    def start(self, plan: ClusterPlan) -> None:
        """Start it, if it does not run, and link it with Pulumi's plugins and CAs."""
        _, port = _endpoint(plan)
        self._share_tools()
        done = self._run(
            "The local cloud did not start",
            *self._at("localcloud", "start"),
            "--port",
            str(port),
            "--region",
            plan.region,
            "--eip-range",
            self.eip_range,
            *(() if self.machines is None else ("--machines", self.machines)),
            deadline=_START if self.machines is None else _START_VIRTUAL,
        )
        self._check_machines_boot(done)
        write_trust_bundle(self.places, public=Path(certifi.where()))
        self.places.backend.mkdir(parents=True, exist_ok=True)
        self._run(
            "Could not link Pulumi's plugins",
            *_module("toolchain", "plugins", str(self.places.pulumi_home)),
            "--home",
            str(self.places.tools),
        )
        write_file(self.places.env, env_file(self.places), mode=0o644)

    def stop(self) -> None:
        """Stop the cloud and its machines; their state stays."""
        self._run("The local cloud did not stop", *self._at("localcloud", "stop"))

    def status(self) -> Mapping[str, object]:
        """Whether it runs, and what its machines are; starts nothing."""
        if not self.places.cloud.exists():
            return {"running": False}
        done = self._run(
            "The local cloud did not report its status", *self._at("localcloud", "status"), "--json"
        )
        document = json.loads(done.out)
        return document if isinstance(document, dict) else {"running": False}

    def resources(self) -> Mapping[str, int]:
        """Kind of resource → how many it has; kinds without any are left out."""
        done = self._run(
            "The local cloud did not list its resources", *self._at("localcloud", "resources")
        )
        document = json.loads(done.out)
        counts = {kind: int(entry["count"]) for kind, entry in document.items()}
        return {kind: count for kind, count in counts.items() if count}

    def _share_tools(self) -> None:
        """Link the binaries into a second local cloud's home, where its machines look for them."""
        link = self.places.home / "bin"
        if link != self.places.bin and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self.places.bin, target_is_directory=True)

    def _check_machines_boot(self, started: Finished) -> None:
        if self.status().get("machines") == "running":
            return
        why = started.err.strip() or f"see {self.places.cloud / 'logs'}"
        raise OperationError(
            f"The local cloud runs, but cannot boot machines: {why}. Correct that, or use a host "
            "on which you are root or may create user namespaces, and run this again.",
            code=ExitCode.UNPREPARED,
        )

    def _at(self, module: str, *arguments: str) -> list[str]:
        return [*_module(module, *arguments), "--home", str(self.places.home)]

    def _run(self, what: str, *argv: str, deadline: float = _START) -> Finished:
        tools = Runner(env=tool_environment(self.places, self.outer))
        return _check(tools.run(argv, deadline=deadline, quiet=True), what)


def _check(done: Finished, what: str) -> Finished:
    if done.status == 0:
        return done
    output = (done.err.strip() or done.out.strip()).removeprefix("error: ")
    code = ExitCode.UNPREPARED if done.status == ExitCode.UNPREPARED else ExitCode.FAILED
    raise OperationError(
        f"{what}: {output}" if output else f"{what}. The output above has the reason.", code=code
    )


def _endpoint(plan: ClusterPlan) -> tuple[str, int]:
    endpoint = plan.cloud_endpoint or ""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise OperationError(
            f"cloud.endpoint is {endpoint or 'not set'}. The local cloud needs a loopback address "
            f"with a port, for example {LOCAL_ENDPOINT}.",
            code=ExitCode.REFUSED,
        )
    return host, int(port)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _module(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
