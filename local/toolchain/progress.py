"""How far the builds are as a whole, what is being built, and about how long it still takes.

The unit is bytes of Go source to compile, which the go command lists before each build. The shares
of the four largest builds by this unit were within six hundredths of their shares of measured time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console

from toolchain.pins import Build

_UNIT: Final = 1_000_000
_LINKING: Final = 0.05
"""Share of a build that is left when its last package is being compiled."""
_SURE: Final = 0.08
"""Share of the whole from which on the remaining time is estimated."""
_LINE_EVERY: Final = 60.0
"""Seconds between two lines where there is no terminal."""


class Work:
    """The builds of one run, each with its share and how much of it is done. Not thread-safe."""

    def __init__(self, builds: Sequence[Build]) -> None:
        self._share = {build.name: float(build.source * _UNIT) for build in builds}
        self._done = dict.fromkeys(self._share, 0.0)
        self._left: dict[str, dict[str, int]] = {}
        self._count: dict[str, int] = {}

    def add(self, build: Build) -> None:
        """Take one more build into the whole."""
        self._share[build.name] = float(build.source * _UNIT)
        self._done[build.name] = 0.0

    def begin(self, build: Build, packages: Mapping[str, int]) -> None:
        """Begin a build; `packages` are those it has to compile, with their bytes."""
        self._left[build.name] = dict(packages)
        self._count[build.name] = len(packages)
        if packages:
            self._share[build.name] = float(sum(packages.values()))

    def compile(self, build: Build, package: str) -> None:
        """Count a package that the compiler has begun with."""
        self._done[build.name] += self._left[build.name].pop(package, 0) * (1 - _LINKING)

    def end(self, build: Build) -> None:
        """Count a build as done."""
        self._left.pop(build.name, None)
        self._done[build.name] = self._share[build.name]

    def fraction(self) -> float:
        """Return how much of the whole is done, 0 to 1."""
        whole = sum(self._share.values())
        return sum(self._done.values()) / whole if whole else 1.0

    def running(self) -> str:
        """Describe the builds at work, with the packages that each has begun with."""
        counts = ((name, self._count[name], len(left)) for name, left in self._left.items())
        return ", ".join(
            f"{name} ({count - left} of {count} packages)" if count else name
            for name, count, left in counts
        )

    def describe(self, seconds: float) -> str:
        """Describe all of it, `seconds` after the beginning."""
        if not self._share:
            return f"nothing to build, downloading for {_duration(seconds)}"
        fraction = self.fraction()
        line = f"{fraction:.0%} built after {_duration(seconds)}"
        if _SURE <= fraction < 1:
            line += f", about {_duration(seconds * (1 - fraction) / fraction)} left"
        running = self.running()
        return f"{line}: {running}" if running else line


class Progress:
    """Shows the work: one line that changes on a terminal, a line a minute elsewhere."""

    def __init__(
        self,
        console: Console,
        builds: Sequence[Build],
        say: Callable[[str], None],
        *,
        line_every: float = _LINE_EVERY,
    ) -> None:
        self._work = Work(builds)
        self._say = say
        self._line_every = line_every
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        is_shown = console.is_terminal and len(builds) > 0
        self._status = console.status(self._line()) if is_shown else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        if self._status is not None:
            self._status.stop()

    def add(self, build: Build) -> None:
        """Take one more build into the whole."""
        with self._lock:
            self._work.add(build)

    def begin(self, build: Build, packages: Mapping[str, int]) -> None:
        """Begin a build; `packages` are those it has to compile, with their bytes."""
        with self._lock:
            self._work.begin(build, packages)

    def compile(self, build: Build, package: str) -> None:
        """Count a package that the compiler has begun with."""
        with self._lock:
            self._work.compile(build, package)

    def end(self, build: Build) -> None:
        """Count a build as done."""
        with self._lock:
            self._work.end(build)

    def _show(self) -> None:
        every = 1.0 if self._status is not None else self._line_every
        while not self._is_over.wait(every):
            if self._status is not None:
                self._status.update(self._line())
            else:
                self._say(f"  {self._line()}")

    def _line(self) -> str:
        with self._lock:
            return self._work.describe(time.monotonic() - self._began)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
