"""Which Nodes of an existing cluster may get a provider id, and the message for the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.add_ons.provider_ids import node_problem
from components.api.cluster_api import KubernetesNode
from tests.fake_cluster import a_node

pytestmark = pytest.mark.unit

NEW_ID = "cn-hangzhou.i-new"


def problem(**standing: str) -> str | None:
    """Why the Node `worker` cannot get NEW_ID, in a cluster of these Nodes and providerIDs."""
    nodes: dict[str, KubernetesNode] = {
        name: replace(a_node(name), provider_id=message) for name, message in standing.items()
    }
    return node_problem("worker", NEW_ID, nodes)


def test_a_node_without_a_provider_id_is_free() -> None:
    assert problem(worker="") is None


def test_a_node_that_has_the_provider_id_already_is_accepted() -> None:
    assert problem(worker=NEW_ID) is None


def test_a_node_of_another_machine_is_refused_with_both_ids_and_the_remedy() -> None:
    message = problem(worker="cn-hangzhou.i-old", master="")
    assert message is not None
    assert "Node worker has the providerID cn-hangzhou.i-old" in message
    assert "the stack created the instance cn-hangzhou.i-new for it" in message
    assert "`kubectl delete node worker`" in message
    assert "kubernetes.nodeNames" in message


def test_a_missing_node_is_reported_with_the_nodes_that_exist() -> None:
    message = problem(zeta="", alpha="")
    assert message is not None
    assert "kubernetes.nodeNames names the Node worker" in message
    assert "(it has alpha, zeta)" in message


def test_the_refusal_says_that_a_cluster_has_no_nodes() -> None:
    assert "(it has no Nodes)" in (problem() or "")
