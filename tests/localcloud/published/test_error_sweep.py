"""Every action refuses by listed codes only: asked for what is not there, and with bad values.

A test by the SDK provokes the codes that it names. Whatever else an action can answer is provoked
here, so that a new action without rows in the table of error codes fails by its name.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

import pytest
import structlog

from localcloud.products.catalogue import PRODUCTS
from localcloud.requests.actions import Product
from localcloud.settings import Cloud
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.corpus import entries, runner
from tests.localcloud.fast_homes import fast_home
from tests.localcloud.published import sweep

pytestmark = pytest.mark.unit
# Listeners and rules have no id of their own in most requests, so nothing else creates these.
_ALSO_CREATED = ("nat_binding", "clb_listener", "tcp_listener", "udp_listener", "clb_rule")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="module")
def _no_log() -> Iterator[None]:
    """The cloud logs each refusal, and here are thousands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def session(judge: Judge, _no_log: None) -> Iterator[runner.Session]:
    """A cloud with one resource of each kind."""
    with fast_home("sweep-") as home:
        cloud = CloudThread.start(home, dataclasses.replace(Cloud(), strict=True), judge)
        session = runner.Session(cloud, entries.world())
        for name in _ALSO_CREATED:
            session.id_of(name)
        yield session
        cloud.close()


def refusals(session: runner.Session, product: Product, action: str) -> list[str]:
    """The codes with which the action refuses the requests of the sweep, one for each request.

    All are dry runs, so that no request meets what an earlier one has changed.
    """
    documents = (
        session.cloud.document(product.version, action, {**parameters, "DryRun": "true"})
        for parameters in sweep.requests(product, action, session.id_of)
    )
    return [document["Code"] for document in documents if "HostId" in document]


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.name)
def test_refusals_are_in_the_table_of_error_codes_and_answers_fit_the_sdk(
    session: runner.Session, judge: Judge, product: Product
) -> None:
    earlier = len(judge.problems)
    for action in sorted(product.actions):
        assert "LocalCloud.Bug" not in refusals(session, product, action), action
    assert judge.problems[earlier:] == []


def test_the_sweep_provokes_both_kinds_of_refusal(session: runner.Session) -> None:
    (ecs,) = (p for p in PRODUCTS.values() if p.name == "Ecs")
    codes = refusals(session, ecs, "AssignPrivateIpAddresses")
    assert {"InvalidEniId.NotFound", "InvalidParameter", "DryRunOperation"} <= set(codes)
