"""`python -m localcloud.cloud_controller FLAGS`: the flags of the cloud controller v2.14.0."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

from .cloud import RefusedError
from .controller import Controller
from .flags import FlagError, read_flags

if TYPE_CHECKING:
    from types import FrameType


def main() -> int:
    """Run until SIGTERM; the exit code says what is wrong with flags or addresses (2, 3)."""
    try:
        flags = read_flags(sys.argv[1:])
    except FlagError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        Controller.from_environment(flags).run(ended)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
