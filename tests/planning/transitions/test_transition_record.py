"""The record of a plan: small, canonical, without a secret, and read back by any release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planning.transitions.edits import check_edit
from planning.transitions.reading import EarlierRelease, Record, read_record
from planning.transitions.record import SCHEMA, record, record_text
from planning.transitions.steps import Accepted
from tests.planning.documents import STACKS, planned, stack_plan
from tests.planning.edited import UNASKED, at, clustered, edited

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("stack", STACKS)
def test_a_plan_compared_with_itself_is_no_edit(stack: str) -> None:
    read = read_record(record(stack_plan(stack)))
    assert isinstance(read, Record)
    assert check_edit(read, read, UNASKED) == Accepted()


@pytest.mark.parametrize("stack", STACKS)
def test_the_engine_gives_numbers_back_as_floats_and_nothing_differs(stack: str) -> None:
    document = record(stack_plan(stack))
    assert read_record(as_floats(document)) == read_record(document)


def as_floats(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize(("nodes", "most"), [(3, 4_000), (50, 12_000), (200, 40_000)])
def test_a_record_is_small(nodes: int, most: int) -> None:
    plan = planned(clustered(planes=3, workers=nodes - 3))
    assert len(plan.nodes) == nodes
    assert len(record_text(record(plan))) < most


def test_a_record_says_what_a_node_has_of_its_own() -> None:
    own = at("nodePools/workers/nodes/workers-1/instanceType", "ecs.g7.xlarge")
    read = read_record(record(planned(edited(clustered(), own))))
    assert isinstance(read, Record)
    assert [
        node.restart["instanceType"] for node in read.nodes.values() if node.pool == "workers"
    ] == [
        "ecs.g7.large",
        "ecs.g7.xlarge",
        "ecs.g7.large",
    ]


def test_free_text_of_the_user_is_kept_as_a_digest() -> None:
    document = edited(clustered(), at("spiderpool/values/anything", "free text"))
    assert "free text" not in record_text(record(planned(document)))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, EarlierRelease()),
        ({}, EarlierRelease()),
        (
            {"workers": ["w-1", "w-0"], "kubernetes": "1.35.4"},
            EarlierRelease(workers=("w-0", "w-1"), kubernetes="1.35.4"),
        ),
        ({"schema": 0, "nodes": {"w": 3}}, EarlierRelease(workers=())),
        ({"schema": "x", "cluster": []}, EarlierRelease()),
    ],
)
def test_a_document_that_is_not_a_record_of_ours_is_of_an_earlier_release(
    document: dict[str, Any] | None, expected: EarlierRelease
) -> None:
    assert read_record(document) == expected


def test_unknown_keys_in_a_record_of_a_later_release_are_ignored() -> None:
    document = json.loads(record_text(record(planned(clustered()))))
    later = {**document, "schema": SCHEMA + 1, "more": {"x": 1}}
    later["cluster"]["unheard"] = {"of": 1}
    assert read_record(later) == read_record({**document, "cluster": later["cluster"]})


def test_a_key_that_an_earlier_record_lacks_has_its_default() -> None:
    document = json.loads(record_text(record(planned(clustered()))))
    del document["cluster"]["network"]["nat"]["internetChargeType"]
    before, after = read_record(document), read_record(record(planned(clustered())))
    assert isinstance(after, Record)
    assert check_edit(before, after, UNASKED) == Accepted()
