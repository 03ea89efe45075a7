"""Which builds can be downloaded instead, asked of all hosts at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from toolchain.builds import golang
from toolchain.downloads import archives, download
from toolchain.downloads.archives import Archive, Origin
from toolchain.downloads.download import DownloadError, Patience
from toolchain.pins import Build


@dataclass(frozen=True, kw_only=True)
class Release:
    """A build's programs as files of its publisher, on a host that answers."""

    files: tuple[Archive, ...]
    origin: Origin

    def describe(self) -> str:
        """Return the choice as a phrase."""
        what = self.files[0].name if len(self.files) == 1 else f"{len(self.files)} files"
        return f"downloaded from {self.origin.host(self.files[0])}: {what}"

    def fetch(self, into: Path, patience: Patience, stop: threading.Event) -> None:
        """Put the programs into a directory; `stop` ends the downloads when it is set.

        Raises:
            DownloadError: A file did not arrive or is another one.
        """
        for file in self.files:
            download.fetch(file, self.origin.url(file), into, patience, stop)


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """Why a build is not downloaded: a phrase without a full stop."""

    reason: str

    def describe(self) -> str:
        """Return the choice as a phrase."""
        return f"built from Go modules: {self.reason}"


def ask(
    builds: Sequence[Build], origin: Origin | None, patience: Patience
) -> Mapping[str, Release | Unavailable]:
    """Return what can be downloaded, by the build's name."""

    def answer(build: Build) -> Release | Unavailable:
        files = archives.archives_of(build, golang.platform_name())
        if not files:
            return Unavailable(reason="no digest of a release file is pinned")
        if origin is None:
            return Unavailable(reason=f"{archives.VARIABLE}={archives.OFF}")
        try:
            download.probe(origin.url(files[0]), patience)
        except DownloadError as error:
            return Unavailable(reason=str(error))
        return Release(files=files, origin=origin)

    with ThreadPoolExecutor(max_workers=max(len(builds), 1)) as pool:
        answers = pool.map(answer, builds)
        return {build.name: offer for build, offer in zip(builds, answers, strict=True)}
