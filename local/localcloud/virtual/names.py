"""The names that the fabric answers for: package sources and image registries of the user-data."""

from __future__ import annotations

from typing import Final

DEBIAN: Final = "mirrors.cloud.aliyuncs.com"
"""Alibaba Cloud's mirror of distributions inside VPCs, which its public images have as source
(https://developer.aliyun.com/mirror/debian/)."""
KUBERNETES: Final = ("pkgs.k8s.io", "mirrors.aliyun.com")
DOCKER: Final = ("download.docker.com", "mirrors.aliyun.com")
REGISTRIES: Final = (
    "registry.k8s.io",
    "ghcr.io",
    "quay.io",
    "registry-1.docker.io",
    "docker.io",
    "k8s.m.daocloud.io",
    "ghcr.m.daocloud.io",
    "quay.m.daocloud.io",
    "docker.m.daocloud.io",
)
ALL: Final = tuple(sorted({DEBIAN, *KUBERNETES, *DOCKER, *REGISTRIES}))
