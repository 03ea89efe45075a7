"""Fault rules that strike each call once."""

from __future__ import annotations

import pytest

from localcloud.requests.faults import BadFaultError, Faults, read

pytestmark = pytest.mark.unit


def test_each_call_is_struck_once_and_its_repetition_passes() -> None:
    faults = Faults()
    faults.add(read({"action": "CreateVpc", "each": True}))
    one, other = {"VpcName": "one"}, {"VpcName": "other"}
    struck = [faults.strike("Vpc", "CreateVpc", p) is not None for p in (one, other, one, other)]
    assert struck == [True, True, False, False]
    assert faults.rules()[0][1] == 2


def test_the_same_set_in_another_order_is_the_same_call() -> None:
    faults = Faults()
    faults.add(read({"action": "*", "each": True}))
    assert faults.strike("Ecs", "A", {"Tag.1": "x", "Tag.2": "y", "Names": '["a","b"]'})
    assert faults.strike("Ecs", "A", {"Tag.1": "y", "Tag.2": "x", "Names": '["b","a"]'}) is None
    assert faults.strike("Ecs", "A", {"Names": "[" * 100_000})


def test_each_is_yes_or_no() -> None:
    with pytest.raises(BadFaultError, match="each"):
        read({"each": 1})
