r"""Cut runs off at writes inside Kubernetes, strike such writes with faults, and see what is left.

    python -m tests.engine.lifecycle.interruptions.inside_sweep \
        --points 20 --write docs/reliability.md

With `--keep FILE` each outcome is written down at once, and a later call goes on with what is left.
`--point` and `--fault` choose what is tried, so that two calls can work side by side on one file.

A stack works in a cluster that somebody else built, through a gate that counts every request that
changes something (`api_gate`). Its network and machines exist already, so a run is all inside
Kubernetes: provider ids, Spiderpool's release, coordinator, networks and pools. After each cut come
the documented recovery and one `up`; then the next preview has to be empty. A fault strikes each
write exactly once, Helm's once for each kind of object, and runs go on until one ends well.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from localcloud.charts.assemble import assemble
from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.clouds.their_cluster import (
    Theirs,
    stack_in_theirs,
    their_cluster,
    with_kubeconfig,
)
from tests.engine.lifecycle.drills.results import load_now, loads
from tests.engine.lifecycle.interruptions.api_gate import ApiGate, Reply, Write, api_gate
from tests.engine.lifecycle.interruptions.fault_sweep import write_table
from tests.engine.lifecycle.interruptions.inside import cut_off_inside
from tests.engine.spiderpool.cluster import COORDINATORS, LOCAL

SEED = 20261127
CUTS = 20
"""Points that `make nightly` tries."""
FAULTS: Mapping[str, Reply] = {
    "refused": Reply(status=403, message="struck"),
    "throttled": Reply(status=429, message="struck"),
    "server-error": Reply(status=500, message="struck"),
    "dropped": Reply(status=0, message="", drop=True),
    "lost-answer": Reply(status=503, message="struck", after_effect=True),
    "lost-answer-final": Reply(status=403, message="struck", after_effect=True),
}
MOST_RUNS = 30
"""A refused write ends Helm's run, so there is one run for each kind that the chart has."""
_OWN_KINDS = frozenset({"nodes", "spidercoordinators", "spidermultusconfigs", "spiderippools"})
"""Kinds that the program writes itself; Helm writes all others."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The outcome of one run that died."""

    after: int
    """Writes, the last one included."""
    last: str
    """Method and kind of the last one; empty when the run had ended before."""
    mended: Sequence[str]
    """What `recover` did inside the cluster."""
    seconds: float
    """From the cut until `recover` and `up` had ended."""
    problems: Sequence[str]
    """Empty when everything that has to follow did."""
    writes: int = 0
    """Of a clean run."""
    load: float = 0.0
    """Of the computer, over the last five minutes."""


@dataclass(frozen=True, kw_only=True)
class Struck:
    """The outcome of one fault."""

    fault: str
    struck: int
    recovered: int
    """What `recover` mended inside the cluster."""
    lost: Sequence[str]
    """The last words of a run that nothing documented mended."""
    runs: int
    seconds: float = 0.0
    """Of all these runs."""
    load: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Bed:
    """The stack, with its network and machines, and nothing of it inside their cluster."""

    theirs: Theirs
    light: LightCloud
    gate: ApiGate

    def empty(self) -> None:
        """Take everything of the stack out of the cluster again; its machines stay."""
        self.gate.reset()
        done = self.light.pulumi(
            "destroy",
            "--yes",
            "--skip-preview",
            "--suppress-progress",
            "--suppress-outputs",
            "--target",
            "**$kubernetes:**",
            "--target-dependents",
        )
        assert done.status == 0, done.transcript
        path = f"{COORDINATORS}/default"
        if self.theirs.client.find(path) is not None:
            released = {"metadata": {"finalizers": None}}
            self.theirs.client.request("PATCH", path, released, "application/merge-patch+json")
        if self.theirs.client.find(path) is not None:
            self.theirs.client.request("DELETE", path)

    def recover(self) -> tuple[Done, list[str]]:
        """The documented recovery, and what it mended inside the cluster."""
        done = self.light.operations("recover", "--yes", "--json")
        if done.status != 0:
            return done, []
        steps = json.loads(done.out)["cluster"]
        return done, [f"{i['object']}: {i['step']}" for i in steps if i["mended"]]


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """Boot their cluster, and deploy the stack outside of it."""
    with their_cluster(folder / "theirs") as theirs:
        light = stack_in_theirs(folder / "ours" / "home", chart=assemble(LOCAL))
        with light.running(), api_gate(theirs.kubeconfig) as gate:
            first = light.up()
            assert first.status == 0, light.cloud.explain(first)
            yield Bed(theirs=theirs, light=with_kubeconfig(light, gate.kubeconfig), gate=gate)


def clean_run(bed: Bed) -> list[Write]:
    """The writes of a run when nothing goes wrong."""
    bed.gate.reset()
    done = bed.light.up()
    assert done.status == 0, done.transcript
    return list(bed.gate.writes)


def cut(bed: Bed, *, after: int) -> Cut:
    """Cut one run off; recover, `up`, and empty the cluster for the next one."""
    bed.gate.reset()  # a destroy came through it
    last = cut_off_inside(bed.light, bed.gate, lambda write: write.number == after)
    struck = time.monotonic()
    recovered, mended = bed.recover()
    problems = [] if recovered.status == 0 else [f"recover: {recovered.transcript[-1500:]}"]
    done = bed.light.up()
    seconds = time.monotonic() - struck
    if done.status != 0:
        problems.append(f"up: {done.transcript[-3000:]}")
    else:
        problems += [f"the next up would {step}" for step in bed.light.steps()]
    if "PRIVATE KEY" in recovered.out + recovered.err + done.out + done.err:
        problems.append("a secret in an output")
    bed.empty()
    return Cut(
        after=after,
        last="" if last is None else f"{last.method} {last.kind}",
        mended=mended,
        seconds=seconds,
        problems=problems,
        load=load_now(),
    )


def strike(bed: Bed, fault: str) -> Struck:
    """Run until one run ends well; each write is struck once."""
    struck: set[tuple[str, ...]] = set()

    def judge(write: Write) -> Reply | None:
        key = write.identity if write.kind in _OWN_KINDS else (write.method, write.kind)
        if key in struck:
            return None
        struck.add(key)
        return FAULTS[fault]

    recovered = runs = 0
    lost: list[str] = []
    began = time.monotonic()
    while True:
        before = len(struck)
        bed.gate.reset()
        bed.gate.judge = judge
        done = bed.light.up("--continue-on-error")
        bed.gate.reset()
        runs += 1
        sys.stderr.write(f"{fault}, run {runs}: {done.seconds:.0f} s, {len(struck)} struck\n")
        if done.status == 0:
            break
        mended = bed.recover()[1]
        recovered += len(mended)
        if runs >= MOST_RUNS or (len(struck) == before and not mended):
            lost = [done.transcript[-1500:]]
            break
    seconds = time.monotonic() - began
    if not lost:
        bed.empty()
    return Struck(
        fault=fault,
        struck=len(struck),
        recovered=recovered,
        lost=lost,
        runs=runs,
        seconds=seconds,
        load=load_now(),
    )


@dataclass(kw_only=True)
class Outcomes:
    """What was tried so far, and the file that has it, one outcome a line."""

    cuts: list[Cut] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    file: Path | None = None

    @classmethod
    def of(cls, file: Path | None) -> Outcomes:
        """Those in a file that exists already, or none."""
        lines = file.read_text().splitlines() if file is not None and file.exists() else []
        documents = [json.loads(line) for line in lines]
        return cls(
            cuts=[Cut(**document) for document in documents if "fault" not in document],
            struck=[Struck(**document) for document in documents if "fault" in document],
            file=file,
        )

    def add(self, outcome: Cut | Struck) -> None:
        """Add one, and write it down. Several programs may write to the file at a time."""
        if isinstance(outcome, Cut):
            self.cuts.append(outcome)
        else:
            self.struck.append(outcome)
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")

    def text(self) -> str:
        outcomes: list[Cut | Struck] = [*self.cuts, *self.struck]
        return "".join(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)


def sweep(
    bed: Bed,
    *,
    points: Sequence[int],
    faults: Sequence[str],
    earlier: Outcomes | None = None,
) -> Outcomes:
    """Cuts at these points of the draw, then faults, without the earlier ones.

    `points` are counted from 1. A fault that loses something ends the sweep.
    """
    outcomes = earlier or Outcomes()
    writes = len(clean_run(bed))
    bed.empty()
    drawn = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    places = sorted(drawn.sample(range(1, writes + 1), min(CUTS, writes)))
    for point in points:
        after = places[point - 1]
        if after not in {cut.after for cut in outcomes.cuts}:
            outcomes.add(replace(cut(bed, after=after), writes=writes))
            sys.stderr.write(f"{outcomes.cuts[-1]}\n")
    for fault in faults:
        if fault not in {struck.fault for struck in outcomes.struck}:
            outcomes.add(strike(bed, fault))
            if outcomes.struck[-1].lost:
                break
    return outcomes


def table(outcomes: Outcomes) -> str:
    """The figures as two tables in Markdown."""
    cuts, struck = outcomes.cuts, outcomes.struck
    names = ("writes of a clean run", "met the run", "mended inside", "converged", "longest")
    lines = [
        _row("cuts", *names, "load"),
        "|---|---|---|---|---|---|---|",
        _row(
            f"{len(cuts)} of {CUTS}",
            loads(cut.writes for cut in cuts) if cuts else "",
            sum(bool(cut.last) for cut in cuts),
            sum(bool(cut.mended) for cut in cuts),
            sum(not cut.problems for cut in cuts),
            f"{max((cut.seconds for cut in cuts), default=0):.0f} s",
            loads(cut.load for cut in cuts) if cuts else "",
        ),
    ]
    if struck:
        lines += [
            "",
            "| fault | struck | by `recover` | lost | runs | time | load |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            _row(
                f"`{s.fault}`",
                s.struck,
                s.recovered,
                len(s.lost),
                s.runs,
                f"{s.seconds:.0f} s",
                f"{s.load:.0f}",
            )
            for s in struck
        ]
    return "\n".join(lines)


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    """Print the figures as JSON; 1 when something did not converge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=CUTS, help="so many, from the first one on")
    parser.add_argument("--point", action="append", type=int, help="only this one, counted from 1")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="all without it")
    parser.add_argument("--no-faults", action="store_true", help="only cuts")
    parser.add_argument("--keep", type=Path, help="write each outcome here, and go on from there")
    parser.add_argument("--write", type=Path, help="put the tables into this page")
    arguments = parser.parse_args()
    faults = [] if arguments.no_faults else arguments.fault or list(FAULTS)
    outcomes = Outcomes.of(arguments.keep)
    with tempfile.TemporaryDirectory(prefix="inside-") as folder, bed(Path(folder)) as ready:
        chosen = arguments.point or range(1, arguments.points + 1)
        sweep(ready, points=chosen, faults=faults, earlier=outcomes)
    sys.stdout.write(outcomes.text())
    if arguments.write:
        write_table(arguments.write, "inside", table(outcomes))
    lost = any(fault.lost for fault in outcomes.struck)
    return int(lost or any(cut.problems for cut in outcomes.cuts))


if __name__ == "__main__":
    raise SystemExit(main())
