"""Writes the output of processes, line by line, to the console and to a log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def say(text: str) -> None:
    """Write one line on the console."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write one line on standard error."""
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


def run(command: Sequence[str], log: Path) -> int:
    """Run a command and return its exit code; each line goes to the console and to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as kept:
        process = subprocess.Popen(  # noqa: S603  (the user-data's own script)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=python_environment(),
            cwd="/",
        )
        if process.stdout is not None:
            for line in process.stdout:
                kept.write(line)
                kept.flush()
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
        return process.wait()


def python_environment() -> dict[str, str]:
    """Return the plain environment of a machine's processes, able to start this package."""
    return ENVIRONMENT | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
