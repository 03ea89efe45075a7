"""What a refusal asks to write can be written into a stack file."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from planning.transitions.differences import written
from planning.transitions.steps import Refused
from tests.clusters import Document
from tests.planning.edited import Edit, at, clustered, edited, transition

pytestmark = pytest.mark.unit

TEXTS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Z")), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(VALUES)
@example("1234567890")
@example("1e5")
@example("0x10")
@example("1_000")
@example("No")
@example("2026-01-01")
@example("1.36.3")
@example("10.0.0.0/16")
def test_a_written_setting_is_read_back_as_it_was(value: object) -> None:
    assert yaml.safe_load(f"key: {written(value)}") == {"key": value}


@pytest.mark.parametrize("text", ["rg-1", "10.0.0.0/16", "1.36.3", "ecs.g7.large", "vpc-1a"])
def test_ordinary_text_has_no_quotes(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize(
    ("before", "edit", "remedy"),
    [
        (
            edited(clustered(), at("cloud/accountId", "1234567890")),
            at("cloud/accountId", "1234567891"),
            'Write cloud.accountId: "1234567890".',
        ),
        (
            edited(clustered(), at("kubernetes/endpoint/certSans", ["api.example.com"])),
            at("kubernetes/endpoint/certSans", []),
            "Write kubernetes.endpoint.certSans: [api.example.com].",
        ),
        (
            edited(clustered(planes=1), at("nodePools/masters/keyPair", "on")),
            at("nodePools/masters/keyPair", None),
            'Write nodePools.masters.keyPair: "on".',
        ),
    ],
    ids=["a number that is text", "a list", "a setting of the only control plane"],
)
def test_a_remedy_has_the_value_as_the_file_had_it(
    before: Document, edit: Edit, remedy: str
) -> None:
    outcome = transition(before, edited(before, edit))
    assert isinstance(outcome, Refused)
    assert [refusal.remedy.startswith(remedy) for refusal in outcome.refusals] == [True]


def test_an_only_control_plane_that_loses_ipv6_has_one_answer() -> None:
    before = edited(
        clustered(planes=1),
        at("network/ipv6/enabled", value=True),
        *(at(f"network/subnets/{name}/zones/cn-hangzhou-i/ipv6Index", n) for n, name in SUBNETS),
    )
    outcome = transition(before, clustered(planes=1))
    assert isinstance(outcome, Refused)
    (refusal,) = (each for each in outcome.refusals if each.path == "network.ipv6.enabled")
    assert "create a new stack" in refusal.remedy


SUBNETS = tuple(enumerate(("primary", "secondary")))
