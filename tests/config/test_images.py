"""What an image's id says, and what architecture a family has."""

from __future__ import annotations

import pytest

from config.facts.images import PublicImage, architecture_of, public_image
from config.profiles import DEFAULT_IMAGE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("image", "distribution", "release", "architecture"),
    [
        (DEFAULT_IMAGE, "ubuntu", "24.04", "x86_64"),
        ("ubuntu_22_04_uefi_x64_20G_alibase_20230515.vhd", "ubuntu", "22.04", "x86_64"),
        ("ubuntu_18_04_64_20G_alibase_20190624.vhd", "ubuntu", "18.04", "x86_64"),
        ("ubuntu_24_04_arm64_20G_alibase_20251126.vhd", "ubuntu", "24.04", "arm64"),
        ("centos_7_9_x64_20G_alibase_20240628.vhd", "centos", "7.9", "x86_64"),
        ("centos_stream_9_x64_20G_alibase_20240628.vhd", "centos_stream", "9", "x86_64"),
        ("aliyun_3_arm64_20G_alibase_20240819.vhd", "aliyun", "3", "arm64"),
        ("aliyun_2_1903_x64_20G_alibase_20240628.vhd", "aliyun", "2.1903", "x86_64"),
        ("debian_12_6_x64_20G_alibase_20240711.vhd", "debian", "12.6", "x86_64"),
        ("rockylinux_9_4_x64_20G_alibase_20240628.vhd", "rockylinux", "9.4", "x86_64"),
    ],
)
def test_a_public_image_is_read_from_its_id(
    image: str, distribution: str, release: str, architecture: str
) -> None:
    assert public_image(image) == PublicImage(
        distribution=distribution,
        release=release,
        architecture="arm64" if architecture == "arm64" else "x86_64",
    )


@pytest.mark.parametrize("image", ["m-bp1fakefakefake", "ubuntu-24.04", "ami-0123", ""])
def test_other_ids_say_nothing(image: str) -> None:
    assert public_image(image) is None


@pytest.mark.parametrize("family", ["g8y", "c8y", "r8y", "g6r", "c6r", "ebmg8y", "g9y"])
def test_families_of_yitian_and_ampere_are_arm(family: str) -> None:
    assert architecture_of(family) == "arm64"


@pytest.mark.parametrize("family", ["g7", "r7", "g8i", "u1-c1m2", "re6", "g8a", "hfg7", "e", "t6"])
def test_all_others_are_x86(family: str) -> None:
    assert architecture_of(family) == "x86_64"
