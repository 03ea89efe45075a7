r"""Cut runs off at writes inside Kubernetes, strike such writes with faults, and see what is left.

    python -m tests.engine.lifecycle.interruptions.inside_sweep \
        --points 20 --write docs/reliability.md

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
from tests.engine.lifecycle.interruptions.api_gate import ApiGate, Reply, Write, api_gate
from tests.engine.lifecycle.interruptions.fault_sweep import write_table
from tests.engine.lifecycle.interruptions.inside import cut_off_inside
from tests.engine.spiderpool.cluster import COORDINATORS, LOCAL

SEED = 20261127
FAULTS: Mapping[str, Reply] = {
    "refused": Reply(status=403, message="struck"),
    "throttled": Reply(status=429, message="struck"),
    "server-error": Reply(status=500, message="struck"),
    "dropped": Reply(status=0, message="", drop=True),
    "lost-answer": Reply(status=503, message="struck", after_effect=True),
    "lost-answer-final": Reply(status=403, message="struck", after_effect=True),
}
MOST_RUNS = 12
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
    problems: Sequence[str]
    """Empty when everything that has to follow did."""


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
    last = cut_off_inside(bed.light, bed.gate, lambda write: write.number == after)
    recovered, mended = bed.recover()
    problems = [] if recovered.status == 0 else [f"recover: {recovered.transcript[-1500:]}"]
    done = bed.light.up()
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
        problems=problems,
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
    while True:
        before = len(struck)
        bed.gate.reset()
        bed.gate.judge = judge
        done = bed.light.up("--continue-on-error")
        bed.gate.reset()
        runs += 1
        if done.status == 0:
            break
        mended = bed.recover()[1]
        recovered += len(mended)
        if runs >= MOST_RUNS or (len(struck) == before and not mended):
            lost = [done.transcript[-1500:]]
            break
    if not lost:
        bed.empty()
    return Struck(fault=fault, struck=len(struck), recovered=recovered, lost=lost, runs=runs)


def table(writes: int, cuts: Sequence[Cut], struck: Sequence[Struck]) -> str:
    """The figures as two tables in Markdown."""
    lines = [
        "| cuts | writes of a clean run | met the run | mended inside | converged |",
        "|---|---|---|---|---|",
        _row(len(cuts), writes, *(sum(map(bool, part)) for part in _outcomes(cuts))),
    ]
    if struck:
        lines += ["", "| fault | struck | by `recover` | lost | runs |", "|---|---|---|---|---|"]
        lines += [_row(f"`{s.fault}`", s.struck, s.recovered, len(s.lost), s.runs) for s in struck]
    return "\n".join(lines)


def _outcomes(cuts: Sequence[Cut]) -> tuple[list[bool], ...]:
    """Whether each cut met the run, left something to mend inside, and converged."""
    return (
        [bool(c.last) for c in cuts],
        [bool(c.mended) for c in cuts],
        [not c.problems for c in cuts],
    )


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def sweep(bed: Bed, *, points: int, faults: Sequence[str]) -> tuple[int, list[Cut], list[Struck]]:
    """All cuts, then all faults; a fault that loses something ends the sweep."""
    writes = len(clean_run(bed))
    bed.empty()
    drawn = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    cuts: list[Cut] = []
    for after in sorted(drawn.sample(range(1, writes + 1), min(points, writes))):
        cuts.append(cut(bed, after=after))
        sys.stderr.write(json.dumps(asdict(cuts[-1])) + "\n")
    struck: list[Struck] = []
    for fault in faults:
        struck.append(strike(bed, fault))
        sys.stderr.write(json.dumps(asdict(struck[-1])) + "\n")
        if struck[-1].lost:
            break
    return writes, cuts, struck


def main() -> int:
    """Print the figures as JSON; 1 when something did not converge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="all without it")
    parser.add_argument("--no-faults", action="store_true", help="only cuts")
    parser.add_argument("--write", type=Path, help="put the tables into this page")
    arguments = parser.parse_args()
    faults = [] if arguments.no_faults else arguments.fault or list(FAULTS)
    with tempfile.TemporaryDirectory(prefix="inside-") as folder, bed(Path(folder)) as ready:
        writes, cuts, struck = sweep(ready, points=arguments.points, faults=faults)
    sys.stdout.write(
        json.dumps(
            {"cuts": [asdict(c) for c in cuts], "faults": [asdict(s) for s in struck]}, indent=2
        )
        + "\n"
    )
    if arguments.write:
        write_table(arguments.write, "inside", table(writes, cuts, struck))
    return int(any(c.problems for c in cuts) or any(s.lost for s in struck))


if __name__ == "__main__":
    raise SystemExit(main())
