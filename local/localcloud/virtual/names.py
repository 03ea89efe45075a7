"""The names that the fabric answers for: package sources and image registries of the user-data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEBIAN: Final = "mirrors.cloud.aliyuncs.com"
"""Alibaba Cloud's mirror of distributions inside VPCs, which its public images have as source
(https://developer.aliyun.com/mirror/debian/)."""
KUBERNETES: Final = ("pkgs.k8s.io", "mirrors.aliyun.com")
DOCKER: Final = ("download.docker.com", "mirrors.aliyun.com")
MIRRORED: Final[Mapping[str, str]] = {
    "registry-1.docker.io": "docker.io",
    "k8s.m.daocloud.io": "registry.k8s.io",
    "ghcr.m.daocloud.io": "ghcr.io",
    "quay.m.daocloud.io": "quay.io",
    "docker.m.daocloud.io": "docker.io",
}
"""Another host of a registry → the registry's name in references of images."""
CHINA_IMAGES: Final = "registry.aliyuncs.com"
"""Alibaba Cloud's registry, which has kubeadm's images in `google_containers`."""
REGISTRIES: Final = (
    "registry.k8s.io",
    "ghcr.io",
    "quay.io",
    "docker.io",
    CHINA_IMAGES,
    *MIRRORED,
)
ALL: Final = tuple(sorted({DEBIAN, *KUBERNETES, *DOCKER, *REGISTRIES}))
