"""What can be rented: instance types with their limits, images, disk categories.

The figures of a type are its vCPUs, its GiB of memory, its number of ENIs (with the primary ENI),
and the number of IPv4 addresses (with the primary address) and IPv6 addresses on each ENI. They
come from the instance family page, https://help.aliyun.com/document_detail/25378.html.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

DISK_CATEGORIES: Final = (
    "cloud_essd",
    "cloud_auto",
    "cloud_essd_entry",
    "cloud_efficiency",
    "cloud_ssd",
)


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """An instance type and the limits of its network."""

    id: str
    family: str
    vcpus: int
    memory: float
    enis: int
    ipv4_per_eni: int
    ipv6_per_eni: int
    architecture: str = "X86"
    network_cards: int = 1

    @property
    def total_ipv4(self) -> int:
        """The number of private IPv4 addresses that an instance of the type can have."""
        return self.enis * self.ipv4_per_eni


@dataclass(frozen=True, kw_only=True)
class Image:
    """A public image."""

    id: str
    family: str
    name: str
    platform: str
    architecture: str = "x86_64"
    size: int = 20
    hardened_metadata: bool = True


# size: (ENIs, IPv4 per ENI, IPv6 per ENI); vCPUs follow from the size, memory from the family.
_Sizes = dict[str, tuple[int, int, int]]
_SINCE_7: Final[_Sizes] = {
    "large": (3, 6, 6),
    "xlarge": (4, 15, 15),
    "2xlarge": (4, 15, 15),
    "3xlarge": (8, 15, 15),
    "4xlarge": (8, 30, 30),
    "6xlarge": (8, 30, 30),
    "8xlarge": (8, 30, 30),
    "16xlarge": (8, 30, 30),
}
_GENERATION_7: Final[_Sizes] = {**_SINCE_7, "32xlarge": (15, 30, 30)}
_GENERATION_8: Final[_Sizes] = {
    **_SINCE_7,
    "12xlarge": (8, 30, 30),
    "24xlarge": (15, 30, 30),
    "48xlarge": (15, 50, 50),
}
_GENERATION_6: Final[_Sizes] = {
    "large": (2, 6, 1),
    "xlarge": (3, 10, 1),
    "2xlarge": (4, 10, 1),
    "3xlarge": (6, 10, 1),
    "4xlarge": (8, 20, 1),
    "6xlarge": (8, 20, 1),
    "8xlarge": (8, 20, 1),
    "13xlarge": (7, 20, 1),
    "26xlarge": (15, 20, 1),
}
_UNIVERSAL: Final[_Sizes] = {
    "large": (2, 6, 2),
    "xlarge": (3, 10, 2),
    "2xlarge": (4, 10, 2),
    "3xlarge": (6, 10, 2),
    "4xlarge": (8, 20, 2),
    "8xlarge": (8, 20, 2),
}
_SMALL: Final[_Sizes] = {"large": (2, 2, 1), "xlarge": (2, 6, 1), "2xlarge": (2, 6, 1)}
_TWO_NETWORK_CARDS: Final = frozenset({"ecs.c8i.48xlarge"})
"""The provider's acceptance tests put ENIs of this type on the cards 0 and 1 (1.285.0,
`TestAccAliCloudECSInstanceNetworkInterface1`). It is not published which other types have two
cards."""
_MEMORY_RATIO: Final = {"c": 2, "g": 4, "r": 8}


def _vcpus(size: str) -> int:
    """The vCPUs of a size: 2 for large, 4 for xlarge, 4 times the number for the others."""
    number = size.removesuffix("xlarge")
    return 2 if size == "large" else 4 * int(number or 1)


def _family(family: str, sizes: _Sizes, ratio: int, *, prefix: str = "") -> list[InstanceType]:
    return [
        InstanceType(
            id=f"{prefix or family}.{size}",
            family=family,
            vcpus=_vcpus(size),
            memory=float(_vcpus(size) * ratio),
            enis=enis,
            ipv4_per_eni=ipv4,
            ipv6_per_eni=ipv6,
            architecture="ARM" if family.endswith("y") else "X86",
            network_cards=2 if f"{prefix or family}.{size}" in _TWO_NETWORK_CARDS else 1,
        )
        for size, (enis, ipv4, ipv6) in sizes.items()
    ]


@functools.cache
def instance_types() -> dict[str, InstanceType]:
    """All instance types by id."""
    types: list[InstanceType] = []
    for letter, ratio in _MEMORY_RATIO.items():
        for suffix, sizes in (
            ("6", _GENERATION_6),
            ("7", _GENERATION_7),
            ("7a", _GENERATION_7),
            ("8i", _GENERATION_8),
            ("8a", _GENERATION_8),
            ("8y", _GENERATION_8),
            ("9i", _GENERATION_8),
        ):
            types += _family(f"ecs.{letter}{suffix}", sizes, ratio)
    for shape, ratio in (("c1m1", 1), ("c1m2", 2), ("c1m4", 4), ("c1m8", 8)):
        types += _family("ecs.u1", _UNIVERSAL, ratio, prefix=f"ecs.u1-{shape}")
        types += _family("ecs.e", _SMALL, ratio, prefix=f"ecs.e-{shape}")
        types += _family("ecs.t6", _SMALL, ratio, prefix=f"ecs.t6-{shape}")
    return {kind.id: kind for kind in types}


_IMAGES: Final = (
    ("ubuntu_24_04_x64", "Ubuntu", "20260916"),
    ("ubuntu_22_04_x64", "Ubuntu", "20260916"),
    ("ubuntu_20_04_x64", "Ubuntu", "20260916"),
    ("debian_12_10_x64", "Debian", "20260916"),
    ("aliyun_3_x64", "Aliyun", "20260916"),
    ("centos_stream_9_x64", "CentOS Stream", "20260916"),
    ("rockylinux_9_6_x64", "Rocky Linux", "20260916"),
    ("almalinux_9_6_x64", "AlmaLinux", "20260916"),
)
_HARDENED_SINCE: Final = "20240101"
"""Images with cloud-init 23.2.2 or later support the hardened mode of the metadata service (help
page access-instance-metadata-using-hardened-only-mode). The page does not list these images. This
date is a guess: that version was released in August 2023."""
_DATED: Final = re.compile(
    r"(?P<base>[a-z0-9_]+_(x64|arm64))(_20G)?(_alibase_(?P<date>[0-9]{8})(\.vhd)?)?"
)


@functools.cache
def images() -> dict[str, Image]:
    """The current public images by id."""
    return {
        image_id: Image(
            id=image_id,
            family=f"acs:{base}",
            name=image_id,
            platform=platform,
        )
        for base, platform, date in _IMAGES
        for image_id in (f"{base}_20G_alibase_{date}.vhd",)
    }


@functools.cache
def image(image_id: str) -> Image | None:
    """A public image by its id, by the id of an older dated image, or by its short name."""
    current = images().get(image_id)
    if current is not None:
        return current
    match = _DATED.fullmatch(image_id)
    if match is None:
        return None
    for base, platform, _ in _IMAGES:
        if match["base"] == base:
            return Image(
                id=image_id,
                family=f"acs:{base}",
                name=image_id,
                platform=platform,
                hardened_metadata=(match["date"] or _HARDENED_SINCE) >= _HARDENED_SINCE,
            )
    return None
