"""Background processes by pid file: finds, starts and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcloud.polling import holds_within

_POLL: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as a pid file names it; the start time distinguishes it from a later one."""

    pid: int
    started: int


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None if there is none (or a zombie)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def note(path: Path, pid: int) -> None:
    """Write a pid file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps({"pid": pid, "started": started_at(pid)}))
    fresh.replace(path)


def alive(path: Path) -> Process | None:
    """The process of a pid file, if it still runs; a stale file is removed."""
    try:
        document = json.loads(path.read_text())
        process = Process(pid=int(document["pid"]), started=int(document["started"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        path.unlink(missing_ok=True)
        return None
    if started_at(process.pid) != process.started:
        path.unlink(missing_ok=True)
        return None
    return process


def end(path: Path, *, seconds: float) -> bool:
    """End the process of a pid file: SIGTERM, then SIGKILL. Return whether there was one."""
    process = alive(path)
    if process is None:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        if holds_within(lambda: _has_ended(path, process.pid), within=seconds, every=_POLL):
            return True
    path.unlink(missing_ok=True)
    return True


def _has_ended(path: Path, pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return alive(path) is None


def holder_of(port: int) -> str | None:
    """The listener of a TCP port as `name (pid n)`, if it can be read."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (pid {folder.name})"
    return None


def spawn(command: Sequence[str], log: Path, *, environment: dict[str, str]) -> int:
    """Start a process in a session of its own, append its output to a log, return its pid."""
    import subprocess  # noqa: PLC0415  # only here

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
        )
    process.returncode = (
        0  # It outlives this process: suppress the warning about an unreaped child.
    )
    return process.pid
