from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.toolchain.release_server import (
    Behaviour,
    ReleaseServer,
    archive,
    dripping,
    redirected,
    silent,
    stalled,
    swapped,
    tar_of,
    truncated,
    whole,
)
from toolchain.downloads.archives import Archive
from toolchain.downloads.download import (
    DEFAULT,
    DownloadError,
    Patience,
    WrongDigestError,
    fetch,
    probe,
)

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

TAR: Final = tar_of({"tool-1.2.3/README.md": b"words", "tool-1.2.3/tool": b"#!/bin/sh\n" * 500})
ARCHIVE: Final = archive("publisher.example/tool.tar.gz", TAR)
SHORT: Final = Patience(opening=30, silence=0.2, trial=0.05, longest=1.0)


@pytest.fixture
def over() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def left(
    into: Path,
    behaviours: Mapping[str, Behaviour],
    file: Archive = ARCHIVE,
    patience: Patience = DEFAULT,
) -> list[str]:
    """Download a file from a server and list what is in the directory then."""
    with ReleaseServer(behaviours) as server:
        fetch(file, f"{server.url}/{file.address}", into, patience, threading.Event())
    return sorted(path.name for path in into.iterdir())


def failure(
    into: Path,
    behaviours: Mapping[str, Behaviour],
    file: Archive = ARCHIVE,
    patience: Patience = DEFAULT,
) -> DownloadError:
    """Download a file that must not be installed, and return the error."""
    with pytest.raises(DownloadError) as caught:
        left(into, behaviours, file, patience)
    assert list(into.iterdir()) == []
    return caught.value


def test_a_program_is_taken_out_of_its_archive_and_can_be_run(tmp_path: Path) -> None:
    assert left(tmp_path, {ARCHIVE.address: whole(TAR)}) == ["tool"]
    assert (tmp_path / "tool").read_bytes() == b"#!/bin/sh\n" * 500
    assert os.access(tmp_path / "tool", os.X_OK)


def test_a_file_that_is_a_program_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    file = archive("publisher.example/bin/tool", b"\x7fELF")
    assert left(tmp_path, {file.address: whole(b"\x7fELF")}, file) == ["tool"]
    assert os.access(tmp_path / "tool", os.X_OK)


def test_a_redirect_is_followed(tmp_path: Path) -> None:
    behaviours = {ARCHIVE.address: redirected("elsewhere"), "elsewhere": whole(TAR)}
    assert left(tmp_path, behaviours) == ["tool"]


def test_a_redirect_in_a_circle_ends(tmp_path: Path) -> None:
    error = failure(tmp_path, {ARCHIVE.address: redirected(ARCHIVE.address)})
    assert "302" in str(error)


def test_a_truncated_file_is_not_installed(tmp_path: Path) -> None:
    error = failure(tmp_path, {ARCHIVE.address: truncated(TAR)})
    assert f"only {len(TAR) // 2} of {len(TAR)} bytes" in str(error)


def test_another_file_of_the_same_length_is_not_installed(tmp_path: Path) -> None:
    other = swapped(TAR)
    error = failure(tmp_path, {ARCHIVE.address: whole(other)})
    assert isinstance(error, WrongDigestError)
    actual = archive("", other).sha256
    for part in ("tool.tar.gz", ARCHIVE.sha256, actual, ARCHIVE.source):
        assert part in str(error)


def test_a_download_that_is_too_slow_is_given_up(tmp_path: Path, over: threading.Event) -> None:
    error = failure(tmp_path, {ARCHIVE.address: dripping(over)}, patience=SHORT)
    assert "too slow" in str(error)


def test_a_download_ends_when_the_run_does(tmp_path: Path, over: threading.Event) -> None:
    over_already = threading.Event()
    over_already.set()
    with ReleaseServer({ARCHIVE.address: dripping(over)}) as server:
        url = f"{server.url}/{ARCHIVE.address}"
        with pytest.raises(DownloadError, match="interrupted"):
            fetch(ARCHIVE, url, tmp_path, DEFAULT, over_already)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_stalls_is_given_up(tmp_path: Path, over: threading.Event) -> None:
    error = failure(tmp_path, {ARCHIVE.address: stalled(TAR, over)}, patience=SHORT)
    assert "nothing arrived" in str(error)


def test_a_file_that_is_not_there_is_reported_with_the_status(tmp_path: Path) -> None:
    assert "404" in str(failure(tmp_path, {}))


def test_an_archive_without_the_program_is_not_installed(tmp_path: Path) -> None:
    other = tar_of({"tool-1.2.3/another": b"x"})
    file = archive(ARCHIVE.address, other)
    assert "0 files named tool" in str(failure(tmp_path, {file.address: whole(other)}, file))


def test_a_path_in_an_archive_leads_nowhere_else(tmp_path: Path) -> None:
    hostile = tar_of({"../../tool": b"x", "/etc/other": b"y"})
    into = tmp_path / "deep" / "directory"
    into.mkdir(parents=True)
    file = archive(ARCHIVE.address, hostile)
    assert left(into, {file.address: whole(hostile)}, file) == ["tool"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "directory", "tool"]


def test_a_refused_connection_is_reported_with_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(DownloadError, match=f"127.0.0.1:{port} was not reached: .*refused"):
        probe(f"http://127.0.0.1:{port}/tool", DEFAULT)


def test_a_host_that_does_not_answer_is_left_after_the_time_for_opening(
    over: threading.Event,
) -> None:
    with (
        ReleaseServer({"tool": silent(over)}) as server,
        pytest.raises(DownloadError, match="did not answer within"),
    ):
        probe(f"{server.url}/tool", Patience(opening=0.1, silence=60))


def test_a_connection_that_is_not_accepted_is_left_after_the_time_for_opening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}/tool"
        with pytest.raises(DownloadError, match="did not answer within"):
            probe(url, Patience(opening=0.1, silence=60))


def test_a_name_that_is_not_resolved_is_left_after_the_time_for_opening(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    def never(*_: object, **__: object) -> object:
        over.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", never)
    with pytest.raises(DownloadError, match=r"publisher\.example did not answer within"):
        probe("http://publisher.example/tool", Patience(opening=0.1))


def test_a_host_has_two_seconds_to_answer() -> None:
    assert DEFAULT.opening == 2.0
