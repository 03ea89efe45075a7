"""What somebody changed on a machine in the cloud is reported, and changes nothing."""

from __future__ import annotations

import pytest

from tests.clusters import small
from tests.deploying import deploy
from tests.recording import Cloud

pytestmark = pytest.mark.unit

WORKER = "small-workers-0"
DOCUMENT = small({"nodePools": {"workers": {"keyPair": "planned"}}})


def warnings_of(**lies: object) -> str:
    return deploy(DOCUMENT, cloud=Cloud(lies={WORKER: lies})).log


def test_a_machine_as_planned_is_not_mentioned() -> None:
    assert "in the cloud" not in warnings_of()


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        pytest.param(
            {"imageId": "by-hand.vhd"},
            "workers-0: its image in the cloud is by-hand.vhd, and the plan has",
            id="image",
        ),
        pytest.param(
            {"keyName": "by-hand"},
            "workers-0: its key pair in the cloud is by-hand, and the plan has planned",
            id="key pair",
        ),
        pytest.param(
            {"keyName": ""}, "workers-0: its key pair in the cloud is none", id="no key pair"
        ),
        pytest.param(
            {"systemDiskCategory": "cloud_auto"},
            "workers-0: the category of its system disk in the cloud is cloud_auto",
            id="disk",
        ),
    ],
)
def test_a_property_that_differs_is_named(lies: dict[str, object], words: str) -> None:
    log = warnings_of(**lies)
    assert words in log
    assert log.count("in the cloud is") == 1


def test_a_key_pair_that_the_plan_leaves_open_may_be_any() -> None:
    log = deploy(small(), cloud=Cloud(lies={WORKER: {"keyName": "by-hand"}})).log
    assert "in the cloud" not in log


def test_a_preview_of_a_creation_reports_nothing() -> None:
    log = deploy(DOCUMENT, preview=True, cloud=Cloud(ids_known=False)).log
    assert "in the cloud" not in log
