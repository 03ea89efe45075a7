"""The package sources of the fabric, at the addresses that user-data and image name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from .lock import SUITE
from .names import DEBIAN
from .sources import Source

MINORS: Final = ("1.35", "1.36", "1.37")
"""The minor versions of Kubernetes, each of which has a source of its own."""
_KUBERNETES: Final = (
    ("pkgs.k8s.io", "core:/stable:/v{minor}/deb"),
    ("mirrors.aliyun.com", "kubernetes-new/core/stable/v{minor}/deb"),
)
"""https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/ and
https://developer.aliyun.com/mirror/kubernetes"""
_DOCKER: Final = (
    ("download.docker.com", "linux/{distribution}"),
    ("mirrors.aliyun.com", "docker-ce/linux/{distribution}"),
)
"""https://docs.docker.com/engine/install/debian/ and https://developer.aliyun.com/mirror/docker-ce"""
_SUITES: Final = {"ubuntu": "noble", "debian": SUITE}


def distribution_source(packages: Sequence[Path]) -> Source:
    """The distribution's source, with packages of Debian."""
    return Source(
        host=DEBIAN,
        path="debian",
        suite=SUITE,
        component="main",
        certificate="key.asc",
        packages=packages,
    )


def node_sources(
    kubernetes: Mapping[str, Sequence[Path]] | None = None, docker: Sequence[Path] = ()
) -> Iterator[Source]:
    """The sources that the user-data adds; one without packages is empty.

    Args:
        kubernetes: minor → packages of that minor.
        docker: containerd.io.
    """
    for host, path in _KUBERNETES:
        for minor in MINORS:
            yield Source(
                host=host,
                path=path.format(minor=minor),
                suite="/",
                component=None,
                certificate="Release.key",
                packages=(kubernetes or {}).get(minor, ()),
            )
    for host, path in _DOCKER:
        for name, suite in _SUITES.items():
            yield Source(
                host=host,
                path=path.format(distribution=name),
                suite=suite,
                component="stable",
                certificate="gpg",
                packages=docker,
            )
