"""What a local cloud's fabric is and carries, as JSON; `operations verify --report` reads it.

    python -m localcloud.machines.observation describe --home DIR
    python -m localcloud.machines.observation capture --home DIR VPC --address A --port P

`capture` writes a line for each frame until its standard input ends.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from localcloud.machines.kinds.virtual import SHELL
from localcloud.machines.observation.capture import Flow, write_capture
from localcloud.machines.observation.fabric_objects import describe, places

_PROCESS: Final = (b"-m", b"localcloud.machines.vpc")


def main() -> int:
    """Run one of the commands. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.machines.observation")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("describe", "capture", "listen"):
        command = commands.add_parser(name)
        command.add_argument("--home", type=Path, default=Path(".local"), help="default: .local")
        if name != "describe":
            command.add_argument("vpc", help="a VPC's id")
            command.add_argument("--address", action="append", default=[])
            command.add_argument("--port", action="append", type=int, default=[])
    arguments = parser.parse_args()
    machines = arguments.home.resolve() / "machines"
    if arguments.command == "describe":
        sys.stdout.write(json.dumps(list(_documents(machines))) + "\n")
        return 0
    if arguments.command == "capture":
        return _enter(machines, arguments.vpc)
    flow = Flow(addresses=frozenset(arguments.address), ports=frozenset(arguments.port))
    write_capture(flow, places(_state(machines / "run" / f"{arguments.vpc}.json")))
    return 0


def _documents(machines: Path) -> Iterator[dict[str, object]]:
    """One document for each VPC that has a guarded fabric: only such a one counts frames."""
    for counted in sorted((machines / "run").glob("*.frames")):
        state = _state(counted.with_suffix(".json"))
        ids = [raw["id"] for raw in state["instances"]]
        virtual = [each for each in ids if (machines / each / SHELL).exists()]
        yield describe(counted.stem, state, json.loads(counted.read_text("ascii")), virtual)


def _state(file: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return state


def _enter(machines: Path, vpc: str) -> int:
    """Run `listen` with the same arguments in the network of the VPC's process."""
    pid = process_of(machines / "run" / f"{vpc}.json")
    if pid is None:
        sys.stderr.write(f"No process of the VPC {vpc} runs for {machines.parent}.\n")
        return 1
    user = ("--user", "--preserve-credentials") if os.geteuid() else ()
    arguments = ["listen" if word == "capture" else word for word in sys.argv[1:]]
    program = (sys.executable, "-m", "localcloud.machines.observation", *arguments)
    command = ["nsenter", f"--target={pid}", *user, "--net", "--", *program]
    return subprocess.run(command, check=False).returncode  # noqa: S603  (our own program)


def process_of(state: Path, proc: Path = Path("/proc")) -> int | None:
    """The process that has this state file; `unshare`, which started it, is not it."""
    word = b"--state=" + os.fsencode(state)
    for entry in proc.glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if tuple(words[1:3]) == _PROCESS and word in words:
            return int(entry.name)
    return None


if __name__ == "__main__":
    sys.exit(main())
