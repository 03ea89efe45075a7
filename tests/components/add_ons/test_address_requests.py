"""The admission policies as resources: which there are, and in which order."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.clusters import small
from tests.deploying import deploy

pytestmark = pytest.mark.unit

POLICIES = (
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)


def test_the_policy_that_refuses_comes_after_the_one_that_adds_what_it_asks_for() -> None:
    run = deploy(small())
    for before, after in pairwise(POLICIES):
        first, second = (run.of(kind)[f"small-addresses-{kind}"] for kind in (before, after))
        assert first.urn in run.needed_by(second)


def test_no_pod_is_asked_before_nodes_can_advertise() -> None:
    run = deploy(small())
    needs = run.needed_by(run.one("MutatingAdmissionPolicy"))
    assert {pool.urn for pool in run.of("SpiderIPPool").values()} <= needs
    role = run.of("ClusterRole")["small-addresses-ClusterRole"]
    assert role.urn in needs
    assert role.inputs["rules"] == [
        {
            "apiGroups": ["spiderpool.spidernet.io"],
            "resources": ["spiderippools"],
            "verbs": ["get"],
        },
        {
            "apiGroups": ["spiderpool.spidernet.io"],
            "resources": ["spiderreservedips"],
            "verbs": ["list"],
        },
    ]


def test_where_addresses_are_not_counted_there_are_no_policies() -> None:
    run = deploy(small({"kubernetes": {"version": "1.35.4"}}))
    assert [kind for kind in POLICIES if f"small-addresses-{kind}" in run.of(kind)] == []
    assert "advertised" not in run.outputs
