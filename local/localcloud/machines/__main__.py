"""`python -m localcloud.machines --home DIR [--tools BIN_DIR]`: the supervisor, in foreground."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .privileges import NamespacesUnavailableError, outer_command
from .supervisor import Supervisor
from .tools import missing_tools


def main() -> int:
    """Run the supervisor until SIGINT or SIGTERM. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.machines", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".local"), help="default: .local")
    parser.add_argument("--tools", type=Path, help="folder of the binaries; default: HOME/bin")
    arguments = parser.parse_args()
    home = arguments.home.resolve()
    tools = (arguments.tools or home / "bin").resolve()
    if missing := missing_tools(tools):
        sys.stderr.write(
            f"{tools} does not have {', '.join(missing)}, which machines run. Build them with "
            "`python -m toolchain ensure`, or name their folder with --tools.\n"
        )
        return 2
    try:
        outer = outer_command()
    except NamespacesUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asyncio.run(_until_signalled(Supervisor(home, tools, outer)))
    return 0


async def _until_signalled(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
