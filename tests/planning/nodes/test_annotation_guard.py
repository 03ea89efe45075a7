"""Who may change the annotations that a node's unit applies as root."""

from __future__ import annotations

import re

import pytest

from planning.names import DOMAIN
from planning.nodes import machine
from planning.nodes.annotation_guard import GUARDED, NAME, manifests

pytestmark = pytest.mark.unit


def test_every_annotation_of_the_contract_is_guarded() -> None:
    names = {
        value
        for name, value in vars(machine).items()
        if name.isupper() and isinstance(value, str) and value.startswith(f"{DOMAIN}/")
    }
    assert set(GUARDED) == names
    assert len(GUARDED) == len(names)


def test_the_policy_compares_each_of_them_and_is_bound_to_all_nodes() -> None:
    policy, binding = manifests()
    spec = policy["spec"]
    assert isinstance(spec, dict)
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["nodes", "nodes/status"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    (validation,) = spec["validations"]
    assert re.findall(rf"'({DOMAIN}/[a-z-]+)'", validation["expression"]) == list(GUARDED)
    assert binding["spec"] == {"policyName": NAME, "validationActions": ["Deny"]}
