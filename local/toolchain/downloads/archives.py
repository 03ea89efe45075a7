"""The publishers' release files of pinned programs, and where they are downloaded from."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from toolchain.failure import ToolchainError
from toolchain.pins import Build

_FILE: Final = Path(__file__).with_name("archives.yaml")
_KEY_LENGTH: Final = 16

VARIABLE: Final = "TOOLCHAIN_ARCHIVES"
"""The setting: `publishers`, `off`, or the address of a mirror."""
PUBLISHERS: Final = "publishers"
OFF: Final = "off"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One file of a publisher: a `.tar.gz` with programs in it, or a program itself.

    `address` has no scheme (`get.helm.sh/helm-v3.21.4-linux-amd64.tar.gz`). `sha256` is 64
    hexadecimal digits, copied from `source`.
    """

    build: str
    version: str
    platform: str
    address: str
    sha256: str
    source: str
    programs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.address.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where archives are downloaded from: an archive's address follows `prefix`."""

    prefix: str

    def url(self, archive: Archive) -> str:
        """Return the address to download an archive from."""
        return f"{self.prefix}{archive.address}"

    def host(self, archive: Archive) -> str:
        """Return the host that serves an archive, for people."""
        return urlsplit(self.url(archive)).netloc


def origin_of(setting: str) -> Origin | None:
    """Read the setting; None means that nothing is downloaded.

    Raises:
        ToolchainError: It is none of the three forms.
    """
    if setting in {"", PUBLISHERS}:
        return Origin(prefix="https://")
    if setting == OFF:
        return None
    # Before anything repeats the setting, and in any part of it: without a scheme the user name
    # would be the scheme.
    if "@" in setting:
        raise ToolchainError(
            f"{VARIABLE} has a user name or a password in its address, which would show in logs. "
            "Use a mirror that can be read without them: every file is checked against its digest."
        )
    mirror = urlsplit(setting)
    if mirror.scheme not in {"http", "https"} or not mirror.netloc or "?" in setting:
        address, query, _ = setting.partition("?")
        raise ToolchainError(
            f"{VARIABLE} is {address + ('?…' if query else '')!r}. It must be `{PUBLISHERS}`, "
            f"`{OFF}` or the http(s) address of a mirror, such as https://mirror.example/archives, "
            "without a query. A mirror keeps each file under its publisher's host and path. "
            "Correct the variable, or unset it for the publishers' own hosts."
        )
    return Origin(prefix=setting.rstrip("/") + "/")


def archives_of(build: Build, platform: str) -> tuple[Archive, ...]:
    """Return the files that together have every program of a build; none if one has no digest."""
    archives = tuple(
        archive
        for archive in _archives()
        if (archive.build, archive.version, archive.platform)
        == (build.name, build.version, platform)
    )
    programs = {program for archive in archives for program in archive.programs}
    return archives if programs == set(build.programs) else ()


def key_of(archives: tuple[Archive, ...]) -> str:
    """Hash what a directory of unpacked archives depends on."""
    text = repr([(archive.sha256, archive.programs) for archive in archives])
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


@functools.cache
def _archives() -> tuple[Archive, ...]:
    rows: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(Archive(**{**row, "programs": tuple(row["programs"])}) for row in rows)
