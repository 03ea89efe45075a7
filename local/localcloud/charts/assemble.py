"""Assembles the local Spiderpool chart from our templates and the CRDs of upstream's Go types."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

TEMPLATES: Final = Path(__file__).resolve().parent / "spiderpool"
NEEDED: Final = (
    "spidercoordinators",
    "spiderendpoints",
    "spiderippools",
    "spidermultusconfigs",
    "spiderreservedips",
    "spidersubnets",
    "network-attachment-definitions",
)
"""Plural names of the CRDs that the real controller expects."""


class CrdsMissingError(Exception):
    """The toolchain has not generated the CRDs yet."""


def assemble(home: Path) -> Path:
    """Write `home`/charts/spiderpool and return its path. An up-to-date chart is not changed.

    Raises CrdsMissingError with what to run.
    """
    source = home / "toolchain" / "crds"
    crds = sorted(source.glob("*.yaml"))
    text = "\n".join(path.read_text("utf-8") for path in crds)
    missing = [name for name in NEEDED if f"plural: {name}\n" not in text]
    if missing:
        raise CrdsMissingError(
            f"{source} has no CRD for {', '.join(missing)}: they are generated from Spiderpool's "
            "Go types; run `python -m toolchain ensure` first"
        )
    target = home / "charts" / "spiderpool"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        draft = Path(folder) / "spiderpool"
        shutil.copytree(TEMPLATES, draft)
        (draft / "crds").mkdir()
        for path in crds:
            shutil.copy(path, draft / "crds" / path.name)
        if _contents(draft) != _contents(target):
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
    return target


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
