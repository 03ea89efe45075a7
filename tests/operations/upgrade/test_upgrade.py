"""What an upgrade shows, the run that it starts, and what stops it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from rich.console import Console

from operations.engine.running import Finished, Runner
from operations.engine.steps import Progress
from operations.failure import OperationError
from operations.upgrade.command import _go, _planned
from operations.upgrade.steps import Upgrader
from planning.model import ClusterPlan
from planning.read import plan_from
from planning.transitions.upgrades import version_of
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
    did: list[str] = field(default_factory=list)
    comes_to: dict[str, str] = field(default_factory=dict)
    """What each node runs after `pulumi up`; all of them the new version by default."""
    up_fails: bool = False

    def run(self, argv: Sequence[str], **_: object) -> Finished:
        words = [word for word in argv if word not in {"-n", "kube-system", "-o", "json"}]
        if words[:2] == ["pulumi", "up"]:
            return self._up()
        if words[:2] == ["kubectl", "get"]:
            return Finished(status=0, out=json.dumps(self._get(words[2:])), err="")
        raise AssertionError(f"an upgrade changes nothing by {' '.join(words[:3])}")

    def _up(self) -> Finished:
        self.did.append("pulumi up")
        if self.up_fails:
            return Finished(status=255, out="", err="")
        self.versions |= dict.fromkeys((*PLANES, *WORKERS), "1.35.5") | self.comes_to
        self.configured = self.kube_proxy = "1.35.5"
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
                    if n in self.versions
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
        image = f"registry.k8s.io/{component}:v{self.versions[node]}"
        return {
            "metadata": {"labels": {"component": component}},
            "spec": {"nodeName": node, "containers": [{"image": image}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
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


def upgrader(cluster: Cluster, target: ClusterPlan) -> Upgrader:
    return Upgrader(stack="s", plan=target, runner=_Runner(cluster))


def go(cluster: Cluster, target: ClusterPlan) -> None:
    upgrade = upgrader(cluster, target)
    _go(upgrade, _planned(upgrade), Progress(console=Console(quiet=True)))


def test_what_runs_is_read_from_the_cluster_itself() -> None:
    running = upgrader(cluster(), plan()).running()
    assert set(running.api_servers) == set(PLANES)
    assert set(running.kubelets) == {*PLANES, *WORKERS}
    assert (running.cluster, running.spiderpool) == (version_of("1.35.4"), version_of("1.2.1"))


def test_the_steps_are_shown_in_the_order_in_which_the_run_takes_them() -> None:
    steps = _planned(upgrader(cluster(), plan())).steps
    assert [(step.kind.value, step.target) for step in steps] == [
        ("cluster version", "kubeadm-config"),
        *(("control plane", name) for name in PLANES),
        ("kube-proxy", "kube-proxy"),
        ("workers", ", ".join(WORKERS)),
        ("spiderpool", "spiderpool"),
    ]


def test_one_run_takes_all_steps() -> None:
    started = cluster()
    go(started, plan())
    assert started.did == ["pulumi up"]
    assert set(started.versions.values()) == {"1.35.5"}
    assert started.chart == "1.2.2"


def test_a_cluster_that_runs_everything_already_is_left_alone() -> None:
    started = cluster()
    go(started, plan())
    go(started, plan())
    assert started.did == ["pulumi up"]


def test_a_run_that_fails_says_so_and_the_same_command_goes_on() -> None:
    started = cluster(up_fails=True)
    with pytest.raises(OperationError, match="continues with the remaining steps"):
        go(started, plan())
    started.up_fails = False
    go(started, plan())
    assert set(started.versions.values()) == {"1.35.5"}


def test_what_a_run_left_undone_is_named() -> None:
    started = cluster(comes_to={"workers-1": "1.35.4"})
    with pytest.raises(OperationError, match="steps are left after the run: workers workers-1"):
        go(started, plan())


def test_the_only_control_plane_is_not_upgraded_by_a_run() -> None:
    started = cluster(versions={"masters-0": "1.35.4", **dict.fromkeys(WORKERS, "1.35.4")})
    with pytest.raises(OperationError, match="the only control plane"):
        go(started, plan(planes=1))
    assert started.did == []


def test_a_refusal_runs_nothing() -> None:
    started = cluster(versions=dict.fromkeys((*PLANES, *WORKERS), "1.33.1"), configured="1.33.1")
    with pytest.raises(OperationError, match="Minors are taken one at a time"):
        go(started, plan())
    assert started.did == []
