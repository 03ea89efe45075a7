"""A private endpoint on booted machines: one control plane, three, and one again.

Pulumi and the writing client reach the API server as from a bastion. The stand-in for Pulumi's
Kubernetes provider accepts an API server on loopback only, so this stack has no add-ons.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.engine.local_cloud import second_cloud
from tests.engine.test_machine_life_cycle import ASK, SILENCE_OF_ONE, LifeCycle
from tests.engine.three_zones import ZONES, use_three_zones
from tests.engine.way_into_the_vpc import way_into_the_vpc

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

OLD = "m-5"
NEW = ("m-1", "m-3")
"""Names that sort before the control plane that is there."""


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LifeCycle]:
    """One control plane and one worker, with a private endpoint."""
    home = tmp_path_factory.mktemp("private") / "home"
    with way_into_the_vpc(home, node="workers-0") as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", proxy)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        cloud = second_cloud(home)
        life_cycle = LifeCycle(cloud=cloud, document=yaml.safe_load(cloud.config_file.read_text()))
        use_three_zones(life_cycle.document, name="private", control_planes=1)
        masters = life_cycle.cluster["nodePools"]["masters"]
        del masters["count"]
        # In one zone: a first node in another one would ask for the NAT gateway to be pinned.
        masters |= {"zones": [ZONES[0]], "nodes": {OLD: {"ordinal": 0}}}
        life_cycle.cluster["kubernetes"] = {"endpoint": {"public": False}}
        for part in ("spiderpool", "cloudController", "sampleApps"):
            life_cycle.cluster[part] = {"enabled": False}
        life_cycle.write()
        try:
            done = cloud.operations("up")
            assert done.status == 0, cloud.explain(done)
            life_cycle.uid = life_cycle.cluster_uid()
            life_cycle.until(lambda: {OLD, "workers-0"} <= set(life_cycle.nodes()))
            yield life_cycle
        finally:
            cloud.operations("down", "--discard", deadline=120)
            cloud.kill_everything()


def assert_worker_reaches_the_endpoint(private: LifeCycle) -> str:
    """The address at which the worker reaches the API server by its name."""
    name = "api.private.internal"
    assert private.on("workers-0", f"{ASK} https://{name}:6443/readyz") == "ok"
    return private.on("workers-0", f"sed -n 's/ {name}$//p' /etc/hosts").strip()


def test_control_planes_whose_names_sort_first_join_the_one_that_was_there(
    private: LifeCycle,
) -> None:
    before = private.instances()
    assert assert_worker_reaches_the_endpoint(private) == private.address(OLD)
    nodes = private.cluster["nodePools"]["masters"]["nodes"]
    nodes |= {name: {"ordinal": at} for at, name in enumerate(NEW, start=1)}
    writes = private.edited("grows")
    assert before.items() <= private.instances().items()
    private.until(lambda: private.members() == {OLD, *NEW})
    assert writes.longest_silence < SILENCE_OF_ONE, writes.refusals
    own = {private.address(name) for name in (OLD, *NEW)}
    assert assert_worker_reaches_the_endpoint(private) not in own
    private.is_settled()


def test_the_one_that_was_there_is_the_only_one_again(private: LifeCycle) -> None:
    before = private.instances()
    nodes = private.cluster["nodePools"]["masters"]["nodes"]
    for name in NEW:
        del nodes[name]
    writes = private.edited("shrinks")
    assert private.instances().items() <= before.items()
    assert set(private.nodes()) == {OLD, "workers-0"}
    private.until(lambda: private.members() == {OLD})
    assert writes.longest_silence < SILENCE_OF_ONE, writes.refusals
    assert assert_worker_reaches_the_endpoint(private) == private.address(OLD)
    private.is_settled()
