"""`toolchain ensure` with a server for release files: what it downloads, builds and prints."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.toolchain.release_server import (
    Behaviour,
    ReleaseServer,
    archive,
    swapped,
    tar_of,
    truncated,
    whole,
)
from tests.toolchain.toolchain_bench import Bench, toolchain_bench
from toolchain.downloads import archives
from toolchain.downloads.archives import Archive, Origin
from toolchain.pins import BUILDS

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

RELEASED: Final = tuple(build for build in BUILDS if build.name in {"kubernetes", "helm", "etcd"})
FROM_MODULES: Final = sorted(
    build.name for build in BUILDS if build not in RELEASED for _ in build.programs
)


def content_of(program: str) -> bytes:
    return f"#!/bin/sh\necho the released {program}\n".encode()


def release_files() -> dict[str, tuple[Archive, bytes]]:
    """By program: the entry that is pinned in these tests, and the file's content."""
    files: dict[str, tuple[Archive, bytes]] = {}
    for build in RELEASED:
        for program in build.programs:
            content = content_of(program)
            name = program
            if len(build.programs) == 1:
                content, name = tar_of({f"folder/{program}": content}), f"{program}.tar.gz"
            entry = archive(f"publisher.example/{name}", content, program, build.name)
            files[program] = (replace(entry, version=build.version), content)
    return files


FILES: Final = release_files()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    entries = tuple(entry for entry, _ in FILES.values())
    monkeypatch.setattr(archives, "_archives", lambda: entries)
    return toolchain_bench(tmp_path, monkeypatch)


@pytest.fixture
def server(behaviours: dict[str, Behaviour]) -> Iterator[ReleaseServer]:
    with ReleaseServer(behaviours) as server:
        yield server


@pytest.fixture
def behaviours() -> dict[str, Behaviour]:
    """What the server does; a test may change it."""
    return {entry.address: whole(content) for entry, content in FILES.values()}


def mirror(server: ReleaseServer) -> Origin:
    origin = archives.origin_of(server.url)
    assert origin is not None
    return origin


def sources(bench: Bench) -> Mapping[str, str]:
    return {tool.program: tool.source for tool in bench.tools()}


def test_what_can_be_downloaded_is_not_built(bench: Bench, server: ReleaseServer) -> None:
    output = bench.run(origin=mirror(server))
    assert sorted(bench.calls()) == FROM_MODULES
    for program in FILES:
        assert (bench.places.bin / program).read_bytes() == content_of(program)
        assert os.access(bench.places.bin / program, os.X_OK)
        assert sources(bench)[program] == "archive"
    assert sources(bench)["pulumi"] == "built"
    host = server.url.split("/")[2]
    assert f"helm 3.21.4  downloaded from {host}: helm.tar.gz" in output
    assert f"downloaded from {host}: 5 files" in output
    assert "pulumi 3.259.0  built from Go modules: no digest" in output


def test_a_second_run_asks_the_server_nothing(bench: Bench, server: ReleaseServer) -> None:
    bench.run(origin=mirror(server))
    requests = list(server.requests)
    assert "there already (archive)" in bench.run(origin=mirror(server))
    assert server.requests == requests
    assert sorted(bench.calls()) == FROM_MODULES


def test_the_choice_for_each_program_is_one_line(bench: Bench, server: ReleaseServer) -> None:
    lines = bench.run(origin=mirror(server)).splitlines()
    chosen = [line.split()[1] for line in lines if line.startswith("…")]
    assert sorted(chosen) == sorted(build.name for build in BUILDS)


@pytest.mark.parametrize("program", ["etcd", "kube-scheduler"])
def test_another_file_than_the_pinned_one_is_an_error_and_its_build_is_made(
    bench: Bench, behaviours: dict[str, Behaviour], program: str
) -> None:
    entry, content = FILES[program]
    behaviours[entry.address] = whole(swapped(content))
    with ReleaseServer(behaviours) as server:
        output = bench.run(origin=mirror(server))
    actual = archive("", swapped(content)).sha256
    [error] = [line for line in output.splitlines() if line.startswith("error:")]
    for part in (entry.name, entry.sha256, actual, "is built from Go modules"):
        assert part in error
    assert entry.build in bench.calls()
    assert (bench.places.bin / program).read_bytes() != content_of(program)
    assert sources(bench)[program] == "built"


def test_a_truncated_file_leads_to_a_build_and_leaves_nothing(
    bench: Bench, behaviours: dict[str, Behaviour]
) -> None:
    entry, content = FILES["etcd"]
    behaviours[entry.address] = truncated(content)
    with ReleaseServer(behaviours) as server:
        output = bench.run(origin=mirror(server))
    assert "etcd 3.6.14  built from Go modules: only" in output
    assert sources(bench)["etcd"] == "built"
    assert not [path for path in bench.places.built.iterdir() if path.name.startswith(".")]


def test_a_missing_file_among_five_leads_to_one_build_of_all(
    bench: Bench, behaviours: dict[str, Behaviour]
) -> None:
    del behaviours[FILES["kubectl"][0].address]
    with ReleaseServer(behaviours) as server:
        output = bench.run(origin=mirror(server))
    assert "built from Go modules: 127.0.0.1" in output
    assert bench.calls().count("kubernetes") == 5
    assert sources(bench)["kubeadm"] == sources(bench)["kubectl"] == "built"


def test_a_mirror_that_refuses_leads_to_builds(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    output = bench.run(origin=archives.origin_of(f"http://127.0.0.1:{port}"))
    assert output.count("was not reached") == len(RELEASED)
    assert set(sources(bench).values()) == {"built", "module"}


def test_off_sends_no_request(bench: Bench) -> None:
    output = bench.run(origin=archives.origin_of(archives.OFF))
    assert output.count("TOOLCHAIN_ARCHIVES=off") == len(RELEASED)


def test_what_is_built_already_is_not_downloaded_later(bench: Bench, server: ReleaseServer) -> None:
    bench.run()
    bench.run(origin=mirror(server))
    assert server.requests == []


def test_a_later_run_that_may_not_download_keeps_what_was_downloaded(
    bench: Bench, server: ReleaseServer
) -> None:
    bench.run(origin=mirror(server))
    bench.run()
    assert sources(bench)["etcd"] == "archive"
    assert "etcd" not in bench.calls()
