"""`python -m localcloud.cloud_controller FLAGS`: the flags of the cloud controller v2.14.0."""

from __future__ import annotations

import signal
import sys
import threading

from .cloud import RefusedError
from .controller import Controller
from .flags import FlagError, read_flags


def main() -> int:
    """Run until SIGTERM. Returns 2 for wrong flags, 3 for an address of another cloud."""
    try:
        flags = read_flags(sys.argv[1:])
    except FlagError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ended = threading.Event()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        Controller.from_environment(flags).run(ended)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
