"""The binaries that a machine runs, in the toolchain's folder."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NEEDED: Final = (
    "etcd",
    "kubeadm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
)
OPTIONAL: Final = ("etcdutl", "kubectl", "spiderpool-controller")
OF_KUBERNETES: Final = (
    "kubeadm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
)
"""Programs that differ between Kubernetes versions."""
_OTHER_VERSIONS: Final = "kubernetes-*"
"""Folders next to the binaries, each with the programs of another Kubernetes version."""


def missing_tools(folder: Path) -> list[str]:
    """Return the expected names that `folder` does not have."""
    return [name for name in NEEDED if not (folder / name).exists()]


def present_tools(folder: Path) -> dict[str, Path]:
    """Return each expected binary that exists, links resolved."""
    paths = {name: folder / name for name in (*NEEDED, *OPTIONAL)}
    return {name: path.resolve() for name, path in paths.items() if path.exists()}


def kubernetes_versions(folder: Path) -> dict[str, Path]:
    """Return version (v1.35.4) → folder of its programs; the version of `folder` is the first.

    Raises ValueError if a kubeadm does not report its version.
    """
    others = [path for path in sorted(folder.glob(_OTHER_VERSIONS)) if (path / "kubeadm").exists()]
    return {kubernetes_version(path): path for path in (folder, *others)}


def kubernetes_version(folder: Path) -> str:
    """Return the version that kubeadm reports, such as v1.35.4; raises ValueError without one."""
    done = subprocess.run(  # noqa: S603  (the toolchain's own program)
        [folder / "kubeadm", "version", "-o", "short"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    version = done.stdout.strip()
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)?", version):
        raise ValueError(f"{folder / 'kubeadm'} reported {version!r} as its version.")
    return version
