"""The moment between a ready controller and API servers that reach its webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from components.add_ons.admission import until_reached
from components.api.api_access import UnusableKubeconfigError
from components.api.cluster_api import ClusterError
from planning.model import ClusterPlan
from planning.read import plan_from
from tests.clusters import small, three_control_planes
from tests.small_api_server import Answer, Reply, api_server, kubeconfig_of, pair_for_loopback

pytestmark = pytest.mark.unit

ASKED = "/apis/spiderpool.spidernet.io/v2beta1/spidercoordinators?dryRun=All"
UNREACHED: Reply = (
    500,
    {
        "kind": "Status",
        "message": 'failed calling webhook "spidercoordinator.spiderpool.spidernet.io": refused',
    },
)


@pytest.fixture(scope="module")
def one() -> ClusterPlan:
    return plan_from(small())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair_for_loopback(tmp_path_factory.mktemp("apiserver"))


def asked_until_reached(
    plan: ClusterPlan,
    certificate: Path,
    answer: Answer,
    *,
    within: float = 5,
    report: Callable[[str], object] = str,
) -> list[str]:
    """Wait; what was asked."""
    with api_server(answer, certificate) as (address, asked):
        text = kubeconfig_of(plan, address)
        asyncio.run(until_reached(plan, text, within=within, report=report, ask_every=0.01))
    return asked


def test_a_webhook_that_answers_is_asked_once_and_nothing_is_created(
    one: ClusterPlan, certificate: Path
) -> None:
    assert asked_until_reached(one, certificate, lambda *_: 201) == [ASKED]


@pytest.mark.parametrize("verdict", [201, 400, 403, 409, 422])
def test_what_it_says_does_not_matter(one: ClusterPlan, certificate: Path, verdict: int) -> None:
    assert len(asked_until_reached(one, certificate, lambda *_: verdict)) == 1


@pytest.mark.parametrize("not_yet", [UNREACHED, 404, 503])
def test_it_waits_while_the_webhook_or_its_kind_is_not_there(
    one: ClusterPlan, certificate: Path, not_yet: Reply
) -> None:
    turns: list[Reply] = [not_yet, not_yet, not_yet, 201]
    asked = asked_until_reached(one, certificate, lambda _, before: turns[before])
    assert len(asked) == 4


def test_each_of_three_api_servers_has_to_answer(certificate: Path) -> None:
    plan = plan_from(three_control_planes())
    turns: list[Reply] = [201, UNREACHED, 201, 201, 201]
    asked = asked_until_reached(plan, certificate, lambda _, before: turns[before])
    assert len(asked) == 5


def test_it_gives_up_with_the_api_servers_own_words(one: ClusterPlan, certificate: Path) -> None:
    with pytest.raises(ClusterError, match=r"not reached within 0 s: failed calling webhook .*sed"):
        asked_until_reached(one, certificate, lambda *_: UNREACHED, within=0.05)


def test_an_unusable_kubeconfig_is_reported_at_once(one: ClusterPlan) -> None:
    with pytest.raises(UnusableKubeconfigError):
        asyncio.run(until_reached(one, "apiVersion: v1\nkind: Config\n", report=str))
