"""Rules for names, descriptions, host names and passwords of ECS resources.

The rules are in the field texts of RunInstances, CreateNetworkInterface, CreateSecurityGroup and
CreateDisk in the API reference; the codes are in their error tables.
"""

from __future__ import annotations

import re
from typing import Final

from localcloud.wire.errors import ApiError, invalid

_LONGEST_NAME: Final = 128
_LONGEST_DESCRIPTION: Final = 256
_LONGEST_HOST_NAME: Final = 64
_WEB: Final = ("http://", "https://")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9()`~!@#$%^&*_+=|{}\[\]:;'<>,.?/\\-]{8,30}")
_CLASSES: Final = ("[A-Z]", "[a-z]", "[0-9]", "[^A-Za-z0-9]")
_FEWEST_CLASSES: Final = 3


def _has_length(text: str) -> bool:
    return 2 <= len(text) <= _LONGEST_NAME and not text.startswith(_WEB)  # noqa: PLR2004


def _is_name(text: str) -> bool:
    return _has_length(text) and text[0].isalpha()


def _is_description(text: str) -> bool:
    return 2 <= len(text) <= _LONGEST_DESCRIPTION and not text.startswith(_WEB)  # noqa: PLR2004


def _check_description(text: str, code: str, status: int = 400) -> None:
    if text and not _is_description(text):
        raise ApiError(
            code,
            f"Description {text[:80]!r} must have 2 to 256 characters and not be a web address.",
            status,
        )


def check_interface(name: str, description: str) -> None:
    """Raise unless an ENI can have this name and description. Both may be empty."""
    if name and not _is_name(name):
        raise invalid("NetworkInterfaceName", name, "2 to 128 characters, the first a letter")
    if description and not _is_description(description):
        raise invalid("Description", description, "2 to 256 characters, not a web address")


def check_security_group(name: str, description: str) -> None:
    """Raise unless a security group can have this name and description."""
    if name and not _is_name(name):
        raise ApiError(
            "InvalidSecurityGroupName.Malformed",
            f"SecurityGroupName {name[:80]!r} must have 2 to 128 characters, the first a letter.",
        )
    _check_description(description, "InvalidSecurityGroupDiscription.Malformed")


def check_instance(name: str, description: str, host_name: str, password: str | None) -> None:
    """Raise unless an instance can have these values. Empty or None means not given."""
    if name and not _has_length(name):
        raise ApiError(
            "InvalidInstanceName.Malformed",
            f"InstanceName {name[:80]!r} must have 2 to 128 characters and not be a web address.",
        )
    _check_description(description, "InvalidDescription.Malformed")
    if host_name and not is_host_name(host_name):
        raise ApiError(
            "InvalidHostName.Malformed",
            f"HostName {host_name[:80]!r} must have 2 to 64 letters, digits, hyphens and periods, "
            "none of the last two at an end or twice in a row.",
        )
    if password:
        check_password(password)


def check_disk(name: str, description: str, *, description_status: int = 400) -> None:
    """Raise unless a disk can have this name and description. Both may be empty."""
    if name and not _is_name(name):
        raise ApiError(
            "InvalidDiskName.Malformed",
            f"DiskName {name[:80]!r} must have 2 to 128 characters, the first a letter.",
        )
    _check_description(description, "InvalidDescription.Malformed", description_status)


def check_snapshot(name: str, description: str) -> None:
    """Raise unless a manual snapshot can have this name and description. Both may be empty."""
    if name and (not _is_name(name) or name.startswith("auto")):
        raise ApiError(
            "InvalidSnapshotName.Malformed",
            f"SnapshotName {name[:80]!r} must have 2 to 128 characters, the first a letter; names "
            "that begin with auto are those of automatic snapshots.",
        )
    _check_description(description, "InvalidDescription.Malformed", 404)


def check_snapshot_policy(name: str) -> None:
    """Raise unless an automatic snapshot policy can have this name, which may be empty."""
    if name and not _is_name(name):
        raise ApiError(
            "InvalidSnapshotPolicyName.Malformed",
            f"autoSnapshotPolicyName {name[:80]!r} must have 2 to 128 characters, the first a "
            "letter.",
        )


def check_key_pair(name: str) -> None:
    """Raise unless a key pair can have this name."""
    if not _is_name(name):
        raise ApiError(
            "InvalidKeyPairName.Malformed",
            f"KeyPairName {name[:80]!r} must have 2 to 128 characters, the first a letter.",
        )


def is_host_name(text: str) -> bool:
    """Whether a Linux instance can have this host name."""
    return 2 <= len(text) <= _LONGEST_HOST_NAME and all(  # noqa: PLR2004
        _SEGMENT.fullmatch(segment) for segment in text.split(".")
    )


def check_password(text: str) -> None:
    """Raise unless a password has 8 to 30 characters of three classes. It is never shown."""
    classes = sum(bool(re.search(kind, text)) for kind in _CLASSES)
    if not _PASSWORD.fullmatch(text) or classes < _FEWEST_CLASSES:
        raise ApiError(
            "InvalidPassword.Malformed",
            "The Password must have 8 to 30 characters of at least three of these: upper-case "
            "letters, lower-case letters, digits, special characters.",
        )
