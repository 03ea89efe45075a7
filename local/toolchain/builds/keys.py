"""A build's key: the same inputs give the same key, so nothing is built twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from toolchain.pins import Build

_LENGTH: Final = 16


def key_of(build: Build, sources: Path, *, go_version: str, platform: str) -> str:
    """Hash everything that reaches the compiler.

    Args:
        build: Packages, stamps and tags.
        sources: The module directory; every file in it counts, by path and content.
        go_version: The output of `go version`.
        platform: `linux-x86_64` and the like.
    """
    digest = hashlib.sha256()
    for part in (
        build.name,
        build.version,
        repr(sorted(build.programs.items())),
        repr(sorted(build.stamps.items())),
        repr(build.tags),
        go_version,
        platform,
        *((build.pruned,) if build.pruned else ()),
    ):
        digest.update(part.encode())
        digest.update(b"\0")
    for path in sorted(p for p in sources.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(sources)).encode())
        digest.update(b"\0")
        digest.update(path.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()[:_LENGTH]
