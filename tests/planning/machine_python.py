"""A machine's `python3`, started once for a process of tests and copied for each call.

The programs of a machine run Python three or four times, and its start takes ten times as long as
what it then does. So a command of bash sends the program, its arguments and its standard input to a
process of the machine's own Python, which forks for each of them. `python3 -c` is all that the
machine's programs use; one that writes bytes gets a Python of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

PATH: Final = "/usr/bin:/bin"
"""Where a machine has its own programs."""

_COMMAND: Final = r"""#!/bin/bash
case $1$2 in
  -c*sys.stdout.buffer*) exec PYTHON "$@" ;;
  -c*sys.stdin*) IFS= read -r -d '' input ;;
  -c*) ;;
  *) exec PYTHON "$@" ;;
esac
exec 3<> /dev/tcp/127.0.0.1/PORT || exit 99
printf '%s\0' "$#" "$input" "$@" >&3
IFS= read -r -d '' code <&3 && IFS= read -r -d '' out <&3 && IFS= read -r -d '' err <&3
printf %s "$out"
printf %s "$err" >&2
exit "${code:-99}"
"""

# It ends with the tests' process, whose end of its standard input is closed then.
_SERVER: Final = r"""
import base64, glob, hashlib, hmac, io, ipaddress, json, os, re, select, shlex, signal, socket, sys
import time, traceback, urllib.parse

def texts(connection):
    rest = b""
    while True:
        text, end, rest = rest.partition(b"\0")
        if end:
            yield text.decode()
        else:
            rest = text + connection.recv(65536)

def run(connection):
    sent = texts(connection)
    count, input = int(next(sent)), next(sent)
    _, code, *arguments = (next(sent) for _ in range(count))
    sys.argv = ["-c", *arguments]
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(input), io.StringIO(), io.StringIO()
    status = 0
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    answer = f"{int(status or 0)}\0{sys.stdout.getvalue()}\0{sys.stderr.getvalue()}\0"
    connection.sendall(answer.encode())

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
    connection, _ = server.accept()
    if os.fork() == 0:
        run(connection)
        os._exit(0)
    connection.close()
"""


def write_python(folder: Path) -> None:
    """Write the command into a folder, which has to be on PATH before the machine's own."""
    text = _COMMAND.replace("PYTHON", _python()).replace("PORT", str(_port()))
    command = folder / "python3"
    command.write_text(text, encoding="utf-8")
    command.chmod(0o755)


@cache
def _python() -> str:
    python = shutil.which("python3", path=PATH)
    assert python is not None, f"the machine's programs need python3 in {PATH}"
    return python


@cache
def _port() -> int:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [_python(), "-c", _SERVER],
        env={"PATH": PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    _RUNNING.append(process)
    return int(process.stdout.readline())


_RUNNING: Final[list[subprocess.Popen[str]]] = []
"""Kept until this process ends: their standard input closes when they are collected."""
