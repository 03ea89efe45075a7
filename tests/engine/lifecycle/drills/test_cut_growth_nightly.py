"""One control plane becomes three, the run dies on the way, and then the first machine is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.engine.clouds.local_cloud import processes_below
from tests.engine.clouds.three_zones import MASTERS
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.drills.power_cuts import (
    begin_up,
    stack_of,
    wait_until_in_order,
)
from tests.engine.lifecycle.official_sdk import client, models
from tests.engine.machines.test_machine_life_cycle import LifeCycle

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]


@pytest.fixture
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LifeCycle]:
    """A cluster with one control plane, whose stack file has three."""
    with stack_of(tmp_path_factory.mktemp("growing"), "roll") as cycle:
        cycle.uid = cycle.cluster_uid()
        cycle.cloud.run(
            "kubectl", "create", "configmap", "kept", "--from-literal=key=value", check=True
        )
        cycle.cluster["nodePools"]["masters"]["count"] = len(MASTERS)
        yield cycle


def die_after_machines(cycle: LifeCycle, count: int) -> None:
    """Kill an `up`, with all that it started, once it has created so many machines."""
    light = LightCloud(cloud=cycle.cloud, document=cycle.document)
    before, child = light.last_call(), begin_up(cycle)
    while child.poll() is None:
        actions = [call["action"] for call in light.calls(after=before)]
        if actions.count("RunInstances") >= count:
            # The engine first: it must not write down that a plugin has died.
            for pid in sorted(processes_below([child.pid]), key=lambda pid: pid != child.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.2)
    child.wait(timeout=60)
    assert child.returncode != 0


@pytest.mark.parametrize("machines", [1, 2], ids=["one of two made", "both made"])
def test_the_next_runs_bring_the_cluster_back_with_three(growing: LifeCycle, machines: int) -> None:
    first = growing.instances()[MASTERS[0]]
    die_after_machines(growing, machines)
    request = models("ecs").DeleteInstanceRequest(instance_id=first, force=True)
    client("ecs", growing.cloud).delete_instance(request)
    recovered = growing.cloud.on_stack_file("recover", "--stack", "local", "--yes", deadline=600)
    assert recovered.status == 0, recovered.transcript
    done = growing.up()
    if done.status != 0:
        done = growing.up()
    assert done.status == 0, growing.cloud.explain(done)
    assert wait_until_in_order(growing, within=240) is None
    growing.until(lambda: growing.members() == set(MASTERS), within=240)
    assert growing.cluster_uid() == growing.uid
    assert growing.cloud.kubectl("get", "configmap", "kept")["data"] == {"key": "value"}
    growing.is_settled()
