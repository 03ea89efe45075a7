from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from operations.engine.places import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

BASH = shutil.which("bash") or "/bin/bash"
MAKE = shutil.which("make")
needs_make = pytest.mark.skipif(MAKE is None, reason="make is not on this machine")


def planned(target: str) -> str:
    """What make would run for a target."""
    assert MAKE is not None
    return subprocess.run(  # noqa: S603 - make on our own Makefile
        [MAKE, "--dry-run", "--always-make", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@needs_make
@pytest.mark.parametrize("target", ["up", "down", "test", "check", "clean", "lock"])
def test_every_promised_target_is_there_and_listed(target: str) -> None:
    assert planned(target)
    assert re.search(rf"^{target}:.*## \S", (ROOT / "Makefile").read_text(), re.MULTILINE)


@needs_make
def test_test_runs_everything_that_check_runs_and_the_other_tiers() -> None:
    steps = planned("test")
    tiers = ('-m "unit and not process"', "-m process", "-m engine")
    for step in ("ruff check", "ruff format --check", "mypy", *tiers):
        assert step in steps
    assert steps.index("toolchain ensure") < steps.index("-m engine")


def test_a_build_server_runs_make_test_and_nothing_else() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line and not line.startswith("#")]
    assert commands == [
        "set -euo pipefail",
        'cd "$(dirname "${BASH_SOURCE[0]}")/.."',
        "exec make test",
    ]


def run_venv(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own script
        [BASH, str(ROOT / "operations" / "venv.sh"), str(tmp_path / "venv")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path / "bin"), **variables},
    )


def fake_python(tmp_path: Path, *, fits: bool, has_venv: bool = True) -> None:
    script = (
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*--version*) echo "Python 3.8.10" ;;\n'
        f"*version_info*) exit {0 if fits else 1} ;;\n"
        f"*ensurepip*) exit {0 if has_venv else 1} ;;\n"
        "*) exit 99 ;;\n"
        "esac\n"
    )
    (tmp_path / "bin").mkdir(exist_ok=True)
    python = tmp_path / "bin" / "python3"
    python.write_text(script)
    python.chmod(0o755)


def test_no_python_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = run_venv(tmp_path)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def test_an_old_python_is_one_sentence_with_its_version(tmp_path: Path) -> None:
    fake_python(tmp_path, fits=False)
    done = run_venv(tmp_path)
    assert done.returncode == 3
    assert "Python 3.8.10" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_without_venv_the_message_says_what_to_install(tmp_path: Path) -> None:
    fake_python(tmp_path, fits=True, has_venv=False)
    done = run_venv(tmp_path)
    assert done.returncode == 3
    assert "python3-venv" in done.stderr


def test_an_installation_announces_how_long_it_takes(tmp_path: Path) -> None:
    fake_python(tmp_path, fits=True)
    python = tmp_path / "bin" / "python3"
    python.write_text(python.read_text().replace("exit 99", "exit 0"))
    (tmp_path / "venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (tmp_path / "venv" / "bin").mkdir()
    (tmp_path / "venv" / "bin" / "python").symlink_to(python)
    done = run_venv(tmp_path, PYTHON=str(python), PATH=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    announced, ended = done.stdout.splitlines()
    assert announced.endswith("the first time takes about 3 minutes")
    assert re.fullmatch(r"Installed after \d+ s", ended)


def test_a_named_python_that_is_not_a_command_is_refused(tmp_path: Path) -> None:
    done = run_venv(tmp_path, PYTHON="/nowhere/python", PATH=os.environ["PATH"])
    assert done.returncode == 3
    assert "PYTHON=/nowhere/python" in done.stderr
