"""Strike every call of an `up`, an edit and a `destroy`, and see what is left.

    python -m tests.engine.lifecycle.interruptions.fault_sweep --write docs/reliability.md

A clean run gives the list of calls. Then every call that changes something is struck exactly once
(for `stale`: every call that reads): its repetition passes, so that the next run is the one after
the fault is gone. Runs use `--continue-on-error`, so that one run meets every call that is ready.
They are repeated until one succeeds. After a failed run of a fault with an effect (a lost answer)
comes the documented recovery, and also where a run failed although nothing new was struck in it;
what it had to remove is counted. What the cloud has in the end and the state does not know is a
leak, which the recovery has to remove, too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from config.profiles import LOCAL_SECRET_KEY
from operations.sweep.cloud import Account, OfficialApi
from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import (
    QUIET,
    LightCloud,
    light_cloud,
    set_master_eth1,
)

KINDS: Mapping[str, Mapping[str, object]] = {
    "lost-answer-final": {"kind": "after-effect", "status": 403, "code": "Forbidden.Injected"},
    "lost-answer": {"kind": "after-effect", "status": 503, "code": "ServiceUnavailable"},
    "refused": {"kind": "error", "status": 403, "code": "Forbidden.Injected"},
    "throttled": {"kind": "error", "status": 400, "code": "Throttling.User"},
    "server-error": {"kind": "error", "status": 500, "code": "InternalError"},
    "timeout": {"kind": "timeout", "seconds": 8},
    "dropped": {"kind": "drop"},
    "stale": {"kind": "stale", "transactions": 1},
}
"""The faults; docs/reliability.md describes each."""

READS = ("Describe", "List", "Get", "Query")
COMMANDS = ("up", "edit", "destroy")
MOST_RUNS = 30
NOT_OURS = frozenset({"RouteEntry"})
"""Kinds that come and go with something else and are never in the state by their own id: the
default route that a NAT gateway brings."""

Calls = Sequence[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault in one direction."""

    kind: str
    command: str
    calls: int
    """Calls of the clean run that can be struck."""
    struck: int
    """Different calls that were; retries with other ids can make them more."""
    never_struck: Mapping[str, int] = field(default_factory=dict)
    """Calls of the clean run that the runs never came to, by action."""
    recovered: Sequence[str] = ()
    """Kinds of what the recovery command had to remove, one for each thing."""
    lost: Sequence[str] = ()
    """Calls that nothing documented mended, and what stayed in the cloud."""
    runs: int
    recoveries: int
    problems: Sequence[str] = ()
    """A secret in an output, an address twice, a next `up` that would change something."""


def mutations(calls: Iterable[dict[str, Any]]) -> Counter[str]:
    """How often each action that changes something was called."""
    return Counter(c["action"] for c in calls if not c["action"].startswith(READS))


def strikeable(kind: str, calls: Calls) -> Counter[str]:
    """How many different calls of each action this fault can strike."""
    matching = {_call(c) for c in calls if c["action"].startswith(READS) is (kind == "stale")}
    return Counter(action for action, _ in matching)


def leaks(light: LightCloud) -> dict[str, list[str]]:
    """Ids of resources that exist in the cloud and are not in the stack's state, by kind."""
    state = json.dumps(light.state())
    unrecorded = {
        kind: [i for i in ids if i not in state]
        for kind, ids in light.alive().items()
        if kind not in NOT_OURS
    }
    return {kind: ids for kind, ids in unrecorded.items() if ids}


def findings(light: LightCloud, runs: Iterable[Done]) -> list[str]:
    """Violations: a secret in an output or a log, an address on two interfaces."""
    problems: list[str] = []
    key = (light.cloud.places.cloud / "tls" / "server.key").read_text().split("\n")[1]
    texts = {f"output {n}": done.out + done.err for n, done in enumerate(runs)}
    for log in sorted((light.cloud.places.cloud / "logs").glob("*")):
        texts[log.name] = log.read_text(errors="replace")
    texts["calls"] = json.dumps(light.calls())
    for name, text in texts.items():
        problems += [
            f"a secret in {name}" for s in (LOCAL_SECRET_KEY, key, "PRIVATE KEY") if s in text
        ]
    return problems + [f"{where} twice" for where in addresses_twice(light)]


def addresses_twice(light: LightCloud) -> list[str]:
    """Addresses that two interfaces of one vSwitch have, according to the official SDK."""
    places = light.cloud.places
    account = Account.of(
        "cn-hangzhou", endpoint=f"127.0.0.1:{light.cloud.port}", ca=places.ca, env={}
    )
    enis = OfficialApi(account).every(
        "ecs", "DescribeNetworkInterfaces", "NetworkInterfaceSets", "NetworkInterfaceSet"
    )
    uses = Counter(
        f"{eni['VSwitchId']} {ip['PrivateIpAddress']}"
        for eni in enis
        for ip in eni["PrivateIpSets"]["PrivateIpSet"]
    )
    return [where for where, times in uses.items() if times > 1]


def edit(cluster: dict[str, Any]) -> None:
    """Make updates of every kind that the light stack knows: tags, sizes, addresses, a node."""
    cluster["tags"] = {"owner": "platform"}
    cluster["network"].setdefault("nat", {})["bandwidth"] = 20
    set_master_eth1(cluster["nodePools"]["masters"], pods=5)
    workers = cluster["nodePools"]["workers"]
    workers["instanceType"] = "ecs.g7.xlarge"
    for node in workers["nodes"].values():
        nic = node["interfaces"]["eth1"]
        (addresses,) = nic["podAddresses"]
        first, _, last = addresses.partition("-")
        head, _, tail = last.rpartition(".")
        nic["podAddresses"] = [f"{first}-{head}.{int(tail) - 1}"]


def clean_run(light: LightCloud) -> dict[str, Calls]:
    """The calls of each command when nothing goes wrong."""
    by_command: dict[str, Calls] = {}
    for command in COMMANDS:
        mark = light.last_call()
        done = run(_edited(light, command), command)
        assert done.status == 0, done.transcript
        by_command[command] = light.calls(after=mark)
    return by_command


def run(light: LightCloud, command: str) -> Done:
    """One run that continues after errors."""
    options = ("--yes", "--skip-preview", *QUIET, "--continue-on-error")
    # A client that gives up sooner than by default, so that a timeout costs seconds.
    env = {"CLIENT_READ_TIMEOUT": "3000"}
    return light.pulumi("destroy" if command == "destroy" else "up", *options, env=env)


def strike(light: LightCloud, command: str, kind: str, clean: Calls) -> Row:
    """Run the command until it succeeds; every call is struck once."""
    light = _edited(light, command)
    expected = strikeable(kind, clean)
    light.ask(
        "POST", "/faults", [{"action": a, "each": True, **KINDS[kind]} for a in sorted(expected)]
    )
    history: list[Done] = []
    recovered: list[str] = []
    lost: list[str] = []
    struck: Mapping[str, int] = {}
    runs = recoveries = 0
    while runs < MOST_RUNS:
        mark = light.last_call()
        history.append(run(light, command))
        runs += 1
        if history[-1].status == 0:
            break
        before, struck = struck, _struck(light)
        if struck != before and KINDS[kind]["kind"] != "after-effect":
            continue
        recoveries += 1
        removed = _recover(light, history)
        recovered += removed
        if struck == before and not removed:
            lost = _failing(light.calls(after=mark)) or ["the last run"]
            break
    struck = _struck(light)
    light.ask("DELETE", "/faults")
    if not lost and leaks(light):
        recoveries += 1
        recovered += _recover(light, history)
    lost += [f"{k} left" for k, ids in leaks(light).items() for _ in ids]
    ended_well = not lost
    problems = findings(light, history)
    if ended_well and command != "destroy":
        problems += [f"the next up would {step}" for step in light.steps()]
    if command == "destroy":
        problems += [f"not destroyed: {k}" for k in light.alive()]
    return Row(
        kind=kind,
        command=command,
        calls=expected.total(),
        struck=sum(struck.values()),
        never_struck={a: n - struck[a] for a, n in sorted(expected.items()) if struck[a] < n},
        recovered=recovered,
        lost=lost,
        runs=runs,
        recoveries=recoveries,
        problems=problems,
    )


def sweep(light: LightCloud, kind: str, clean: Mapping[str, Calls]) -> list[Row]:
    """All commands with one fault, on an empty cloud; stops at the first that does not converge."""
    rows: list[Row] = []
    for command in COMMANDS:
        row = strike(light, command, kind, clean[command])
        rows.append(row)
        sys.stderr.write(json.dumps(asdict(row)) + "\n")
        if row.lost:
            break
    return rows


def sweep_all(kinds: Sequence[str], *, jobs: int, folder: Path) -> list[Row]:
    """Every fault on a cloud of its own, `jobs` clouds at a time."""

    def lane(kind: str) -> list[Row]:
        light = light_cloud(folder / kind / "home")
        light.start()
        try:
            return sweep(light, kind, clean)
        finally:
            light.stop()

    first = light_cloud(folder / "clean" / "home")
    first.start()
    try:
        clean = clean_run(first)
    finally:
        first.stop()
    with ThreadPoolExecutor(jobs) as pool:
        return [row for rows in pool.map(lane, kinds) for row in rows]


def table(rows: Sequence[Row]) -> str:
    """The figures as a table in Markdown."""
    lines = [
        "| fault | run | calls | struck | mended by one more run | by `recover` | lost | runs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        mended = row.struck - len(row.recovered) - len(row.lost)
        counts = (row.calls, row.struck, mended, len(row.recovered), len(row.lost), row.runs)
        lines.append(f"| `{row.kind}` | {row.command} | {' | '.join(map(str, counts))} |")
    if removed := sorted({kind for row in rows for kind in row.recovered}):
        lines += ["", f"What `recover` had to remove: {', '.join(removed)}."]
    return "\n".join(lines)


def write_table(page: Path, name: str, text: str) -> None:
    """Put a table between its markers in the page.

    Raises:
        ValueError: The page does not have the markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, end_mark, after = rest.partition(end)
    if not end_mark:
        raise ValueError(f"{page} has no markers for the table. Add the lines {begin} and {end}.")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _recover(light: LightCloud, history: list[Done]) -> list[str]:
    """Run the documented recovery; returns the kinds of what it removed."""
    done = light.operations("recover", "--yes", "--json")
    history.append(done)
    if done.status != 0:
        return []
    return [str(item["kind"]) for item in json.loads(done.out)["leftovers"]]


def _edited(light: LightCloud, command: str) -> LightCloud:
    return light if command == "up" else light.edited(edit)


def _call(call: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return call["action"], tuple(sorted(call["parameters"].values()))


def _struck(light: LightCloud) -> Counter[str]:
    return Counter({rule["action"]: rule["matched"] for rule in light.ask("GET", "/faults")})


def _failing(calls: Calls) -> list[str]:
    """What kept failing: the last answer of each different call that changes something."""
    last = {_call(c): c for c in calls if not c["action"].startswith(READS)}
    return sorted(
        f"{c['action']}: {c['code']}" for c in last.values() if c["status"] >= 400 or c["code"]
    )


def main() -> int:
    """Print the figures as JSON; 1 when something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="all without it")
    parser.add_argument("--jobs", type=int, default=3, help="clouds at a time")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        rows = sweep_all(arguments.kind or list(KINDS), jobs=arguments.jobs, folder=Path(folder))
    text = json.dumps([asdict(row) for row in rows], indent=2) + "\n"
    if arguments.json:
        arguments.json.write_text(text)
    if arguments.write:
        write_table(arguments.write, "faults", table(rows))
    sys.stdout.write(text)
    return int(any(row.lost or row.problems for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
