"""Containers as plain processes of the machine; they outlive the kubelet, as containers do."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.polling import holds_within

if TYPE_CHECKING:
    from collections.abc import Iterable

_RECORDS: Final = Path("/run/kubelet/processes")
_LONGEST_BACKOFF: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """The process for one container. `mounts` are its own (source, target) binds."""

    key: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[tuple[str, str], ...]
    log: str


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """The state of a container's process. `started` is seconds since the epoch."""

    running: bool
    restarts: int
    started: float


@dataclass(kw_only=True)
class _Record:
    pid: int
    birth: str
    restarts: int
    started: float
    spec: str


class Processes:
    """Starts, adopts and ends processes. One thread uses it."""

    def __init__(self) -> None:
        _RECORDS.mkdir(parents=True, exist_ok=True)
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._not_before: dict[str, float] = {}

    def ensure(self, spec: ProcessSpec) -> ProcessState:
        """Keep the process running. One that ended is restarted after a growing pause."""
        record = self._read(spec.key)
        text = json.dumps(dataclasses.asdict(spec), sort_keys=True)
        if record and self._alive(record):
            if record.spec == text:
                return ProcessState(running=True, restarts=record.restarts, started=record.started)
            self.stop(spec.key, 0)
            record = None
        now = time.monotonic()
        if now < self._not_before.get(spec.key, 0):
            restarts = record.restarts if record else 0
            return ProcessState(running=False, restarts=restarts, started=0)
        restarts = record.restarts + 1 if record else 0
        self._not_before[spec.key] = now + min(_LONGEST_BACKOFF, 0.5 * 2 ** min(restarts, 6))
        self._start(spec, text, restarts)
        return ProcessState(running=True, restarts=restarts, started=time.time())

    def recorded(self) -> set[str]:
        """Return the keys of all processes that were started and not stopped."""
        return {path.stem for path in _RECORDS.glob("*.json")}

    def stop_all(self, keys: Iterable[str], grace: float) -> None:
        """`stop` several; the `grace` seconds of all of them run at the same time."""
        keys = tuple(keys)
        for key in keys:
            record = self._read(key)
            if record and self._alive(record):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(record.pid, signal.SIGTERM)
        records = [record for key in keys if (record := self._read(key))]
        holds_within(lambda: not any(map(self._alive, records)), within=grace, every=0.05)
        for key in keys:
            self.stop(key, 0)

    def stop(self, key: str, grace: float) -> None:
        """SIGTERM, SIGKILL after `grace` seconds, and forget. `grace` 0 kills at once."""
        record = self._read(key)
        if record and self._alive(record):
            with contextlib.suppress(ProcessLookupError):
                if grace > 0:
                    os.killpg(record.pid, signal.SIGTERM)
                holds_within(lambda: not self._alive(record), within=grace, every=0.05)
                os.killpg(record.pid, signal.SIGKILL)
            while self._alive(record):
                time.sleep(0.02)
        (_RECORDS / f"{key}.json").unlink(missing_ok=True)
        self._not_before.pop(key, None)

    def _start(self, spec: ProcessSpec, text: str, restarts: int) -> None:
        log = Path(spec.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = list(spec.arguments)
        environment = dict(spec.environment)
        if spec.mounts:
            confined = json.dumps({"mounts": spec.mounts, "command": command, "env": environment})
            command = [sys.executable, "-m", f"{__package__}.confined", confined]
            environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        with log.open("ab") as sink:
            child = subprocess.Popen(  # noqa: S603  (what the pod asks for)
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        self._children[child.pid] = child
        record = _Record(
            pid=child.pid,
            birth=_birth(child.pid) or "",
            restarts=restarts,
            started=time.time(),
            spec=text,
        )
        path = _RECORDS / f"{spec.key}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(dataclasses.asdict(record)), encoding="utf-8")

    def _alive(self, record: _Record) -> bool:
        child = self._children.get(record.pid)
        if child is not None:
            if child.poll() is None:
                return True
            del self._children[record.pid]
            return False
        return _birth(record.pid) == record.birth

    @staticmethod
    def _read(key: str) -> _Record | None:
        try:
            return _Record(**json.loads((_RECORDS / f"{key}.json").read_text("utf-8")))
        except (OSError, ValueError):
            return None


def _birth(pid: int) -> str | None:
    """Return the start time of a live process in clock ticks; None when it ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]
