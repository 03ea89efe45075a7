"""Machines lose their power while a run creates, rolls, upgrades or restores a cluster.

    python -m tests.engine.lifecycle.drills.power_cuts --of roll --write docs/reliability.md

A point is a number of calls that change something in the cloud, a pause after the last of them, and
one of the machines that run then. All three are drawn with a seed. An `up` counts from the moment
at which a machine runs. The machine is stopped by force, as a power cut would stop it; its disk
stays. The run continues until it ends by itself. Then follows `pulumi up`, as in the runbooks. With
`--keep FILE` each result is written at once, and a later call continues with the rest.
`--point NUMBER` chooses points. `--at-once 2` drills in two clouds at the same time, because a
drill mostly waits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.engine.clouds.local_cloud import second_cloud
from tests.engine.clouds.three_zones import use_three_zones
from tests.engine.control_planes.test_three_control_planes import is_ready
from tests.engine.control_planes.writing_client import Writes, stored, writing
from tests.engine.kubernetes.kubernetes_versions import PATHS
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.drills.results import (
    ASKED,
    DrillResult,
    keep,
    kept_results,
    result_of,
    summary,
)
from tests.engine.lifecycle.drills.struck_runs import STRUCK_RUN, Run, restore_run, up_run
from tests.engine.lifecycle.interruptions.fault_sweep import mutations, write_table
from tests.engine.lifecycle.official_sdk import client, models
from tests.engine.machines.test_machine_life_cycle import EARLIER_IMAGE, LifeCycle

SEED: Final = 20261127
READY_SECONDS: Final = "SPIDERPOOL_ALICLOUD_READY_SECONDS"
MOST_RUNS: Final = 3
LONGEST: Final = 1500.0
_PATH: Final = PATHS[-1]


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a machine loses its power."""

    after: int
    """Calls that change something, before it does."""
    later: float
    """Seconds after the last of them."""
    draw: int
    """Chooses among the machines that run then, by name."""

    def __str__(self) -> str:
        return f"{self.later:.1f} s after {self.after} calls"


def points(kind: str, count: int, *, seed: int = SEED) -> list[Point]:
    """`count` points of a kind's run in a drawn order.

    Calls and pauses are each spread evenly, as in a Latin hypercube, so that few points reach
    every part of a run.
    """
    drawn = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def shares() -> list[float]:
        strata = [(number + drawn.random()) / count for number in range(count)]
        drawn.shuffle(strata)
        return strata

    calls, pause = KINDS[kind].calls, KINDS[kind].pause
    return [
        Point(after=int(call * calls), later=later * pause, draw=drawn.randrange(1_000))
        for call, later in zip(shares(), shares(), strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of run."""

    calls: int
    """Calls that change something in a clean run, about; in an `up` only those that are counted."""
    pause: float
    """Seconds that pass without such a call at most, about."""
    control_planes: int
    workers: int = 1
    patience: int = 120
    """Seconds for which the run that is struck waits for a machine. A machine that is off stays off
    however long it waits, so this is only longer than a healthy machine needs. The runs after it
    wait for 400."""


KINDS: Final[Mapping[str, Kind]] = {
    "up": Kind(calls=1, pause=45, control_planes=1, patience=80),
    "up of three control planes": Kind(calls=1, pause=120, control_planes=3),
    "roll": Kind(calls=6, pause=12, control_planes=1, workers=2),
    "roll of three control planes": Kind(calls=24, pause=20, control_planes=3),
    "upgrade": Kind(calls=24, pause=20, control_planes=3),
    "restore": Kind(calls=6, pause=60, control_planes=1),
}
_RESTORE: Final = "restore"
_REPEATED: Final = frozenset({"roll", "roll of three control planes", _RESTORE})
"""A cluster can be struck in these again and again; there is no way back from the others."""
_FIRST_RUNS: Final = frozenset({"up", "up of three control planes"})


def new_cluster(home: Path, kind: str) -> LifeCycle:
    """Prepare the stack of a kind: its control planes and two workers. Nothing runs."""
    cloud = second_cloud(home)
    cycle = LifeCycle(cloud=cloud, document=yaml.safe_load(cloud.config_file.read_text()))
    use_three_zones(cycle.document, name="drill", control_planes=KINDS[kind].control_planes)
    cycle.cluster["nodePools"]["masters"]["etcdDisk"] = {}
    cycle.cluster["nodePools"]["workers"]["count"] = KINDS[kind].workers
    if kind == "upgrade":
        cycle.cluster.setdefault("kubernetes", {})["version"] = _PATH.old
    cycle.write()
    return cycle


@contextmanager
def gone_afterwards(cycle: LifeCycle) -> Iterator[None]:
    """Discard the cloud at the end."""
    try:
        yield
    finally:
        cycle.cloud.operations("down", "--discard", deadline=120)
        cycle.cloud.kill_everything()


def edit(cycle: LifeCycle, kind: str) -> None:
    """Make the edit that a kind's run deploys; a second call takes an image back."""
    pools: dict[str, dict[str, Any]] = cycle.cluster["nodePools"]
    if kind == "upgrade":
        cycle.cluster["kubernetes"]["version"] = _PATH.new
    elif kind not in {*_FIRST_RUNS, _RESTORE}:
        names = ["workers"] if kind == "roll" else ["masters", "workers"]
        for name in names:
            if pools[name].pop("image", None) is None:
                pools[name]["image"] = EARLIER_IMAGE


def running(cycle: LifeCycle) -> dict[str, str]:
    """Name → instance id of the machines that run."""
    ecs = models("ecs")
    request = ecs.DescribeInstancesRequest(region_id="cn-hangzhou", status="Running", page_size=100)
    body = client("ecs", cycle.cloud).describe_instances(request).body
    return {i.instance_name: i.instance_id for i in body.instances.instance}


def power_off(cycle: LifeCycle, draw: int) -> str | None:
    """Cut the power of one machine; returns its name. None if none runs."""
    machines = running(cycle)
    if not machines:
        return None
    name = sorted(machines)[draw % len(machines)]
    request = models("ecs").StopInstanceRequest(instance_id=machines[name], force_stop=True)
    client("ecs", cycle.cloud).stop_instance(request)
    return name


def kubeconfig(cycle: LifeCycle) -> str | None:
    """The administrator's, as soon as the API server's address is known."""
    done = cycle.cloud.on_stack_file("kubeconfig", "--stack", "local", deadline=60)
    return done.out if done.status == 0 else None


def in_order(cycle: LifeCycle) -> str | None:
    """What is not in order yet; None when every machine, Node and control plane serves."""
    names = {str(name) for name in cycle.instances()}
    prefix = f"{cycle.cluster['name']}-"
    off = sorted(names - {name.removeprefix(prefix) for name in running(cycle)})
    if off:
        return f"{', '.join(off)} without power"
    kubeconfig_file = cycle.cloud.places.kubeconfig
    if not kubeconfig_file.exists():
        kubeconfig_file.touch(mode=0o600)
        kubeconfig_file.write_text(cycle.kubeconfig())
    done = cycle.cloud.run("kubectl", "get", "nodes", "--request-timeout=10s", "-o", "json")
    if done.status != 0:
        return "the API server does not answer"
    nodes = {item["metadata"]["name"]: item for item in json.loads(done.out)["items"]}
    unready = sorted(n for n in names if n not in nodes or not is_ready(nodes[n]))
    return f"{', '.join(unready)} not ready" if unready else None


def leases(cycle: LifeCycle) -> dict[str, str]:
    """Whose lease → when it was renewed last; empty if the API server does not answer.

    Nodes have one for their kubelets; controllers in kube-system renew theirs as leaders. Those of
    API servers outlive them.
    """
    command = ("get", "leases", "-A", "--request-timeout=10s", "-o", "json")
    done = cycle.cloud.run("kubectl", *command)
    items = json.loads(done.out)["items"] if done.status == 0 else []
    return {
        item["metadata"]["name"]: item["spec"].get("renewTime", "")
        for item in items
        if item["metadata"]["namespace"] in {"kube-node-lease", "kube-system"}
        and not item["metadata"]["name"].startswith("apiserver-")
    }


def wait_until_in_order(cycle: LifeCycle, *, within: float) -> str | None:
    """As `in_order`, after at most `within` seconds; every kubelet and leader has reported since.

    A Node stays ready for 40 seconds after the last word of its kubelet, and a controller whose
    token is refused leaves no other trace.
    """
    until = time.monotonic() + within
    before: dict[str, str] = {}
    while True:
        missing = in_order(cycle)
        if missing is None:
            before, now = before or leases(cycle), leases(cycle)
            silent = sorted(
                name
                for name in {*cycle.instances(), *before}
                if name not in now or now[name] == before.get(name)
            )
            missing = f"{', '.join(silent)} silent" if silent else None
        if missing is None or missing.endswith("without power") or time.monotonic() > until:
            return missing
        time.sleep(2)


def strike_at(
    cycle: LifeCycle,
    child: subprocess.Popen[bytes],
    point: Point,
    *,
    from_machines: bool = False,
) -> str | None:
    """Cut one machine's power at the point; returns its name. None if the run ended before.

    With `from_machines`, calls and seconds count from the moment at which a machine runs.
    """
    light = LightCloud(cloud=cycle.cloud, document=cycle.document)
    seen, changes = light.last_call(), 0
    reached: float | None = None
    waits = from_machines
    while child.poll() is None:
        if waits and running(cycle):
            waits, seen = False, light.last_call()
        if not waits:
            new = light.calls(after=seen)
            seen = max((int(call["n"]) for call in new), default=seen)
            changes += mutations(new).total()
            if reached is None and changes >= point.after:
                reached = time.monotonic()
        if reached is not None and time.monotonic() - reached >= point.later:
            victim = power_off(cycle, point.draw)
            if victim is not None:
                return victim
        time.sleep(0.2)
    return None


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What a person did until everything was in order."""

    commands: Sequence[str]
    failures: Sequence[str]
    """The last lines of each run that failed, the first of them the run that was struck."""
    problems: Sequence[str]
    """What was still not in order."""


def drill(cycle: LifeCycle, kind: str, point: Point) -> DrillResult:
    """Run the kind's command, cut one machine's power at the point, and bring all in order.

    In a restore only what is written after the snapshot was restored counts.
    """
    run = f"{kind.replace(' ', '-')}-{point.after}-{point.later:.0f}"
    first = kind in _FIRST_RUNS
    struck_run = restore_run(cycle) if kind == _RESTORE else up_run(cycle)
    with ExitStack() as until_written:
        writes: Writes | None = None
        if not first:
            writes = until_written.enter_context(writing(cycle.kubeconfig(), run=run))
        child = struck_run.begin({READY_SECONDS: str(KINDS[kind].patience)})
        victim = strike_at(cycle, child, point, from_machines=first)
        struck = time.monotonic()
        while writes is None and child.poll() is None:
            text = kubeconfig(cycle)
            if text is not None:
                writes = until_written.enter_context(writing(text, run=run))
            time.sleep(2)
        child.wait(timeout=LONGEST)
        ran = time.monotonic() - struck
        recovery = bring_in_order(cycle, child.returncode, struck_run)
        seconds = time.monotonic() - struck
        if writes is None:
            writes = until_written.enter_context(writing(cycle.kubeconfig(), run=run))
        problems = recovery.problems or differences(cycle)
    return result_of(
        kind,
        f"{victim or 'nothing'} {point}",
        writes,
        kept=None if problems else stored(cycle.kubeconfig(), run=run),
        met=victim is not None,
        commands=recovery.commands,
        ran=ran,
        seconds=seconds,
        problems=problems,
        failures=recovery.failures,
    )


def bring_in_order(cycle: LifeCycle, status: int, run: Run) -> Recovery:
    """Repeat a run, as the runbooks tell, until everything is in order.

    `status` is that of the run that was struck. After one that has ended well, `pulumi up` follows.
    """
    transcript = (cycle.cloud.places.home / STRUCK_RUN).read_text(errors="replace")
    commands: list[str] = []
    failures: list[str] = []
    while True:
        if status != 0:
            failures.append(transcript[-4000:])
        missing = wait_until_in_order(cycle, within=180) if status == 0 else "the run failed"
        if missing is None or len(commands) == MOST_RUNS:
            problems = [] if missing is None else [missing]
            return Recovery(commands=commands, failures=failures, problems=problems)
        again = run if status != 0 else up_run(cycle)
        done = again.repeat()
        commands.append(again.command)
        status, transcript = done.status, done.transcript


def differences(cycle: LifeCycle) -> list[str]:
    """What the next preview would change, as a problem; empty when it is nothing.

    A Deployment that is not available yet shows as a change of its status.
    """
    until = time.monotonic() + 240
    while not cycle.is_available() and time.monotonic() < until:
        time.sleep(2)
    done = cycle.preview("--expect-no-changes")
    return [] if done.status == 0 else [f"the next preview: {done.transcript[-2000:]}"]


def drill_all(
    kind: str, chosen: Sequence[Point], *, folder: Path, seconds: float
) -> Iterator[DrillResult]:
    """Drill at each point until the time is over; a roll can go on in the same cluster."""
    ends = time.monotonic() + seconds
    if kind not in _REPEATED:
        for number, point in enumerate(chosen):
            if time.monotonic() > ends:
                return
            with stack_of(folder / str(number), kind) as cycle:
                yield _edited(cycle, kind, point)
        return
    with stack_of(folder, kind) as cycle:
        for point in chosen:
            if time.monotonic() > ends:
                return
            result = _edited(cycle, kind, point)
            yield result
            if result.problems:
                return


@contextmanager
def stack_of(folder: Path, kind: str) -> Iterator[LifeCycle]:
    """The stack before the run that is struck: empty for an `up`, deployed for the others."""
    cycle = new_cluster(folder / "home", kind)
    with gone_afterwards(cycle):
        LightCloud(cloud=cycle.cloud, document=cycle.document).start(machines=True)
        if kind not in _FIRST_RUNS:
            deploy(cycle)
        yield cycle


def deploy(cycle: LifeCycle) -> None:
    """Bring the stack up for the first time, on a cloud that runs."""
    done = cycle.up()
    assert done.status == 0, cycle.cloud.explain(done)
    missing = wait_until_in_order(cycle, within=240)
    assert missing is None, missing


def _edited(cycle: LifeCycle, kind: str, point: Point) -> DrillResult:
    edit(cycle, kind)
    result = drill(cycle, kind, point)
    sys.stderr.write(json.dumps(asdict(result)) + "\n")
    return result


def drill_side_by_side(
    kind: str,
    parts: Sequence[Sequence[Point]],
    *,
    folder: Path,
    seconds: float,
    report: Callable[[DrillResult], None],
) -> list[DrillResult]:
    """Drill at the points of each part in a cloud of its own; `report` gets each result."""

    def drill_part(number: int) -> list[DrillResult]:
        results: list[DrillResult] = []
        own = folder / f"part-{number}"
        for result in drill_all(kind, parts[number], folder=own, seconds=seconds):
            report(result)
            results.append(result)
        return results

    with ThreadPoolExecutor(len(parts)) as pool:
        return [result for of in pool.map(drill_part, range(len(parts))) for result in of]


def main() -> int:
    """Print the results as JSON; 1 when something was lost or is not in order."""
    os.umask(0o022)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--of", choices=KINDS, required=True)
    parser.add_argument("--points", type=int, default=ASKED)
    parser.add_argument("--point", action="append", type=int, help="only this one, counted from 1")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--at-once", type=int, default=1, help="clouds side by side")
    parser.add_argument("--seconds", type=float, default=1e9, help="no drill begins after these")
    parser.add_argument("--keep", type=Path, help="write each result here, and go on from there")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    arguments = parser.parse_args()
    earlier = kept_results(arguments.keep)
    tried = {result.point.partition(" ")[2] for result in earlier if result.drill == arguments.of}
    drawn = points(arguments.of, arguments.points, seed=arguments.seed)
    numbers = arguments.point or range(1, len(drawn) + 1)
    chosen = [drawn[number - 1] for number in numbers if str(drawn[number - 1]) not in tried]
    with tempfile.TemporaryDirectory(prefix="drills-") as folder:
        results = drill_side_by_side(
            arguments.of,
            [chosen[number :: arguments.at_once] for number in range(arguments.at_once)],
            folder=Path(folder),
            seconds=arguments.seconds,
            report=lambda result: keep(arguments.keep, [result]) if arguments.keep else None,
        )
    sys.stdout.write(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    if arguments.write:
        write_table(arguments.write, "drills", summary([*earlier, *results]))
    return int(any(result.lost or result.problems for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
