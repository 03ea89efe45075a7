from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import pytest

from config.rules.cluster.kubernetes import DEFAULT_VERSION, NEW_CLUSTERS
from toolchain.builds.keys import key_of
from toolchain.pins import (
    BUILDS,
    KUBERNETES_VERSION,
    NEXT_KUBERNETES_VERSION,
    NODE,
    ON_REQUEST,
    PREVIOUS_KUBERNETES_VERSION,
    Build,
)
from toolchain.places import SOURCES

pytestmark = pytest.mark.unit

BUILD: Final = Build(
    name="tool",
    version="1.2.3",
    programs={"tool": "example.com/tool"},
    stamps={"main.version": "1.2.3"},
    tags=("osusergo",),
)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "go.mod").write_text("module tool\n", encoding="utf-8")
    (tmp_path / "go.sum").write_text("", encoding="utf-8")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "main.go").write_text("package main\n", encoding="utf-8")
    return tmp_path


def key(build: Build, sources: Path, go: str = "go1.26.8", platform: str = "linux-x86_64") -> str:
    return key_of(build, sources, go_version=go, platform=platform)


def test_the_same_inputs_give_the_same_key(sources: Path) -> None:
    assert key(BUILD, sources) == key(dataclasses.replace(BUILD), sources)


@pytest.mark.parametrize("path", ["go.mod", "go.sum", "deep/main.go"])
def test_a_change_in_any_source_file_changes_the_key(sources: Path, path: str) -> None:
    before = key(BUILD, sources)
    with (sources / path).open("a", encoding="utf-8") as file:
        file.write("// changed\n")
    assert key(BUILD, sources) != before


def test_a_new_source_file_changes_the_key(sources: Path) -> None:
    before = key(BUILD, sources)
    (sources / "more.go").write_text("", encoding="utf-8")
    assert key(BUILD, sources) != before


def test_a_renamed_source_file_changes_the_key(sources: Path) -> None:
    before = key(BUILD, sources)
    (sources / "deep" / "main.go").rename(sources / "deep" / "other.go")
    assert key(BUILD, sources) != before


def test_touching_a_file_changes_nothing(sources: Path) -> None:
    before = key(BUILD, sources)
    (sources / "go.mod").touch()
    assert key(BUILD, sources) == before


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(BUILD, version="1.2.4"),
        dataclasses.replace(BUILD, programs={"tool": "example.com/other"}),
        dataclasses.replace(BUILD, stamps={"main.version": "1.2.4"}),
        dataclasses.replace(BUILD, tags=()),
    ],
)
def test_a_change_in_how_it_is_built_changes_the_key(sources: Path, changed: Build) -> None:
    assert key(changed, sources) != key(BUILD, sources)


def test_another_go_or_platform_changes_the_key(sources: Path) -> None:
    keys = {
        key(BUILD, sources),
        key(BUILD, sources, go="go1.27.0"),
        key(BUILD, sources, platform="linux-aarch64"),
    }
    assert len(keys) == 3


@pytest.mark.parametrize("build", [*BUILDS, *NODE, *ON_REQUEST], ids=lambda build: build.name)
def test_every_build_has_a_module_with_checksums(build: Build) -> None:
    module = (SOURCES / build.name / "go.mod").read_text(encoding="utf-8")
    assert module.startswith(f"module spiderpool-alicloud.local/toolchain/{build.name}\n")
    assert (SOURCES / build.name / "go.sum").stat().st_size > 0


@pytest.mark.parametrize(
    "build",
    [b for b in (*BUILDS, *NODE, *ON_REQUEST) if b.name not in {"alicloud", "crds"}],
    ids=lambda build: build.name,
)
def test_the_pinned_version_is_the_one_the_module_requires(build: Build) -> None:
    module = (SOURCES / build.name / "go.mod").read_text(encoding="utf-8")
    package = next(iter(build.programs.values()))
    required = {
        line.split()[0]: line.split()[1]
        for line in module.replace("require ", "").splitlines()
        if len(line.split()) >= 2 and line.split()[1].startswith("v")
    }
    root = max((name for name in required if package.startswith(name)), key=len)
    assert required[root] == f"v{build.version}"


@pytest.mark.parametrize(
    "build",
    [build for build in (*BUILDS, *NODE, *ON_REQUEST) if len(build.programs) > 1],
    ids=lambda build: build.name,
)
def test_programs_of_one_command_are_named_after_their_packages(build: Build) -> None:
    assert [package.rpartition("/")[2] for package in build.programs.values()] == [*build.programs]


def test_the_module_that_is_pruned_reaches_the_key(sources: Path) -> None:
    pruned = dataclasses.replace(BUILD, pruned="example.com/upstream")
    assert key(pruned, sources) != key(BUILD, sources)


def test_no_program_is_built_twice() -> None:
    programs = [program for build in BUILDS for program in build.programs]
    assert len(programs) == len(set(programs))


def test_the_three_versions_of_kubernetes_are_minors_in_a_row() -> None:
    versions = (PREVIOUS_KUBERNETES_VERSION, KUBERNETES_VERSION, NEXT_KUBERNETES_VERSION)
    first, second, third = (int(version.split(".")[1]) for version in versions)
    assert (second, third) == (first + 1, first + 2)


@pytest.mark.parametrize(
    "name", ["kubernetes", "kubernetes-node", "kubernetes-previous", "kubernetes-next"]
)
def test_every_staging_module_has_the_version_of_its_kubernetes(name: str) -> None:
    lines = (SOURCES / name / "go.mod").read_text(encoding="utf-8").splitlines()
    [required] = [
        line.split()[-1] for line in lines if line.startswith("require k8s.io/kubernetes")
    ]
    staged = {line.split()[-1] for line in lines if " => " in line}
    assert staged == {required.replace("v1.", "v0.")}


def test_every_minor_that_a_new_cluster_may_have_can_be_built() -> None:
    versions = (PREVIOUS_KUBERNETES_VERSION, KUBERNETES_VERSION, NEXT_KUBERNETES_VERSION)
    assert [int(version.split(".")[1]) for version in versions] == list(NEW_CLUSTERS)
    assert DEFAULT_VERSION == KUBERNETES_VERSION
