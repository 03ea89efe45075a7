"""Edits of a running cluster, one after another on the same machines: one control plane, then
three, then one again.

After each edit the cluster has the same uid and objects as before, no acknowledged write is lost,
and the next preview is empty.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.clouds.local_cloud import CLUSTER, Done, SecondCloud, second_cloud
from tests.engine.clouds.three_zones import MASTERS, use_three_zones
from tests.engine.control_planes.kept_token import REFUSED, answer_to_the_kept_token
from tests.engine.control_planes.test_three_control_planes import is_ready
from tests.engine.control_planes.writing_client import Writes, stored, writing
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.patience import end_of_wait

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

EARLIER_IMAGE = "ubuntu_24_04_x64_20G_alibase_20260815.vhd"

ASK = "curl -sS --max-time 5 --cacert /etc/kubernetes/pki/ca.crt"
"""Only a certificate that has the name or address of the URL gets an answer."""
ENDPOINT = "api.cycle.internal"

SILENCE_OF_ONE = 60.0
"""Seconds: a bound for a restart of the only API server; measured on two cores, see
docs/reliability.md."""
SILENCE_OF_THREE = 20.0
"""Seconds for three control planes: an etcd election and the load balancer's health check."""


@dataclass(kw_only=True)
class LifeCycle:
    """A cluster whose stack file keeps each edit."""

    cloud: SecondCloud
    document: dict[str, Any]
    uid: str = ""

    @property
    def cluster(self) -> dict[str, Any]:
        cluster = self.document["config"][CLUSTER]
        assert isinstance(cluster, dict)
        return cluster

    def write(self) -> None:
        self.cloud.config_file.write_text(yaml.safe_dump(self.document, sort_keys=False))

    def up(self) -> Done:
        self.write()
        return self.cloud.pulumi(
            "up", "--yes", "--skip-preview", "--suppress-progress", "--suppress-outputs"
        )

    def preview(self, *words: str) -> Done:
        self.write()
        return self.cloud.pulumi("preview", "--suppress-outputs", *words)

    def kubeconfig(self) -> str:
        return self.cloud.stack("output", "kubeconfig", "--show-secrets")

    def instances(self) -> dict[str, str]:
        return {name: n["instanceId"] for name, n in self.cloud.outputs()["nodes"].items()}

    def nodes(self) -> dict[str, dict[str, Any]]:
        items = self.cloud.kubectl("get", "nodes")["items"]
        return {item["metadata"]["name"]: item for item in items}

    def cluster_uid(self) -> str:
        return str(self.cloud.kubectl("get", "namespace", "kube-system")["metadata"]["uid"])

    def members(self) -> set[str]:
        """Control planes with a ready etcd and a ready API server."""
        pods = self.cloud.kubectl("get", "pods", "-n", "kube-system", "-l", "tier=control-plane")
        ready = {
            (pod["metadata"]["labels"]["component"], pod["spec"]["nodeName"])
            for pod in pods["items"]
            if is_ready(pod)
        }
        names = {name for _, name in ready}
        return {n for n in names if {("etcd", n), ("kube-apiserver", n)} <= ready}

    def edited(self, run: str) -> Writes:
        """Apply the stack file while a client writes; nothing that it wrote is lost."""
        kubeconfig = self.kubeconfig()
        with writing(kubeconfig, run=run) as writes:
            done = self.up()
        assert done.status == 0, self.cloud.explain(done)
        assert len(writes.acknowledged) > 5, writes
        assert set(writes.acknowledged) <= stored(self.kubeconfig(), run=run)
        assert self.cluster_uid() == self.uid
        # Shown by `pytest -s`: the figures of docs/reliability.md.
        sys.stdout.write(
            f"{run}: {done.seconds:.0f} s, silence {writes.longest_silence:.1f} s, "
            f"{len(writes.acknowledged)} writes, refused: {Counter(writes.refusals)}\n"
        )
        return writes

    def is_settled(self) -> None:
        # A Deployment that is not available yet shows as a change of its refreshed status.
        self.until(self.is_available, within=240)
        done = self.preview("--expect-no-changes")
        assert done.status == 0, done.transcript

    def is_available(self) -> bool:
        deployments = self.cloud.kubectl("get", "deployments", "-A")["items"]
        return all(
            item["status"].get("availableReplicas", 0) == item["spec"]["replicas"]
            for item in deployments
        )

    def on(self, node: str, script: str) -> str:
        """What a script prints on a node's machine."""
        instance = self.instances()[node]
        done = self.cloud.run(
            sys.executable,
            "-m",
            "localcloud.machines.session",
            "--home",
            str(self.cloud.places.home),
            instance,
            "--",
            "bash",
            "-euc",
            script,
        )
        assert done.status == 0, done.transcript
        return done.out

    def address(self, node: str) -> str:
        return str(self.cloud.outputs()["nodes"][node]["interfaces"]["eth0"]["primary"])

    def calls(self, action: str) -> list[dict[str, Any]]:
        return [
            call
            for call in LightCloud(cloud=self.cloud, document=self.document).calls()
            if call["action"] == action
        ]

    def until(self, true: Callable[[], bool], *, within: float = 120) -> None:
        deadline = end_of_wait(within)
        while not true():
            assert time.monotonic() < deadline, json.dumps(sorted(self.nodes()))
            time.sleep(1)


@contextmanager
def deployed_life_cycle(
    home: Path, name: str, *, control_planes: int, ready: Callable[[LifeCycle], bool]
) -> Iterator[LifeCycle]:
    """Control planes and one worker in three zones, deployed; gone at the end."""
    cloud = second_cloud(home)
    life_cycle = LifeCycle(cloud=cloud, document=yaml.safe_load(cloud.config_file.read_text()))
    use_three_zones(life_cycle.document, name=name, control_planes=control_planes)
    life_cycle.write()
    try:
        done = cloud.operations("up")
        assert done.status == 0, cloud.explain(done)
        life_cycle.uid = life_cycle.cluster_uid()
        life_cycle.until(lambda: ready(life_cycle))
        yield life_cycle
    finally:
        cloud.operations("down", "--discard", deadline=120)
        cloud.kill_everything()


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LifeCycle]:
    with deployed_life_cycle(
        tmp_path_factory.mktemp("cycle") / "home",
        "cycle",
        control_planes=1,
        ready=lambda cycle: {"masters-0", "workers-0"} <= set(cycle.nodes()),
    ) as life_cycle:
        yield life_cycle


def test_another_image_for_the_only_control_plane_is_refused_by_the_preview(
    cycle: LifeCycle,
) -> None:
    cycle.cluster["nodePools"]["masters"]["image"] = EARLIER_IMAGE
    done = cycle.preview()
    assert done.status != 0
    assert "keeps its machine" in " ".join(done.out.split()), done.transcript
    del cycle.cluster["nodePools"]["masters"]["image"]
    cycle.is_settled()


def test_labels_taints_and_the_kubelets_settings_change_on_running_machines(
    cycle: LifeCycle,
) -> None:
    before = cycle.instances()
    workers = cycle.cluster["nodePools"]["workers"]
    workers["labels"] = {"tier": "web"}
    workers["taints"] = [{"key": "example.com/only", "effect": "PreferNoSchedule"}]
    cycle.cluster["kubernetes"] = {"kubelet": {"imageMaximumGCAge": "168h"}}
    cycle.edited("settings")
    assert cycle.instances() == before
    worker = cycle.nodes()["workers-0"]
    assert worker["metadata"]["labels"]["tier"] == "web"
    taints = {(t["key"], t["effect"]) for t in worker["spec"].get("taints", ())}
    assert ("example.com/only", "PreferNoSchedule") in taints
    cycle.is_settled()


def test_another_instance_type_restarts_the_only_control_plane(cycle: LifeCycle) -> None:
    before = cycle.instances()
    cycle.cluster["nodePools"]["masters"]["instanceType"] = "ecs.g7.xlarge"
    writes = cycle.edited("restart")
    assert cycle.instances() == before
    assert writes.longest_silence < SILENCE_OF_ONE, writes.refusals
    cycle.is_settled()


def test_one_control_plane_becomes_three_by_a_plain_edit(cycle: LifeCycle) -> None:
    before = cycle.instances()
    cycle.cluster["nodePools"]["masters"]["count"] = 3
    writes = cycle.edited("grows")
    assert before.items() <= cycle.instances().items()
    assert cycle.members() == set(MASTERS)
    assert answer_to_the_kept_token(cycle.cloud) == REFUSED
    assert writes.longest_silence < SILENCE_OF_ONE, writes.refusals
    # With a private endpoint the stack's own kubeconfig asks as the worker does.
    balancer = cycle.on("workers-0", f"sed -n 's/ {ENDPOINT}$//p' /etc/hosts").strip()
    assert balancer not in {"", *(cycle.address(name) for name in MASTERS)}
    assert cycle.on("workers-0", f"{ASK} https://{ENDPOINT}:6443/readyz") == "ok"
    cycle.is_settled()


def test_three_control_planes_get_another_image_and_a_disk_for_etcd_one_at_a_time(
    cycle: LifeCycle,
) -> None:
    before = cycle.instances()
    cycle.cluster["nodePools"]["masters"]["image"] = EARLIER_IMAGE
    cycle.cluster["nodePools"]["masters"]["etcdDisk"] = {}
    shown = cycle.preview("--diff")
    assert shown.status == 0, shown.transcript
    writes = cycle.edited("image")
    after = cycle.instances()
    assert {name for name in before if before[name] != after[name]} == set(MASTERS)
    assert cycle.members() == set(MASTERS)
    assert writes.longest_silence < SILENCE_OF_THREE, writes.refusals
    assert not cycle.calls("ReplaceSystemDisk")
    cycle.is_settled()


def test_three_control_planes_become_one_by_a_plain_edit(cycle: LifeCycle) -> None:
    before = cycle.instances()
    cycle.cluster["nodePools"]["masters"]["count"] = 1
    writes = cycle.edited("shrinks")
    assert cycle.instances().items() <= before.items()
    assert set(cycle.nodes()) == {"masters-0", "workers-0"}
    # The pods of a deleted Node go a little later (kube-controller-manager's pod collector).
    cycle.until(lambda: cycle.members() == {"masters-0"})
    assert cycle.on("workers-0", f"{ASK} https://{cycle.address('masters-0')}:6443/readyz") == "ok"
    assert writes.longest_silence < SILENCE_OF_ONE, writes.refusals
    cycle.is_settled()
