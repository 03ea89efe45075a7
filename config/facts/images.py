"""The distribution, release and architecture in an image's id.

Public images are named `<distribution>_<release>_<architecture>_<size>_alibase_<date>.vhd` (ECS
documentation, "Public images"); the id of a custom, shared or marketplace image is `m-…` and has
none of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Architecture = Literal["x86_64", "arm64"]

CUSTOM: Final = re.compile(r"m-[a-z0-9]+")
_PUBLIC: Final = re.compile(
    r"(?P<distribution>[a-z]+(?:_server|_stream)?)_(?P<release>[a-z0-9]+(?:_[a-z0-9]+)*?)"
    r"(?P<rest>(?:_(?:uefi|x64|x86|64|32|arm64|amd64))+_?.*)",
    re.IGNORECASE,
)
_ARM_FAMILY: Final = re.compile(r"(?:ebm|scc)?[a-z]{1,3}[0-9]+[yr]")


@dataclass(frozen=True, kw_only=True)
class PublicImage:
    """The parts of a public image's id. `release` has dots, for example 24.04."""

    distribution: str
    release: str
    architecture: Architecture


def public_image(image: str) -> PublicImage | None:
    """The parts of a public image's id; None for another id."""
    match = _PUBLIC.fullmatch(image)
    if match is None:
        return None
    return PublicImage(
        distribution=match["distribution"].lower(),
        release=match["release"].replace("_", "."),
        architecture="arm64" if "_arm64" in match["rest"].lower() else "x86_64",
    )


def architecture_of(family: str) -> Architecture:
    """The architecture of an instance family.

    Names that end in y (YiTian 710) or r (Ampere Altra) are Arm. Source: ECS documentation,
    "Classification and naming of instance types".
    """
    return "arm64" if _ARM_FAMILY.fullmatch(family.split("-", maxsplit=1)[0]) else "x86_64"
