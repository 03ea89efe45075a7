"""The error codes of an action are published for it, or their source is named."""

from __future__ import annotations

import pytest

from localcloud.products.catalogue import PRODUCTS
from localcloud.wire.errors import ApiError
from tests.localcloud import codes
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.sdk_api import Api, refused
from tests.localcloud.test_ecs_by_sdk import Place

pytestmark = pytest.mark.unit


def test_each_row_has_an_action_of_the_product_and_a_source() -> None:
    (ecs,) = (p for p in PRODUCTS.values() if p.name == "Ecs")
    assert {r.action for r in codes.rows()} <= {*ecs.actions, codes.ANY_ACTION}
    assert all(r.source for r in codes.rows())
    keys = [(r.action, r.code, r.status) for r in codes.rows()]
    assert keys == sorted(set(keys))


def test_few_codes_are_a_guess() -> None:
    guesses = [r for r in codes.rows() if r.source.startswith("guess")]
    assert len(guesses) <= 2


def test_a_code_without_a_source_is_a_problem(judge: Judge, api: Api, cloud: CloudThread) -> None:
    judge._refused("Ecs", "RunInstances", ApiError("InvalidTeapot", "x", 418))
    assert judge.problems == [
        "RunInstances answers 418 InvalidTeapot, which codes.csv does not have"
    ]
    judge.problems.clear()
    with refused("InvalidInstanceId.NotFound"):
        api.ecs("StartInstance", InstanceId="i-none")
    assert judge.problems == []
    assert cloud.thread.is_alive()


def test_the_published_status_counts_too() -> None:
    assert codes.is_known("StartInstance", "InvalidInstanceId.NotFound", 404)
    assert not codes.is_known("StartInstance", "InvalidInstanceId.NotFound", 400)


def test_a_place_is_made_with_published_codes_only(api: Api, judge: Judge) -> None:
    place = Place(api)
    with refused("InvalidSecurityGroupId.NotFound"):
        place.eni(SecurityGroupIds=["sg-none"])
    assert judge.problems == []
