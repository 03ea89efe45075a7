"""How long a run waits for the pods of a Deployment, and what it reports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.add_ons.availability import (
    SKIP_AWAIT,
    first_missing,
    rest_missing,
    until_available,
)
from components.api.cluster_api import DeploymentStatus
from planning.read import plan_from
from tests.clusters import small, three_control_planes
from tests.deploying import deploy
from tests.small_api_server import Answer, api_server, kubeconfig_of, pair_for_loopback

pytestmark = pytest.mark.unit


def status(updated: int, available: int, *, is_current: bool = True) -> DeploymentStatus:
    return DeploymentStatus(
        is_current=is_current, requested=3, updated=updated, available=available
    )


@pytest.mark.parametrize(
    ("now", "first", "rest"),
    [
        (status(3, 3, is_current=False), "latest change yet", "latest change yet"),
        (status(0, 3), "0 of 3 pods", "0 have the latest change"),
        (status(3, 0), "0 of 3 pods", "0 of 3 pods are available"),
        (status(3, 1), None, "1 of 3 pods are available"),
        (status(3, 3), None, None),
    ],
)
def test_the_first_pod_is_enough_to_go_on_and_all_are_needed_to_end(
    now: DeploymentStatus, first: str | None, rest: str | None
) -> None:
    for reason, expected in ((first_missing(now), first), (rest_missing(now), rest)):
        assert (reason is None) == (expected is None)
        assert (expected or "") in (reason or "")


def answered(available: int) -> tuple[int, dict[str, Any]]:
    numbers = {"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": available}
    return 200, {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": numbers}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair_for_loopback(tmp_path_factory.mktemp("apiserver"))


def waited(certificate: Path, answer: Answer, *, within: float = 5.0) -> list[str]:
    """Wait for all pods; what the API server was asked."""
    with api_server(answer, certificate) as (address, asked):
        asyncio.run(
            until_available(
                kubeconfig_of(plan_from(small()), address),
                "kube-system",
                "controller",
                rest_missing,
                within=within,
                report=str,
                ask_every=0.01,
            )
        )
    return asked


def test_a_changed_one_is_asked_for_until_all_its_pods_are_available(certificate: Path) -> None:
    numbers = iter((0, 1, 3))
    asked = waited(certificate, lambda *_: answered(next(numbers)))
    assert asked == ["/apis/apps/v1/namespaces/kube-system/deployments/controller"] * 3


def test_pods_that_do_not_come_fail_the_run_with_the_reason_and_where_to_look(
    certificate: Path,
) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        waited(certificate, lambda *_: answered(1), within=0.05)
    assert "1 of 3 pods are available" in str(refused.value)
    assert "kubectl --namespace kube-system describe pods" in str(refused.value)


def test_the_provider_does_not_wait_for_the_cloud_controller_and_spiderpool_does() -> None:
    run = deploy(three_control_planes())
    deployment = run.of("Deployment")["small-deployment"]
    assert deployment.inputs["metadata"]["annotations"][SKIP_AWAIT] == "true"
    assert deployment.urn in run.one("Release").dependencies
