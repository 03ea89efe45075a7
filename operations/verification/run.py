"""Runs all probes of all checks at once, and gives one verdict for each check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from operations.failure import OperationError
from operations.verification.checks import SIMULATED, Check, NotRun, Probe, Shell
from operations.verification.cluster_objects import Cluster

AT_ONCE = 16
"""Probes at once: each is a kubectl of its own."""


class Outcome(StrEnum):
    """How a check ended. Only `passed` is a pass."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    NOT_SIMULATED = "not simulated"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one probe ended."""

    probe: Probe
    problems: tuple[str, ...]
    """What is wrong; empty for a pass."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of a check."""

    check: Check
    outcome: Outcome
    details: tuple[str, ...] = ()
    """What is wrong, or why it was not run."""
    answers: tuple[Answer, ...] = ()
    """One for each probe."""

    @property
    def probes(self) -> int:
        """How many probes ran."""
        return len(self.answers)

    @property
    def seconds(self) -> float:
        """How long the slowest probe took."""
        return max((answer.seconds for answer in self.answers), default=0.0)


def verify(
    checks: Sequence[Check],
    cluster: Cluster,
    shell: Shell,
    *,
    done: Callable[[], None],
    at_once: int = AT_ONCE,
) -> list[Verdict]:
    """Run every check; verdicts come in the checks' order.

    Args:
        checks: what to run.
        cluster: what they read.
        shell: runs their commands.
        done: is called after each check.
        at_once: how many probes run at the same time.
    """
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        started = [(check, _start(check, cluster, shell, pool)) for check in checks]
        verdicts = []
        for check, pending in started:
            verdicts.append(_verdict(check, pending))
            done()
    return verdicts


def _start(
    check: Check, cluster: Cluster, shell: Shell, pool: ThreadPoolExecutor
) -> list[Future[Answer]] | NotRun | None:
    if cluster.simulated and check.needs not in SIMULATED:
        return None
    probes = check.probes(cluster)
    if isinstance(probes, NotRun):
        return probes
    return [pool.submit(attempt, probe, shell) for probe in probes]


def attempt(probe: Probe, shell: Shell) -> Answer:
    """Run one probe; a command that cannot run is a problem of its own."""
    begun = time.monotonic()
    try:
        problems = tuple(probe.attempt(shell))
    except OperationError as error:
        problems = (str(error),)
    return Answer(probe=probe, problems=problems, seconds=time.monotonic() - begun)


def _verdict(check: Check, pending: list[Future[Answer]] | NotRun | None) -> Verdict:
    if pending is None:
        why = f"the local cloud has no {check.needs}"
        return Verdict(check=check, outcome=Outcome.NOT_SIMULATED, details=(why,))
    if isinstance(pending, NotRun):
        return Verdict(check=check, outcome=Outcome.NOT_RUN, details=(pending.reason,))
    answers = tuple(future.result() for future in pending)
    details = tuple(line for answer in answers for line in answer.problems)
    return Verdict(
        check=check,
        outcome=Outcome.FAILED if details else Outcome.PASSED,
        details=details,
        answers=answers,
    )
