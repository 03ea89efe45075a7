"""Strike every call of an `up` and of a `destroy` that changes something, and see what is left.

    python -m tests.engine.lifecycle.fault_sweep --kind error --json figures.json

A clean run gives the list of calls. Then each of them is struck once: as many calls of an action
fail as the clean run made. A run that fails although nothing was struck in it is stuck: a person
has to help. `--continue-on-error` lets one run meet every call that is ready, so
that the sweep needs as many runs as the longest chain of calls, not as there are calls. Runs go on
until one ends well; what the cloud then has and the state does not know is a leak.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.engine.lifecycle.light_cloud import LightCloud, light_cloud
from tests.engine.local_cloud import Done

KINDS: Mapping[str, Mapping[str, object]] = {
    "error": {"kind": "error", "status": 403, "code": "Forbidden.Injected"},
    "lost-answer": {"kind": "after-effect", "status": 503, "code": "ServiceUnavailable"},
    "lost-answer-final": {"kind": "after-effect", "status": 403, "code": "Forbidden.Injected"},
}
"""Refused for good; done but answered with an error that may be tried again; done but refused."""

READS = ("Describe", "List", "Get", "Query")
MOST_RUNS = 40
NOT_OURS = frozenset({"Disk"})
"""Kinds that come and go with something else and never stand in the state by their own id."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One direction, struck."""

    command: str
    calls: int
    """Calls of the clean run that change something."""
    struck: int
    """Of them, how many failed once in the sweep."""
    runs: int
    """Until one ended well; the first is the one that met the first fault."""
    ended_well: bool
    leaks: Mapping[str, int] = field(default_factory=dict)
    """What the cloud has and the state does not know, by kind."""
    never_struck: Mapping[str, int] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    """Calls that kept failing when no fault was left to strike."""


def mutations(calls: list[dict[str, Any]]) -> Counter[str]:
    """How often each action that changes something was called."""
    return Counter(c["action"] for c in calls if not c["action"].startswith(READS))


def leaks(light: LightCloud) -> dict[str, list[str]]:
    """Ids that are alive in the cloud and stand nowhere in the stack's state."""
    state = json.dumps(light.state())
    found = {
        kind: [i for i in ids if i not in state]
        for kind, ids in light.alive().items()
        if kind not in NOT_OURS
    }
    return {kind: ids for kind, ids in found.items() if ids}


def strike(light: LightCloud, command: str, expected: Counter[str], kind: str) -> Phase:
    """Run the command until it ends well, with every expected call failing once on the way."""
    light.ask(
        "POST",
        "/faults",
        [{"action": action, "times": n, **KINDS[kind]} for action, n in expected.items()],
    )
    struck: Mapping[str, int] = {}
    for runs in range(1, MOST_RUNS + 1):  # noqa: B007 - its last value counts
        before, mark = struck, light.last_call()
        done = _run(light, command)
        struck = {
            rule["action"]: min(rule["matched"], expected[rule["action"]])
            for rule in light.ask("GET", "/faults")
        }
        if done.status == 0 or struck == before:
            break
    light.ask("DELETE", "/faults")
    return Phase(
        command=command,
        calls=expected.total(),
        struck=sum(struck.values()),
        stuck=sorted(
            {f"{c['action']}: {c['code']}" for c in light.calls(after=mark) if c["status"] >= 400}
        )
        if done.status
        else [],
        runs=runs,
        ended_well=done.status == 0,
        leaks={k: len(ids) for k, ids in leaks(light).items()},
        never_struck={a: n - struck[a] for a, n in expected.items() if struck[a] < n},
    )


def sweep(light: LightCloud, kind: str) -> list[Phase]:
    """Both directions, on a cloud that has nothing; leaves nothing if all is well."""
    assert light.up().status == 0
    ups = mutations(light.calls())
    mark = light.last_call()
    assert light.destroy().status == 0
    downs = mutations(light.calls(after=mark))
    phases = [strike(light, "up", ups, kind)]
    if phases[0].ended_well:
        assert light.steps() == []
        phases.append(strike(light, "destroy", downs, kind))
    return phases


def _run(light: LightCloud, command: str) -> Done:
    return light.pulumi(
        *(command, "--yes", "--skip-preview", "--suppress-progress", "--suppress-outputs"),
        "--continue-on-error",
    )


def main() -> int:
    """Print the figures as JSON; 1 when a run never ended well or something leaked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kind", choices=sorted(KINDS), default="error")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        light = light_cloud(Path(folder) / "home")
        light.start()
        try:
            phases = sweep(light, wanted.kind)
        finally:
            light.stop()
    text = json.dumps({"kind": wanted.kind, "phases": [asdict(p) for p in phases]}, indent=2)
    if wanted.json:
        wanted.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return int(any(p.leaks or not p.ended_well for p in phases))


if __name__ == "__main__":
    raise SystemExit(main())
