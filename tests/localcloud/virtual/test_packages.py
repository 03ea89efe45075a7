"""The lock of Debian's packages, and how apt is asked for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from localcloud.virtual.archive import Archive, check, mirror_of, package_of, system_mirror
from localcloud.virtual.failure import PreparationError
from localcloud.virtual.lock import (
    DISTRIBUTION,
    IMAGE,
    KERNEL,
    LOCK,
    REQUESTED,
    Lock,
    Package,
    belongs,
)
from tests.planning.documents import ROOT

pytestmark = pytest.mark.unit

STANZA = """\
Package: e2fsprogs
Source: e2fsprogs (1.47.2-3)
Version: 1.47.2-3+b12
Architecture: amd64
Description: ext2/ext3/ext4 file system utilities
 Size: not this
Size: 591288
SHA256: e9e638eb3e22b5f14d01ce0b28aa512a5a22fcc0e70d1c733444579b67ea236b
"""


def package(name: str, content: bytes = b"") -> Package:
    return Package(
        name=name,
        version="1:2.0-1",
        architecture="amd64",
        source=name,
        size=len(content),
        sha256=sha256(content).hexdigest(),
    )


class Commands:
    """Records commands; `answers` maps a command's second word to its output."""

    def __init__(self, answers: Mapping[str, str | PreparationError]) -> None:
        self.answers = answers
        self.lines: list[str] = []

    def __call__(self, command: Sequence[str], _: Mapping[str, str], __: Path) -> str:
        self.lines.append(" ".join(command))
        answer = self.answers.get(command[1], "")
        if isinstance(answer, PreparationError):
            raise answer
        return answer


def test_the_tracked_lock_reads_back_as_it_was_written() -> None:
    text = LOCK.read_text("utf-8")
    assert Lock.parse(text).text() == text


def test_the_tracked_lock_has_every_group_and_every_digest() -> None:
    lock = Lock.read()
    assert set(lock.groups) == set(REQUESTED)
    assert all(re.fullmatch(r"[0-9a-f]{64}", package.sha256) for package in lock.packages)


def test_the_tracked_lock_names_no_host() -> None:
    assert "://" not in LOCK.read_text("utf-8")


def test_the_lock_has_what_is_asked_for_by_name() -> None:
    lock = Lock.read()
    for group, requested in REQUESTED.items():
        names = {package.name for package in lock.groups[group]}
        if group != KERNEL:
            assert {name for name in requested if name[0] != "?"} <= names


def test_the_distributions_source_has_what_the_boot_program_installs_from_it() -> None:
    bootstrap = (ROOT / "planning/nodes/bootstrap.sh").read_text("utf-8")
    command = re.search(r" install -y((?:.*\\\n)+.*)", bootstrap)
    assert command is not None
    plain = {word for word in command[1].split() if re.fullmatch(r"[a-z0-9]+", word)}
    assert {"chrony", "nftables", "socat"} <= plain
    assert plain <= set(REQUESTED[DISTRIBUTION])


def test_the_image_has_no_clock_that_excludes_the_boot_programs() -> None:
    # chrony and systemd-timesyncd conflict, and the image has what the boot program installs.
    clocks = {"chrony", "systemd-timesyncd", "ntpsec", "openntpd"}
    lock = Lock.read()
    installed = {p.name for group in (IMAGE, DISTRIBUTION) for p in lock.groups[group]}
    assert installed & clocks == {"chrony"}


def test_of_the_kernel_only_its_own_package_is_kept() -> None:
    names = ("linux-image-cloud-amd64", "linux-image-6.12-cloud-amd64", "initramfs-tools")
    assert [name for name in names if belongs(KERNEL, package(name))] == [names[1]]


def test_an_epoch_is_written_in_a_files_name_as_apt_writes_it() -> None:
    assert package("qemu-utils").file_name == "qemu-utils_1%3a2.0-1_amd64.deb"


def test_a_stanza_is_read_with_the_source_packages_own_version() -> None:
    read = package_of(STANZA)
    assert (read.name, read.source, read.size) == ("e2fsprogs", "e2fsprogs (1.47.2-3)", 591288)


@pytest.mark.parametrize(
    ("targets", "mirror"),
    [
        ("http://a.example/debian/ bookworm main\n", "http://a.example/debian/"),
        ("http://a.example/security/ bookworm-security main\n", None),
        ("http://a.example/ubuntu/ noble main\nhttp://b.example/ sid main\n", "http://b.example/"),
        ("", None),
    ],
)
def test_the_mirror_is_that_of_debians_main_archive(targets: str, mirror: str | None) -> None:
    assert mirror_of(targets) == mirror


def test_a_mirror_that_is_set_is_used_without_asking_apt() -> None:
    commands = Commands({})
    chosen = system_mirror({"LOCALCLOUD_DEBIAN_MIRROR": "http://m.example/"}, commands)
    assert (chosen, commands.lines) == ("http://m.example/", [])


def test_a_system_without_debians_archive_is_told_what_to_set() -> None:
    with pytest.raises(PreparationError, match="Set LOCALCLOUD_DEBIAN_MIRROR to the address"):
        system_mirror({}, Commands({"indextargets": "http://a.example/ubuntu/ noble main\n"}))


def test_apt_uses_settings_lists_and_status_of_its_own(tmp_path: Path) -> None:
    Archive(tmp_path, "http://m.example/", "trixie", Commands({})).update()
    settings = (tmp_path / "apt.conf").read_text()
    assert f'Dir::State::status "{tmp_path}/status"' in settings
    assert f'Dir::Cache "{tmp_path}"' in settings
    assert (tmp_path / "status").read_text() == ""


def test_a_name_is_resolved_to_packages_with_their_digests(tmp_path: Path) -> None:
    uris = (
        "'http://m.example/e2fsprogs_1.47.2-3%2bb12_amd64.deb' e2fsprogs_1.47.2-3+b12_amd64.deb 5"
    )
    commands = Commands({"install": uris + " MD5Sum:0\n", "show": STANZA})
    packages = Archive(tmp_path, "http://m.example/", "trixie", commands).resolve(["e2fsprogs"])
    assert [p.name for p in packages] == ["e2fsprogs"]
    assert commands.lines[-1] == "apt-cache show e2fsprogs=1.47.2-3+b12"


def test_files_that_are_there_are_not_downloaded_again(tmp_path: Path) -> None:
    commands = Commands({})
    present = package("curl", b"content")
    (tmp_path / present.file_name).write_bytes(b"content")
    Archive(tmp_path, "http://m.example/", "trixie", commands).download([present], tmp_path)
    assert commands.lines == []


def test_a_file_that_is_not_the_locked_one_is_refused_and_removed(tmp_path: Path) -> None:
    locked = package("curl", b"content")
    file = tmp_path / locked.file_name
    file.write_bytes(b"other content")
    with pytest.raises(PreparationError, match="another file than the one that was locked"):
        check(file, locked)
    assert not file.exists()


def test_a_version_that_the_mirror_no_longer_has_leads_to_the_lock(tmp_path: Path) -> None:
    commands = Commands({"download": PreparationError("Version '1' for 'curl' was not found.")})
    archive = Archive(tmp_path, "http://m.example/", "trixie", commands)
    with pytest.raises(PreparationError, match=r"python -m localcloud\.virtual lock"):
        archive.download([package("curl")], tmp_path)
