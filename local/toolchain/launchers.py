"""The `bin` directory: links to tools, and small scripts that start our two Python plugins."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from toolchain.places import SOURCES

PYTHON_PLUGINS: Final = {
    "pulumi-language-python": "toolchain.language_host",
    "pulumi-resource-kubernetes": "toolchain.kubernetes_provider",
}
"""Programs that are modules of ours, unless the official ones are installed."""


def link(path: Path, target: Path) -> None:
    """Make `path` a link to `target`, in one step and only if it is not one already."""
    if path.is_symlink() and path.readlink() == target:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def launch(path: Path, module: str) -> None:
    """Make `path` a script that runs `module` with this Python and this checkout."""
    text = (
        "#!/bin/sh\n"
        "# Written by `python -m toolchain ensure`.\n"
        f"PYTHONPATH={shlex.quote(str(SOURCES.parent))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH\n"
        f'exec {shlex.quote(sys.executable)} -m {module} "$@"\n'
    )
    if not path.is_symlink() and path.exists() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)
