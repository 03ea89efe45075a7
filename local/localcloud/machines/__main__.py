"""`python -m localcloud.machines --home DIR [--tools BIN_DIR]`: the supervisor, in foreground."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from localcloud.settings import Machines, Places, remembered, virtual_folder
from localcloud.virtual.acceleration import choose
from localcloud.virtual.failure import PreparationError
from localcloud.virtual.preparation import present

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
    try:
        virtual = _virtual(Places(home=home))
    except PreparationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asyncio.run(_until_signalled(Supervisor(home, tools, outer, virtual)))
    return 0


def _virtual(home: Places) -> tuple[str, ...]:
    """Return a VPC process's arguments for virtual machines; empty for other machines.

    Raises PreparationError if virtual machines are not prepared.
    """
    machines = remembered(home) or Machines.NAMESPACES
    if machines is Machines.NAMESPACES:
        return ()
    folder = virtual_folder(home, os.environ)
    prepared = present(folder)
    accelerator = choose(prepared.programs, prepared.kernel)
    sys.stderr.write(f"Virtual machines are {accelerator.description}.\n")
    return (f"--machines={machines}", f"--virtual={folder}", f"--accelerator={accelerator}")


async def _until_signalled(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
