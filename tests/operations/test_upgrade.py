"""The commands of an upgrade, in order, and what stops it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from rich.console import Console

from operations.failure import OperationError
from operations.running import Finished, Runner
from operations.steps import Progress
from operations.upgrade import REPLACE, Upgrader
from operations.upgrade_command import _go, _planned
from planning.model import ClusterPlan
from planning.read import plan_from
from planning.upgrades import version_of
from tests.clusters import small

pytestmark = pytest.mark.unit

PLANES = ("masters-0", "masters-1", "masters-2")
WORKERS = ("workers-0", "workers-1")


@dataclass(kw_only=True)
class Cluster:
    """Three control planes and two workers, and the commands that were run on them."""

    versions: dict[str, str]
    configured: str
    kube_proxy: str
    chart: str
    unwell: set[str] = field(default_factory=set)
    did: list[str] = field(default_factory=list)
    up_fails: bool = False

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **_: object
    ) -> Finished:
        words = [word for word in argv if word not in {"-n", "kube-system", "-o", "json"}]
        if words[:2] == ["pulumi", "up"]:
            return self._up(env or {})
        if words[:2] == ["kubectl", "get"]:
            return Finished(status=0, out=json.dumps(self._get(words[2:])), err="")
        if words[:2] == ["kubectl", "patch"]:
            data = json.loads(words[-1])["data"]["ClusterConfiguration"]
            self.configured = yaml.safe_load(data)["kubernetesVersion"].removeprefix("v")
        if words[:3] == ["kubectl", "set", "image"]:
            self.kube_proxy = words[-1].rpartition(":v")[2]
        self.did.append(" ".join(words[:3]))
        return Finished(status=0, out="", err="")

    def _up(self, env: Mapping[str, str]) -> Finished:
        self.did.append(f"pulumi up {env.get(REPLACE, '')}".strip())
        if self.up_fails:
            return Finished(status=255, out="", err="")
        if REPLACE in env:
            # A control plane joins with what the ConfigMap says.
            self.versions[env[REPLACE]] = self.configured
        else:
            self.versions |= dict.fromkeys(WORKERS, "1.35.5")
            self.chart = "1.2.2"
        return Finished(status=0, out="", err="")

    def _get(self, words: Sequence[str]) -> dict[str, Any]:
        what = words[0]
        if what == "nodes":
            return {
                "items": [
                    {
                        "metadata": {"name": name},
                        "status": {"nodeInfo": {"kubeletVersion": f"v{version}"}},
                    }
                    for name, version in self.versions.items()
                ]
            }
        if what == "pods":
            return {
                "items": [
                    self._pod(c, n)
                    for n in PLANES
                    for c in ("etcd", "kube-apiserver")
                    if "tier" in words[-1] or c == "kube-apiserver"
                ]
            }
        if what == "daemonset":
            image = f"registry.k8s.io/kube-proxy:v{self.kube_proxy}"
            return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}
        if what == "secrets":
            release = {"chart": {"metadata": {"version": self.chart}}}
            packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode())))
            return {"items": [{"data": {"release": packed.decode()}}]}
        document = {"clusterName": "small", "kubernetesVersion": f"v{self.configured}"}
        return {"data": {"ClusterConfiguration": yaml.safe_dump(document)}}

    def _pod(self, component: str, node: str) -> dict[str, Any]:
        status = "False" if node in self.unwell else "True"
        image = f"registry.k8s.io/{component}:v{self.versions[node]}"
        return {
            "metadata": {"labels": {"component": component}},
            "spec": {"nodeName": node, "containers": [{"image": image}]},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }


def cluster(**changes: Any) -> Cluster:  # noqa: ANN401 - fields of Cluster
    return Cluster(
        **{
            "versions": dict.fromkeys((*PLANES, *WORKERS), "1.35.4"),
            "configured": "1.35.4",
            "kube_proxy": "1.35.4",
            "chart": "1.2.1",
            **changes,
        }
    )


def plan(*, planes: int = 3, kubernetes: str = "1.35.5") -> ClusterPlan:
    return plan_from(
        small(
            {
                "kubernetes": {"version": kubernetes},
                "nodePools": {"masters": {"count": planes}, "workers": {"count": 2}},
            }
        )
    )


class _Runner(Runner):
    """Runs nothing: hands every command to the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(env={})
        object.__setattr__(self, "run", cluster.run)


def upgrader(
    cluster: Cluster, wanted: ClusterPlan, *, sleep: Callable[[float], None] = lambda _: None
) -> Upgrader:
    return Upgrader(stack="s", plan=wanted, runner=_Runner(cluster), sleep=sleep)


def go(cluster: Cluster, wanted: ClusterPlan, **more: Any) -> None:  # noqa: ANN401 - as upgrader
    made = upgrader(cluster, wanted, **more)
    _go(made, _planned(made), Progress(console=Console(quiet=True)))


def test_what_runs_is_read_from_the_cluster_itself() -> None:
    running = upgrader(cluster(), plan()).running()
    assert set(running.api_servers) == set(PLANES)
    assert set(running.kubelets) == {*PLANES, *WORKERS}
    assert (running.cluster, running.spiderpool) == (version_of("1.35.4"), version_of("1.2.1"))


def test_control_planes_are_replaced_one_by_one_before_a_plain_up_rolls_the_workers() -> None:
    found = cluster()
    go(found, plan())
    assert found.did == [
        "kubectl patch configmap",
        *(word for name in PLANES for word in (f"kubectl drain {name}", f"pulumi up {name}")),
        "kubectl set image",
        "kubectl rollout status",
        "pulumi up",
    ]
    assert set(found.versions.values()) == {"1.35.5"}


def test_one_up_does_workers_and_chart_together() -> None:
    found = cluster(chart="1.2.1")
    go(found, plan())
    assert found.did.count("pulumi up") == 1
    assert found.chart == "1.2.2"


def test_a_step_that_fails_stops_everything_and_the_same_command_goes_on() -> None:
    found = cluster(up_fails=True)
    with pytest.raises(OperationError, match="goes on with what is left"):
        go(found, plan())
    assert found.did[-1] == "pulumi up masters-0"
    found.up_fails = False
    found.did.clear()
    go(found, plan())
    assert "kubectl patch configmap" not in found.did
    assert set(found.versions.values()) == {"1.35.5"}


def test_no_control_plane_goes_while_another_is_unwell() -> None:
    found = cluster(unwell={"masters-2"})

    def mended(_seconds: float) -> None:
        found.did.append("waited")
        found.unwell.clear()

    go(found, plan(), sleep=mended)
    assert found.did[:3] == ["kubectl patch configmap", "waited", "kubectl drain masters-0"]


def test_a_refusal_runs_nothing() -> None:
    found = cluster(versions=dict.fromkeys((*PLANES, *WORKERS), "1.33.1"), configured="1.33.1")
    with pytest.raises(OperationError, match="none may be skipped"):
        go(found, plan())
    assert found.did == []
