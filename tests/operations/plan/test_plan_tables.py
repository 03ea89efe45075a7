"""What the tables of a plan show of disks."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from operations.plan.tables import plan_tables
from planning.model import ClusterPlan
from tests.planning.documents import stack_plan

pytestmark = pytest.mark.unit


def shown(plan: ClusterPlan) -> str:
    console = Console(width=200, file=StringIO())
    for table in plan_tables(plan):
        console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_disks_for_etcd_are_shown_with_their_zone_kind_and_size() -> None:
    text = shown(stack_plan("prod"))
    rows = [line.split() for line in text.splitlines()]
    assert ["masters-1", "cn-beijing-k", "cloud_essd", "PL1", "40"] in rows
    assert "GiB of data disks" in text


def test_a_plan_without_such_disks_has_no_table_of_them() -> None:
    text = shown(stack_plan("local"))
    assert "Nodes of" in text
    assert "Disks for etcd" not in text
