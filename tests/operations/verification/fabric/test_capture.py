"""Probes that failed run once more while the fabric is watched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from operations.verification.checks import PacketPath
from operations.verification.fabric import capture
from operations.verification.fabric.capture import Frame, capture_failures, growth, read_frames
from operations.verification.fabric.objects import Fabric
from tests.operations.verification.fabric.golden_page import (
    CHECK,
    DOCUMENT,
    SOURCE,
    TARGET,
    report,
)

pytestmark = pytest.mark.unit

FRAME = {
    "time": 1000.5,
    "place": "eni-50",
    "direction": "in",
    "source_mac": "00:16:3e:00:05:00",
    "source": "172.31.199.190",
    "destination": "192.168.0.154",
    "kind": "TCP SYN",
    "source_port": 40000,
    "destination_port": 80,
}


class Played:
    """A fabric that counts two more dropped frames at each look, and sees one frame."""

    def __init__(self) -> None:
        self.dropped = 0
        self.paths: list[PacketPath] = []

    def describe(self) -> Fabric | None:
        self.dropped += 2
        return Fabric.read({**DOCUMENT, "frames": {"passed": 9, "foreign_address": self.dropped}})

    @contextmanager
    def frames(self, _: Fabric, path: PacketPath) -> Iterator[Sequence[Frame]]:
        self.paths.append(path)
        seen: list[Frame] = []
        yield seen
        seen += read_frames(json.dumps(FRAME))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_COUNTED_SECONDS", 0.0)


def test_only_the_failed_path_is_watched() -> None:
    watch = Played()
    captures = capture_failures(report().verdicts, _shell(), watch)
    assert [(path.source, path.target) for path in watch.paths] == [(SOURCE, TARGET)]
    assert set(captures) == {(CHECK, SOURCE, TARGET)}


def test_a_capture_has_the_frames_and_what_was_dropped_meanwhile() -> None:
    [seen] = capture_failures(report().verdicts, _shell(), Played()).values()
    assert [frame.kind for frame in seen.frames] == ["TCP SYN"]
    assert seen.dropped == {"foreign_address": 2}


def test_a_check_with_many_failures_is_captured_twice() -> None:
    verdict = next(v for v in report().verdicts if v.check.name == CHECK)
    [failure] = [answer for answer in verdict.answers if answer.problems]
    many = replace(verdict, answers=(failure,) * 5)
    watch = Played()
    capture_failures([many], _shell(), watch)
    assert len(watch.paths) == 2


def test_times_of_frames_begin_with_the_first_one() -> None:
    lines = [{"listening": True}, FRAME, {**FRAME, "time": 1000.75}]
    frames = read_frames("\n".join(json.dumps(line) for line in lines))
    assert [frame.time for frame in frames] == [0.0, 0.25]


def test_counters_that_did_not_grow_are_left_out() -> None:
    assert growth({"passed": 1, "refused": 3}, {"passed": 8, "refused": 3, "foreign_mac": 1}) == {
        "foreign_mac": 1
    }


def _shell() -> Any:  # noqa: ANN401  (the probes of the report ask nothing)
    return None
