"""A Pulumi plugin written in Python, run as a process: providers, components, policy packs."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a process wrote."""

    stream: Stream
    data: bytes


class PluginProcess:
    """A running plugin. Iterate `output()` to its end, then ask `exit_status()`."""

    def __init__(
        self, argv: Sequence[str], *, directory: str | None, environment: Sequence[str]
    ) -> None:
        """Start it.

        Args:
            argv: See `command`.
            directory: Its working directory; None for the current one.
            environment: `NAME=value` texts, added to this process' own environment.
        """
        stated = dict(entry.split("=", 1) for entry in environment if "=" in entry)
        self._process = subprocess.Popen(  # noqa: S603 - our own argv, no shell
            list(argv),
            cwd=directory or None,
            env={**os.environ, **stated},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def output(self) -> Iterator[Output]:
        """Yield what it writes, as it writes it, until both streams are closed."""
        written: queue.SimpleQueue[Output | None] = queue.SimpleQueue()
        process = self._process
        streams: list[tuple[Stream, IO[bytes] | None]] = [
            ("stdout", process.stdout),
            ("stderr", process.stderr),
        ]
        for name, stream in streams:
            if stream is not None:
                threading.Thread(target=_pass_on, args=(name, stream, written), daemon=True).start()
        for _ in streams:
            while (piece := written.get()) is not None:
                yield piece

    def exit_status(self) -> int:
        """Wait for the end."""
        return self._process.wait()

    def end(self) -> None:
        """Kill it at the engine's request. Nothing happens if it has ended already."""
        if self._process.poll() is None:
            self._process.kill()


def command(kind: str, program: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command that starts a plugin with this Python.

    A policy pack is run by the SDK's `pulumi.policy`, a directory with a `__main__.py` by Python
    itself, any other package by the SDK's `pulumi.run.plugin`, which serves its components.
    """
    python = [sys.executable, "-u"]
    if kind == "analyzer":
        return [*python, "-m", "pulumi.policy", *arguments, str(program)]
    project = program / "pyproject.toml"
    if program.is_dir() and not (program / "__main__.py").exists() and project.exists():
        name = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"]
        return [*python, "-m", "pulumi.run.plugin", str(name), *arguments]
    return [*python, str(program), *arguments]


def _pass_on(name: Stream, stream: IO[bytes], written: queue.SimpleQueue[Output | None]) -> None:
    for line in stream:
        written.put(Output(stream=name, data=line))
    written.put(None)
