"""Makes every tool ready: links what is installed and builds the rest, each at most once.

A build's directory is named by its key and created by a rename, so it is either complete or absent.
A lock keeps two runs from building the same thing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rich.console import Console

from toolchain import crds, golang, keys, launchers
from toolchain.failure import ToolchainError
from toolchain.official import official_tools
from toolchain.pins import BUILDS, NODE, ON_REQUEST, Build
from toolchain.places import OTHER_KUBERNETES, SOURCES, Places

_AT_ONCE: Final = 2


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One program: where it comes from, and whether it is there."""

    program: str
    version: str
    source: str
    """`official`, `built` or `module`."""
    path: Path
    key: str | None
    ready: bool


class Ensure:
    """One run of `ensure` or `status` over a home directory."""

    def __init__(
        self, places: Places, console: Console, *, requested: tuple[Build, ...] = ()
    ) -> None:
        """Take `requested`, some of `ON_REQUEST` and `NODE`, to build those too.

        Those that an earlier run has built stay, requested or not.
        """
        self._places = places
        self._console = console
        self._official = official_tools(places.bin, os.environ)
        self._builds = tuple(b for b in BUILDS if not set(b.programs) <= set(self._official))
        self._requested = requested
        self._print = threading.Lock()

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
        for build, folder in (*folders, *((build, self._places.node.name) for build in NODE)):
            directory = self._directory(go, build)
            if directory.is_dir():
                tools += [
                    Tool(
                        program=f"{folder}/{program}",
                        version=build.version,
                        source="built",
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
                    self._say(f"✓ {build.name} {build.version}  built already")
            for program, path in sorted(self._official.items()):
                self._say(f"✓ {program}  installed: {path}")
            if missing:
                self._say(
                    f"… building {', '.join(b.name for b in missing)} from Go modules; the first "
                    "time on a machine takes about 15 minutes on two cores"
                )
            self._build_all(go, missing)
            self._make_crds(go)
            self._fill_bin(go)
            self._fill_other_kubernetes(go)
            self._fill_node(go)
            self._remove_older(go)

    def clean(self) -> None:
        """Remove every link, build and log; Go's own caches stay, so building again is quick."""
        self._places.built.mkdir(parents=True, exist_ok=True)
        with self._locked():
            shutil.rmtree(self._places.bin, ignore_errors=True)
            shutil.rmtree(self._places.built, ignore_errors=True)

    def _build_all(self, go: golang.Go, missing: list[Build]) -> None:
        with (
            ThreadPoolExecutor(max_workers=_AT_ONCE) as pool,
            _Ticker(self._console, [b.name for b in missing]) as ticker,
        ):
            running = {pool.submit(self._build, go, build): build for build in missing}
            for done in as_completed(running):
                build = running[done]
                ticker.ended(build.name)
                try:
                    seconds = done.result()
                except ToolchainError:
                    # Builds that have not begun would only hide this failure under their output.
                    pool.shutdown(cancel_futures=True)
                    raise
                self._say(f"✓ {build.name} {build.version}  {seconds:.1f} s")

    def _build(self, go: golang.Go, build: Build) -> float:
        began = time.monotonic()
        target = self._directory(go, build)
        log = self._places.logs / f"{build.name}.log"
        log.write_text("", encoding="utf-8")
        fresh = Path(tempfile.mkdtemp(prefix=f".{build.name}-", dir=self._places.built))
        try:
            go.build(build, fresh, log)
            fresh.chmod(0o755)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return time.monotonic() - began

    def _remove_leftovers(self) -> None:
        """Remove what a killed run has left; this run has the lock, so no other one is building."""
        for leftover in self._places.built.glob(".*-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _remove_older(self, go: golang.Go) -> None:
        """Remove builds that no link points to any more."""
        for build in (*BUILDS, *ON_REQUEST, *NODE):
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

    def _fill_node(self, go: golang.Go) -> None:
        """Link what is built of `NODE`, requested or not; remove the links where it is not."""
        shutil.rmtree(self._places.node, ignore_errors=True)
        directories = [self._directory(go, build) for build in NODE]
        for directory in directories:
            for built in directory.iterdir() if directory.is_dir() else ():
                self._places.node.mkdir(exist_ok=True)
                target = Path(os.path.relpath(built, self._places.node))
                launchers.link(self._places.node / built.name, target)

    def _launcher(self, go: golang.Go, program: str, module: str) -> None:
        link = self._places.bin / program
        cli = next((b for b in self._builds if "pulumi" in b.programs), None)
        if not program.startswith("pulumi-language-") or cli is None:
            launchers.launch(link, module)
            return
        # The CLI warns in every run unless the language host is in the CLI's own directory.
        beside = self._directory(go, cli) / program
        launchers.launch(beside, module)
        launchers.link(link, Path(os.path.relpath(beside, self._places.bin)))

    def _tool(self, go: golang.Go, build: Build, program: str) -> Tool:
        official = self._official.get(program)
        path = official or self._directory(go, build) / program
        return Tool(
            program=program,
            version=build.version,
            source="official" if official else "built",
            path=path,
            key=None if official else self._key(go, build),
            ready=path.exists(),
        )

    def _go(self) -> golang.Go:
        return golang.find_go(shutil.which("go"))

    def _key(self, go: golang.Go, build: Build) -> str:
        return keys.key_of(
            build,
            SOURCES / build.name,
            go_version=go.version,
            platform=golang.platform_name(),
        )

    def _directory(self, go: golang.Go, build: Build) -> Path:
        return self._places.built / f"{build.name}-{self._key(go, build)}"

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


class _Ticker:
    """Shows what is being built: a spinner on a terminal, nothing elsewhere."""

    def __init__(self, console: Console, names: list[str]) -> None:
        self._names = list(names)
        self._status = console.status(self._title()) if console.is_terminal and names else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def ended(self, name: str) -> None:
        self._names.remove(name)
        if self._status is not None:
            self._status.update(self._title())

    def _title(self) -> str:
        return f"building {', '.join(self._names[:_AT_ONCE])}" if self._names else "linking"
