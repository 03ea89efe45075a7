"""`python -m localcloud.machines.session --home DIR INSTANCE -- COMMAND …`: a command in a machine.

It replaces ssh and Cloud Assistant: the command runs as the machine's root, in its namespaces or on
its serial port, and this program exits with the command's exit code. On a virtual machine
the command has no input, and its output arrives when it has ended.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from localcloud.machines.kinds import shell
from localcloud.machines.kinds.virtual import SHELL

from .guest.lines import ENVIRONMENT

_FIRST_PROCESS: Final = (b"-m", b"localcloud.machines.guest")
_COMMAND_SECONDS: Final = 600.0


def first_process(folder: Path, proc: Path = Path("/proc")) -> int | None:
    """Return the process id of the machine that boots from `folder`; None when it is off.

    Also None before the machine has entered its own root: until then a command that joined it
    would run among the host's files.
    """
    expected = (*_FIRST_PROCESS, os.fsencode(folder))
    for entry in proc.glob("[0-9]*"):
        try:
            words = tuple((entry / "cmdline").read_bytes().split(b"\0"))
            # `unshare` has these words too, but at the end of its command line.
            if words[1:4] == expected and (entry / "root").samefile(folder / "disk"):
                return int(entry.name)
        except OSError:
            continue
    return None


def main() -> int:
    """Replace this process by the command. Returns 1 if the machine does not run."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.machines.session")
    parser.add_argument("--home", type=Path, default=Path(".local"), help="default: .local")
    parser.add_argument("instance", help="an instance's id")
    parser.add_argument("command", nargs="+", help="after --")
    options = parser.parse_args()
    folder = options.home.resolve() / "machines" / options.instance
    if (folder / SHELL).exists():
        return _on_virtual_machine(folder, options.command)
    pid = first_process(folder)
    if pid is None:
        sys.stderr.write(
            f"No machine runs in {folder}, or it has not booted yet. "
            f"`python -m localcloud status --home {options.home}` shows whether the local cloud is "
            "up; `pulumi stack output nodes` has the instances' ids.\n"
        )
        return 1
    namespaces = ("--mount", "--net", "--uts", "--ipc", "--pid", "--cgroup")
    user = ("--user", "--preserve-credentials") if os.geteuid() else ()
    argv = ["nsenter", f"--target={pid}", *user, *namespaces, "--", *options.command]
    return os.execvpe("nsenter", argv, ENVIRONMENT)  # noqa: S606, S607  (the caller's own command)


def _on_virtual_machine(folder: Path, command: Sequence[str]) -> int:
    try:
        done = shell.run(folder, command, _COMMAND_SECONDS)
    except shell.ShellError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(done.output)
    return done.status


if __name__ == "__main__":
    sys.exit(main())
