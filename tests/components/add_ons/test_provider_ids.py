"""Before a Node of somebody else's cluster is told its instance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.add_ons.provider_ids import node_problem
from components.api.cluster_api import KubernetesNode
from tests.fake_cluster import a_node

pytestmark = pytest.mark.unit

WANTED = "cn-hangzhou.i-new"


def problem(**standing: str) -> str | None:
    """Why Node `worker` cannot be told WANTED, in a cluster of these Nodes and providerIDs."""
    nodes: dict[str, KubernetesNode] = {
        name: replace(a_node(name), provider_id=said) for name, said in standing.items()
    }
    return node_problem("worker", WANTED, nodes)


def test_a_node_that_says_nothing_is_free() -> None:
    assert problem(worker="") is None


def test_a_node_that_says_it_already_is_fine() -> None:
    assert problem(worker=WANTED) is None


def test_a_node_that_says_another_machine_is_named_with_both_and_with_the_way_out() -> None:
    said = problem(worker="cn-hangzhou.i-old", master="")
    assert said is not None
    assert "Node worker says cn-hangzhou.i-old" in said
    assert "the machine that was made for it is cn-hangzhou.i-new" in said
    assert "`kubectl delete node worker`" in said
    assert "kubernetes.nodeNames" in said


def test_a_node_that_is_not_there_is_told_with_those_that_are() -> None:
    said = problem(zeta="", alpha="")
    assert said is not None
    assert "kubernetes.nodeNames names the Node worker" in said
    assert "(it has alpha, zeta)" in said


def test_a_cluster_without_nodes_says_so() -> None:
    assert "(it has no Nodes)" in (problem() or "")
