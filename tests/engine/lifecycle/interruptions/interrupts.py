r"""Runs of pulumi that are interrupted after a number of calls that change something.

    python -m tests.engine.lifecycle.interruptions.interrupts \
        --points 20 --jobs 4 --write docs/reliability.md

The points are drawn with a seed; they are counted in the emulator, not in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import STACK, LightCloud, light_cloud
from tests.engine.lifecycle.interruptions.fault_sweep import findings, leaks, mutations, write_table

SEED = 20260711
SIGNALS = {"SIGINT": signal.SIGINT, "SIGKILL": signal.SIGKILL}
_LONGEST = 240.0
_TICK = 0.01


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """The outcome of one interrupted `up`."""

    signal: str
    after: int
    """Calls that change something, before the signal."""
    cut: bool
    """False: the run had ended by itself already."""
    pending: int
    """Operations that the run left in the state without an end."""
    left: int
    """Things that it left in the cloud and the state does not know."""
    problems: Sequence[str] = ()
    """Empty when everything that has to follow did."""


def begin_up(light: LightCloud) -> subprocess.Popen[bytes]:
    """Start an `up` of the light cloud's document in a process group of its own."""
    light.write()
    argv = ("pulumi", "up", "--yes", "--skip-preview", "--suppress-progress", "--stack", STACK)
    return subprocess.Popen(  # noqa: S603 - our own command
        (*argv, "--non-interactive", "--config-file", str(light.cloud.config_file)),
        env=dict(light.cloud.env),
        cwd=Path(__file__).parents[4],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def cut_off(light: LightCloud, *, after: int, by: str) -> bool:
    """Start an `up` and send it the signal after `after` calls; True if it was still running."""
    before = light.last_call()
    child = begin_up(light)
    until = time.monotonic() + _LONGEST
    changes, seen = 0, before
    while child.poll() is None and time.monotonic() < until:
        new = light.calls(after=seen)
        seen = max((int(call["n"]) for call in new), default=seen)
        changes += mutations(new).total()
        if changes >= after:
            os.kill(child.pid, SIGNALS[by])
            break
        time.sleep(_TICK)
    child.wait(timeout=_LONGEST)
    return child.returncode != 0


def interrupt(light: LightCloud, *, after: int, by: str) -> Interrupted:
    """Interrupt one `up`, recover, `up`, destroy; the cloud must be empty afterwards."""
    cut = cut_off(light, after=after, by=by)
    runs: list[Done] = []
    recovered = light.operations("recover", "--json", "--yes")
    runs.append(recovered)
    problems: list[str] = []
    document: dict[str, list[object]] = {"pending": [], "leftovers": []}
    if recovered.status != 0:
        problems.append(f"recover: {recovered.transcript[-1500:]}")
    else:
        document = json.loads(recovered.out)
    done = light.up()
    runs.append(done)
    if done.status != 0:
        problems.append(f"up: {done.transcript[-3000:]}")
    else:
        problems += [f"second up would {step}" for step in light.steps()]
    problems += [f"leaked {kind} {ids}" for kind, ids in leaks(light).items()]
    problems += findings(light, runs)
    destroyed = light.destroy()
    if destroyed.status != 0:
        problems.append(f"destroy: {destroyed.transcript[-3000:]}")
    problems += [f"not destroyed: {kind} {ids}" for kind, ids in light.alive().items()]
    return Interrupted(
        signal=by,
        after=after,
        cut=cut,
        pending=len(document["pending"]),
        left=len(document["leftovers"]),
        problems=problems,
    )


def points(count: int, calls: int, *, seed: int = SEED) -> list[int]:
    """Up to `count` different places among the calls of a clean run, sorted."""
    drawn = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return sorted(drawn.sample(range(1, calls), min(count, calls - 1)))


def interrupt_all(cuts: Sequence[tuple[str, int]], *, jobs: int, folder: Path) -> list[Interrupted]:
    """Every signal and point once, on `jobs` clouds at a time."""

    def lane(number: int) -> list[Interrupted]:
        light = light_cloud(folder / f"lane-{number}" / "home")
        light.start()
        interrupted: list[Interrupted] = []
        try:
            for by, after in cuts[number::jobs]:
                result = interrupt(light, after=after, by=by)
                sys.stderr.write(json.dumps(asdict(result)) + "\n")
                interrupted.append(result)
                if light.alive():
                    # The next one needs an empty cloud; this one has failed already.
                    light.stop()
                    light = light_cloud(folder / f"lane-{number}-{after}-{by}" / "home")
                    light.start()
        finally:
            light.stop()
        return interrupted

    with ThreadPoolExecutor(jobs) as pool:
        lanes = list(pool.map(lane, range(jobs)))
    return [result for interrupted in lanes for result in interrupted]


def table(results: Sequence[Interrupted]) -> str:
    """The figures as a table in Markdown."""
    rows = [
        "| signal | points | met the run | with pending operations | with leftovers | converged |",
        "|---|---|---|---|---|---|",
    ]
    for by in SIGNALS:
        of = [r for r in results if r.signal == by]
        cells = (
            f"`{by}`",
            str(len(of)),
            str(sum(r.cut for r in of)),
            str(sum(r.pending > 0 for r in of)),
            str(sum(r.left > 0 for r in of)),
            str(sum(not r.problems for r in of)),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> int:
    """Print the figures as JSON; 1 when something did not converge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=20, help="for each signal")
    parser.add_argument("--calls", type=int, default=33, help="of a clean run")
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--write", type=Path, help="put the table into this page")
    arguments = parser.parse_args()
    cuts = [(by, after) for after in points(arguments.points, arguments.calls) for by in SIGNALS]
    with tempfile.TemporaryDirectory(prefix="interrupts-") as folder:
        results = interrupt_all(cuts, jobs=arguments.jobs, folder=Path(folder))
    sys.stdout.write(json.dumps([asdict(r) for r in results], indent=2) + "\n")
    if arguments.write:
        write_table(arguments.write, "interrupts", table(results))
    return int(any(r.problems for r in results))


if __name__ == "__main__":
    raise SystemExit(main())
