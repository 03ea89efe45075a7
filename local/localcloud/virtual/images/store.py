"""The registry's images in the folder of what virtual machines are made from.

    images-<key>/    an OCI image layout
    images           a link to the layout that the fabric serves

A key is the digest of the images' inputs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from localcloud.virtual.failure import PreparationError
from localcloud.virtual.lock import IMAGE_CURL, IMAGE_NETWORK, IMAGE_SHELL, Lock

from . import layers
from .catalogue import BUSYBOX, images
from .layout import Layout, write_layout
from .programs import ImagePrograms

_REVISION: Final = 1
"""Increase it when a change of this package changes what is written for the same inputs."""
_SERVED: Final = "images"


def fill(
    folder: Path, packages: Path, lock: Lock, programs: ImagePrograms, report: Callable[[str], None]
) -> None:
    """Write the images that are missing and serve them from now on. Raises PreparationError.

    Args:
        folder: Where the images are kept.
        packages: The folder of the lock's packages.
        lock: Debian's packages.
        programs: What the toolchain built.
        report: Is called with a sentence before a step that takes time.
    """
    files = {
        group: [packages / package.file_name for package in lock.groups[group]]
        for group in (IMAGE_SHELL, IMAGE_NETWORK, IMAGE_CURL)
    }
    every = images(programs, files, _applets(files[IMAGE_SHELL]))
    text = json.dumps([_REVISION, [image.identity for image in every]], sort_keys=True)
    target = folder / f"{_SERVED}-{sha256(text.encode()).hexdigest()[:12]}"
    if not target.exists():
        report(f"Writing {len(every)} images of containers")
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=f".{_SERVED}-"))
        try:
            write_layout(draft, every)
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    link = folder / f".{_SERVED}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(folder / _SERVED)


def served(folder: Path) -> Layout | None:
    """The images that the fabric serves; None if there are none."""
    link = folder / _SERVED
    return Layout.read(link.resolve()) if link.exists() else None


def _applets(shell: Sequence[Path]) -> list[str]:
    """The commands of the busybox in the packages of `IMAGE_SHELL`, which is asked for them."""
    [package] = [package for package in shell if package.name.startswith("busybox-static_")]
    with tempfile.TemporaryDirectory() as folder:
        busybox = Path(folder) / "busybox"
        busybox.write_bytes(layers.member(package, BUSYBOX))
        busybox.chmod(0o755)
        done = subprocess.run(  # noqa: S603  (a locked program)
            [busybox, "--list"], capture_output=True, text=True, check=False, timeout=60
        )
    if done.returncode:
        raise PreparationError(f"busybox lists no commands: {done.stderr.strip()}")
    return sorted(done.stdout.split())
