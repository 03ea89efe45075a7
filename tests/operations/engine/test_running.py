from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from operations.engine import running
from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(env=dict(os.environ), cwd=tmp_path)


def test_a_missing_command_is_reported_as_an_unprepared_machine(runner: Runner) -> None:
    with pytest.raises(OperationError, match="no-such-command is not on PATH") as caught:
        runner.run(["no-such-command"], deadline=5, quiet=True)
    assert caught.value.code is ExitCode.UNPREPARED


def test_a_secret_goes_by_standard_input(runner: Runner) -> None:
    echo = "import sys; sys.stdout.write(sys.stdin.read())"
    done = runner.run([sys.executable, "-c", echo], deadline=20, quiet=True, stdin="kept")
    assert (done.status, done.out) == (0, "kept")


def test_a_command_past_its_deadline_is_interrupted_and_gets_time_to_clean_up(
    runner: Runner, tmp_path: Path
) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import pathlib, signal, time\n"
        # A shell's background job ignores the interrupt, and its children with it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "pathlib.Path('began').touch()\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path('saved').touch()\n"
    )
    with pytest.raises(OperationError, match="did not end within"):
        runner.run([sys.executable, str(script)], deadline=3, quiet=True)
    assert (tmp_path / "saved").exists()


def test_a_command_that_ignores_the_interrupt_is_killed(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE", 0.5)
    script = tmp_path / "deaf.py"
    script.write_text(
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    with pytest.raises(OperationError):
        runner.run([sys.executable, str(script)], deadline=3, quiet=True)
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
