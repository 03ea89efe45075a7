"""Rules about images: the boot program must run on them, and the machine must boot them.

The boot program installs packages with apt and writes netplan files
(`planning/nodes/bootstrap.sh`), and needs cgroup v2, which Ubuntu has by default since 21.10.
"""

from __future__ import annotations

from collections.abc import Iterator

from config.facts.images import CUSTOM, architecture_of, public_image
from config.facts.instance_limits import family_of
from config.model import ClusterConfig
from config.profiles import DEFAULT_IMAGE
from config.report import Problem

RELEASES = ("22.04", "24.04")
"""Releases of Ubuntu that the boot program runs on."""


def images_fit(config: ClusterConfig) -> Iterator[Problem]:
    """The boot program supports the image, and the instance type its architecture."""
    for path, image, instance_type, type_path in machine_images(config):
        public = public_image(image)
        if public is None:
            if not CUSTOM.fullmatch(image):
                yield Problem(
                    path=path,
                    value=image,
                    rule="Not the id of an image. Ids of public images look like "
                    f"{DEFAULT_IMAGE}, those of your own like m-bp1….",
                    remedy=f"Write {DEFAULT_IMAGE}, or the id that DescribeImages shows.",
                )
            continue
        if config.kubernetes.mode == "kubeadm" and (
            public.distribution != "ubuntu" or public.release not in RELEASES
        ):
            yield Problem(
                path=path,
                value=image,
                rule="The bootstrap needs apt, netplan and cgroup v2. Of the public images only "
                f"Ubuntu {' and '.join(RELEASES)} have them.",
                remedy=f"Write {_default_for(instance_type)}.",
            )
            continue
        if not image.endswith(".vhd"):
            yield Problem(
                path=path,
                value=image,
                rule="The id of a public image has its size and its date, and ends in .vhd.",
                remedy=f"Write {_default_for(instance_type)}, or the id that DescribeImages shows.",
            )
            continue
        needed = architecture_of(family_of(instance_type))
        if public.architecture != needed:
            yield Problem(
                path=path,
                value=image,
                rule=f"The image is for {public.architecture}, and {instance_type} "
                f"({type_path}) is {needed}: the instance cannot boot it.",
                remedy=f"Write {_default_for(instance_type)}, or another instance type.",
            )


def machine_images(config: ClusterConfig) -> Iterator[tuple[str, str, str, str]]:
    """Every pair of image and instance type, each with its path."""
    for name, pool in sorted(config.node_pools.items()):
        path = f"nodePools.{name}"
        image = DEFAULT_IMAGE if pool.image is None else pool.image
        yield f"{path}.image", image, pool.instance_type, f"{path}.instanceType"
        for node, own in sorted(pool.nodes.items()):
            if own.image is None and own.instance_type is None:
                continue
            at = f"{path}.nodes.{node}"
            yield (
                f"{at}.image",
                image if own.image is None else own.image,
                own.instance_type or pool.instance_type,
                f"{at if own.instance_type else path}.instanceType",
            )


def _default_for(instance_type: str) -> str:
    """An image that the type boots; for Arm only a pattern, because no date is pinned here."""
    if architecture_of(family_of(instance_type)) == "x86_64":
        return DEFAULT_IMAGE
    return "the newest ubuntu_24_04_arm64_20G_alibase_….vhd that DescribeImages shows"


RULES = (images_fit,)
