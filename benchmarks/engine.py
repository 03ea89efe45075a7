"""Ours, a flat program and OpenTofu on one emulated cloud, by the real engine and provider.

    python benchmarks/engine.py [--sizes 10,50,200] [--modes existing,create] [--runs 5]

It writes `benchmarks/results.md` and `results.json`. Each run of a case is an `up`, a preview with
and one without a refresh, and a `destroy`, of each program in turn, so that a machine that gets
busy is so for all. Ratios are taken run by run; the table has their medians. Nothing boots. In the
mode `create` a small server answers for the API server.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
HERE: Final = ROOT / "benchmarks"
FLAT: Final = HERE / "peers" / "flat"
SIZES: Final = (10, 50, 200)
MODES: Final = ("existing", "create")
RUNS: Final = 5
PARALLEL: Final = 256
"""For every program: enough for the largest case, so that the slots decide nothing."""
COMMANDS: Final = ("up", "preview-refresh", "preview", "destroy")
FLOORS: Final = {"up": 20.0, "destroy": 20.0}
"""The provider's fixed waits on the longest chain: VPC 5 s, ENI 5 s, instance 10 s
(docs/decisions/waits-dominate.md)."""
WORSE: Final = 1.10
"""A ratio that is worse than the recorded one by more than this is a regression."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """One command of one program."""

    mode: str
    nodes: int
    run: int
    program: str
    command: str
    seconds: float
    cpu: float
    """Of the engine, the plugins and the program together."""
    resources: int
    state_bytes: int
    """After the command."""


def main(arguments: Sequence[str]) -> int:
    """Measure, write the results, and compare them with the recorded ones if asked to."""
    sys.path[:0] = [str(ROOT), str(ROOT / "local")]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--parallel", type=int, default=PARALLEL)
    parser.add_argument("--logs", type=Path, help="keep the engine's event logs in this folder")
    parser.add_argument("--note", default="", help="a sentence about the machine for the results")
    parser.add_argument(
        "--check", action="store_true", help="fail if a ratio is 10 % worse than the recorded one"
    )
    options = parser.parse_args(arguments)
    if options.logs is not None:
        options.logs.mkdir(parents=True, exist_ok=True)
    timings: list[Timing] = []
    for mode in options.modes.split(","):
        for nodes in (int(size) for size in options.sizes.split(",")):
            timings += list(case(mode, nodes, options))
    recorded = HERE / "results.json"
    before = json.loads(recorded.read_text()) if recorded.exists() else {}
    measured = ratios(timings)
    if options.check:
        worse = regressions(before.get("ratios", {}), measured)
        print("\n".join(worse) or "No ratio is worse than the recorded one by more than 10 %.")
        return 1 if worse else 0
    document = {
        "machine": machine(),
        "versions": versions(),
        "parallel": options.parallel,
        "note": options.note,
        "runs": options.runs,
        "ratios": {**before.get("ratios", {}), **measured},
        "timings": [dataclasses.asdict(timing) for timing in timings],
    }
    recorded.write_text(json.dumps(document, indent=1) + "\n")
    (HERE / "results.md").write_text(page(document))
    return 0


def case(mode: str, nodes: int, options: argparse.Namespace) -> Iterator[Timing]:
    """Every run of one mode and size, on a cloud of its own."""
    from benchmarks.stacks import cloud_of, document  # noqa: PLC0415 - `main` sets the path
    from planning.read import plan_from  # noqa: PLC0415
    from tests.engine.lifecycle.light_cloud import light_stack  # noqa: PLC0415
    from tests.engine.lifecycle.ready_server import ready_server  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder) / "home"
        light = light_stack(
            home,
            document(nodes, "existing" if mode == "existing" else "create"),
            variables={"PULUMI_PARALLEL": str(options.parallel)},
        )
        with light.running(), ready_server(light) if mode == "create" else _nobody():
            light.write()
            cluster = light.document["config"]["spiderpool-alicloud:cluster"]
            cloud_file = Path(folder) / "cloud.json"
            plan = plan_from(cluster)
            cloud_file.write_text(
                json.dumps(dataclasses.asdict(cloud_of(plan, _texts(mode, plan))))
            )
            env = {**light.cloud.env}
            ours = _Program(
                name="ours",
                directory=ROOT,
                stack="local",
                options=("--config-file", str(light.cloud.config_file)),
                env=env,
            )
            flat = _Program(
                name="flat", directory=FLAT, stack="flat", options=(), env=env, cloud=cloud_file
            )
            flat.begin()
            for run in range(options.runs):
                for program in (ours, flat) if run % 2 == 0 else (flat, ours):
                    for command in COMMANDS:
                        timing = program.time(command, mode, nodes, run, options.logs)
                        print(timing, flush=True)
                        yield timing


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Program:
    """A Pulumi program and its stack."""

    name: str
    directory: Path
    stack: str
    options: tuple[str, ...]
    env: Mapping[str, str]
    cloud: Path | None = None

    def begin(self) -> None:
        """Create the stack."""
        self._pulumi("stack", "init", self.stack)
        self._pulumi("config", "set", "--stack", self.stack, "flat:cloud", str(self.cloud))

    def time(self, command: str, mode: str, nodes: int, run: int, logs: Path | None) -> Timing:
        """Run one command, which must succeed."""
        arguments = {
            "up": ("up", "--yes", "--skip-preview", "--refresh=false"),
            "preview": ("preview", "--refresh=false", "--expect-no-changes"),
            "preview-refresh": ("preview", "--refresh", "--expect-no-changes"),
            "destroy": ("destroy", "--yes", "--skip-preview", "--refresh=false"),
        }[command]
        log = (
            ()
            if logs is None
            else (
                "--event-log",
                str(logs / f"{mode}-{nodes}-{run}-{self.name}-{command}.jsonl"),
            )
        )
        if logs is not None and command == "destroy":
            state = logs / f"{mode}-{nodes}-{run}-{self.name}.json"
            self._pulumi("stack", "export", "--stack", self.stack, "--file", str(state))
        before, began = _children(), time.perf_counter()
        self._pulumi(*arguments, "--suppress-outputs", *log, "--stack", self.stack, *self.options)
        seconds, cpu = time.perf_counter() - began, _children() - before
        document = self._pulumi("stack", "export", "--stack", self.stack)
        resources = (json.loads(document)["deployment"] or {}).get("resources") or []
        return Timing(
            mode=mode,
            nodes=nodes,
            run=run,
            program=self.name,
            command=command,
            seconds=seconds,
            cpu=cpu,
            resources=len(resources),
            state_bytes=len(document),
        )

    def _pulumi(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own command
            ["pulumi", *arguments, "--non-interactive"],  # noqa: S607 - the pinned one, on PATH
            cwd=self.directory,
            env=dict(self.env),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout


def _children() -> float:
    """Processor seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _texts(mode: str, plan: Any) -> dict[str, str]:  # noqa: ANN401
    """User-data of a control plane and of a worker, as ours has it."""
    from planning.nodes.user_data import user_data  # noqa: PLC0415
    from tests.clusters import fake_secrets  # noqa: PLC0415

    if mode == "existing":
        return {}
    return {
        str(node.role): user_data(
            plan,
            node.name,
            secrets=fake_secrets(),
            macs=dict.fromkeys(node.interfaces, "00:16:3e:00:00:00"),
            api_address="172.16.0.16",
            public_address="127.66.0.1",
            creation_ends=None,
        )
        for node in (plan.control_planes[0], *plan.workers[:1])
    }


@contextlib.contextmanager
def _nobody() -> Iterator[None]:
    yield


def ratios(timings: Sequence[Timing]) -> dict[str, float]:
    """`mode nodes command figure` → the median of ours to flat, run by run."""
    by_key = {(t.mode, t.nodes, t.command, t.run, t.program): t for t in timings}
    groups: dict[str, list[float]] = {}
    for (mode, nodes, command, run, program), ours in by_key.items():
        flat = by_key.get((mode, nodes, command, run, "flat"))
        if program != "ours" or flat is None:
            continue
        groups.setdefault(f"{mode} {nodes} {command} seconds", []).append(
            ours.seconds / flat.seconds
        )
        groups.setdefault(f"{mode} {nodes} {command} cpu", []).append(ours.cpu / flat.cpu)
        if command == "up":
            groups.setdefault(f"{mode} {nodes} state bytes", []).append(
                ours.state_bytes / flat.state_bytes
            )
    return {key: round(median(values), 3) for key, values in groups.items()}


def regressions(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """A sentence for each ratio that is worse by more than a tenth."""
    return [
        f"{key}: ours to flat is {after[key]:.2f}, recorded is {before[key]:.2f}."
        for key in sorted(before.keys() & after.keys())
        if after[key] > before[key] * WORSE
    ]


def machine() -> str:
    """The processor, its cores and the memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions() -> str:
    """What ran."""
    import importlib.metadata  # noqa: PLC0415

    parts = [f"Python {platform.python_version()}"]
    parts += [
        f"{name} {importlib.metadata.version(name)}" for name in ("pulumi", "pulumi_alicloud")
    ]
    return ", ".join(parts)


def page(document: Mapping[str, Any]) -> str:
    """`results.md`."""
    timings = [Timing(**timing) for timing in document["timings"]]
    lines = [
        "# Results",
        "",
        "Written by `make bench`. Ours and a flat program with the same cloud resources, on one",
        "emulated cloud, in turn. Seconds are medians, with the smallest and the largest. Ratios",
        "are medians of each run's ratio. The floor is the sum of the provider's fixed waits.",
        "",
        f"- Machine: {document['machine']}. {document['note']}".rstrip(),
        f"- Versions: {document['versions']}",
        f"- Runs of each case: {document['runs']}; operations at once: {document['parallel']}",
        "",
        (
            "| mode | nodes | command | ours s | flat s | ratio | ours CPU s | flat CPU s | ratio "
            "| floor s |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for mode, nodes, command in dict.fromkeys((t.mode, t.nodes, t.command) for t in timings):
        of = {
            program: [
                t
                for t in timings
                if (t.mode, t.nodes, t.command, t.program) == (mode, nodes, command, program)
            ]
            for program in ("ours", "flat")
        }
        key = f"{mode} {nodes} {command}"
        lines.append(
            f"| {mode} | {nodes} | {command} | {_spread([t.seconds for t in of['ours']])} | "
            f"{_spread([t.seconds for t in of['flat']])} | "
            f"{document['ratios'][f'{key} seconds']:.2f} | "
            f"{_spread([t.cpu for t in of['ours']])} | {_spread([t.cpu for t in of['flat']])} | "
            f"{document['ratios'][f'{key} cpu']:.2f} | {FLOORS.get(command, '')} |"
        )
    lines += [
        "",
        "| mode | nodes | resources ours | flat | state KB ours | flat |",
        "|---|---|---|---|---|---|",
    ]
    for mode, nodes in dict.fromkeys((t.mode, t.nodes) for t in timings):
        ups = {t.program: t for t in timings if (t.mode, t.nodes, t.command) == (mode, nodes, "up")}
        if {"ours", "flat"} <= ups.keys():
            lines.append(
                f"| {mode} | {nodes} | {ups['ours'].resources} | {ups['flat'].resources} | "
                f"{ups['ours'].state_bytes / 1024:.0f} | {ups['flat'].state_bytes / 1024:.0f} |"
            )
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
