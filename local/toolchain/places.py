"""The folders of the toolchain under one home directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).resolve().parent
"""The module directories."""
OTHER_KUBERNETES: Final = "kubernetes-"
"""Prefix of the folders in `bin` with another Kubernetes version; the version follows."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """The toolchain's part of a home directory (`.local`)."""

    home: Path

    @property
    def bin(self) -> Path:
        """The first directory on PATH: links to tools, and the launchers of the two plugins."""
        return self.home / "bin"

    def of_kubernetes(self, version: str) -> Path:
        """Programs of another Kubernetes version than the pinned one, by their own names."""
        return self.bin / f"{OTHER_KUBERNETES}{version}"

    @property
    def node(self) -> Path:
        """Programs of a virtual machine of the local cloud."""
        return self.bin / "node"

    @property
    def opentofu(self) -> Path:
        """OpenTofu and its provider, for `benchmarks`."""
        return self.bin / "opentofu"

    @property
    def images(self) -> Path:
        """Programs of images that containers of a virtual machine run."""
        return self.bin / "images"

    @property
    def built(self) -> Path:
        """One directory for each build, named by its key."""
        return self.home / "toolchain"

    @property
    def crds(self) -> Path:
        """CRDs generated from upstream's Go types."""
        return self.built / "crds"

    @property
    def logs(self) -> Path:
        """One log for each build."""
        return self.built / "logs"

    @property
    def lock(self) -> Path:
        """The lock file, which is locked during every build."""
        return self.built / "lock"
