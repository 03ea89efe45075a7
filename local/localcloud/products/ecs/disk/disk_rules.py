"""Which categories, sizes and performance levels a disk can have, and how many an instance has.

The sizes are in the texts of SystemDisk.Size and DataDisk.N.Size of RunInstances and of Size of
CreateDisk; the codes are in their error tables.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from localcloud.products.ecs import catalog
from localcloud.wire.errors import ApiError

OLD_CATEGORIES: Final = frozenset({"cloud", "ephemeral_ssd"})
"""Categories that the API has and that no instance type here supports."""
LARGEST_SYSTEM: Final = 2048
MOST_DATA: Final = 16
"""Data disks of one instance."""
_ESSD: Final = "cloud_essd"
_LEVELS: Final = MappingProxyType({"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261})
"""Performance levels of an ESSD with the smallest size of each, in GiB."""
_SMALLEST: Final = MappingProxyType({"cloud_auto": 1, "cloud_essd_entry": 10})
_LARGEST: Final = MappingProxyType({_ESSD: 65536, "cloud_auto": 65536})
_ENTRY_FAMILIES: Final = frozenset({"ecs.u1", "ecs.e"})


def check_category(category: str, family: str, *, system: bool) -> None:
    """Raise unless an instance of the family can have a disk of the category."""
    if category in catalog.DISK_CATEGORIES:
        fits = fits_family(category, family)
    elif category in OLD_CATEGORIES:
        fits = False
    else:
        code = "InvalidSystemDiskCategory" if system else "InvalidDataDiskCategory"
        raise unknown_category(category, f"{code}.ValueNotSupported")
    if not fits:
        raise ApiError(
            "InvalidDiskCategory.NotSupported",
            f"The disk category {category} is not supported by instances of {family}.",
            403,
        )


def unknown_category(category: str, code: str) -> ApiError:
    """Return the refusal of a category that the API does not have."""
    return ApiError(
        code,
        f"The disk category {category[:40]!r} is not one of {', '.join(catalog.DISK_CATEGORIES)}.",
    )


def fits_family(category: str, family: str) -> bool:
    """Whether instances of the family can have disks of a category of the catalog."""
    return category != "cloud_essd_entry" or family in _ENTRY_FAMILIES


def check_data_category(category: str) -> None:
    """Raise unless a data disk of its own can have the category."""
    if category in OLD_CATEGORIES:
        raise ApiError(
            "InvalidDiskCategory.NotSupported",
            f"The disk category {category} is not available in this region.",
            403,
        )
    if category not in catalog.DISK_CATEGORIES:
        raise unknown_category(category, "InvalidDiskCategory.ValueNotSupported")


def level_of(category: str, level: str) -> str:
    """The performance level of a disk: PL1 for an ESSD unless the request names one, else none."""
    if level and level not in _LEVELS:
        raise ApiError(
            "InvalidPerformanceLevel.Malformed",
            f"The PerformanceLevel {level[:20]!r} is not one of {', '.join(_LEVELS)}.",
        )
    return (level or "PL1") if category == _ESSD else ""


def check_system_size(category: str, level: str, size: int, image_size: int) -> None:
    """Raise unless a system disk can have this size, in GiB."""
    if size < image_size:
        raise ApiError(
            "InvalidSystemDiskSize.LessThanImageSize",
            f"The system disk of {size} GiB is smaller than the image's {image_size} GiB.",
            404,
        )
    if size > LARGEST_SYSTEM:
        raise ApiError(
            "InvalidSystemDiskSize.MoreThanMaxSize",
            f"The system disk of {size} GiB is larger than {LARGEST_SYSTEM} GiB.",
            404,
        )
    least = _smallest(category, level)
    if size < least:
        raise ApiError(
            "InvalidSystemDiskSize.LessThanMinSize",
            f"A system disk of {category} {level} has at least {least} GiB, not {size}.".replace(
                "  ", " "
            ),
            404,
        )


def check_data_size(category: str, level: str, size: int, *, status: int = 400) -> None:
    """Raise unless a data disk can have this size, in GiB."""
    least, largest = _smallest(category, level), largest_data(category)
    if not least <= size <= largest:
        raise ApiError(
            "InvalidDataDiskSize.ValueNotSupported",
            f"A data disk of {category} has {least} to {largest} GiB, not {size}.",
            status,
        )


def largest_data(category: str) -> int:
    """The largest size of a data disk, in GiB."""
    return _LARGEST.get(category, 32768)


def smallest(category: str) -> int:
    """The smallest size of a disk in GiB, at the category's lowest performance level."""
    return min(_smallest(category, level) for level in _LEVELS)


def check_level_fits(level: str, size: int) -> None:
    """Raise unless an ESSD of this size can have the performance level."""
    if level and size < _LEVELS[level]:
        raise ApiError(
            "OperationDenied.PerformanceLevelNotMatch",
            f"An ESSD of {level} has at least {_LEVELS[level]} GiB; this one has {size}.",
            403,
        )


def _smallest(category: str, level: str) -> int:
    return _LEVELS[level] if category == _ESSD else _SMALLEST.get(category, 20)
