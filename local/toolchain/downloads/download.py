"""Downloads a file and checks it: a file whose digest differs is never used.

The time limits keep a machine without these hosts as fast as before. A host that has not answered
after two seconds is not waited for, nor is a transfer that would take longer than a build.
"""

from __future__ import annotations

import hashlib
import queue
import tarfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from toolchain.downloads.archives import Archive

_CHUNK: Final = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download may take, in seconds.

    `opening` is for the name, the connection, redirects and the first line of the answer.
    `silence` is for the next byte. After `trial`, the transfer must be fast enough to end within
    `longest`.
    """

    opening: float = 2.0
    silence: float = 10.0
    trial: float = 10.0
    longest: float = 300.0


DEFAULT: Final = Patience()


class DownloadError(Exception):
    """A download that failed; the message is the reason, without a full stop."""


class WrongDigestError(DownloadError):
    """A file that is not the one whose digest is pinned."""

    def __init__(self, archive: Archive, url: str, actual: str) -> None:
        super().__init__(
            f"{archive.name} from {url} has the SHA-256 digest {actual}, but {archive.sha256} is "
            f"pinned, from {archive.source}"
        )


def probe(url: str, patience: Patience) -> None:
    """Ask for a file and read nothing of it.

    Raises:
        DownloadError: It is not there, or its host did not answer in time.
    """
    _open(url, patience).close()


def fetch(
    archive: Archive, url: str, into: Path, patience: Patience, stop: threading.Event
) -> None:
    """Download an archive and put its programs into a directory, all of them or none.

    `stop` ends the download between two packets when it is set.

    Raises:
        WrongDigestError: The file is another one.
        DownloadError: The file did not arrive whole and in time, or lacks a program.
    """
    file = into / f".{archive.name}"
    try:
        actual = _save(url, file, patience, stop)
        if actual != archive.sha256:
            raise WrongDigestError(archive, url, actual)
        if archive.name.endswith(".tar.gz"):
            _unpack(archive, file, into)
        else:
            file.chmod(0o755)
            file.rename(into / archive.programs[0])
    finally:
        file.unlink(missing_ok=True)


def _save(url: str, file: Path, patience: Patience, stop: threading.Event) -> str:
    """Write the response into a file and return its digest."""
    digest = hashlib.sha256()
    size = 0
    with closing(_open(url, patience)) as response, file.open("wb") as sink:
        expected = int(response.headers.get("Content-Length") or 0)
        began = time.monotonic()
        while data := _next(response, size, patience):
            digest.update(data)
            sink.write(data)
            size += len(data)
            _check_speed(size, expected, time.monotonic() - began, patience)
            if stop.is_set():
                raise DownloadError("the run was interrupted")
    if size < expected:
        raise DownloadError(f"only {size} of {expected} bytes arrived")
    return digest.hexdigest()


def _next(response: HTTPResponse, size: int, patience: Patience) -> bytes:
    try:
        # It returns after each packet, so that a slow transfer is noticed; `read` fills the chunk.
        return response.read1(_CHUNK)
    except TimeoutError as late:
        raise DownloadError(f"nothing arrived for {patience.silence:.0f} s") from late
    except (OSError, HTTPException) as error:
        raise DownloadError(f"the transfer broke off after {size} bytes") from error


def _check_speed(size: int, expected: int, seconds: float, patience: Patience) -> None:
    if seconds > patience.trial and seconds * max(expected, size) > patience.longest * size:
        raise DownloadError(
            f"{size} bytes in {seconds:.0f} s are too slow to end within {patience.longest:.0f} s"
        )


def _unpack(archive: Archive, file: Path, into: Path) -> None:
    """Copy the programs out of a tar file; paths in it are ignored, so nothing goes elsewhere."""
    with tarfile.open(file, "r:gz") as tar:
        for program in archive.programs:
            members = [
                member
                for member in tar.getmembers()
                if member.isfile() and Path(member.name).name == program
            ]
            content = tar.extractfile(members[0]) if len(members) == 1 else None
            if content is None:
                raise DownloadError(f"{archive.name} has {len(members)} files named {program}")
            target = into / program
            with target.open("wb") as sink:
                while data := content.read(_CHUNK):
                    sink.write(data)
            target.chmod(0o755)


def _open(url: str, patience: Patience) -> HTTPResponse:
    """Send the request and wait for the answer.

    Looking up a name has no time limit of its own, so all of it runs in a thread that is left
    alone when the time is over.
    """
    answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()
    is_late = threading.Event()

    def ask() -> None:
        try:
            response = urllib.request.urlopen(url, timeout=patience.silence)  # noqa: S310 - http(s) only
        except Exception as error:  # noqa: BLE001 - the caller raises it
            answers.put(error)
            return
        if is_late.is_set():
            response.close()
        else:
            answers.put(response)

    threading.Thread(target=ask, daemon=True).start()
    host = urlsplit(url).netloc
    try:
        answer = answers.get(timeout=patience.opening)
    except queue.Empty as late:
        is_late.set()
        raise DownloadError(f"{host} did not answer within {patience.opening:.0f} s") from late
    if isinstance(answer, urllib.error.HTTPError):
        raise DownloadError(f"{host} answered {answer.code} {answer.reason}") from answer
    if isinstance(answer, urllib.error.URLError):
        raise DownloadError(f"{host} was not reached: {answer.reason}") from answer
    if isinstance(answer, OSError | HTTPException | ValueError):
        raise DownloadError(f"{host} was not reached: {answer}") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer
