"""`kubernetes.mode: existing`: a cluster that somebody else built, and what we do in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud.charts.assemble import assemble
from localcloud.machines.guest.kubelet.client import Client
from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.clouds.their_cluster import (
    THEIRS,
    Theirs,
    stack_in_theirs,
    their_cluster,
    with_kubeconfig,
)
from tests.engine.lifecycle.interruptions.api_gate import ApiGate, Write, api_gate
from tests.engine.lifecycle.interruptions.inside import cut_off_inside
from tests.engine.spiderpool.cluster import CONFIGS, COORDINATORS, LOCAL, POOLS
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


@dataclass(frozen=True, kw_only=True)
class Brownfield:
    """Their cluster, our stack on an emulated cloud, and how its first `up` ended.

    A run before it died while it created a pool, and was recovered.
    """

    theirs: Theirs
    light: LightCloud
    gate: ApiGate
    cut: Write | None
    """The last write of the run that died."""
    recovered: Done
    first: Done

    @property
    def client(self) -> Client:
        return self.theirs.client

    def instances(self) -> dict[str, str | None]:
        """The cluster's name of a node → the providerID of its Node."""
        return {
            name: self.client.get(f"/api/v1/nodes/{name}")["spec"].get("providerID")
            for name in THEIRS.values()
        }

    def expected_provider_ids(self) -> dict[str, str]:
        """The cluster's name of a node → the providerID of the instance in the stack."""
        nodes = self.light.outputs()["nodes"]
        return {name: nodes[ours]["providerId"] for ours, name in THEIRS.items()}

    def owned(self) -> set[str]:
        """The Kubernetes types in the stack's state."""
        kinds = {resource["type"] for resource in self.light.state()["resources"]}
        return {kind for kind in kinds if kind.startswith("kubernetes:")}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    with their_cluster(tmp_path_factory.mktemp("theirs")) as theirs:
        yield theirs


@pytest.fixture(scope="module")
def brownfield(theirs: Theirs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownfield]:
    home = tmp_path_factory.mktemp("brownfield") / "home"
    light = stack_in_theirs(home, chart=assemble(LOCAL))
    with light.running(), api_gate(theirs.kubeconfig) as gate:
        light = with_kubeconfig(light, gate.kubeconfig)
        yield Brownfield(
            theirs=theirs,
            light=light,
            gate=gate,
            cut=cut_off_inside(light, gate, lambda write: write.kind == "spiderippools"),
            recovered=light.operations("recover", "--yes", "--json"),
            first=light.up(),
        )


def test_a_pool_that_a_dead_run_created_is_taken_into_the_state(brownfield: Brownfield) -> None:
    assert brownfield.cut is not None, "the run ended before it created a pool"
    assert brownfield.recovered.status == 0, brownfield.recovered.transcript
    document = json.loads(brownfield.recovered.out)
    steps = {item["object"]: item["step"] for item in document["cluster"]}
    name = json.loads(brownfield.cut.body)["metadata"]["name"]
    assert steps[f"SpiderIPPool {name}"] == "taken into the state"
    assert document["leftovers"] == []


def test_the_first_up_ends_well(brownfield: Brownfield) -> None:
    assert brownfield.first.status == 0, brownfield.light.cloud.explain(brownfield.first)


def test_each_node_of_theirs_gets_its_provider_id(brownfield: Brownfield) -> None:
    assert brownfield.instances() == brownfield.expected_provider_ids()


def test_pools_are_bound_to_the_names_that_the_cluster_has(brownfield: Brownfield) -> None:
    pools = brownfield.client.get(POOLS)["items"]
    assert {pool["metadata"]["name"]: pool["spec"]["nodeName"] for pool in pools} == {
        f"{ours}-{nic}": [name] for ours, name in THEIRS.items() for nic in ("eth0", "eth1")
    }


def test_a_release_that_a_dead_run_left_pending_is_rolled_back(brownfield: Brownfield) -> None:
    """Helm refuses every later operation on it, and Pulumi sees no difference."""
    light = brownfield.light.edited(_another_value)
    upgraded = "sh.helm.release.v1.spiderpool.v2"
    cut = cut_off_inside(
        light,
        brownfield.gate,
        lambda write: write.method == "POST" and upgraded.encode() in write.body,
    )
    assert cut is not None, "helm was never called"
    recovered = light.operations("recover", "--yes", "--json")
    assert recovered.status == 0, recovered.transcript
    (finding,) = json.loads(recovered.out)["cluster"]
    assert finding["object"] == "Release kube-system/spiderpool"
    assert "pending-upgrade, rolled back to revision 1" in finding["step"]
    done = light.up()
    assert done.status == 0, light.cloud.explain(done)
    nothing = light.operations("recover", "--yes")
    assert "is in order" in nothing.out, nothing.transcript
    done = brownfield.light.up()
    assert done.status == 0, light.cloud.explain(done)


def _another_value(cluster: dict[str, Any]) -> None:
    cluster["spiderpool"]["values"] = {"spiderpoolAgent": {"debug": {"logLevel": "debug"}}}


def test_nothing_of_the_cluster_is_owned(brownfield: Brownfield) -> None:
    assert brownfield.owned() == {
        "kubernetes:core/v1:NodePatch",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:spiderpool.spidernet.io/v2beta1:SpiderCoordinator",
        "kubernetes:spiderpool.spidernet.io/v2beta1:SpiderIPPool",
        "kubernetes:spiderpool.spidernet.io/v2beta1:SpiderMultusConfig",
    }


def test_the_next_preview_finds_no_change(brownfield: Brownfield) -> None:
    assert brownfield.light.steps() == []


def test_destroy_takes_what_is_ours_and_leaves_their_cluster_as_it_runs(
    brownfield: Brownfield,
) -> None:
    before = brownfield.instances()
    done = brownfield.light.destroy()
    assert done.status == 0, brownfield.light.cloud.explain(done)
    assert brownfield.light.alive() == {}
    assert brownfield.instances() == before
    assert brownfield.client.get(POOLS)["items"] == []
    assert brownfield.client.get(CONFIGS)["items"] == []
    left = [item["metadata"]["name"] for item in brownfield.client.get(COORDINATORS)["items"]]
    assert left == ["default"], "its finalizer is removed by the chart's hook only"


def test_a_node_that_says_another_machine_stops_a_second_life(brownfield: Brownfield) -> None:
    before = brownfield.instances()
    done = brownfield.light.up()
    assert done.status != 0
    expected = brownfield.expected_provider_ids()
    output = " ".join(done.out.split())
    for name in THEIRS.values():
        assert f"Node {name} has the providerID {before[name]}, and the stack" in output
        assert expected[name] in output
    assert brownfield.instances() == before


def test_a_second_life_begins_after_what_the_documents_say(brownfield: Brownfield) -> None:
    client = brownfield.client
    for name in THEIRS.values():
        client.request("DELETE", f"/api/v1/nodes/{name}")
    brownfield.theirs.restart_kubelets()
    for name in THEIRS.values():
        until(f"node {name}", 60, lambda name=name: client.get(f"/api/v1/nodes/{name}"))
    released = {"metadata": {"finalizers": None}}
    client.request("PATCH", f"{COORDINATORS}/default", released, "application/merge-patch+json")
    if client.find(f"{COORDINATORS}/default") is not None:
        client.request("DELETE", f"{COORDINATORS}/default")
    done = brownfield.light.up()
    assert done.status == 0, brownfield.light.cloud.explain(done)
    assert brownfield.instances() == brownfield.expected_provider_ids()
