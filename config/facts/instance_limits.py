"""How many ENIs and addresses an ECS instance type takes, for the common families.

Source: Alibaba Cloud, "Instance families" (ECS documentation, page 25378), columns "ENIs" and
"Private IP addresses per ENI"; the same three figures are what `DescribeInstanceTypes` answers as
`EniQuantity`, `EniPrivateIpAddressQuantity` (the primary address included) and
`EniIpv6AddressQuantity`. `SOURCES` has the source of each family's figures. A stack sets other
figures, or those of a missing type, by `instanceTypes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from config.model import InstanceTypeConfig

PUBLISHED = "published tables of the documentation"
UNVERIFIED = "not verified against a published table; check with DescribeInstanceTypes"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one instance type. `enis` and `ipv4_per_eni` include the primary ones."""

    enis: int
    ipv4_per_eni: int
    ipv6_per_eni: int
    second_eni: bool = True
    source: str = PUBLISHED


def _sizes(rows: str) -> Mapping[str, tuple[int, int, int]]:
    """Rows `size enis ipv4 ipv6` as data."""
    table: dict[str, tuple[int, int, int]] = {}
    for row in rows.strip().splitlines():
        size, enis, ipv4, ipv6 = row.split()
        table[size] = (int(enis), int(ipv4), int(ipv6))
    return table


SEVENTH = _sizes(
    """
    large      3  6  6
    xlarge     4 15 15
    2xlarge    4 15 15
    3xlarge    8 15 15
    4xlarge    8 30 30
    6xlarge    8 30 30
    8xlarge    8 30 30
    16xlarge   8 30 30
    32xlarge  15 30 30
    """
)
EIGHTH = _sizes(
    """
    large      3  6  6
    xlarge     4 15 15
    2xlarge    4 15 15
    3xlarge    8 15 15
    4xlarge    8 30 30
    6xlarge    8 30 30
    8xlarge    8 30 30
    12xlarge   8 30 30
    16xlarge   8 30 30
    24xlarge  15 30 30
    48xlarge  15 30 30
    """
)
EIGHTH_WITH_48XLARGE = {**EIGHTH, "48xlarge": (15, 50, 50)}
SIXTH = _sizes(
    """
    large      2  6  1
    xlarge     3 10  1
    2xlarge    4 10  1
    3xlarge    6 10  1
    4xlarge    8 20  1
    6xlarge    8 20  1
    8xlarge    8 20  1
    13xlarge   7 20  1
    26xlarge  15 20  1
    """
)
UNIVERSAL = _sizes(
    """
    large      2  6  2
    xlarge     3 10  2
    2xlarge    4 10  2
    3xlarge    6 10  2
    4xlarge    8 20  2
    8xlarge    8 20  2
    """
)

FAMILIES: Mapping[str, Mapping[str, tuple[int, int, int]]] = {
    **dict.fromkeys(("g7", "c7", "r7"), SEVENTH),
    **dict.fromkeys(("g8i", "c8i"), EIGHTH_WITH_48XLARGE),
    "r8i": EIGHTH,
    **dict.fromkeys(("g6", "c6", "r6"), SIXTH),
    **dict.fromkeys(("u1-c1m1", "u1-c1m2", "u1-c1m4", "u1-c1m8"), UNIVERSAL),
}

SOURCES: Mapping[str, str] = {
    **dict.fromkeys(("g8i", "c8i", "g7", "c7", "r7", "g6", "c6", "r6"), PUBLISHED),
    "r8i": UNVERIFIED,
    **dict.fromkeys(("u1-c1m1", "u1-c1m2", "u1-c1m4", "u1-c1m8"), PUBLISHED),
}
"""The column "IPv6 addresses per ENI" was read for g6, g7, g8i, c8i and u1. The figures of c6, c7,
r6 and r7 are those of g6 and g7."""

WITHOUT_SECOND_ENI = frozenset({"e", "s6", "t5", "t6", "xn4", "n4", "mn4", "e4"})
"""Families that take a further ENI only later, on a stopped instance, or never (ECS documentation,
"Create and use an ENI"): at creation they have the primary one alone."""


def family_of(instance_type: str) -> str:
    """`ecs.u1-c1m2.large` → `u1-c1m2`."""
    parts = instance_type.split(".")
    return parts[1] if len(parts) > 1 else ""


def without_second_eni(instance_type: str) -> bool:
    """Whether a type's family is known to take no second ENI at creation."""
    return family_of(instance_type).split("-")[0] in WITHOUT_SECOND_ENI


def limits_of(instance_type: str, own: Mapping[str, InstanceTypeConfig]) -> Limits | None:
    """Limits of a type: the stack's own or the table's; None when neither has the type."""
    override = own.get(instance_type)
    if override is not None:
        return Limits(
            enis=override.enis,
            ipv4_per_eni=override.ipv4_per_eni,
            ipv6_per_eni=override.ipv6_per_eni,
            second_eni=override.second_eni,
            source="instanceTypes of this stack",
        )
    head, _, size = instance_type.rpartition(".")
    family = family_of(instance_type)
    row = FAMILIES.get(family, {}).get(size) if head == f"ecs.{family}" else None
    if row is None:
        return None
    return Limits(enis=row[0], ipv4_per_eni=row[1], ipv6_per_eni=row[2], source=SOURCES[family])


def listed_types() -> tuple[str, ...]:
    """Every type of the table."""
    return tuple(sorted(f"ecs.{f}.{size}" for f, sizes in FAMILIES.items() for size in sizes))
