"""Extended resources as the kubelet treats those that somebody else advertises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.guest.kubelet.node.extended import extended, rejection, resets

pytestmark = pytest.mark.unit

ETH0 = "example.com/eth0"


def pod(**resources: str) -> dict[str, Any]:
    requests = {f"example.com/{name}": count for name, count in resources.items()}
    return {"spec": {"containers": [{"resources": {"requests": requests | {"cpu": "1"}}}, {}]}}


def test_only_names_with_a_domain_of_somebody_else_are_extended() -> None:
    names = {"cpu": "2", "hugepages-2Mi": "0", "x.kubernetes.io/y": "1", ETH0: "3"}
    assert extended(names) == {ETH0: "3"}


def test_a_pod_that_fits_is_admitted_and_the_next_is_not() -> None:
    allocatable = {"cpu": "0", ETH0: "2"}
    assert rejection(pod(eth0="1"), [pod(eth0="1")], allocatable) is None
    assert rejection(pod(eth0="1"), [pod(eth0="2")], allocatable) == (
        f"OutOf{ETH0}",
        f"Node didn't have enough resource: {ETH0}, requested: 1, used: 2, capacity: 2",
    )


def test_a_resource_that_the_node_does_not_have_counts_as_nothing() -> None:
    assert rejection(pod(eth0="1"), [], {"cpu": "2"}) is None
    assert rejection(pod(eth0="1"), [], {ETH0: "0"}) is not None


def test_a_start_with_an_empty_folder_resets_and_any_file_prevents_that(tmp_path: Path) -> None:
    assert resets(tmp_path / "missing")
    assert resets(tmp_path)
    (tmp_path / "any").touch()
    assert not resets(tmp_path)
