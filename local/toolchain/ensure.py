"""Makes every tool ready: links what is installed, downloads or builds the rest, each at most once.

A directory of programs is named by its key and created by a rename, so it is either complete or
absent. A lock keeps two runs from making the same thing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from toolchain import launchers
from toolchain.builds import crds, golang, keys, pruning
from toolchain.downloads import archives, releases
from toolchain.downloads.archives import Origin
from toolchain.downloads.download import DEFAULT, DownloadError, Patience, WrongDigestError
from toolchain.downloads.releases import Release, Unavailable
from toolchain.official import official_tools
from toolchain.pins import BUILDS, IMAGES, NODE, ON_REQUEST, OPENTOFU, Build
from toolchain.places import OTHER_KUBERNETES, SOURCES, Places
from toolchain.progress import Progress

_AT_ONCE: Final = 2
_PUBLISHERS: Final = archives.origin_of(archives.PUBLISHERS)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One program: where it comes from, and whether it is there."""

    program: str
    version: str
    source: str
    """`official`, `archive`, `built` or `module`."""
    path: Path
    key: str | None
    ready: bool


class Ensure:
    """One run of `ensure` or `status` over a home directory."""

    def __init__(
        self,
        places: Places,
        console: Console,
        *,
        requested: tuple[Build, ...] = (),
        origin: Origin | None = _PUBLISHERS,
        patience: Patience = DEFAULT,
    ) -> None:
        """Prepare a run.

        Args:
            places: Where everything is kept.
            console: Shows each step.
            requested: Some of `ON_REQUEST`, `NODE`, `IMAGES` and `OPENTOFU`, to build too.
                Those that an earlier run has built stay, requested or not.
            origin: Where archives are downloaded from; None downloads nothing.
            patience: The time limits of a download.
        """
        self._places = places
        self._console = console
        self._origin = origin
        self._patience = patience
        self._official = official_tools(places.bin, os.environ)
        self._builds = tuple(b for b in BUILDS if not set(b.programs) <= set(self._official))
        self._requested = requested
        self._print = threading.Lock()
        self._stop = threading.Event()

    def tools(self) -> list[Tool]:
        """Return every program with its source and whether it is ready. Builds nothing."""
        go = self._go()
        tools = [self._tool(go, build, program) for build in BUILDS for program in build.programs]
        for program, module in launchers.PYTHON_PLUGINS.items():
            path = self._places.bin / program
            official = self._official.get(program)
            tools.append(
                Tool(
                    program=program,
                    version="-" if official is None else "pinned",
                    source="module" if official is None else "official",
                    path=official or Path(module),
                    key=None,
                    ready=os.access(path, os.X_OK),
                )
            )
        folders = [(build, f"{OTHER_KUBERNETES}{build.version}") for build in ON_REQUEST]
        for place, builds in self._separate_programs().items():
            folders += [(build, place.name) for build in builds]
        for build, folder in folders:
            directory = self._directory(go, build)
            if directory.is_dir():
                tools += [
                    Tool(
                        program=f"{folder}/{program}",
                        version=build.version,
                        source=self._source(go, build),
                        path=directory / program,
                        key=self._key(go, build),
                        ready=(directory / program).exists(),
                    )
                    for program in build.programs
                ]
        return tools

    def run(self) -> None:
        """Make everything ready.

        Raises:
            ToolchainError: Something is missing or failed, as the message reports; nothing is left
                half-built.
        """
        places = self._places
        go = self._go()
        for directory in (places.bin, places.built, places.logs):
            directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._remove_leftovers()
            builds = (*self._builds, *self._requested)
            missing = [b for b in builds if not self._directory(go, b).is_dir()]
            for build in builds:
                if build not in missing:
                    source = self._source(go, build)
                    self._say(f"✓ {build.name} {build.version}  there already ({source})")
            for program, path in sorted(self._official.items()):
                self._say(f"✓ {program}  installed: {path}")
            self._make(go, missing)
            self._make_crds(go)
            self._fill_bin(go)
            self._fill_other_kubernetes(go)
            self._fill_separate_programs(go)
            self._remove_older(go)

    def clean(self) -> None:
        """Remove every link, build and log; Go's own caches stay, so another build is fast."""
        self._places.built.mkdir(parents=True, exist_ok=True)
        with self._locked():
            shutil.rmtree(self._places.bin, ignore_errors=True)
            shutil.rmtree(self._places.built, ignore_errors=True)

    def _make(self, go: golang.Go, missing: list[Build]) -> None:
        """Download what can be downloaded, and build the rest meanwhile."""
        offers = releases.ask(missing, self._origin, self._patience)
        for build in missing:
            self._say(f"… {build.name} {build.version}  {offers[build.name].describe()}")
        built = [build for build in missing if isinstance(offers[build.name], Unavailable)]
        with (
            ThreadPoolExecutor(max_workers=max(len(missing), 1)) as downloads,
            ThreadPoolExecutor(max_workers=_AT_ONCE) as builds,
            Progress(self._console, built, self._say) as progress,
        ):
            running: dict[Future[float], Build] = {}
            for build in missing:
                offer = offers[build.name]
                future = (
                    builds.submit(self._build, go, build, progress)
                    if isinstance(offer, Unavailable)
                    else downloads.submit(self._download, build, offer)
                )
                running[future] = build
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        build = running.pop(future)
                        if self._is_ready(build, future):
                            continue
                        progress.add(build)
                        running[builds.submit(self._build, go, build, progress)] = build
            except BaseException:
                # What has not begun would only hide this failure under its output.
                self._stop.set()
                builds.shutdown(wait=False, cancel_futures=True)
                raise

    def _is_ready(self, build: Build, ended: Future[float]) -> bool:
        """Report what has ended. False if a download failed, so that its build is needed."""
        try:
            seconds = ended.result()
        except DownloadError as error:
            self._say_failed_download(build, error)
            return False
        self._say(f"✓ {build.name} {build.version}  {seconds:.1f} s")
        return True

    def _say_failed_download(self, build: Build, error: DownloadError) -> None:
        """Report a download that failed; the build that follows uses nothing of it.

        To build after a wrong digest is safe. The file is deleted, and the build's sources come
        from elsewhere and are checked on their own against the go.sum of this repository.
        """
        if isinstance(error, WrongDigestError):
            self._say(
                f"error: {error}. The file is deleted. {build.name} is built from Go modules "
                "instead, which go.sum pins. If it happens again, a proxy or the mirror changes "
                f"files: report it to whoever runs it, and set {archives.VARIABLE}="
                f"{archives.OFF} until then."
            )
        else:
            self._say(f"… {build.name} {build.version}  built from Go modules: {error}")

    def _download(self, build: Build, release: Release) -> float:
        began = time.monotonic()
        with self._fresh(build, self._published(build)) as fresh:
            release.fetch(fresh, self._patience, self._stop)
        return time.monotonic() - began

    def _build(self, go: golang.Go, build: Build, progress: Progress) -> float:
        began = time.monotonic()
        log = self._places.logs / f"{build.name}.log"
        log.write_text("", encoding="utf-8")
        source = Path(tempfile.mkdtemp(prefix=f".{build.name}-", dir=self._places.built))
        try:
            modfile = pruning.prune(go, build, source, log) if build.pruned else None
            progress.begin(build, go.packages(build, modfile))
            with self._fresh(build, self._built(go, build)) as fresh:
                go.build(
                    build,
                    fresh,
                    log,
                    lambda package: progress.compile(build, package),
                    modfile,
                )
        finally:
            shutil.rmtree(source, ignore_errors=True)
        progress.end(build)
        return time.monotonic() - began

    @contextmanager
    def _fresh(self, build: Build, target: Path) -> Iterator[Path]:
        """Give a new directory, which gets its name when the block ends without an error."""
        fresh = Path(tempfile.mkdtemp(prefix=f".{build.name}-", dir=self._places.built))
        try:
            yield fresh
            fresh.chmod(0o755)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Remove what a killed run has left; this run has the lock, so no other one is building."""
        for leftover in self._places.built.glob(".*-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _remove_older(self, go: golang.Go) -> None:
        """Remove builds that no link points to any more."""
        for build in (*BUILDS, *ON_REQUEST, *NODE, *IMAGES, *OPENTOFU):
            kept = self._directory(go, build)
            for older in self._places.built.glob(f"{build.name}-*"):
                # The name of one build may begin with that of another.
                if older != kept and older.name.rpartition("-")[0] == build.name:
                    shutil.rmtree(older, ignore_errors=True)

    def _make_crds(self, go: golang.Go) -> None:
        build = next(b for b in BUILDS if b.name == "crds")
        key = self._key(go, build)
        mark = self._places.built / "crds.key"
        if self._places.crds.is_dir() and mark.exists() and mark.read_text() == key:
            return
        began = time.monotonic()
        crds.generate(go, self._directory(go, build) / "controller-gen", self._places.crds)
        mark.write_text(key)
        self._say(f"✓ Spiderpool's CRDs  {time.monotonic() - began:.1f} s")

    def _fill_bin(self, go: golang.Go) -> None:
        for build in self._builds:
            for program in build.programs:
                built = self._directory(go, build) / program
                target = Path(os.path.relpath(built, self._places.bin))
                launchers.link(self._places.bin / program, target)
        for program, module in launchers.PYTHON_PLUGINS.items():
            if program not in self._official:
                self._launcher(go, program, module)
        for program, path in self._official.items():
            launchers.link(self._places.bin / program, path)

    def _fill_other_kubernetes(self, go: golang.Go) -> None:
        """Link what is built of `ON_REQUEST`, requested or not; remove links to older versions."""
        directories = {
            self._places.of_kubernetes(build.version): self._directory(go, build)
            for build in ON_REQUEST
        }
        for folder in self._places.bin.glob(f"{OTHER_KUBERNETES}*"):
            if folder not in directories or not directories[folder].is_dir():
                shutil.rmtree(folder, ignore_errors=True)
        for folder, directory in directories.items():
            if directory.is_dir():
                folder.mkdir(exist_ok=True)
                for built in directory.iterdir():
                    launchers.link(folder / built.name, Path(os.path.relpath(built, folder)))

    def _separate_programs(self) -> Mapping[Path, Sequence[Build]]:
        """The folders of programs that are not on PATH, with the builds that fill each."""
        return {
            self._places.node: NODE,
            self._places.images: IMAGES,
            self._places.opentofu: OPENTOFU,
        }

    def _fill_separate_programs(self, go: golang.Go) -> None:
        """Link what is built of them, requested or not; remove other links."""
        for folder, builds in self._separate_programs().items():
            directories = [self._directory(go, build) for build in builds]
            programs = [p for d in directories if d.is_dir() for p in d.iterdir()]
            names = {program.name for program in programs}
            for link in folder.iterdir() if folder.is_dir() else ():
                if link.name not in names:
                    link.unlink()
            for program in programs:
                folder.mkdir(exist_ok=True)
                launchers.link(folder / program.name, Path(os.path.relpath(program, folder)))

    def _launcher(self, go: golang.Go, program: str, module: str) -> None:
        link = self._places.bin / program
        cli = next((b for b in self._builds if "pulumi" in b.programs), None)
        if not program.startswith("pulumi-language-") or cli is None:
            launchers.launch(link, module)
            return
        # The CLI warns in every run unless the language host is in the CLI's own directory.
        launcher = self._directory(go, cli) / program
        launchers.launch(launcher, module)
        launchers.link(link, Path(os.path.relpath(launcher, self._places.bin)))

    def _tool(self, go: golang.Go, build: Build, program: str) -> Tool:
        official = self._official.get(program)
        path = official or self._directory(go, build) / program
        return Tool(
            program=program,
            version=build.version,
            source="official" if official else self._source(go, build),
            path=path,
            key=None if official else self._key(go, build),
            ready=path.exists(),
        )

    def _go(self) -> golang.Go:
        return golang.find_go(shutil.which("go"))

    def _key(self, go: golang.Go, build: Build) -> str:
        sources = SOURCES / build.name
        prunes_elsewhere = build.pruned and sources != pruning.PRUNER
        return keys.key_of(
            build,
            sources,
            also=pruning.PRUNER if prunes_elsewhere else None,
            go_version=go.version,
            platform=golang.platform_name(),
        )

    def _directory(self, go: golang.Go, build: Build) -> Path:
        """Return where a build's programs are, or will be if it is built."""
        published = self._published(build)
        return published if published.is_dir() else self._built(go, build)

    def _built(self, go: golang.Go, build: Build) -> Path:
        return self._places.built / f"{build.name}-{self._key(go, build)}"

    def _published(self, build: Build) -> Path:
        files = archives.archives_of(build, golang.platform_name())
        return self._places.built / f"{build.name}-{archives.key_of(files)}"

    def _source(self, go: golang.Go, build: Build) -> str:
        return "archive" if self._directory(go, build) == self._published(build) else "built"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._places.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("… another run is building; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _say(self, line: str) -> None:
        with self._print:
            self._console.print(line, highlight=False, soft_wrap=True)
