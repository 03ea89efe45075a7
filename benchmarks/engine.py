"""`up`, previews and `destroy` by real engines and the real provider on one emulated cloud.

    python -m benchmarks.engine [--sizes 10,50] [--runs 5] [--programs ours,flat,opentofu]

Three programs create the same cloud resources: this project (`kubernetes.mode: existing`, no NAT),
a flat Pulumi program, and the same in OpenTofu with the same provider. Each run takes every command
of every program in turn, in another order each time, so that a machine that gets busy is busy for
all of them. Ratios are taken run by run; the table has their medians. Nothing boots.

OpenTofu and its provider are built by `python -m toolchain ensure --opentofu`; without them their
columns are missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import engines, results
from benchmarks.memory import MemoryBelow
from benchmarks.results import spread
from benchmarks.stacks import cloud_of, document
from planning.read import plan_from

SIZES: Final = (10, 50)
RUNS: Final = 5
PROGRAMS: Final = ("ours", "flat", "opentofu")
COMMANDS: Final = ("up", "preview-refresh", "preview", "destroy")
FLOORS: Final = {"up": 20.0, "destroy": 20.0}
"""Seconds of the provider's fixed waits on the longest chain: VPC 5 s, ENI 5 s, instance 10 s
(docs/decisions/waits-dominate.md)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """One command of one program."""

    nodes: int
    run: int
    program: str
    command: str
    seconds: float
    cpu: float
    """Processor seconds of the engine, the plugins and the program together."""
    mebibytes: float
    """Their resident memory together, at its highest."""
    resources: int
    """In the state after the command."""
    state_bytes: int
    """Of the state after the command, as JSON without spaces."""
    load: float
    """Runnable processes of the machine, an average over the minute before the command."""


def time_command(program: engines.Program, command: str, *, nodes: int, run: int) -> Timing:
    """Run one command, which must succeed."""
    load = os.getloadavg()[0]
    with MemoryBelow(os.getpid()) as memory:
        cpu, began = _cpu_of_children(), time.perf_counter()
        engines.run(program.arguments(command), program.directory, program.env)
        seconds, cpu = time.perf_counter() - began, _cpu_of_children() - cpu
    resources, state_bytes = program.state()
    return Timing(
        nodes=nodes,
        run=run,
        program=program.name,
        command=command,
        seconds=round(seconds, 2),
        cpu=round(cpu, 2),
        mebibytes=round(memory.highest),
        resources=resources,
        state_bytes=state_bytes,
        load=round(load, 1),
    )


def _cpu_of_children() -> float:
    """Processor seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def case(nodes: int, runs: int, names: Sequence[str]) -> Iterator[Timing]:
    """Every run of one size, on a cloud of its own."""
    # The local cloud is not installed as a package; `main` puts it on the path.
    from tests.engine.lifecycle.clouds.light_cloud import light_stack  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        light = light_stack(
            Path(folder) / "home",
            document(nodes, "existing"),
            variables={"PULUMI_PARALLEL": str(engines.PARALLEL)},
        )
        with light.running():
            light.cloud.config_file.write_text(json.dumps(light.document))
            plan = plan_from(light.document["config"]["spiderpool-alicloud:cluster"])
            cloud = Path(folder) / "cloud.json"
            cloud.write_text(json.dumps(dataclasses.asdict(cloud_of(plan))))
            programs = [
                engines.program(
                    name,
                    Path(folder),
                    cloud=cloud,
                    env=light.cloud.env,
                    config_file=light.cloud.config_file,
                )
                for name in names
            ]
            for run in range(runs):
                first = run % len(programs)
                for program in (*programs[first:], *programs[:first]):
                    for command in COMMANDS:
                        yield time_command(program, command, nodes=nodes, run=run)


def added(earlier: Sequence[Timing], more: Sequence[Timing]) -> list[Timing]:
    """All timings; the later ones are runs of their own, after the earlier ones of their size."""
    runs = Counter(dict.fromkeys({t.nodes for t in more}, 0))
    for timing in earlier:
        runs[timing.nodes] = max(runs[timing.nodes], timing.run + 1)
    shifted = [dataclasses.replace(t, run=t.run + runs[t.nodes]) for t in more]
    return sorted([*earlier, *shifted], key=lambda t: (t.nodes, t.run))


def ratios(timings: Sequence[Timing], peer: str = "flat") -> dict[str, float]:
    """`nodes command figure` → the median of ours to the peer, run by run."""
    by_key = {(t.nodes, t.command, t.run, t.program): t for t in timings}
    groups: dict[str, list[float]] = {}
    for (nodes, command, run, program), ours in by_key.items():
        theirs = by_key.get((nodes, command, run, peer))
        if program != "ours" or theirs is None:
            continue
        figures = ("seconds", "cpu", "mebibytes")
        for figure in (*figures, *(("state_bytes",) if command == "up" else ())):
            ratio = getattr(ours, figure) / max(getattr(theirs, figure), 0.01)
            groups.setdefault(f"{nodes} {command} {figure}", []).append(ratio)
    return {key: round(median(values), 3) for key, values in groups.items()}


def section(document: Mapping[str, Any]) -> list[str]:
    """The lines of `results.md` about these figures."""
    timings = [Timing(**timing) for timing in document["timings"]]
    programs = [name for name in PROGRAMS if any(t.program == name for t in timings)]
    loads = [timing.load for timing in timings]
    lines = [
        "## Whole runs",
        "",
        "By `benchmarks/engine.py`: real engines and the real provider on one emulated cloud, in",
        "`existing` mode without a NAT gateway. Flat is `benchmarks/peers/flat`, OpenTofu",
        "`benchmarks/peers/opentofu`, with the same provider. All programs run in turn in the same",
        "run. Seconds are medians, with the smallest and the largest; a ratio is the median of",
        "each run's ratio of ours to the other. The floor is the sum of the provider's fixed",
        "waits on the longest chain. In a `destroy` ours keeps the ENIs of a machine that goes,",
        "on purpose, so it deletes them after it, as the others do here.",
        "",
        f"- Machine: {document['machine']}",
        f"- Versions: {document['versions']}",
        f"- Operations at once: {engines.PARALLEL}",
        f"- Load average of the machine before each command: {spread(loads, 1)}",
        *([f"- {document['note']}"] if document["note"] else []),
        "",
    ]
    head = [*(f"{name} s" for name in programs), *(f"to {name}" for name in programs[1:])]
    lines += [
        f"| nodes | command | runs | {' | '.join(head)} | floor s |",
        f"|---|---|---|{'---|' * len(head)}---|",
    ]
    by_peer = {peer: ratios(timings, peer) for peer in programs[1:]}
    cases = sorted(
        {(t.nodes, t.command) for t in timings}, key=lambda case: (case[0], COMMANDS.index(case[1]))
    )
    for nodes, command in cases:
        of = {
            name: [t for t in timings if (t.nodes, t.command, t.program) == (nodes, command, name)]
            for name in programs
        }
        cells = [spread([t.seconds for t in of[name]], 1) if of[name] else "" for name in programs]
        cells += [
            f"{by_peer[peer][f'{nodes} {command} seconds']:.2f}" if of[peer] else ""
            for peer in programs[1:]
        ]
        runs = min(len(some) for some in of.values() if some)
        floor = FLOORS.get(command, "")
        lines.append(f"| {nodes} | {command} | {runs} | {' | '.join(cells)} | {floor} |")
    lines += [
        "",
        "| nodes | command | program | CPU s | MiB | resources | state KB |",
        "|---|---|---|---|---|---|---|",
    ]
    for nodes, command in cases:
        for name in programs:
            some = [t for t in timings if (t.nodes, t.command, t.program) == (nodes, command, name)]
            if not some:
                continue
            size = f"{some[0].resources} | {some[0].state_bytes / 1024:.0f}"
            lines.append(
                f"| {nodes} | {command} | {name} | {spread([t.cpu for t in some], 1)} | "
                f"{median(t.mebibytes for t in some):.0f} | "
                f"{size if command == 'up' else ' | '} |"
            )
    return lines


def main(arguments: Sequence[str]) -> int:
    """Measure, and write the results or compare them with the recorded ones."""
    sys.path.insert(0, str(engines.ROOT / "local"))
    from benchmarks import page  # noqa: PLC0415 - it has a section by this module

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of nodes")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--note", default="", help="a sentence about the machine, for the results")
    parser.add_argument(
        "--add", action="store_true", help="keep the recorded timings, and add these runs to them"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a ratio is worse than the recorded one by more than 10 %%",
    )
    options = parser.parse_args(arguments)
    names = [str(name) for name in options.programs.split(",")]
    if "opentofu" in names and not (engines.OPENTOFU / "tofu").exists():
        names.remove("opentofu")
        print("OpenTofu is not built; `python -m toolchain ensure --opentofu` builds it.")
    sizes = [int(size) for size in options.sizes.split(",")]
    timings: list[Timing] = []
    for nodes in sizes:
        for timing in case(nodes, options.runs, names):
            timings.append(timing)
            print(timing, flush=True)
    before = results.recorded().get("engine", {})
    if options.check:
        worse = results.regressions(before.get("ratios", {}), ratios(timings))
        print("\n".join(worse) or "No ratio is worse than the recorded one by more than 10 %.")
        return 1 if worse else 0
    if options.add:
        timings = added([Timing(**timing) for timing in before.get("timings", ())], timings)
    document = {
        "machine": results.machine(),
        "versions": results.versions(),
        "note": options.note,
        "ratios": ratios(timings),
        "timings": [dataclasses.asdict(timing) for timing in timings],
    }
    results.record("engine", document)
    page.write()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
