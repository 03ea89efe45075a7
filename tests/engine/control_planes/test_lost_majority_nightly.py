"""Control planes of three are lost: two with their disks alive, two with them, and all."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from tests.engine.clouds.local_cloud import SecondCloud
from tests.engine.clouds.three_zones import MASTERS, three_with_etcd_disks
from tests.engine.control_planes.lost_planes import (
    addresses_of_pods,
    lose,
    parts_of_planes,
    restore,
    snapshot_now,
    stop,
    uids,
)
from tests.engine.control_planes.test_three_control_planes import (
    api_servers,
    console,
    is_ready,
    nodes,
)
from tests.engine.control_planes.writing_client import stored, writing
from tests.localcloud.machines.fake_cloud import until
from tests.patience import end_of_wait

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2400)]

API_SERVERS = {"10.64.0.16", "10.64.32.32", "10.64.64.48"}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    with three_with_etcd_disks(tmp_path_factory.mktemp("majority") / "home", "majority") as cloud:
        yield cloud


def until_all_serve(cloud: SecondCloud) -> None:
    """Wait until every node is ready and three API servers serve."""
    deadline = end_of_wait(300)
    while time.monotonic() < deadline:
        done = cloud.run("kubectl", "--request-timeout=20s", "get", "--raw", "/readyz")
        if (
            done.status == 0
            and all(is_ready(node) for node in nodes(cloud).values())
            and api_servers(cloud) == API_SERVERS
        ):
            break
        time.sleep(1)
    assert set(nodes(cloud)) == {*MASTERS, "workers-0"}
    assert all(is_ready(node) for node in nodes(cloud).values())
    assert api_servers(cloud) == API_SERVERS


def test_two_whose_disks_are_alive_come_back_as_the_same_members_by_up(three: SecondCloud) -> None:
    namespaces, workers = uids(three, "namespaces"), nodes(three)["workers-0"]["metadata"]["uid"]
    kubeconfig = three.stack("output", "kubeconfig", "--show-secrets")
    with writing(kubeconfig, run="majority") as writes:
        until("a write is acknowledged", 60, lambda: len(writes.acknowledged) > 5)
        lose(three, *MASTERS[:2], disks=False)
        before = len(writes.acknowledged)
        done = three.operations("up")
        assert done.status == 0, three.explain(done)
        until_all_serve(three)
    # Shown by `pytest -s`: the figures of docs/reliability.md.
    sys.stdout.write(
        f"lost majority: {done.seconds:.0f} s, silence {writes.longest_silence:.1f} s, "
        f"{len(writes.acknowledged)} writes\n"
    )
    assert len(writes.acknowledged) > before
    assert set(writes.acknowledged) <= stored(kubeconfig, run="majority")
    assert uids(three, "namespaces") == namespaces
    assert nodes(three)["workers-0"]["metadata"]["uid"] == workers
    consoles = {
        name: console(three, three.outputs()["nodes"][name]["instanceId"]) for name in MASTERS[:2]
    }
    # The first one makes a majority with the survivor, so the other one may find it.
    assert any("starts its etcd with the data on its disk" in text for text in consoles.values())
    for text in consoles.values():
        assert "starts its etcd with" in text or "with the data on its disk" in text
        assert "data.old" not in text
    addresses = addresses_of_pods(three)
    assert sorted(set(addresses)) == sorted(addresses)
    preview = three.pulumi("preview", "--expect-no-changes")
    assert preview.status == 0, preview.transcript


def test_two_that_are_lost_with_their_disks_are_restored_from_a_snapshot(
    three: SecondCloud,
) -> None:
    three.run("kubectl", "create", "configmap", "kept", check=True)
    snapshot = snapshot_now(three)
    three.run("kubectl", "create", "configmap", "younger", check=True)
    namespaces, worker = uids(three, "namespaces"), nodes(three)["workers-0"]["metadata"]["uid"]
    lose(three, *MASTERS[1:])
    refused = restore(three, snapshot)
    assert refused.status == 2
    assert "stop these machines in the ECS console" in " ".join(refused.err.split())
    stop(three, MASTERS[0])
    shown = restore(three, snapshot)
    assert shown.status == 0, shown.transcript
    assert "delete masters-0's machine" in shown.err
    is_restored(three, snapshot, namespaces=namespaces, worker=worker)


def is_restored(
    cloud: SecondCloud, snapshot: str, *, namespaces: dict[str, str], worker: str
) -> None:
    """Restore the snapshot: the same cluster, with `kept` and without `younger`."""
    done = restore(cloud, snapshot, "--yes")
    assert done.status == 0, cloud.explain(done)
    sys.stdout.write(f"restore: {done.seconds:.0f} s\n")
    until_all_serve(cloud)
    assert uids(cloud, "namespaces") == namespaces
    assert nodes(cloud)["workers-0"]["metadata"]["uid"] == worker
    names = {item["metadata"]["name"] for item in cloud.kubectl("get", "configmaps")["items"]}
    assert {"kept", "younger"} & names == {"kept"}
    addresses = addresses_of_pods(cloud)
    assert sorted(set(addresses)) == sorted(addresses)
    preview = cloud.pulumi("preview", "--expect-no-changes")
    assert preview.status == 0, preview.transcript


def test_all_three_that_are_lost_with_their_disks_are_restored_by_the_command_that_runs_name(
    three: SecondCloud,
) -> None:
    for name in ("kept", "younger"):
        three.run("kubectl", "delete", "configmap", name, "--ignore-not-found", check=True)
    three.run("kubectl", "create", "configmap", "kept", check=True)
    snapshot = snapshot_now(three)
    three.run("kubectl", "create", "configmap", "younger", check=True)
    namespaces, worker = uids(three, "namespaces"), nodes(three)["workers-0"]["metadata"]["uid"]
    lose(three, *MASTERS)
    listed = three.on_stack_file("backup", "--stack", "local", "--list", deadline=60)
    assert f"restore --stack local --from {snapshot}" in " ".join(listed.out.split())
    for words in (("preview",), ("up", "--yes", "--skip-preview")):
        refused = three.pulumi(*words)
        assert refused.status != 0
        sys.stdout.write(f"{words[0]}, all three lost: {refused.seconds:.0f} s\n")
        sentences = " ".join((refused.out + refused.err).split())
        assert f"The disks for etcd of {', '.join(MASTERS)} are gone" in sentences
        assert "Nothing has been changed" in sentences
        assert "restore --stack local --from SNAPSHOT" in sentences
        assert parts_of_planes(three) == []
    is_restored(three, snapshot, namespaces=namespaces, worker=worker)
