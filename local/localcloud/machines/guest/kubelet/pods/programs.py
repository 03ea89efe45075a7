"""Which of the machine's programs an image represents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.tools import OF_KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS: Final = Path("/opt/machine/tools")
KUBERNETES: Final = Path("/opt/machine/kubernetes")


def image_name(container: Mapping[str, Any]) -> str:
    """Return the last part of an image's name: `kube-apiserver` of `…/kube-apiserver:v1.35.4`."""
    image = str(container.get("image") or "")
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def program_of(container: Mapping[str, Any]) -> Path:
    """Return the path of the program that a container runs. It may not exist.

    A program of Kubernetes has the version of the image's tag. Every other program has one
    version.
    """
    words = container.get("command") or container.get("args") or ()
    name = Path(str(words[0])).name if words else image_name(container)
    if name not in OF_KUBERNETES:
        return TOOLS / name
    image = str(container.get("image") or "").partition("@")[0]
    return KUBERNETES / image.rpartition("/")[2].partition(":")[2] / name


def pull_problem(container: Mapping[str, Any]) -> str | None:
    """Return why an image cannot be pulled; None when its program exists."""
    program = program_of(container)
    if program.exists():
        return None
    version = f" {program.parent.name}" if program.parent.parent == KUBERNETES else ""
    return f"the toolchain of this machine has no {program.name}{version}"
