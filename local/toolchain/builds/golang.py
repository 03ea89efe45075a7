"""The Go on this machine: its version, a build with it, and what its failures mean."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolchain.failure import FAILED, ToolchainError
from toolchain.pins import GO_VERSION, Build
from toolchain.places import SOURCES

_LAST_LINES: Final = 15
_TIMEOUT: Final = 3600.0
_OLDEST_GO: Final = ".".join(str(part) for part in GO_VERSION)
_PACKAGE: Final = re.compile(r"[\w.~-]+(/[\w.~+-]+)*")
NOT_INLINED: Final = (
    "cloud.google.com/...",
    "github.com/Azure/...",
    "github.com/aliyun/...",
    "github.com/aws/...",
    "github.com/cilium/...",
    "github.com/envoyproxy/...",
    "google.golang.org/api/...",
)
"""Clients of clouds, which wait for their network or are never called here.

They are a sixth of the source, and take the compiler a quarter to a half less without inlining.
The programs do the same, so this is no part of their keys.
"""
_CAUSES: Final = (
    (
        re.compile(r"no space left on device"),
        (
            "The disk is full: a cold build of everything needs about 13 GB of caches and 1 GB of "
            "programs. Make room and run the command again; what is built already is kept."
        ),
    ),
    (
        re.compile(r"dial tcp|no such host|i/o timeout|connection refused|TLS handshake timeout"),
        (
            "The Go module proxy was not reached. Check the network, or set GOPROXY (`go env -w "
            "GOPROXY=…`) to one that is reachable from here, and run the command again."
        ),
    ),
    (
        re.compile(r"403 Forbidden|410 Gone|not available"),
        "The Go module proxy does not serve a pinned module. Another GOPROXY may.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Go:
    """A usable `go`: its path, and the output of `go version`."""

    path: str
    version: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The caller's environment with the settings that make builds alike everywhere."""
        return {
            # The compiler collects its garbage later: less processor time, more memory.
            "GOGC": "400",
            **os.environ,
            "CGO_ENABLED": "0",
            # This must not be empty: Go would then use what `go env -w GOFLAGS` has stored.
            "GOFLAGS": "-mod=readonly",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }

    def packages(self, build: Build, modfile: Path | None = None) -> Mapping[str, int]:
        """Return the packages that a build still has to compile, with their bytes of source.

        Empty when the go command cannot tell; the build then reports why. `modfile` takes the
        place of the module's go.mod.
        """
        listing = "{{if .Stale}}{{.ImportPath}}\t{{.Dir}}\t{{range .GoFiles}}{{.}}\t{{end}}{{end}}"
        flags = _flags(build, modfile)
        done = subprocess.run(  # noqa: S603 - our own argv, no shell
            [self.path, "list", *flags, "-deps", "-f", listing, *build.programs.values()],
            cwd=SOURCES / build.name,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        rows = [line.split("\t") for line in done.stdout.splitlines() if line]
        return {path: _bytes(Path(directory), files) for path, directory, *files in rows}

    def build(
        self,
        build: Build,
        into: Path,
        log: Path,
        compiling: Callable[[str], None],
        modfile: Path | None = None,
    ) -> None:
        """Build every program of `build` into a directory; its output goes to `log`.

        All programs are one command, so that Go links one while it compiles another.

        Args:
            build: Module and packages.
            into: An existing directory.
            log: A file that is appended to.
            compiling: Is called with each package as the compiler begins with it.
            modfile: Takes the place of the module's go.mod.

        Raises:
            ToolchainError: The build failed; the message has the cause if it is known, the last
                lines of output, and the path of the log.
        """
        [*packages] = build.programs.values()
        # Go names a program after its package, unless there is one program and a name for it.
        output = into / next(iter(build.programs)) if len(packages) == 1 else f"{into}/"
        argv = [self.path, "build", "-v", *_flags(build, modfile), "-o", str(output), *packages]
        with (
            log.open("a", encoding="utf-8") as sink,
            subprocess.Popen(  # noqa: S603 - our own argv, no shell
                argv,
                cwd=SOURCES / build.name,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            deadline = threading.Timer(_TIMEOUT, process.kill)
            deadline.start()
            try:
                for line in process.stdout or ():
                    # `-v` prints the path of each package, which is progress and not a message.
                    if _PACKAGE.fullmatch(line.strip()):
                        compiling(line.strip())
                    else:
                        sink.write(line)
            finally:
                deadline.cancel()
        if process.returncode != 0:
            raise failed(build.name, log.read_text(encoding="utf-8"), log)


def _flags(build: Build, modfile: Path | None) -> list[str]:
    stamps = "".join(f" -X {name}={value}" for name, value in build.stamps.items())
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w{stamps}"]
    flags += [f"-gcflags={pattern}=-l" for pattern in NOT_INLINED]
    if build.tags:
        flags += ["-tags", ",".join(build.tags)]
    if modfile is not None:
        flags += ["-modfile", str(modfile)]
    return flags


def _bytes(directory: Path, files: Sequence[str]) -> int:
    paths = [directory / name for name in files if name]
    return sum(path.stat().st_size for path in paths if path.exists())


def failed(name: str, text: str, log: Path) -> ToolchainError:
    """Turn a failed build's output into sentences."""
    last = "\n".join(f"  {line}" for line in text.strip().splitlines()[-_LAST_LINES:])
    cause = next((meaning for pattern, meaning in _CAUSES if pattern.search(text)), None)
    way_out = cause or "If it persists, report it with that log."
    return ToolchainError(
        f"Building {name} failed:\n{last}\nThe whole log is {log}. {way_out}", status=FAILED
    )


def find_go(path: str | None) -> Go:
    """Ask the `go` at `path` for its version.

    Raises:
        ToolchainError: There is no Go at the path, or it is older than the modules need.
    """
    if path is None:
        raise ToolchainError(
            f"go is not on PATH. The local stack's tools are built with Go {_OLDEST_GO} or newer: "
            "install it from https://go.dev/dl and run the command again."
        )
    done = subprocess.run(  # noqa: S603 - our own argv, no shell
        [path, "version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    output = done.stdout.strip()
    number = re.search(r"go(\d+)\.(\d+)", output)
    if done.returncode != 0 or number is None:
        raise ToolchainError(
            f"`{path} version` answered {(output or done.stderr.strip())!r}, which "
            f"names no version of Go. Install Go {_OLDEST_GO} or newer from https://go.dev/dl."
        )
    if (int(number[1]), int(number[2])) < GO_VERSION:
        raise ToolchainError(
            f"{path} is go{number[1]}.{number[2]}, and the pinned modules need Go {_OLDEST_GO}. "
            "Install a newer one from https://go.dev/dl and put it first on PATH."
        )
    return Go(path=path, version=output)


def platform_name() -> str:
    """`linux-x86_64`; part of every build's key."""
    return f"{platform.system().lower()}-{platform.machine()}"
