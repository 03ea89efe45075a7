"""Requests are checked against the parameters that the vendor publishes."""

from __future__ import annotations

import fnmatch

import pytest

from localcloud.products.catalogue import PRODUCTS
from localcloud.published.parameters import mandatory, published
from localcloud.requests.actions import Product
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.published import coverage
from tests.localcloud.sdk_api import code_of, signed_v1

pytestmark = pytest.mark.unit

ACTIONS = {(a.product, a.action): a for a in coverage.coverage()}


def answer_without(cloud: CloudThread, product: Product, action: str, name: str) -> bytes:
    """What the cloud answers to a request that has every mandatory parameter but one."""
    others = {other: "x" for other in mandatory(product.name, action) if other != name}
    if "RegionId" in others:
        others["RegionId"] = "cn-hangzhou"
    query = signed_v1(
        {**others, "Action": action, "Version": product.version},
        key=ROOT_KEY_ID,
        secret=ROOT_SECRET,
    )
    answer = cloud.raw("POST", f"/?{query}")
    return code_of(answer).encode() + b" " + answer[1]


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.name)
def test_a_request_without_a_mandatory_parameter_is_refused(
    cloud: CloudThread, product: Product
) -> None:
    accepted = [
        f"{action}.{name}"
        for action in sorted(product.actions)
        for name in mandatory(product.name, action)
        if not answer_without(cloud, product, action, name).startswith(b"MissingParameter ")
    ]
    assert accepted == []


@pytest.mark.parametrize(("product", "action"), sorted(ACTIONS))
def test_every_published_parameter_is_read_or_marked(product: str, action: str) -> None:
    assert ACTIONS[product, action].unread == ()


def test_every_action_is_published() -> None:
    missing = {
        f"{product.name}.{action}"
        for product in PRODUCTS.values()
        for action in product.actions
        if action not in published(product.name)
    }
    assert missing == {"Location.DescribeEndpoints"}


def test_every_mark_is_about_a_parameter_that_is_not_read() -> None:
    marked = [f"{a.product}.{a.action}.{name}" for a in ACTIONS.values() for name in a.marked]
    idle = [
        pattern
        for pattern, _ in coverage.marks()
        if not any(fnmatch.fnmatchcase(name, pattern) for name in marked)
    ]
    assert idle == []


def test_the_coverage_page_is_up_to_date() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page()
