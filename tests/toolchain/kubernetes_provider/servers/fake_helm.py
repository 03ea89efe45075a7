"""A ``helm`` command that keeps releases in a folder and records how it was called.

Run as a program; ``FAKE_HELM`` names the folder. ``fail`` in it makes installs and upgrades fail
with its text; with --atomic they then leave what was there before, as helm does.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

SWITCHES = {"--wait", "--atomic", "--no-hooks", "--create-namespace", "--ignore-not-found"}


def install_into(folder: Path) -> Path:
    """Put a ``helm`` that is this program into a folder of its own; return that folder."""
    programs = folder / "programs"
    programs.mkdir()
    launcher = programs / "helm"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return programs


def _flag(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1] if name in arguments else ""


def _positional(arguments: list[str]) -> list[str]:
    words, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument.startswith("--"):
            skip = argument not in SWITCHES
        else:
            words.append(argument)
    return words


class _Calls:
    def __init__(self, home: Path, arguments: list[str]) -> None:
        self.home = home
        self.arguments = arguments
        self.words = _positional(arguments)
        self.standard_input = sys.stdin.read() if _flag(arguments, "--values") == "-" else None
        self._record()

    def _record(self) -> None:
        path = Path(_flag(self.arguments, "--kubeconfig") or "/dev/null")
        record = {
            "arguments": self.arguments,
            "stdin": self.standard_input,
            "kubeconfig_mode": oct(stat.S_IMODE(path.stat().st_mode)),
            "kubeconfig_path": str(path),
            "environment": sorted(key for key in os.environ if key.startswith(("HELM", "KUBE"))),
        }
        with (self.home / "calls").open("a", encoding="utf-8") as calls:
            calls.write(json.dumps(record) + "\n")

    def _file(self, name: str) -> Path:
        return self.home / f"{_flag(self.arguments, '--namespace')}.{name}.json"

    def run(self) -> int:
        verb = self.words[0]
        if verb == "show":
            return self._show(Path(self.words[2]))
        if verb in ("install", "upgrade"):
            return self._release(verb, self.words[1], Path(self.words[2]))
        name = self.words[-1]
        if not self._file(name).exists():
            sys.stderr.write("Error: release: not found\n")
            return 1
        if verb == "uninstall":
            self._file(name).unlink()
            return 0
        release = json.loads(self._file(name).read_text(encoding="utf-8"))
        sys.stdout.write(json.dumps(release["metadata" if verb == "get" else "status"]))
        return 0

    def _show(self, chart: Path) -> int:
        if not (chart / "Chart.yaml").exists():
            sys.stderr.write(f"Error: chart {str(chart)!r} not found\n")
            return 1
        sys.stdout.write((chart / "Chart.yaml").read_text(encoding="utf-8"))
        return 0

    def _release(self, verb: str, name: str, chart: Path) -> int:
        path = self._file(name)
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        import yaml  # noqa: PLC0415 - half of the time of a call, and few calls read a chart

        about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
        failing = self.home / "fail"
        failed = failing.exists()
        atomic = "--atomic" in self.arguments
        revision = (old["status"]["version"] if old else 0) + 1
        values = json.loads(self.standard_input or "{}")
        if failed and atomic:
            if verb == "install":
                sys.stderr.write(failing.read_text(encoding="utf-8"))
                return 1
            revision, values = revision + 1, old["status"]["config"] if old else {}
        status = {
            "name": name,
            "namespace": _flag(self.arguments, "--namespace"),
            "version": revision,
            "info": {"status": "failed" if failed and not atomic else "deployed"},
            "config": values,
            "manifest": "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: agent\n",
        }
        metadata = {
            "chart": about["name"],
            "version": str(about["version"]),
            "appVersion": str(about.get("appVersion", "")),
        }
        text = json.dumps({"status": status, "metadata": metadata})
        path.write_text(text, encoding="utf-8")
        if failed:
            sys.stderr.write(failing.read_text(encoding="utf-8"))
        return int(failed)


if __name__ == "__main__":
    sys.exit(_Calls(Path(os.environ["FAKE_HELM"]), sys.argv[1:]).run())
