"""Programs that run from unpacked packages, with their own loader and libraries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOADER: Final = "usr/lib64/ld-linux-x86-64.so.2"
_LIBRARIES: Final = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/qemu")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """A folder into which packages were unpacked."""

    root: Path

    def command(self, program: str, *arguments: str) -> tuple[str, ...]:
        """The command that starts `program`, such as `usr/sbin/nft`, on this system."""
        libraries = ":".join(str(self.root / folder) for folder in _LIBRARIES)
        loader = str(self.root / _LOADER)
        return (loader, "--library-path", libraries, str(self.root / program), *arguments)
