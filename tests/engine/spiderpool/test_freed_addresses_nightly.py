"""When the address of a pod is free again, on a real kubelet."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from localcloud.virtual.images.programs import built_programs
from localcloud.virtual.node_packages import built
from tests.localcloud.machines.own_namespaces import run_python
from tests.planning.documents import ROOT

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2400)]

AT_MOST_MS = 60_000
"""The controller looks every 5 s; more for a busy machine, and less than its scan every 120 s."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `real_node` saw."""
    tools = ROOT / ".local" / "bin"
    if os.geteuid() or shutil.which("runc") is None:
        pytest.skip("Containers without a virtual machine need root, and runc on PATH.")
    if built(tools) is None or built_programs(tools) is None:
        pytest.skip("No kubelet, containerd and images: `python -m toolchain ensure --node`.")
    folder = tmp_path_factory.mktemp("node")
    program = ("-m", "tests.engine.spiderpool.real_node")
    done = run_python(*program, tools, folder, timeout=2000)
    assert done.returncode == 0, f"{done.stderr}\n{logs(folder)}"
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def logs(folder: Path) -> str:
    """The last lines of each program."""
    return "\n".join(
        f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        for log in sorted(folder.glob("*.log"))
    )


def test_the_address_of_a_deleted_pod_is_free_before_the_pod_has_ended(
    outcomes: dict[str, Any],
) -> None:
    assert outcomes["deleted"]
    assert all(outcome["free_before"] for outcome in outcomes["deleted"])


@pytest.mark.parametrize("kind", ["ended", "forced"])
def test_a_pod_that_ends_by_itself_or_by_force_leaves_its_address_for_some_seconds(
    outcomes: dict[str, Any], kind: str
) -> None:
    # If this fails because the address is free before, docs/capacity.md promises too little.
    assert [outcome["free_before"] for outcome in outcomes[kind]] == [False] * 3
    assert all(outcome["ms"] < AT_MOST_MS for outcome in outcomes[kind])


def test_every_pod_runs_that_comes_before_an_address_is_free(outcomes: dict[str, Any]) -> None:
    assert len(outcomes["many"]) == 20
    assert outcomes["phases"] == ["Succeeded"]
