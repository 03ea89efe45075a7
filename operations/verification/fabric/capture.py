"""Runs failed probes again while the fabric's links are watched, one at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Final, Protocol, cast

from operations.engine.cluster_access import check_answer
from operations.engine.places import ROOT
from operations.engine.running import Runner
from operations.verification.checks import PacketPath, Shell
from operations.verification.fabric.objects import Fabric
from operations.verification.run import Outcome, Verdict, attempt

_PROGRAM: Final = (sys.executable, "-m", "localcloud.machines.observation")
_DESCRIBED_WITHIN: Final = 60.0
_ENDED_WITHIN: Final = 10.0
_COUNTED_SECONDS: Final = 2.5
"""The fabric writes its counters every two seconds."""
_MOST_PER_CHECK: Final = 2
"""Failures of a check that are captured: the others mostly have the same reason."""
_MOST_FRAMES: Final = 40


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame that was seen on a link of the fabric."""

    time: float
    """Seconds since the capture's first frame."""
    place: str
    """The id of an ENI or a vSwitch, or `internet`."""
    direction: str
    """`in`: into the fabric, from the link's other end. `out`: the fabric sends it."""
    source_mac: str
    source: str
    destination: str
    kind: str
    source_port: int = 0
    destination_port: int = 0


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What the fabric saw of one probe that failed, when it ran once more."""

    problems: tuple[str, ...]
    """What was wrong then; empty if the probe passed."""
    frames: tuple[Frame, ...]
    left_out: int
    """Frames beyond the first ones."""
    dropped: Mapping[str, int]
    """Counter of the fabric → frames that it counted meanwhile, whoever sent them."""


Captures = Mapping[tuple[str, str, str], Capture]
"""By check, source and target."""


class Watch(Protocol):
    """Watches the links of a fabric."""

    def describe(self) -> Fabric | None:
        """The fabric now; None where the cloud has none."""

    def frames(self, fabric: Fabric, path: PacketPath) -> AbstractContextManager[Sequence[Frame]]:
        """Watch until the block ends; the sequence is complete then."""


def capture_failures(verdicts: Iterable[Verdict], shell: Shell, watch: Watch) -> Captures:
    """Run the first failed probes of each check again, and return what was seen of them."""
    captures: dict[tuple[str, str, str], Capture] = {}
    for verdict in verdicts:
        if verdict.outcome is not Outcome.FAILED:
            continue
        failures = [answer.probe for answer in verdict.answers if answer.problems]
        for probe in [each for each in failures if each.path is not None][:_MOST_PER_CHECK]:
            before = watch.describe()
            if before is None or probe.path is None:
                continue
            with watch.frames(before, probe.path) as frames:
                again = attempt(probe, shell)
                time.sleep(_COUNTED_SECONDS)
            after = watch.describe()
            key = (verdict.check.name, probe.path.source, probe.path.target)
            captures[key] = Capture(
                problems=again.problems,
                frames=tuple(frames[:_MOST_FRAMES]),
                left_out=max(0, len(frames) - _MOST_FRAMES),
                dropped={} if after is None else growth(before.frames, after.frames),
            )
    return captures


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """The counters that grew, but for the one of frames that passed."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count > 0 and name != "passed"}


@dataclass(frozen=True, kw_only=True)
class LocalWatch:
    """Watches the fabric of the local cloud in a folder."""

    home: Path
    runner: Runner

    def describe(self) -> Fabric | None:
        """The fabric of its VPC; None without one, or with several.

        Raises:
            OperationError: the local cloud's folder cannot be read.
        """
        command = (*_PROGRAM, "describe", "--home", str(self.home))
        done = self.runner.run(command, deadline=_DESCRIBED_WITHIN, quiet=True)
        check_answer(done, "The local cloud did not describe its fabric")
        documents = json.loads(done.out)
        return Fabric.read(documents[0]) if len(documents) == 1 else None

    @contextmanager
    def frames(self, fabric: Fabric, path: PacketPath) -> Iterator[Sequence[Frame]]:
        """Watch until the block ends."""
        flow = [f"--address={address}" for address in sorted(path.addresses)]
        flow += [f"--port={port}" for port in sorted(path.ports)]
        command = (*_PROGRAM, "capture", "--home", str(self.home), fabric.id, *flow)
        seen: list[Frame] = []
        with subprocess.Popen(  # noqa: S603  (our own program)
            command,
            cwd=ROOT,
            env=dict(self.runner.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            # Both are pipes.
            end, output = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
            output.readline()  # It listens.
            try:
                yield seen
            finally:
                end.close()
                seen += read_frames(output.read())
                process.wait(_ENDED_WITHIN)


def read_frames(text: str) -> list[Frame]:
    """The frames in a capture's output; times begin with the first one."""
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    names = {field.name for field in fields(Frame)}
    rows = [{k: v for k, v in line.items() if k in names} for line in lines if "place" in line]
    begun = min((row["time"] for row in rows), default=0.0)
    return [Frame(**{**row, "time": round(row["time"] - begun, 4)}) for row in rows]
