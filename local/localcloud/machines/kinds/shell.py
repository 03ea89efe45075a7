"""Commands on a virtual machine, by root's shell on its second serial port.

The port is a terminal: it echoes what is typed, translates line ends and takes lines of at most
4,095 bytes. So the output comes as base64 between two marks, which are typed in halves.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shlex
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcloud.machines.kinds.virtual import SHELL

_LONGEST_LINE: Final = 4095
_RETRY_SECONDS: Final = 0.5


class ShellError(Exception):
    """The machine's shell did not answer."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that ended: its exit status, and its stdout and stderr in order of arrival."""

    status: int
    output: bytes


def typed(command: Sequence[str], mark: str) -> bytes:
    """Return the text to type. Raises ShellError if the command does not fit into a line."""
    script = f"{shlex.join(command)} </dev/null 2>&1"
    line = (
        f"printf '%s-%s ' BEGIN {mark}; {{ {script}; printf '\\n%s' $?; }} | base64 -w0; "
        f"printf ' %s-%s\\n' END {mark}\n"
    ).encode()
    if len(line) > _LONGEST_LINE:
        raise ShellError(
            f"The command has {len(line)} bytes, and a machine's terminal takes {_LONGEST_LINE}. "
            "Write it to a file of the machine in parts, and run that file."
        )
    return line


def read(transcript: bytes, mark: str) -> Done | None:
    """Find the command's outcome in what the terminal sent; None before it is there."""
    pattern = rb"BEGIN-%b ([A-Za-z0-9+/=\r\n]*) END-%b" % (mark.encode(), mark.encode())
    match = re.search(pattern, transcript)
    if match is None:
        return None
    output, _, status = base64.b64decode(match[1]).rpartition(b"\n")
    return Done(status=int(status), output=output)


def run(folder: Path, command: Sequence[str], seconds: float = 60.0) -> Done:
    """Run a command on the machine that boots from `folder`.

    Raises ShellError after `seconds` without an end: the machine is off or still boots.
    """
    mark, end = secrets.token_hex(8), time.monotonic() + seconds
    line = typed(command, mark)
    transcript = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as terminal:
        _connect(terminal, folder)
        terminal.settimeout(_RETRY_SECONDS)
        # An empty line first, so that input left by an earlier command is not part of ours.
        terminal.sendall(b"\n" + line)
        while time.monotonic() < end:
            try:
                received = terminal.recv(65_536)
            except TimeoutError:
                continue
            if not received:
                break
            transcript += received
            if done := read(transcript, mark):
                return done
    raise ShellError(
        f"The machine of {folder} did not run the command within {seconds:.0f} s. Its console is "
        f"{folder / 'console.log'}."
    )


def _connect(terminal: socket.socket, folder: Path) -> None:
    # By a descriptor: the path of a socket may have 107 bytes.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        terminal.connect(f"/proc/self/fd/{descriptor}/{SHELL}")
    except OSError as error:
        raise ShellError(f"The machine of {folder} is off ({error.strerror}).") from error
    finally:
        os.close(descriptor)
