"""Edits of disks and instance types that ECS does not make on a machine that stays."""

from __future__ import annotations

import pytest

from planning.transitions.steps import ChangeInPlace, ReplaceWorker, RestartNode
from tests.clusters import Document, existing_kubernetes
from tests.planning.edited import Edit, at, clustered, edited, refused, steps, transition

pytestmark = pytest.mark.unit

IMAGE = "ubuntu_22_04_x64_20G_alibase_20260916.vhd"
ARM_IMAGE = "ubuntu_24_04_arm64_20G_alibase_20260916.vhd"
PREPAID = at("nodePools/workers/chargeType", "PrePaid")
SPOT = at("nodePools/workers/spot", {"strategy": "SpotAsPriceGo"})
LARGER = at("nodePools/workers/instanceType", "ecs.g7.xlarge")
ETCD_DISK = "nodePools.masters.etcdDisk"


def _worker_disk(level: str | None, size: int = 500) -> Edit:
    return at("nodePools/workers/disk", {"performanceLevel": level, "size": size})


def _etcd_disk(category: str, level: str | None = None) -> Edit:
    return at("nodePools/masters/etcdDisk", {"category": category, "performanceLevel": level})


def _on_sixth_generation(document: Document) -> None:
    """Types that take every category of disk."""
    for pool in document["nodePools"].values():
        pool["instanceType"] = "ecs.g6.large"


def _arm(document: Document) -> None:
    """Workers of a type of the other architecture."""
    document["instanceTypes"] = {
        "ecs.g8y.large": {"enis": 3, "ipv4PerEni": 6, "ipv6PerEni": 6, "secondEni": True}
    }
    document["nodePools"]["workers"]["instanceType"] = "ecs.g8y.large"


CUSTOM = at("nodePools/workers/image", "m-bp1example")


@pytest.mark.parametrize(
    ("before", "edit", "path"),
    [
        ([_worker_disk("PL1")], _worker_disk("PL0"), "nodePools.workers.disk.performanceLevel"),
        ([_worker_disk("PL2")], _worker_disk("PL0"), "nodePools.workers.disk.performanceLevel"),
        ([_worker_disk(None)], _worker_disk("PL0"), "nodePools.workers.disk.performanceLevel"),
        (
            [PREPAID, _worker_disk("PL2")],
            _worker_disk("PL1"),
            "nodePools.workers.disk.performanceLevel",
        ),
        (
            [_etcd_disk("cloud_essd", "PL1")],
            _etcd_disk("cloud_essd", "PL0"),
            f"{ETCD_DISK}.performanceLevel",
        ),
        (
            [_on_sixth_generation, _etcd_disk("cloud_essd")],
            _etcd_disk("cloud_efficiency"),
            f"{ETCD_DISK}.category",
        ),
        (
            [_on_sixth_generation, _etcd_disk("cloud_auto")],
            _etcd_disk("cloud_efficiency"),
            f"{ETCD_DISK}.category",
        ),
        ([SPOT], LARGER, "nodePools.workers.instanceType"),
        ([CUSTOM], _arm, "nodePools.workers.instanceType"),
    ],
    ids=[
        "PL1 to PL0",
        "PL2 to PL0",
        "the default level to PL0",
        "a lower level of a subscription disk",
        "PL1 to PL0 of etcd's disk",
        "an ESSD of etcd to an ultra disk",
        "an AutoPL disk of etcd to an ultra disk",
        "another type of a preemptible machine",
        "another architecture under a custom image",
    ],
)
def test_what_ecs_does_not_change_is_refused(before: list[Edit], edit: Edit, path: str) -> None:
    document = edited(clustered(), *before)
    assert set(refused(transition(document, edited(document, edit)))) == {path}


def test_a_profile_with_slower_disks_is_refused_for_disks_that_exist() -> None:
    kept = {"size": 120, "encrypted": True}
    disks = [at(f"nodePools/{pool}/disk", kept) for pool in ("masters", "workers")]
    prod = edited(clustered(), at("profile", "prod"), *disks)
    dev = edited(prod, at("profile", "dev"))
    assert refused(transition(prod, dev)) == (
        "nodePools.masters.disk.performanceLevel",
        "nodePools.workers.disk.performanceLevel",
    )


@pytest.mark.parametrize(
    ("before", "edit", "step"),
    [
        ([_worker_disk("PL0")], _worker_disk("PL1"), ChangeInPlace),
        ([_worker_disk("PL2")], _worker_disk("PL1"), ChangeInPlace),
        ([_worker_disk("PL1")], _worker_disk(None), ChangeInPlace),
        ([PREPAID, _worker_disk("PL1")], _worker_disk("PL2"), ChangeInPlace),
        (
            [_on_sixth_generation, _etcd_disk("cloud_efficiency")],
            _etcd_disk("cloud_essd", "PL1"),
            ChangeInPlace,
        ),
        ([], LARGER, RestartNode),
        ([PREPAID], LARGER, RestartNode),
    ],
    ids=[
        "a higher level",
        "a lower level of pay-as-you-go",
        "no level any more",
        "a higher level of a subscription disk",
        "an ultra disk of etcd to an ESSD",
        "another type",
        "another type of a subscription",
    ],
)
def test_what_ecs_changes_is_accepted(
    before: list[Edit], edit: Edit, step: type[ChangeInPlace | RestartNode]
) -> None:
    document = edited(clustered(), *before)
    assert {type(s) for s in steps(transition(document, edited(document, edit)))} == {step}


@pytest.mark.parametrize(
    ("before", "edits"),
    [
        ([_worker_disk("PL1")], [_worker_disk("PL0"), at("nodePools/workers/image", IMAGE)]),
        ([SPOT], [LARGER, at("nodePools/workers/image", IMAGE)]),
        ([SPOT], [LARGER, at("nodePools/workers/spot", None)]),
        ([], [_arm, at("nodePools/workers/image", ARM_IMAGE)]),
    ],
    ids=["level", "preemptible", "no longer preemptible", "architecture"],
)
def test_a_new_machine_is_made_with_any_disk_and_type(
    before: list[Edit], edits: list[Edit]
) -> None:
    document = edited(clustered(), *before)
    outcome = steps(transition(document, edited(document, *edits)))
    assert any(isinstance(step, ReplaceWorker) for step in outcome)


def test_an_image_of_an_existing_cluster_changes_on_the_machine_that_stays() -> None:
    """The provider replaces its system disk, so its type still does not change."""
    before = edited(existing_kubernetes(), SPOT)
    after = edited(before, LARGER, at("nodePools/workers/image", IMAGE))
    assert refused(transition(before, after)) == ("nodePools.workers.instanceType",)
