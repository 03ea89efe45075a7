"""The programs of images, as the toolchain built them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcloud.virtual.node_packages import version_of

KUBERNETES: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""The control plane's programs, each of which has an image of its name."""
_MORE: Final = ("etcd", "spiderpool-controller")
_NODE: Final = ("kube-proxy",)
_IMAGES: Final = (
    "coordinator",
    "coredns",
    "ifacer",
    "install_multus",
    "ipvlan",
    "loopback",
    "macvlan",
    "multus",
    "pause",
    "spiderpool",
    "spiderpool-agent",
    "spiderpool-init",
    "web",
)


@dataclass(frozen=True, kw_only=True)
class ImagePrograms:
    """The toolchain's folder, and the version of Kubernetes that it has there."""

    tools: Path
    kubernetes_version: str

    def __getitem__(self, name: str) -> Path:
        """The file of a program."""
        return _path(self.tools, name)


def built_programs(tools: Path) -> ImagePrograms | None:
    """The programs of images in the toolchain's folder; None where one of them was not built."""
    if not all(_path(tools, name).exists() for name in (*KUBERNETES, *_MORE, *_NODE, *_IMAGES)):
        return None
    version = version_of((str(_path(tools, "kube-proxy")), "--version"))
    return ImagePrograms(tools=tools, kubernetes_version=version)


def _path(tools: Path, name: str) -> Path:
    folder = {**dict.fromkeys(_NODE, "node"), **dict.fromkeys(_IMAGES, "images")}.get(name, ".")
    return tools / folder / name
