"""Runs child processes with a deadline, and reports their failures in sentences."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.engine.places import ROOT
from operations.failure import ExitCode, OperationError

GRACE = 30.0
"""Seconds that an interrupted child has to end by itself: pulumi saves its state meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A child that ended: its exit status, and what it printed if that was captured."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs commands in one environment. `quiet` collects output; otherwise it streams through."""

    env: Mapping[str, str]
    cwd: Path = ROOT

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        quiet: bool = False,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run to the end.

        Args:
            argv: Command and arguments. Never a secret: argv is public on a machine.
            deadline: Seconds; the child is interrupted then, and killed after `GRACE` more.
            quiet: Collect both outputs instead of passing them through.
            stdin: Text for the child's standard input.
            env: Further variables.

        Raises:
            OperationError: The command is missing, or the deadline passed.
        """
        sink = subprocess.PIPE if quiet else None
        try:
            child = subprocess.Popen(  # noqa: S603 - argv is ours, no shell
                list(argv),
                cwd=self.cwd,
                env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                text=True,
            )
        except FileNotFoundError as missing:
            raise OperationError(
                f"{argv[0]} is not on PATH. For the local stack, run `make up`, which builds what "
                f"it needs. For any other stack, install {argv[0]}: the local tools are only for "
                "the local stack.",
                code=ExitCode.UNPREPARED,
            ) from missing
        with _ended(child):
            try:
                out, err = child.communicate(stdin, timeout=deadline)
            except subprocess.TimeoutExpired as late:
                raise OperationError(
                    f"`{' '.join(argv[:3])}` did not end within {deadline:.0f} s and was "
                    "interrupted. Look at its output above, and run the command again."
                ) from late
        return Finished(status=child.returncode, out=out or "", err=err or "")


@contextlib.contextmanager
def _ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """End the child on every way out: interrupt, wait, then kill."""
    try:
        yield
    except KeyboardInterrupt:
        # The terminal has interrupted the child, too. A second interrupt makes pulumi give up
        # without saving its state, so the child gets its time first.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        raise
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
