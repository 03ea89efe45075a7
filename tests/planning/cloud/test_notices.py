"""What a plan tells its reader without refusing it."""

from __future__ import annotations

from typing import Any

import pytest

from planning.cloud.notices import notices
from tests.clusters import existing_kubernetes
from tests.planning.documents import planned
from tests.planning.edited import at, clustered, edited

pytestmark = pytest.mark.unit


def ends_of_life(document: Any) -> list[str]:  # noqa: ANN401 - a document
    return [notice for notice in notices(planned(document)) if "end of life" in notice]


def test_a_minor_past_its_end_of_life_is_noticed() -> None:
    (notice,) = ends_of_life(edited(clustered(), at("kubernetes/version", "1.34.4")))
    assert notice.startswith("Kubernetes 1.34 has reached its end of life")


@pytest.mark.parametrize("version", ["1.35.4", "1.36.3", "1.37.2"])
def test_a_maintained_minor_is_not(version: str) -> None:
    assert not ends_of_life(edited(clustered(), at("kubernetes/version", version)))


def test_no_notice_is_about_the_version_of_somebody_elses_cluster() -> None:
    document = edited(existing_kubernetes(), at("kubernetes/version", "1.34.4"))
    assert not ends_of_life(document)


def test_a_minor_that_serves_no_policy_is_noticed_with_what_pods_get() -> None:
    (notice,) = notices(planned(edited(clustered(), at("kubernetes/version", "1.35.4"))))
    assert "Kubernetes 1.35.4 does not serve a stable MutatingAdmissionPolicy" in notice
    assert "Pods that choose no network use eth0" in notice


NO_ADDRESSES = [
    at(f"nodePools/masters/interfaces/{nic}/podAddresses", 0) for nic in ("eth0", "eth1")
]
TAINT = {"key": "dedicated", "value": "control-plane", "effect": "NoSchedule"}


def test_nodes_without_pod_addresses_are_noticed_because_coredns_may_come_first() -> None:
    (notice,) = notices(planned(edited(clustered(), *NO_ADDRESSES)))
    assert notice.startswith("nodePools.masters: no NIC of its nodes has pod addresses.")


def test_a_taint_keeps_coredns_away_from_nodes_without_pod_addresses() -> None:
    tainted = at("nodePools/masters/taints", [TAINT])
    assert not list(notices(planned(edited(clustered(), *NO_ADDRESSES, tainted))))
