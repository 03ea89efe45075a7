"""The channel from a command to the machine's first process: one line of JSON each way."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SOCKET: Final = Path("/run/machine/init.sock")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Output and exit code of `systemctl`."""

    code: int = 0
    text: str = ""


def ask(words: Sequence[str]) -> Reply:
    """Hand a `systemctl` command line to the first process. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(SOCKET))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps({"systemctl": list(words)}).encode() + b"\n")
            stream.flush()
            answer = json.loads(stream.readline())
    return Reply(code=answer["code"], text=answer["text"])
