"""The runs that a power cut strikes: `pulumi up`, and a restore of a cluster that is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from operations.engine.places import ROOT
from tests.engine.clouds.local_cloud import Done
from tests.engine.clouds.three_zones import MASTERS
from tests.engine.control_planes.lost_planes import lose, restore, snapshot_now
from tests.engine.machines.test_machine_life_cycle import LifeCycle

STRUCK_RUN: Final = "struck-run"
"""File in the cloud's home: the output of that run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that changes the cluster."""

    command: str
    """What a person types."""
    begin: Callable[[Mapping[str, str]], subprocess.Popen[bytes]]
    """Starts it with additional environment variables."""
    repeat: Callable[[], Done]


def up_run(cycle: LifeCycle) -> Run:
    """`pulumi up`."""
    return Run(command="pulumi up", begin=partial(begin_up, cycle), repeat=cycle.up)


def restore_run(cycle: LifeCycle) -> Run:
    """Take a snapshot, lose the only control plane with its disk, and restore it."""
    snapshot = snapshot_now(cycle.cloud)
    lose(cycle.cloud, MASTERS[0])
    words = ("--stack", "local", "--from", snapshot, "--yes")
    places = ("--config-file", cycle.cloud.config_file, "--home", cycle.cloud.places.home)
    argv = (sys.executable, "-m", "operations", "restore", *words, *map(str, places))
    return Run(
        command="operations restore",
        begin=partial(begin, cycle, argv),
        repeat=partial(restore, cycle.cloud, snapshot, "--yes"),
    )


def begin_up(
    cycle: LifeCycle, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `pulumi up`, with additional environment variables."""
    cycle.write()
    argv = ("pulumi", "up", "--yes", "--skip-preview", "--suppress-progress", "--stack", "local")
    where = ("--non-interactive", "--config-file", str(cycle.cloud.config_file))
    return begin(cycle, (*argv, *where), variables)


def begin(
    cycle: LifeCycle, argv: Sequence[str], variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start the run that is to be struck. Its output is in the file `STRUCK_RUN`."""
    return subprocess.Popen(  # noqa: S603 - our own command
        argv,
        env={**cycle.cloud.env, **(variables or {})},
        cwd=ROOT,
        stdout=(cycle.cloud.places.home / STRUCK_RUN).open("wb"),
        stderr=subprocess.STDOUT,
    )
