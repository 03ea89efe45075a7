"""The two places where the cluster itself, not a machine, has Kubernetes' version.

A control plane that joins takes its version from kubeadm's ConfigMap. The image of kube-proxy
follows the API servers. `kubeadm upgrade` changes both (Kubernetes documentation, "Upgrading
kubeadm clusters" and "Version Skew Policy").
"""

from __future__ import annotations

import re

import yaml

from components.api.cluster_api import ClusterApi, ClusterError
from planning.transitions.upgrades import Version, version_of

_TAG = re.compile(r":(v?\d+\.\d+\.\d+[^@/]*)(?:@.*)?$")


async def write_cluster_version(api: ClusterApi, version: Version) -> bool:
    """Make joining control planes run `version`; False if they already do.

    Raises `ClusterError`.
    """
    document = yaml.safe_load(await api.cluster_configuration())
    if not isinstance(document, dict):
        raise ClusterError("kube-system/kubeadm-config has no ClusterConfiguration.")
    if version_of(str(document["kubernetesVersion"])) >= version:
        return False
    text = yaml.safe_dump({**document, "kubernetesVersion": f"v{version}"}, sort_keys=False)
    await api.write_cluster_configuration(text)
    return True


async def upgrade_kube_proxy(api: ClusterApi, version: Version) -> bool:
    """Give kube-proxy the image of `version`, once every API server runs it.

    False when it already has that image, or an API server runs an older version. Raises
    `ClusterError`.
    """
    image = await api.kube_proxy_image()
    if image is None or image_version(image) >= version:
        return False
    servers = [pod for pod in await api.control_plane_pods() if pod.component == "kube-apiserver"]
    if not servers or any(image_version(pod.image) < version for pod in servers):
        return False
    await api.write_kube_proxy_image(f"{_TAG.sub('', image)}:v{version}")
    return True


def image_version(image: str) -> Version:
    """The version in an image's tag. Raises `ClusterError`."""
    tag = _TAG.search(image)
    if tag is None:
        raise ClusterError(f"Image {image} has no version in its tag.")
    return version_of(tag[1])
