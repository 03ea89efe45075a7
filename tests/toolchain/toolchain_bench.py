"""A `toolchain ensure` that compiles nothing: its own home, and a `go` that records its calls."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from toolchain.downloads import archives
from toolchain.downloads.archives import Origin
from toolchain.ensure import Ensure, Tool
from toolchain.pins import Build
from toolchain.places import Places

# Notes what it was asked to build, and writes programs that name their package.
FAKE_GO: Final = """
case "$1" in
  version) echo go version go1.26.8 linux/amd64; exit ;;
  list) exit ;;
  mod) echo '{"Dir": "/upstream"}'; exit ;;
  run) exit ;;
esac
for argument; do
  if [ "$previous" = -o ]; then out=$argument; is_package=yes; previous=; continue; fi
  previous=$argument
  [ "$is_package" ] || continue
  echo "$PWD" >> "$FAKE_GO_CALLS"
  case "$argument" in
    *"$FAKE_GO_FAILS") echo "cannot find package $argument"; exit 1 ;;
  esac
  case "$out" in
    */) program=$out${argument##*/} ;;
    *) program=$out ;;
  esac
  if [ "${program##*/}" = controller-gen ]; then
    cp "$FAKE_CONTROLLER_GEN" "$program"
  else
    printf '#!/bin/sh\\necho %s\\n' "$argument" > "$program"
  fi
  chmod +x "$program"
done
"""
FAKE_CONTROLLER_GEN: Final = """
for argument; do
  case "$argument" in output:crd:dir=*) into=${argument#output:crd:dir=} ;; esac
done
echo 'spec: {names: {kind: SpiderIPPool}}' > "$into/pools.yaml"
"""


class Bench:
    """A home, and a `go` that records its calls instead of compiling."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.calls_file = root / "calls"
        self.output = io.StringIO()

    @property
    def places(self) -> Places:
        return Places(home=self.home)

    def run(self, *requested: Build, origin: Origin | None = None) -> str:
        """Make every tool ready and return what was printed."""
        self.output = io.StringIO()
        Ensure(
            self.places,
            Console(file=self.output, width=200),
            requested=requested,
            origin=origin,
        ).run()
        return self.output.getvalue()

    def tools(self) -> list[Tool]:
        return Ensure(self.places, Console(file=io.StringIO())).tools()

    def runnable(self, build: Build) -> set[str]:
        """Programs of another Kubernetes than the pinned one that can be started."""
        folder = self.places.of_kubernetes(build.version)
        return {path.name for path in folder.glob("*") if os.access(path, os.X_OK)}

    def calls(self) -> list[str]:
        if not self.calls_file.exists():
            return []
        return [Path(line).name for line in self.calls_file.read_text().splitlines()]

    def builds(self) -> set[str]:
        return {path.name for path in self.places.built.iterdir() if path.is_dir()}


def executable(path: Path, lines: str) -> Path:
    path.write_text(f"#!{shutil.which('sh')}\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def toolchain_bench(root: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Prepare a home and an environment with nothing but the recording `go`."""
    tools = root / "tools"
    tools.mkdir()
    executable(tools / "go", FAKE_GO)
    bench = Bench(root)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(root / "nobody"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setenv("FAKE_GO_CALLS", str(bench.calls_file))
    monkeypatch.setenv("FAKE_GO_FAILS", "nothing")
    monkeypatch.setenv(archives.VARIABLE, archives.OFF)
    generator = executable(root / "controller-gen", FAKE_CONTROLLER_GEN)
    monkeypatch.setenv("FAKE_CONTROLLER_GEN", str(generator))
    return bench
