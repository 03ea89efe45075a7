"""systemctl: handed to the machine's first process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from localcloud.machines.guest import bus

if TYPE_CHECKING:
    from collections.abc import Sequence


def systemctl(words: Sequence[str]) -> int:
    """Send the request, print the reply, return its exit code."""
    reply = bus.ask(words)
    if reply.text and not {"-q", "--quiet"} & set(words):
        (sys.stderr if reply.code else sys.stdout).write(reply.text + "\n")
    return reply.code
