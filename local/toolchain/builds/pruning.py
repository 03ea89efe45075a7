"""The part of an upstream module that a plugin uses, so that the rest need not be compiled.

Upstream's provider for Alibaba Cloud is one package of more than 700,000 lines, which took a third
of the plugin's build. `alicloud/prune` copies what the mapped resources reach. The copy is made
from the module that Go has downloaded and checked against `go.sum`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from toolchain.builds.golang import Go, failed
from toolchain.pins import Build
from toolchain.places import SOURCES

_TIMEOUT: Final = 1800.0


def prune(go: Go, build: Build, into: Path, log: Path) -> Path:
    """Write the needed part of `build.pruned` into a directory, and a go.mod that uses it.

    Returns:
        The go.mod, for `-modfile`; its go.sum is next to it.

    Raises:
        ToolchainError: The module was not downloaded, or has no resource that is mapped.
    """
    sources = SOURCES / build.name
    upstream = into / "upstream"
    described = _run(go, build, log, "mod", "download", "-json", build.pruned)
    directory = json.loads(described)["Dir"]
    arguments = ("-go", go.path, "-mapping", "mapping.json", "-from", directory)
    _run(go, build, log, "run", "./prune", *arguments, "-to", str(upstream))
    modfile = into / "go.mod"
    text = (sources / "go.mod").read_text(encoding="utf-8")
    modfile.write_text(f"{text}\nreplace {build.pruned} => {upstream}\n", encoding="utf-8")
    shutil.copyfile(sources / "go.sum", into / "go.sum")
    return modfile


def _run(go: Go, build: Build, log: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own argv, no shell
        [go.path, *arguments],
        cwd=SOURCES / build.name,
        env=go.environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        # `go mod download -json` writes its error into the answer.
        text = f"{done.stdout}{done.stderr}"
        with log.open("a", encoding="utf-8") as sink:
            sink.write(text)
        raise failed(build.name, text, log)
    return done.stdout
