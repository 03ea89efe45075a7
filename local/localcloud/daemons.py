"""Starting and stopping a local cloud as background processes."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from localcloud.control_api.control_socket import ControlConnection
from localcloud.polling import first_answer, holds_within

from . import processes
from .settings import LOOPBACK, Cloud, Machines, Places, remembered

_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[1]
_START_SECONDS: Final = 120.0
"""Python alone took 30 s to start on two cores with a load of 50."""
_STOP_SECONDS: Final = 10.0
_MACHINES_STOP_SECONDS: Final = 20.0
_MACHINES_SETTLE_SECONDS: Final = 1.0
_POLL: Final = 0.05


class StartError(Exception):
    """The cloud cannot start; the message has the reason and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """The outcome of `start`."""

    health: Mapping[str, Any]
    already: bool
    machines: str


def _pid_files(places: Places) -> tuple[Path, Path]:
    return places.run / "server.pid", places.run / "machines.pid"


def ask(places: Places, method: str, path: str, timeout: float = 5.0) -> Any:  # noqa: ANN401  # JSON
    """Send a request to the control API; return None without an answer."""
    connection = ControlConnection(places.control_socket, timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def health(places: Places) -> Mapping[str, Any] | None:
    """The health document of the running server, or None."""
    return cast("Mapping[str, Any] | None", ask(places, "GET", "/health"))


def check_port(port: int) -> None:
    """Raise unless the port can be bound."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            holder = processes.holder_of(port)
            by = f" by {holder}" if holder else ""
            raise StartError(
                f"Port {port} on {LOOPBACK} cannot be used: it is taken{by} ({error.strerror}); "
                "end that, or choose another with --port."
            ) from error


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = (
        f"{_PACKAGE_ROOT}{os.pathsep}{inherited}" if inherited else str(_PACKAGE_ROOT)
    )
    return environment


def chosen_machines(places: Places, requested: Machines | None) -> Machines:
    """Return the kind of machines that the home's instances boot into from now on.

    Raises:
        StartError: machines of another kind exist, whose disks the requested kind cannot boot.
    """
    present = remembered(places) or Machines.NAMESPACES
    if requested in {None, present}:
        return present
    if processes.alive(_pid_files(places)[1]) is not None:
        raise StartError(
            f"--machines {requested} cannot be chosen while the machines of this home run as "
            f"`{present}`. Stop the local cloud first: `python -m localcloud stop`."
        )
    disks = [*(places.home / "machines").glob("i-*")]
    if disks:
        raise StartError(
            f"--machines {requested} cannot be chosen: this home has {len(disks)} "
            f"{'machine' if len(disks) == 1 else 'machines'} of the kind `{present}`, and a disk "
            "does not fit another kind. Destroy what runs on them and stop the local cloud "
            "(`make down`), or use another --home."
        )
    return requested or present


def start(places: Places, cloud: Cloud, port: int, *, machines: bool) -> Started:
    """Start what is not running, and wait until it answers.

    Raises:
        StartError: the port is taken, or a process ended at once. Nothing is left half-started.
    """
    server_pid, _ = _pid_files(places)
    server = health(places)
    already = server is not None
    if server is None:
        processes.end(server_pid, seconds=_STOP_SECONDS)
        check_port(port)
        server = _start_server(places, cloud, port, server_pid)
    elif server["port"] != port:
        raise StartError(
            f"The local cloud of {places.home} runs already, on port {server['port']}, not {port}. "
            "Stop it first, or leave --port out."
        )
    machines_state = _start_machines(places) if machines else "off"
    return Started(health=server, already=already, machines=machines_state)


def _start_server(places: Places, cloud: Cloud, port: int, pid_file: Path) -> Mapping[str, Any]:
    log = places.logs / "server.log"
    command = [
        sys.executable,
        "-m",
        "localcloud",
        "serve",
        f"--home={places.home}",
        f"--port={port}",
        f"--region={cloud.region}",
        f"--eip-range={cloud.eip_range}",
        f"--delays={cloud.delay_scale}",
        *(["--strict"] if cloud.strict else []),
        *([] if cloud.hostile is None else [f"--hostile={cloud.hostile}"]),
    ]
    pid = processes.spawn(command, log, environment=_environment())
    processes.note(pid_file, pid)

    def answer() -> Mapping[str, Any] | None:
        server = health(places)
        if server is None and processes.started_at(pid) is None:
            pid_file.unlink(missing_ok=True)
            raise StartError(f"The local cloud ended at once: {_last_line(log)}")
        return server

    server = first_answer(answer, within=_START_SECONDS, every=_POLL)
    if server is not None:
        return server
    processes.end(pid_file, seconds=_STOP_SECONDS)
    raise StartError(f"The local cloud did not answer within {_START_SECONDS:.0f} s; see {log}.")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"see {log}."


def _start_machines(places: Places) -> str:
    _, pid_file = _pid_files(places)
    if processes.alive(pid_file) is not None:
        return "running"
    if importlib.util.find_spec("localcloud.machines.__main__") is None:
        return "missing: instances will not boot, localcloud.machines is not installed"
    log = places.logs / "machines.log"
    command = [sys.executable, "-m", "localcloud.machines", f"--home={places.home}"]
    pid = processes.spawn(command, log, environment=_environment())
    processes.note(pid_file, pid)
    # It has no endpoint to ask. If it cannot work, it exits with a message within a second.
    ended = holds_within(
        lambda: processes.started_at(pid) is None, within=_MACHINES_SETTLE_SECONDS, every=_POLL
    )
    if ended:
        pid_file.unlink(missing_ok=True)
        return f"not running: {_last_line(log)}"
    return "running"


def stop(places: Places) -> list[str]:
    """Stop all running processes and return their names."""
    server_pid, machines_pid = _pid_files(places)
    stopped = []
    if processes.end(machines_pid, seconds=_MACHINES_STOP_SECONDS):
        stopped.append("machines")
    if processes.end(server_pid, seconds=_STOP_SECONDS):
        stopped.append("server")
    places.control_socket.unlink(missing_ok=True)
    return stopped


def status(places: Places) -> dict[str, Any]:
    """The processes that run, and the number of resources of each kind."""
    server_pid, machines_pid = _pid_files(places)
    answer = health(places)
    machines = processes.alive(machines_pid)
    server = processes.alive(server_pid)
    return {
        **(answer or {}),
        "running": answer is not None,
        "server": "running" if answer else ("not answering" if server else "stopped"),
        "machines": "running" if machines else "stopped",
        "home": str(places.home),
        "endpoint": f"{LOOPBACK}:{answer['port']}" if answer else None,
        "ca": str(places.tls / "ca.pem"),
        "pids": {
            "server": server.pid if server else None,
            "machines": machines.pid if machines else None,
        },
        "resources": {
            kind: entry["count"] for kind, entry in (ask(places, "GET", "/resources") or {}).items()
        }
        if answer
        else {},
    }
