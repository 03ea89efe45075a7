"""The report of `verify`: one page with the fabric, every path, and what was seen of a failure."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from operations.verification.fabric.objects import Fabric
from operations.verification.fabric.page import page
from operations.verification.fabric.picture import picture
from tests.operations.verification.fabric.golden_page import DOCUMENT, GOLDEN, report

pytestmark = pytest.mark.unit


def test_the_page_is_the_reviewed_one() -> None:
    command = "run `python -m tests.operations.verification.fabric.golden_page` and look at it"
    assert page(report()) == GOLDEN.read_text(encoding="utf-8"), command


def test_the_page_needs_no_other_file_and_no_address() -> None:
    text = page(report())
    assert not re.search(r"<(script|link|img|iframe)|\b(src|href)=|url\(|@import", text)


def test_what_a_machine_reports_cannot_become_markup() -> None:
    node = {"status": {"nodeInfo": {"osImage": "<script>alert(1)</script>"}}}
    shown = report()
    text = page(replace(shown, cluster=replace(shown.cluster, nodes={"<b>": node})))
    assert "<script>" not in text
    assert "<b>" not in text


def test_the_picture_has_every_object_of_the_fabric() -> None:
    svg = picture(Fabric.read(DOCUMENT))
    words = {text.text for text in ET.fromstring(svg).iter("text")}  # noqa: S314  (our own)
    for words_of in ("vSwitch 172.31.192.0/20", "eth1 192.168.0.154", "load balancer 127.67.0.4"):
        assert words_of in words
    for machine in DOCUMENT["machines"]:
        assert machine["name"] in words
        assert {nic["id"] for nic in machine["interfaces"]} <= words


def test_no_two_boxes_of_the_same_row_overlap() -> None:
    svg = ET.fromstring(picture(Fabric.read(DOCUMENT)))  # noqa: S314  (our own)
    for style in ("way", "nic", "machine"):
        boxes = [
            tuple(int(box.get(side, "")) for side in ("x", "width"))
            for box in svg.iter("rect")
            if box.get("class") == style
        ]
        boxes.sort()
        assert all(x + width <= other for (x, width), (other, _) in pairwise(boxes))


def test_a_cloud_without_a_fabric_has_a_page_without_a_picture() -> None:
    text = page(replace(report(), fabric=None, captures={}))
    assert "<svg" not in text
    assert "Only a local cloud with virtual machines shows its fabric." in text


def test_a_failure_that_was_not_captured_says_so() -> None:
    assert "Not captured" in page(replace(report(), captures={}))
