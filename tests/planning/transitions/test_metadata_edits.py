"""Edits of `kubernetes.metadataForPods`, and the first run over machines that cannot apply it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from planning.nodes.guest_system import KUBELET_SYSCTLS
from planning.nodes.kubeadm import KUBELET_DEFAULTS
from planning.nodes.machine import ENCRYPTING_UNIT, GUARDING_UNIT, applicable, node_settings
from planning.transitions.edits import check_edit
from planning.transitions.reading import Record
from planning.transitions.record import METADATA
from planning.transitions.rules.nodes import WITHOUT_A_GUARD
from planning.transitions.steps import ChangeRunningNode, Difference, KeepMachine, Step
from tests.clusters import Document, small
from tests.planning.documents import planned
from tests.planning.edited import UNASKED, at, clustered, edited, recorded, steps
from tests.planning.transitions.test_transition_refusals import private

pytestmark = pytest.mark.unit

KEY = "kubernetes.metadataForPods"


def steps_between(before: Record, after: Record) -> tuple[Step, ...]:
    return steps(check_edit(before, after, UNASKED))


def of_an_earlier_release(document: Document) -> Record:
    """The record of machines whose release did not know the setting."""
    reading = recorded(document)
    cluster = {**reading.cluster, "kubernetes": dict(reading.cluster["kubernetes"])}
    del cluster["kubernetes"]["metadataForPods"]
    nodes = {
        name: replace(node, running={k: v for k, v in node.running.items() if k != METADATA})
        for name, node in reading.nodes.items()
    }
    return replace(reading, cluster=cluster, nodes=nodes)


def test_an_edit_reaches_every_node_while_it_runs() -> None:
    opened = recorded(edited(clustered(), at("kubernetes/metadataForPods", "open")))
    blocked = recorded(clustered())
    because = (Difference(key=KEY, before="open", after="blocked"),)
    assert steps_between(opened, blocked) == tuple(
        ChangeRunningNode(node=name, because=because) for name in sorted(blocked.nodes)
    )


def test_machines_of_an_earlier_release_stay_and_the_plan_says_what_they_lack() -> None:
    after = recorded(clustered())
    assert set(steps_between(of_an_earlier_release(clustered()), after)) == {
        KeepMachine(node=name, because=WITHOUT_A_GUARD) for name in after.nodes
    }


def test_control_planes_may_join_machines_whose_release_did_not_know_the_setting() -> None:
    outcome = check_edit(of_an_earlier_release(private(1)), recorded(private(3)), UNASKED)
    assert steps(outcome)


def test_open_is_what_machines_of_an_earlier_release_are() -> None:
    after = recorded(edited(clustered(), at("kubernetes/metadataForPods", "open")))
    assert steps_between(of_an_earlier_release(clustered()), after) == ()


def test_a_unit_that_does_not_know_the_setting_has_nothing_to_apply() -> None:
    plan = planned(clustered())
    opened = planned(edited(clustered(), at("kubernetes/metadataForPods", "open")))
    one, other = (node_settings(p, p.nodes["workers-0"], "10.0.0.1") for p in (plan, opened))
    assert one != other
    assert applicable(one, GUARDING_UNIT) == one
    assert applicable(one, GUARDING_UNIT - 1) == applicable(other, GUARDING_UNIT - 1)


def test_defaults_of_this_release_are_no_change_for_the_machine_of_an_earlier_one() -> None:
    plan = planned(small())
    now = node_settings(plan, plan.nodes["workers-0"], "10.0.0.16")
    settings = json.loads(now)
    kubelet = json.loads(settings["kubelet"])
    earlier = {k: v for k, v in kubelet.items() if k not in KUBELET_DEFAULTS}
    lines = settings["sysctls"].splitlines(keepends=True)
    before = json.dumps(
        {
            **settings,
            "kubelet": json.dumps(earlier) + "\n",
            "sysctls": "".join(x for x in lines if x.split(" ")[0] not in KUBELET_SYSCTLS),
        }
    )
    assert applicable(before, 0) == applicable(now, 0)
    assert applicable(before, ENCRYPTING_UNIT) != applicable(now, ENCRYPTING_UNIT)
