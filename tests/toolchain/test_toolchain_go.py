from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain.builds.golang import NOT_INLINED, failed, find_go
from toolchain.failure import FAILED, UNPREPARED, ToolchainError
from toolchain.pins import BUILDS, Build
from toolchain.places import SOURCES

pytestmark = pytest.mark.unit

Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Make an executable `go` of shell lines; returns its path."""

    def make(lines: str) -> str:
        path = tmp_path / "go"
        path.write_text(f"#!{shutil.which('sh')}\n{lines}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return make


def test_without_go_the_message_says_where_to_get_it() -> None:
    with pytest.raises(ToolchainError, match=r"go is not on PATH.*https://go\.dev/dl") as raised:
        find_go(None)
    assert raised.value.status == UNPREPARED


def test_an_old_go_is_named_with_its_version_and_the_one_needed(script: Script) -> None:
    path = script("echo go version go1.22.3 linux/amd64")
    with pytest.raises(ToolchainError, match=r"go1\.22, and the pinned modules need Go 1\.26"):
        find_go(path)


def test_a_program_that_is_not_go_is_quoted(script: Script) -> None:
    with pytest.raises(ToolchainError, match="answered 'board game'"):
        find_go(script("echo board game"))


@pytest.mark.parametrize("version", ["go1.26", "go1.26.8", "go1.27rc1", "go2.0"])
def test_a_new_enough_go_is_taken(script: Script, version: str) -> None:
    assert version in find_go(script(f"echo go version {version} linux/amd64")).version


def test_a_failed_build_shows_its_last_lines_and_its_log(script: Script, tmp_path: Path) -> None:
    go = find_go(
        script(
            'if [ "$1" = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n'
            "for n in $(seq 1 40); do echo line $n; done; exit 1"
        )
    )
    log = tmp_path / "etcd.log"
    log.write_text("", encoding="utf-8")
    build = Build(name="etcd", version="3.6.14", programs={"etcd": "example.com/etcd"})
    with pytest.raises(ToolchainError) as raised:
        go.build(build, tmp_path, log, lambda _: None)
    message = str(raised.value)
    assert (raised.value.status, "line 40" in message, "line 20" in message) == (
        FAILED,
        True,
        False,
    )
    assert str(log) in message


def test_packages_are_progress_and_only_other_lines_are_logged(
    script: Script, tmp_path: Path
) -> None:
    go = find_go(
        script(
            'if [ "$1" = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n'
            "echo internal/byteorder; echo example.com/etcd/v3; echo '# example.com/etcd'"
        )
    )
    log = tmp_path / "etcd.log"
    build = Build(name="etcd", version="3.6.14", programs={"etcd": "example.com/etcd"})
    seen: list[str] = []
    go.build(build, tmp_path, log, seen.append)
    assert seen == ["internal/byteorder", "example.com/etcd/v3"]
    assert log.read_text(encoding="utf-8") == "# example.com/etcd\n"


def test_what_is_left_to_compile_is_listed_with_its_size(script: Script, tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("package a\n", encoding="utf-8")
    go = find_go(
        script(
            'if [ "$1" = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n'
            f"printf 'example.com/a\\t{tmp_path}\\ta.go\\t\\n\\nexample.com/b\\t/nowhere\\t\\n'"
        )
    )
    build = Build(name="etcd", version="3.6.14", programs={"etcd": "example.com/etcd"})
    assert go.packages(build) == {"example.com/a": 10, "example.com/b": 0}


def test_every_module_that_is_not_inlined_is_a_dependency_of_a_build() -> None:
    required = "".join(
        (SOURCES / build.name / "go.mod").read_text(encoding="utf-8") for build in BUILDS
    )
    modules = [pattern.removesuffix("/...") for pattern in NOT_INLINED]
    assert [module for module in modules if f"\t{module}" not in required] == []


def test_builds_ignore_the_flags_and_workspaces_of_the_user(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOWORK", "/somewhere/go.work")
    environment = find_go(script("echo go version go1.26.8 linux/amd64")).environment
    shown = {
        name: environment[name] for name in ("CGO_ENABLED", "GOFLAGS", "GOTOOLCHAIN", "GOWORK")
    }
    assert shown == {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@pytest.mark.parametrize(
    ("output", "way_out"),
    [
        ("write /tmp/go-build1/b001: no space left on device", "Make room"),
        (
            "Get https://proxy.example/x.zip: dial tcp: lookup proxy.example: no such host",
            "GOPROXY",
        ),
        ("reading https://proxy.example/x.zip: 403 Forbidden", "Another GOPROXY"),
        ("./main.go:3:1: syntax error", "report it with that log"),
    ],
)
def test_a_failure_with_a_familiar_cause_ends_with_the_remedy(output: str, way_out: str) -> None:
    assert way_out in str(failed("pulumi", output, Path("pulumi.log")))
