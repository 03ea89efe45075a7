"""Who may change the annotations that a node's unit applies as root."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planning.names import DOMAIN
from planning.nodes import machine
from planning.nodes.annotation_guard import ANSWERS, NAME, ORDERS, manifests

pytestmark = pytest.mark.unit


def test_every_annotation_of_the_contract_is_guarded() -> None:
    names = {
        value
        for name, value in vars(machine).items()
        if name.isupper() and isinstance(value, str) and value.startswith(f"{DOMAIN}/")
    }
    assert {*ORDERS, *ANSWERS} == names
    assert len(ORDERS) + len(ANSWERS) == len(names)


def test_no_unit_writes_an_order() -> None:
    script = (Path(machine.__file__).parent / "node.sh").read_text(encoding="utf-8")
    written = set(re.findall(r"annotate [^\n]*?\$PREFIX/([a-z-]+?)(?:-\"|=)", script))
    assert {f"{DOMAIN}/{name}" for name in written} <= set(ANSWERS)
    assert len(written) > 5


def test_the_policy_compares_each_of_them_and_is_bound_to_all_nodes() -> None:
    policy, binding = manifests()
    spec = policy["spec"]
    assert isinstance(spec, dict)
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["nodes", "nodes/status"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    orders, answers = (each["expression"] for each in spec["validations"])
    assert re.findall(rf"'({DOMAIN}/[a-z-]+)'", orders) == list(ORDERS)
    assert "system:node:" not in orders
    assert re.findall(rf"'({DOMAIN}/[a-z-]+)'", answers) == list(ANSWERS)
    assert binding["spec"] == {"policyName": NAME, "validationActions": ["Deny"]}
