from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.toolchain.release_server import archive
from toolchain.downloads import archives
from toolchain.downloads.archives import Origin, archives_of, key_of, origin_of
from toolchain.failure import ToolchainError
from toolchain.pins import BUILDS, Build

pytestmark = pytest.mark.unit

PLATFORMS: Final = ("linux-x86_64", "linux-aarch64")
DOWNLOADED: Final = {"kubernetes", "pulumi", "helm", "etcd"}
PINNED: Final = tuple(build for build in BUILDS if build.name in DOWNLOADED)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_these_programs_can_be_downloaded_in_their_pinned_versions(platform: str) -> None:
    assert {build.name for build in BUILDS if archives_of(build, platform)} == DOWNLOADED


@pytest.mark.parametrize("build", PINNED, ids=lambda build: build.name)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_file_has_a_digest_with_its_source_and_the_version_in_its_address(
    build: Build, platform: str
) -> None:
    for file in archives_of(build, platform):
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.source
        assert f"v{build.version}" in file.address
        assert "://" not in file.address


def test_no_two_files_have_the_same_digest() -> None:
    digests = [
        file.sha256
        for build in PINNED
        for platform in PLATFORMS
        for file in archives_of(build, platform)
    ]
    assert len(digests) == len(set(digests))


def test_a_build_of_another_version_or_platform_has_no_files() -> None:
    build = PINNED[0]
    other = Build(name=build.name, version="9.9.9", programs=build.programs)
    assert archives_of(other, PLATFORMS[0]) == ()
    assert archives_of(build, "plan9-mips") == ()


def test_a_build_with_a_program_that_has_no_digest_has_no_files() -> None:
    build = PINNED[0]
    more = Build(
        name=build.name, version=build.version, programs={**build.programs, "more": "example.com"}
    )
    assert archives_of(more, PLATFORMS[0]) == ()


def test_another_digest_is_another_directory() -> None:
    assert key_of((archive("a", b"one"),)) != key_of((archive("a", b"two"),))


def test_publishers_are_asked_by_https() -> None:
    origin = origin_of(archives.PUBLISHERS)
    assert origin == Origin(prefix="https://")
    assert origin_of("") == origin
    assert origin.url(archive("get.helm.sh/helm.tar.gz", b"")) == "https://get.helm.sh/helm.tar.gz"


def test_a_mirror_keeps_files_under_their_hosts() -> None:
    origin = origin_of("https://mirror.example/archives/")
    assert origin is not None
    file = archive("get.helm.sh/helm.tar.gz", b"")
    assert origin.url(file) == "https://mirror.example/archives/get.helm.sh/helm.tar.gz"
    assert origin.host(file) == "mirror.example"


def test_off_sends_no_request() -> None:
    assert origin_of(archives.OFF) is None


@pytest.mark.parametrize("setting", ["of", "ftp://mirror.example", "https://", "/srv/archives"])
def test_another_setting_is_refused_with_the_three_that_exist(setting: str) -> None:
    with pytest.raises(ToolchainError) as caught:
        origin_of(setting)
    assert f"TOOLCHAIN_ARCHIVES is '{setting}'. It must be `publishers`" in str(caught.value)


def test_a_query_is_refused_and_not_repeated() -> None:
    with pytest.raises(ToolchainError, match="without a query") as caught:
        origin_of("https://mirror.example/archives?token=not-a-real-secret")
    assert "TOOLCHAIN_ARCHIVES is 'https://mirror.example/archives?…'" in str(caught.value)


@pytest.mark.parametrize("scheme", ["https://", "ftp://", ""])
def test_a_password_in_a_mirrors_address_is_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(ToolchainError, match="user name or a password") as caught:
        origin_of(f"{scheme}me:not-a-real-secret@mirror.example/archives")
    assert "not-a-real-secret" not in str(caught.value)


def test_every_source_is_in_the_file_and_nowhere_else() -> None:
    text = Path(archives.__file__).with_name("archives.yaml").read_text(encoding="utf-8")
    assert len(re.findall(r"^  source: \S", text, re.MULTILINE)) == text.count("- build: ")
