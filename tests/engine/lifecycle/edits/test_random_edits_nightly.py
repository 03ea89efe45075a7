r"""Random sequences of edits through the real engine, some of their runs with a fault in the cloud.

    SEED=7 SEQUENCES=2 pytest -m nightly -s \
        tests/engine/lifecycle/edits/test_random_edits_nightly.py

One stack is deployed once. Then its document is edited again and again, and each edit is applied.
The transition of the same edit announces what may happen: a refusal must change nothing, and only
announced machines and ENIs may be deleted, stopped or replaced.
"""

from __future__ import annotations

import copy
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from config.report import ConfigError
from planning.read import plan_from
from planning.transitions.edits import check_edit
from planning.transitions.holders import NotAsked
from planning.transitions.reading import Record, read_record
from planning.transitions.record import record
from planning.transitions.steps import (
    Accepted,
    Refused,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
    Transition,
)
from tests.engine.clouds.local_cloud import CLUSTER, Done
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_stack
from tests.engine.lifecycle.interruptions.fault_sweep import KINDS, READS, findings, leaks

Document = dict[str, Any]
RandomEdit = Callable[[Document, random.Random], None]
"""Changes the cluster's document in place; may raise or make a document that cannot be planned."""

ZONE: Final = "cn-hangzhou-i"
OTHER_ZONE: Final = "cn-hangzhou-j"
TYPES: Final = ("ecs.g7.large", "ecs.g7.xlarge", "ecs.g7.2xlarge")
IMAGES: Final = tuple(
    f"ubuntu_24_04_x64_20G_alibase_{day}.vhd" for day in (20260916, 20270101, 20270301)
)
FAULTS: Final = ("refused", "throttled", "server-error", "dropped", "lost-answer-final", "stale")
"""Without the two that cost minutes of waiting each: `timeout` and `lost-answer`."""
STRUCK: Final = (
    "AllocateEipAddress",
    "AuthorizeSecurityGroup",
    "CreateVSwitch",
    "CreateSnatEntry",
    "CreateNetworkInterface",
    "RunInstances",
    "AttachNetworkInterface",
    "DeleteInstance",
    "DeleteNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
    "ModifyInstanceSpec",
    "StartInstance",
    "StopInstance",
    "ModifyEipAddressAttribute",
    "RevokeSecurityGroup",
    "TagResources",
    "UntagResources",
    "DeleteVSwitch",
    "CreateNatGateway",
    "AssociateEipAddress",
    "DeleteSnatEntry",
    "UnassociateEipAddress",
    "DeleteNatGateway",
    "ReleaseEipAddress",
    "ResizeDisk",
)
"""The calls of edits that change something; the first of each action is struck."""
READ: Final = ("DescribeInstances", "DescribeNetworkInterfaces", "DescribeVSwitchAttributes")
STOPPING: Final = frozenset(
    {"StopInstance", "StopInstances", "RebootInstance", "RebootInstances", "ReplaceSystemDisk"}
)
REMOVING: Final = frozenset(
    {"DeleteInstance", "DeleteInstances", "DeleteNetworkInterface", "DetachNetworkInterface"}
)
MOST_RUNS: Final = 6
"""Runs after which a step counts as one that does not converge."""


def add_node(document: Document, rng: random.Random) -> None:
    nodes = document["nodePools"]["workers"]["nodes"]
    free = [name for name in ("w-0", "w-1", "w-2", "w-3") if name not in nodes]
    nodes[rng.choice(free)] = {}


def remove_node(document: Document, rng: random.Random) -> None:
    nodes = document["nodePools"]["workers"]["nodes"]
    del nodes[rng.choice(sorted(nodes))]


def rename_node(document: Document, rng: random.Random) -> None:
    pool = document["nodePools"][rng.choice(("masters", "workers"))]["nodes"]
    old = rng.choice(sorted(pool))
    pool[f"{old[0]}-{rng.randint(0, 3)}"] = pool.pop(old)


def resize_interface(document: Document, rng: random.Random) -> None:
    pool, nic = rng.choice(("masters", "workers")), rng.choice(("eth0", "eth1"))
    document["nodePools"][pool]["interfaces"][nic]["podAddresses"] = rng.randint(0, 5)


def retype(document: Document, rng: random.Random) -> None:
    document["nodePools"][rng.choice(("masters", "workers"))]["instanceType"] = rng.choice(TYPES)


def change_image(document: Document, rng: random.Random) -> None:
    document["nodePools"][rng.choice(("masters", "workers"))]["image"] = rng.choice(IMAGES)


def change_disk(document: Document, rng: random.Random) -> None:
    disk = document["nodePools"][rng.choice(("masters", "workers"))].setdefault("disk", {})
    if rng.random() < 0.5:
        disk["size"] = rng.choice((40, 60, 80))
    else:
        disk["category"] = rng.choice(("cloud_essd", "cloud_auto"))


def add_zone(document: Document, rng: random.Random) -> None:
    subnet, third = rng.choice((("primary", 32), ("secondary", 48)))
    zones = document["network"]["subnets"][subnet]["zones"]
    zones[OTHER_ZONE] = {"cidr": f"10.48.{third}.0/24"}
    for pool in document["nodePools"].values():
        pool["zones"] = [ZONE]


def change_zones(document: Document, rng: random.Random) -> None:
    zones = rng.choice(([ZONE], [OTHER_ZONE], [ZONE, OTHER_ZONE], [OTHER_ZONE, ZONE]))
    document["nodePools"][rng.choice(("masters", "workers"))]["zones"] = zones


def remove_zone(document: Document, rng: random.Random) -> None:
    del document["network"]["subnets"][rng.choice(("primary", "secondary"))]["zones"][OTHER_ZONE]


def add_subnet(document: Document, rng: random.Random) -> None:
    name, third = rng.choice((("aaa", 64), ("zzz", 65)))
    document["network"]["subnets"][name] = {"zones": {ZONE: {"cidr": f"10.48.{third}.0/24"}}}


def remove_subnet(document: Document, rng: random.Random) -> None:
    del document["network"]["subnets"][rng.choice(("aaa", "zzz"))]


def move_pool(document: Document, rng: random.Random) -> None:
    document["nodePools"]["workers"]["firstBlock"] += rng.choice((-1, 1, 8))


def change_tags(document: Document, rng: random.Random) -> None:
    document["tags"] = {"owner": rng.choice(("platform", "network"))}


def change_bandwidth(document: Document, rng: random.Random) -> None:
    document["network"].setdefault("nat", {})["bandwidth"] = rng.choice((5, 20, 50))


def switch_nat(document: Document, rng: random.Random) -> None:
    nat = document["network"].setdefault("nat", {})
    nat["enabled"] = not nat.get("enabled", True)
    if rng.random() < 0.5:
        nat["zone"] = rng.choice((ZONE, OTHER_ZONE))


def switch_egress(document: Document, rng: random.Random) -> None:
    subnet = document["network"]["subnets"][rng.choice(("primary", "secondary"))]
    subnet["egress"] = not subnet.get("egress", True)


def add_rule(document: Document, rng: random.Random) -> None:
    port = rng.choice((8443, 9443))
    document["network"].setdefault("ingress", {})[rng.choice(("web", "metrics"))] = {
        "ports": f"{port}/{port}",
        "source": "10.200.0.0/16",
    }


def remove_rule(document: Document, rng: random.Random) -> None:
    rules = document["network"]["ingress"]
    del rules[rng.choice(sorted(rules))]


def change_resource_group(document: Document, rng: random.Random) -> None:
    document["resourceGroup"] = rng.choice(("rg-other", "rg-third"))


def remove_interface(document: Document, rng: random.Random) -> None:
    del document["nodePools"][rng.choice(("masters", "workers"))]["interfaces"]["eth1"]


def return_to_start(document: Document, rng: random.Random) -> None:  # noqa: ARG001 - as the others
    cloud = document.get("cloud")
    document.clear()
    document.update(start())
    if cloud is not None:
        document["cloud"] = cloud


EDITS: Final[tuple[RandomEdit, ...]] = (
    add_node,
    remove_node,
    resize_interface,
    resize_interface,
    retype,
    change_image,
    add_zone,
    add_subnet,
    remove_subnet,
    move_pool,
    change_tags,
    change_bandwidth,
    add_rule,
    remove_rule,
    change_resource_group,
    remove_interface,
    return_to_start,
    rename_node,
    change_disk,
    change_zones,
    remove_zone,
    switch_nat,
    switch_egress,
)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of the page about reliability."""

    sequences: list[int] = field(default_factory=list)
    """Steps of each sequence."""
    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{len(self.sequences)} sequences, {sum(self.sequences)} steps: {done}"


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[LightCloud]:
    """A control plane and two workers; addresses by block, so that they move with the edits."""
    light = light_stack(tmp_path / "home", start())
    with light.deployed():
        yield light


@pytest.mark.nightly
@pytest.mark.timeout(36 * 3600)
def test_no_sequence_of_edits_does_what_was_not_announced(deployed: LightCloud) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    count = int(os.environ.get("SEQUENCES") or 100)
    say(f"SEED={seed} SEQUENCES={count}")
    figures = Figures()
    began = time.monotonic()
    light, restarted = deployed, frozenset[str]()
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")  # noqa: S311 - reproducible, not secret
        length = rng.randint(3, 6)
        for step in range(length):
            name, after = drawn(light, rng)
            fault = rng.choice(FAULTS) if rng.random() < 0.5 else None
            where = f"SEED={seed} sequence {number} step {step}: {name}, fault {fault}"
            start_of_step = time.monotonic()
            try:
                outcome = apply_edit(light, after, fault, restarted=restarted)
            except BaseException:
                say(f"FAILED {where}\nbefore {json.dumps(light.document)}")
                say(f"after {json.dumps(after.document)}")
                raise
            figures.outcomes[outcome] += 1
            if outcome != "refused":
                restarted = frozenset(taken(judged(light, after))[1])
                light = after
            say(f"{where}: {outcome}, {time.monotonic() - start_of_step:.0f} s")
        figures.sequences.append(length)
    say(f"{figures} in {time.monotonic() - began:.0f} s")


def apply_edit(
    before: LightCloud, after: LightCloud, fault: str | None, *, restarted: frozenset[str]
) -> str:
    """Apply an edit and check everything; returns the outcome in a word or two.

    `restarted` are the nodes whose machines the step before stopped. A stale answer may show such a
    machine as stopped, and the provider then stops and starts it again. In this mode the program
    does not build the cluster, so it does not ask whether the machine serves.
    """
    transition = judged(before, after)
    match transition:
        case Refused():
            assert_refused(before, after)
            return "refused"
        case Accepted():
            again = restarted if fault == "stale" else frozenset[str]()
            struck = assert_applied(before, after, transition, fault, restarted=again)
            return "applied with a fault" if struck else "applied"


def judged(before: LightCloud, after: LightCloud) -> Transition:
    return check_edit(recorded(before), recorded(after), NotAsked(reason="it has no kubeconfig"))


def assert_refused(before: LightCloud, after: LightCloud) -> None:
    """The run fails, changes nothing in the cloud and loses no id from the state."""
    alive, ids, mark = before.alive(), state_ids(before), before.last_call()
    done = after.up()
    assert done.status != 0, done.transcript
    assert "This edit is refused, and nothing is changed." in done.transcript, done.transcript
    assert "Traceback" not in done.transcript, done.transcript
    assert [c for c in after.calls(after=mark) if not c["action"].startswith(READS)] == []
    assert after.alive() == alive
    assert state_ids(after) == ids


def assert_applied(
    before: LightCloud,
    after: LightCloud,
    transition: Accepted,
    fault: str | None,
    *,
    restarted: frozenset[str],
) -> bool:
    """The run succeeds, after the fault is removed if need be; returns whether the fault struck."""
    machines, mark = before.outputs()["nodes"], before.last_call()
    runs, struck = converge(after, fault)
    calls = after.calls(after=mark)
    assert untouched(calls, machines, transition, restarted=restarted) == []
    now = after.outputs()["nodes"]
    lost, stopped = taken(transition)
    for name in machines.keys() & now.keys() - lost:
        assert ids_of(now[name]) == ids_of(machines[name]), (name, sorted(stopped))
    assert addresses(now) == planned_addresses(after)
    assert after.steps() == []
    assert leaks(after) == {}
    assert findings(after, runs) == []
    return struck


def converge(light: LightCloud, fault: str | None) -> tuple[list[Done], bool]:
    """Run `up` with the fault, then with the documented recovery until it succeeds."""
    if fault is None:
        runs = [light.up()]
        assert runs[0].status == 0, runs[0].transcript
        return runs, False
    actions = READ if fault == "stale" else STRUCK
    light.ask("POST", "/faults", [{"action": a, "times": 1, **KINDS[fault]} for a in actions])
    runs = [light.up()]
    struck = any(rule["matched"] for rule in light.ask("GET", "/faults"))
    light.ask("DELETE", "/faults")
    assert struck or runs[0].status == 0, runs[0].transcript
    while runs[-1].status != 0 and len(runs) < MOST_RUNS:
        if fault == "lost-answer-final" or len(runs) > 1:
            runs.append(light.recover())
            assert runs[-1].status == 0, runs[-1].transcript
        runs.append(light.up())
    assert runs[-1].status == 0, runs[-1].transcript
    return runs, struck


def untouched(
    calls: list[dict[str, Any]],
    machines: Mapping[str, Any],
    transition: Transition,
    *,
    restarted: frozenset[str],
) -> list[str]:
    """Calls that stop or remove a machine or an ENI that the transition keeps.

    `restarted` may be stopped as well.
    """
    lost, stopped = taken(transition)
    kept = {i: n for n, machine in machines.items() if n not in lost for i in ids_of(machine)}
    running = {i: n for i, n in kept.items() if n not in stopped | restarted}
    wrong: list[str] = []
    for call in calls:
        forbidden = (
            kept if call["action"] in REMOVING else running if call["action"] in STOPPING else {}
        )
        parameters = json.dumps(call["parameters"])
        wrong += [f"{call['action']} of {n}: {i}" for i, n in forbidden.items() if i in parameters]
    return wrong


def taken(transition: Transition) -> tuple[set[str], set[str]]:
    """Nodes whose machines are announced to be deleted, and those to be deleted or stopped."""
    steps = transition.steps if isinstance(transition, Accepted) else ()
    lost = {
        step.node
        for step in steps
        if isinstance(step, ReplaceWorker | ReplaceControlPlane | RemoveNode)
    }
    return lost, lost | {step.node for step in steps if isinstance(step, RestartNode)}


def drawn(light: LightCloud, rng: random.Random) -> tuple[str, LightCloud]:
    """One edit, or two at once, that make the document another one that can be planned."""
    while True:
        edits = rng.sample(EDITS, rng.choice((1, 1, 2)))
        document = copy.deepcopy(dict(light.document))
        cluster = document["config"][CLUSTER]
        try:
            for edit in edits:
                edit(cluster, rng)
            name_nodes(cluster)
            plan_from(cluster)
        except (ConfigError, KeyError, IndexError):
            continue
        if document != light.document:
            name = " and ".join(edit.__name__ for edit in edits)
            return name, LightCloud(cloud=light.cloud, document=document)


def start() -> Document:
    """The document that is deployed first."""
    interfaces = {
        "eth0": {"subnet": "primary", "podAddresses": 3},
        "eth1": {"subnet": "secondary", "podAddresses": 3},
    }
    pool = {"instanceType": "ecs.g7.large", "interfaces": interfaces}
    document: Document = {
        "profile": "local",
        "name": "random",
        "region": "cn-hangzhou",
        "network": {
            "vpc": {"cidr": "10.48.0.0/16"},
            "subnets": {
                "primary": {"zones": {ZONE: {"cidr": "10.48.0.0/20"}}},
                "secondary": {"zones": {ZONE: {"cidr": "10.48.16.0/20"}}},
            },
        },
        "nodePools": {
            "masters": {**pool, "role": "control-plane", "firstBlock": 1, "nodes": {"m-0": {}}},
            "workers": {**pool, "firstBlock": 9, "nodes": {"w-0": {}, "w-1": {}}},
        },
        "kubernetes": {"mode": "existing"},
    }
    document = copy.deepcopy(document)
    name_nodes(document)
    return document


def name_nodes(cluster: Document) -> None:
    """Give every node its own name in the cluster."""
    names = [name for pool in cluster["nodePools"].values() for name in pool["nodes"]]
    cluster["kubernetes"]["nodeNames"] = {name: name for name in names}


def recorded(light: LightCloud) -> Record:
    read = read_record(json.loads(json.dumps(record(plan_from(light.document["config"][CLUSTER])))))
    assert isinstance(read, Record)
    return read


def state_ids(light: LightCloud) -> dict[str, str]:
    """Ids of everything in the state that has one, by URN."""
    return {each["urn"]: each["id"] for each in light.state()["resources"] if "id" in each}


def ids_of(machine: Mapping[str, Any]) -> set[str]:
    """A node's instance and ENIs, from the stack's outputs."""
    return {machine["instanceId"]} | {nic["eniId"] for nic in machine["interfaces"].values()}


def addresses(nodes: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Primary and pod addresses of each NIC in the cloud."""
    return {
        f"{name} {nic}": (interface["primary"], sorted(interface["podAddresses"]))
        for name, node in nodes.items()
        for nic, interface in node["interfaces"].items()
    }


def planned_addresses(light: LightCloud) -> dict[str, tuple[str, list[str]]]:
    """The same from the plan of the document."""
    return {
        f"{node.name} {nic.name}": (str(nic.primary), sorted(map(str, nic.pods.planned)))
        for node in plan_from(light.document["config"][CLUSTER]).nodes.values()
        for nic in node.interfaces.values()
    }


def say(text: str) -> None:
    """Write a line; pytest shows it when the test fails, and at once with `-s`."""
    sys.stderr.write(text + "\n")
