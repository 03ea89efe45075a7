"""Starts one container's program with its volumes mounted: `… confined JSON`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from localcloud.machines import kernel


def main() -> None:
    """Enter a new mount namespace, bind the volumes, and exec the program."""
    request = json.loads(sys.argv[1])
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for source, target in request["mounts"]:
        place = Path(target)
        if Path(source).is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        kernel.bind(Path(source), place)
    command = request["command"]
    os.execve(command[0], command, request["env"])  # noqa: S606


if __name__ == "__main__":
    main()
