"""What the plan says before anything is deployed, without refusing it."""

from __future__ import annotations

import pytest

from planning.cloud.notices import notices
from tests.clusters import existing_kubernetes, small
from tests.planning.documents import planned

pytestmark = pytest.mark.unit


def subscription(**pool: object) -> dict[str, object]:
    return {"nodePools": {"workers": {"chargeType": "PrePaid", **pool}}}


def test_a_subscription_is_not_ended_by_an_edit_and_the_plan_says_so() -> None:
    (notice,) = notices(planned(small(subscription())))
    assert notice.startswith("nodePools.workers: the cloud does not delete a subscription machine")
    assert "write forceDelete: true" in notice


def test_with_force_delete_there_is_nothing_to_say() -> None:
    assert list(notices(planned(small(subscription(forceDelete=True))))) == []


def test_every_pool_of_a_subscription_is_named_once() -> None:
    document = small(subscription(count=3))
    document["nodePools"]["masters"]["chargeType"] = "PrePaid"
    assert [notice.partition(":")[0] for notice in notices(planned(document))] == [
        "nodePools.masters",
        "nodePools.workers",
    ]


def test_in_a_cluster_that_somebody_else_built_addresses_are_not_counted() -> None:
    (notice,) = notices(planned(existing_kubernetes()))
    assert notice.startswith(
        "The scheduler does not count pod addresses: with kubernetes.mode: existing the nodes have "
        "no unit of this program, and nothing else advertises their addresses reliably."
    )
    assert notice.endswith("Give that cluster's kubelets the plan's maxPods.")


def test_an_older_kubernetes_does_not_count_addresses_and_needs_nothing() -> None:
    (notice,) = notices(planned(small({"kubernetes": {"version": "1.35.4"}})))
    assert "does not serve a stable MutatingAdmissionPolicy" in notice
    assert notice.endswith("waits on its node (docs/capacity.md).")


def _tainted(*pools: str, key: str = "dedicated", effect: str = "NoSchedule") -> dict[str, object]:
    taints = [{"key": key, "effect": effect}]
    return {"nodePools": {pool: {"taints": taints} for pool in pools}}


def test_a_cluster_whose_nodes_all_repel_dns_gets_a_notice() -> None:
    (notice,) = notices(planned(small(_tainted("masters", "workers"))))
    assert notice.startswith("CoreDNS does not start")


@pytest.mark.parametrize(
    "pools",
    [
        _tainted("workers"),
        _tainted("masters", "workers", effect="PreferNoSchedule"),
        _tainted("masters", "workers", key="CriticalAddonsOnly", effect="NoExecute"),
        _tainted("masters", "workers", key="node-role.kubernetes.io/control-plane"),
    ],
    ids=["workers only", "a preference", "for critical add-ons", "of control planes"],
)
def test_dns_needs_one_node_that_admits_it(pools: dict[str, object]) -> None:
    assert list(notices(planned(small(pools)))) == []
