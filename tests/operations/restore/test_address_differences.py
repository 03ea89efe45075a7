"""Pools from the time of the snapshot, and pods that run now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.restore.address_differences import stale_allocations, unrecorded_addresses

pytestmark = pytest.mark.unit

ADDRESSES = [f"10.0.0.{n}" for n in range(20, 26)]


def pool(taken: Mapping[str, str], *, node: str = "first") -> dict[str, Any]:
    records = {address: {"podUid": uid} for address, uid in taken.items()}
    return {
        "metadata": {"name": f"{node}-eth0"},
        "spec": {"ips": ["10.0.0.20-10.0.0.25"], "nodeName": [node]},
        "status": {"allocatedIPs": json.dumps(records)},
    }


def pod(uid: str, address: str | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "metadata": {
            "namespace": "default",
            "name": uid,
            "uid": uid,
            "ownerReferences": [{"controller": True}],
        },
        "spec": {"nodeName": "first", **more.get("spec", {})},
        "status": {
            "phase": more.get("phase", "Running"),
            "podIPs": [] if address is None else [{"ip": address}],
        },
    }


def test_a_pod_on_an_address_that_its_pool_counts_as_free_is_named() -> None:
    (wrong,) = unrecorded_addresses([pod("a", "10.0.0.20")], [pool({})])
    assert str(wrong) == "default/a on 10.0.0.20"
    assert wrong.has_controller


def test_a_pod_on_an_address_that_its_pool_gave_to_another_one_is_named() -> None:
    assert unrecorded_addresses([pod("a", "10.0.0.20")], [pool({"10.0.0.20": "b"})])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(pod("a", "10.0.0.20", phase="Succeeded"), id="ended"),
        pytest.param(pod("a", "10.0.0.20", spec={"hostNetwork": True}), id="host network"),
        pytest.param(pod("a", None), id="no address yet"),
        pytest.param(pod("a", "10.0.0.99"), id="an address of no pool"),
    ],
)
def test_pods_without_an_address_of_the_pool_are_no_difference(other: dict[str, Any]) -> None:
    assert unrecorded_addresses([other], [pool({})]) == []


def test_an_address_of_a_pod_that_is_gone_is_stale() -> None:
    assert stale_allocations(
        [pod("a", "10.0.0.20")], [pool({"10.0.0.20": "a", "10.0.0.21": "b"})]
    ) == ["first-eth0: 10.0.0.21"]


@given(
    running=st.dictionaries(st.sampled_from(ADDRESSES), st.sampled_from("abcdef")),
    taken=st.dictionaries(st.sampled_from(ADDRESSES), st.sampled_from("abcdefgh")),
)
def test_where_nothing_differs_no_address_can_be_given_to_a_second_pod(
    running: dict[str, str], taken: dict[str, str]
) -> None:
    by_pod = {uid: address for address, uid in running.items()}
    pods = [pod(uid, address) for uid, address in by_pod.items()]
    pools = [pool(taken)]
    agree = not unrecorded_addresses(pods, pools) and not stale_allocations(pods, pools)
    free = set(ADDRESSES) - set(taken)
    if agree:
        assert not free & set(by_pod.values())
        assert set(taken.values()) <= set(by_pod)
    else:
        assert any(taken.get(address) != uid for uid, address in by_pod.items()) or (
            set(taken.values()) - set(by_pod)
        )
