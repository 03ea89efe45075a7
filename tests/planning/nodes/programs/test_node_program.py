"""The node's own unit, run for real with commands that answer from files.

Absolute paths of the machine are moved into a folder of the test; everything else is run as it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planning.model import ClusterPlan, NodePlan
from planning.nodes import machine
from tests.certificates import certificate_until
from tests.clusters import small, three_control_planes
from tests.planning import node_world
from tests.planning.documents import BALANCER_ADDRESS, ETCD_DISK, booted, planned
from tests.planning.node_world import KUBELET

pytestmark = pytest.mark.unit

CUT_EVERY_CALL = "CUT_EVERY_CALL"
_SOME_CALLS = {"CUT": (1, 4), "CUT_AFTER": (3, 4)}
"""By moment: the first call at which a run is killed, and the distance to the next."""

HERE = "/etc/spiderpool-alicloud"
SYSCTLS = "/etc/sysctl.d/99-z-spiderpool.conf"
PROVIDER_ID = "cn-hangzhou.i-bp1a"
DEVICE = f"/dev/disk/by-id/virtio-{ETCD_DISK}"
PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_MOVED = re.compile(r"(?<![\w.])/(etc|proc|run|var|dev/disk)/")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A machine that is a node, and what is around it."""

    root: Path
    plan: ClusterPlan
    node: NodePlan

    def run(self, **more: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.root / 'commands'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        return subprocess.run(  # noqa: S603 - our own program
            ["/bin/bash", self.path(f"{HERE}/node.sh")],
            env={"PATH": path, "WORLD": str(self.root / "world"), **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            start_new_session=True,
        )

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str:
        return self.path(path).read_text(encoding="utf-8")

    def write(self, name: str, document: object) -> None:
        (self.root / "world" / name).write_text(json.dumps(document), encoding="utf-8")

    def change(self, name: str, **changes: object) -> None:
        path = self.root / "world" / name
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")

    def ask(self, name: str, value: str) -> None:
        """Write one annotation, as the program does."""
        path = self.root / "world" / "node.json"
        node = json.loads(path.read_text(encoding="utf-8"))
        node["metadata"]["annotations"][name] = value
        path.write_text(json.dumps(node), encoding="utf-8")

    @property
    def annotations(self) -> dict[str, str]:
        annotations = json.loads(self.text("/world/node.json"))["metadata"]["annotations"]
        return dict(annotations)

    @property
    def members(self) -> list[str]:
        return [member["ID"] for member in json.loads(self.text("/world/members.json"))]

    @property
    def pods(self) -> list[str]:
        return sorted(path.stem for path in self.path("/etc/kubernetes/manifests").iterdir())

    def calls(self, command: str) -> list[str]:
        text = self.text("/world/calls").replace(str(self.root), "")
        return [line for line in text.splitlines() if line.startswith(command)]

    def break_command(self, name: str) -> None:
        """Make a program of the machine fail at every call."""
        (self.root / "commands" / name).symlink_to("/bin/false")

    def forget_calls(self) -> None:
        self.path("/world/calls").unlink(missing_ok=True)


def settled(root: Path, plan: ClusterPlan, name: str) -> Place:
    """A machine of a plan after its first boot."""
    place = Place(root=root, plan=plan, node=plan.nodes[name])
    for path, content in booted(plan, name).files.items():
        file = place.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_MOVED.sub(rf"{root}/\1/", content), encoding="utf-8")
    place.path("/run").mkdir()
    place.path("/etc/kubernetes/manifests").mkdir(parents=True)
    place.path(f"{HERE}/done").touch()
    place.path(f"{HERE}/provider-id").write_text(PROVIDER_ID + "\n", encoding="utf-8")
    planes = {p.name: str(p.interfaces["eth0"].primary) for p in plan.control_planes}
    own = planes.get(name)
    if own is not None:
        for pod in PODS:
            place.path(f"/etc/kubernetes/manifests/{pod}.yaml").touch()
    server, name_of_api = own or BALANCER_ADDRESS, f"api.{plan.name}.internal"
    place.path("/etc/hosts").write_text(
        f"127.0.0.1 localhost\n{server} {name_of_api}\n", encoding="utf-8"
    )
    # kubeadm leads a control plane's kubelet to its own API server (KEP-4471).
    place.path("/etc/kubernetes/kubelet.conf").write_text(
        f"server: https://{own or name_of_api}:6443\n", encoding="utf-8"
    )
    _build_world(root, own, planes)
    return place


def _build_world(root: Path, own: str | None, planes: dict[str, str]) -> None:
    (root / "world").mkdir()
    everybody = list(planes.values())
    # A worker reaches its only control plane, or all of them through the load balancer.
    balancer = BALANCER_ADDRESS
    documents: dict[str, object] = {
        "world": {"own": own, "balancer": balancer, "kube-apiserver": everybody, "etcd": everybody},
        "members": [
            {"ID": str(10 + n), "name": name, "peerURLs": [f"https://{address}:2380"]}
            for n, (name, address) in enumerate(planes.items())
        ],
        "node": {
            "metadata": {"annotations": {}, "resourceVersion": "1"},
            "spec": {"providerID": PROVIDER_ID},
            "status": {"capacity": {"pods": "12"}, "allocatable": {"pods": "12"}},
        },
        "pods": {"items": []},
        "pools": None,
        "reserved": None,
        "secrets": [],
    }
    for name, document in documents.items():
        (root / "world" / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    node_world.write_commands(root / "commands")


@pytest.fixture
def worker(tmp_path: Path) -> Place:
    return settled(tmp_path, planned(three_control_planes()), "workers-0")


@pytest.fixture
def plane(tmp_path: Path) -> Place:
    """The first of three control planes; its etcd member is the leader, with the id 10."""
    return settled(tmp_path, planned(three_control_planes()), "masters-0")


def settings_for(place: Place, endpoint: str = BALANCER_ADDRESS, **changes: Any) -> str:  # noqa: ANN401
    """The settings of the place's node, with changes of the node."""
    return machine.node_settings(place.plan, replace(place.node, **changes), endpoint)


def test_the_unit_uses_the_names_of_the_contract() -> None:
    script = (Path(machine.__file__).parent / "node.sh").read_text(encoding="utf-8")
    prefix = re.search(r"^PREFIX=(.*)$", script, re.MULTILINE)
    assert prefix is not None
    used = set(re.findall(r"\$PREFIX/([a-z-]+?)[-=\"]*(?=[=\"])", script))
    read = script.partition('"$PREFIX" unit')[2].partition("<<<")[0].replace("\\", " ").split()
    names = {
        value for name, value in vars(machine).items() if name.isupper() and isinstance(value, str)
    }
    assert {f"{prefix[1]}/{name}" for name in {"unit", *read}} == names
    assert {f"{prefix[1]}/{name.removesuffix('-')}" for name in used} <= names


def test_a_machine_that_is_not_a_node_yet_is_left_alone(worker: Place) -> None:
    worker.path(f"{HERE}/done").unlink()
    assert worker.run().returncode == 0
    assert worker.annotations == {}


def test_what_cloud_init_keeps_of_the_user_data_goes_once_it_is_done(worker: Place) -> None:
    folder = "/var/lib/cloud/instances/i-bp1a"
    used = [
        worker.path(path)
        for path in (
            f"{folder}/user-data.txt",
            f"{folder}/user-data.txt.i",
            f"{folder}/cloud-config.txt",
            f"{folder}/obj.pkl",
            "/run/cloud-init/combined-cloud-config.json",
            "/run/cloud-init/instance-data-sensitive.json",
        )
    ]
    kept = worker.path(f"{folder}/boot-finished")
    for path in (*used, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    worker.run()
    assert all(path.exists() for path in used), "cloud-init still reads them"
    worker.path("/run/cloud-init/result.json").touch()
    worker.run()
    assert [path for path in used if path.exists()] == []
    assert kept.exists(), "without it cloud-init takes the machine for a new one"
    assert list(worker.path(HERE).glob("kubeadm*")) == []


def test_only_root_reads_the_kubelets_configuration(worker: Place) -> None:
    path = worker.path("/var/lib/kubelet/config.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o644)
    worker.run()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_node_says_what_its_unit_understands(worker: Place) -> None:
    done = worker.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert worker.annotations == {
        machine.UNIT_SCHEMA: str(machine.UNIT_VERSION),
        machine.METADATA_FOR_PODS: "blocked",
    }


RULES = f"{HERE}/metadata.nft"


def rules(place: Place) -> str:
    """What the kernel has loaded."""
    path = place.path("/world/rules")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def open_settings(place: Place) -> str:
    """The node's settings with the metadata service open for pods."""
    kubernetes = place.plan.kubernetes.model_copy(update={"metadata_for_pods": "open"})
    plan = replace(place.plan, kubernetes=kubernetes)
    return machine.node_settings(plan, place.node, BALANCER_ADDRESS)


def test_rules_that_somebody_flushed_are_loaded_again(worker: Place) -> None:
    worker.run()
    assert "100.100.100.200" in rules(worker)
    worker.path("/world/rules").unlink()
    worker.run()
    assert "100.100.100.200" in rules(worker)


def test_the_metadata_service_opens_and_closes_while_the_node_runs(worker: Place) -> None:
    worker.run()
    worker.ask(machine.SETTINGS, open_settings(worker))
    worker.run()
    assert "100.100.100.200" not in rules(worker)
    assert worker.calls("systemctl") == []
    worker.run()
    assert worker.annotations[machine.METADATA_FOR_PODS] == "open"
    worker.ask(machine.SETTINGS, settings_for(worker))
    worker.run()
    worker.run()
    assert "100.100.100.200" in rules(worker)
    assert worker.annotations[machine.METADATA_FOR_PODS] == "blocked"


def test_rules_that_nft_refuses_are_reverted_and_the_node_reports_why(worker: Place) -> None:
    worker.run()
    settings = json.loads(settings_for(worker)) | {"metadata": "banana\n"}
    worker.ask(machine.SETTINGS, json.dumps(settings))
    worker.run()
    assert "100.100.100.200" in worker.text(RULES)
    assert "100.100.100.200" in rules(worker)
    assert "nft refused" in worker.annotations[machine.SETTINGS_FAILED]


def test_rules_that_cut_the_machine_itself_off_are_reverted(worker: Place) -> None:
    worker.run()
    worker.change("world.json", blind=True)
    worker.ask(machine.SETTINGS, open_settings(worker))
    worker.run()
    assert "100.100.100.200" in rules(worker)
    assert "no longer reached" in worker.annotations[machine.SETTINGS_FAILED]


def test_a_node_whose_rules_are_not_loaded_says_so_once(worker: Place) -> None:
    worker.path(RULES).write_text("banana\n", encoding="utf-8")
    worker.run()
    assert worker.annotations[machine.METADATA_FOR_PODS] == "failed: Error: syntax error banana"
    worker.forget_calls()
    worker.run()
    assert not [call for call in worker.calls("kubectl") if " annotate " in call]


def test_a_node_that_another_machine_left_behind_asks_nothing_of_this_one(worker: Place) -> None:
    worker.change("node.json", spec={"providerID": "cn-hangzhou.i-other"})
    worker.ask(machine.SETTINGS, settings_for(worker, max_pods=3))
    assert worker.run().returncode == 0
    assert machine.UNIT_SCHEMA not in worker.annotations
    assert worker.calls("systemctl") == []


ETH0, ETH1 = (f"spiderpool-alicloud.io/{nic}-addresses" for nic in ("eth0", "eth1"))
MARKER = "/var/lib/kubelet/device-plugins/spiderpool-alicloud"


def pool(*ips: str, holders: Sequence[str] = (), **spec: object) -> dict[str, Any]:
    """A SpiderIPPool whose first addresses are allocated to pods by uid."""
    allocated = {f"10.0.0.{n}": {"podUid": uid} for n, uid in enumerate(holders, start=1)}
    status = {"allocatedIPs": json.dumps(allocated)} if allocated else {}
    return {"metadata": {}, "spec": {"ips": list(ips), **spec}, "status": status}


def pod(uid: str, phase: str = "Running", **requests: str) -> dict[str, Any]:
    resources = {
        "requests": {f"spiderpool-alicloud.io/{n}-addresses": c for n, c in requests.items()}
    }
    return {
        "metadata": {"uid": uid},
        "spec": {"containers": [{"resources": resources}, {}]},
        "status": {"phase": phase},
    }


def advertised(
    worker: Place,
    pools: Mapping[str, Any],
    *pods: Any,  # noqa: ANN401
    reserved: Sequence[dict[str, Any]] | None = (),
) -> dict[str, str]:
    """What the worker's Node has after one run, in addition to its `pods`."""
    worker.write("reserved.json", None if reserved is None else {"items": list(reserved)})
    worker.write("pools.json", {f"{worker.node.name}-{nic}": one for nic, one in pools.items()})
    worker.write("pods.json", {"items": list(pods)})
    done = worker.run()
    assert (done.returncode, done.stderr) == (0, "")
    status = json.loads(worker.text("/world/node.json"))["status"]
    assert status["capacity"] == status["allocatable"]
    assert status["capacity"].pop("pods") == "12"
    return dict(status["capacity"])


def test_a_node_advertises_the_addresses_of_its_pools(worker: Place) -> None:
    pools = {"eth0": pool("10.0.0.1-10.0.0.5"), "eth1": pool("10.1.0.1", "10.1.0.9-10.1.0.10")}
    assert advertised(worker, pools) == {ETH0: "5", ETH1: "3"}
    assert worker.path(MARKER).exists()


def test_a_node_that_changes_between_read_and_write_is_read_again(worker: Place) -> None:
    """The first run annotates the Node that it has read; the next run would come 15 s later."""
    advertised(worker, {"eth0": pool("10.0.0.1"), "eth1": pool("10.1.0.1")})
    calls = [call for call in worker.calls("kubectl") if " replace " in call]
    assert len(calls) == 2
    assert machine.UNIT_SCHEMA in worker.annotations


def test_a_nic_without_a_pool_has_no_addresses(worker: Place) -> None:
    assert advertised(worker, {"eth0": pool("10.0.0.1")}) == {ETH0: "1", ETH1: "0"}


def test_nothing_is_advertised_while_the_node_may_not_read_its_pools(worker: Place) -> None:
    assert worker.run().returncode == 0
    assert [call for call in worker.calls("kubectl") if " replace " in call] == []


def test_pods_that_asked_are_counted_by_the_scheduler_and_others_by_the_node(worker: Place) -> None:
    pools = {"eth0": pool("10.0.0.1-10.0.0.5", holders=("asked", "before", "gone", "ended"))}
    pods = (pod("asked", eth0="1"), pod("before"), pod("ended", "Succeeded", eth0="1"))
    # Five, less an old pod, one that is gone, and one whose end has freed its request already.
    assert advertised(worker, pools, *pods)[ETH0] == "2"
    later = {"eth0": pool("10.0.0.1-10.0.0.5", holders=("asked",))}
    assert advertised(worker, later, *pods)[ETH0] == "5"


def reservation(*ips: str) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"ips": list(ips)}}


def test_reserved_addresses_are_given_to_nobody_and_stay_with_who_has_one(worker: Place) -> None:
    pools = {"eth0": pool("10.0.0.1-10.0.0.5", holders=("a",))}
    reserved = (
        reservation("10.0.0.1-10.0.0.2", "fd00::-fd00:ffff::"),
        reservation("10.0.0.5-10.255.255.255"),
    )
    assert advertised(worker, pools, pod("a", eth0="1"), reserved=reserved)[ETH0] == "3"


def test_addresses_that_a_pool_excludes_are_given_to_nobody(worker: Place) -> None:
    pools = {"eth0": pool("10.0.0.1-10.0.0.5", holders=("a",), excludeIPs=["10.0.0.1-10.0.0.2"])}
    assert advertised(worker, pools, pod("a", eth0="1"))[ETH0] == "4"


@pytest.mark.parametrize(
    ("first", "count"),
    [
        ([3], "3"),
        ([("Always", 1), 3], "4"),
        ([3, ("Always", 1)], "3"),
        ([("Always", 1), ("Always", 1)], "3"),
    ],
    ids=["init container", "after a sidecar", "before a sidecar", "sidecars"],
)
def test_a_node_advertises_what_the_scheduler_has_counted_for_its_pods(
    worker: Place, first: list[Any], count: str
) -> None:
    """A kubelet that starts would fail the pods beyond a lower number."""
    waiting = pod("waits", "Pending", eth0="1")
    containers = [
        {"resources": pod("", eth0=str(each))["spec"]["containers"][0]["resources"]}
        if isinstance(each, int)
        else {**pod("", eth0=str(each[1]))["spec"]["containers"][0], "restartPolicy": each[0]}
        for each in first
    ]
    waiting["spec"]["initContainers"] = containers
    assert advertised(worker, {"eth0": pool()}, waiting)[ETH0] == count


def test_a_node_advertises_addresses_without_the_right_to_read_reserved_ones(
    worker: Place,
) -> None:
    assert advertised(worker, {"eth0": pool("10.0.0.1-10.0.0.5")}, reserved=None)[ETH0] == "5"


def test_a_pod_that_waits_for_an_address_outlives_a_restart_of_the_kubelet(worker: Place) -> None:
    """It was bound when one was deleted by force, whose address is not free yet."""
    pools = {"eth0": pool("10.0.0.1-10.0.0.2", holders=("runs", "forced"))}
    pods = (pod("runs", eth0="1"), pod("waits", "Pending", eth0="1"))
    assert advertised(worker, pools, *pods)[ETH0] == "2"


def test_a_closed_pool_gives_nothing_new_and_keeps_what_its_pods_have(worker: Place) -> None:
    pools = {"eth0": pool("10.0.0.1-10.0.0.5", holders=("a", "b"), disable=True)}
    assert advertised(worker, pools, pod("a", eth0="1"), pod("b", eth0="1"))[ETH0] == "2"


def test_a_count_that_is_right_is_not_written_again(worker: Place) -> None:
    pools = {"eth0": pool("10.0.0.1"), "eth1": pool("10.1.0.1")}
    advertised(worker, pools)
    worker.forget_calls()
    advertised(worker, pools)
    assert [call for call in worker.calls("kubectl") if " replace " in call] == []


@pytest.mark.process
@settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])
@given(
    size=st.integers(0, 6),
    pods=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=6),
)
def test_the_requests_that_fit_never_exceed_the_pool(
    worker: Place, size: int, pods: list[tuple[bool, bool, bool]]
) -> None:
    """Each pod: has it asked, is it over, and does it (still) hold an address?"""
    holders = [f"p{n}" for n, (_, _, holds) in enumerate(pods) if holds][:size]
    live = [
        pod(f"p{n}", "Failed" if over else "Running", **({"eth0": "1"} if asked else {}))
        for n, (asked, over, _) in enumerate(pods)
    ]
    ips = [f"10.0.0.1-10.0.0.{size}"] if size else []
    count = int(advertised(worker, {"eth0": pool(*ips, holders=holders)}, *live)[ETH0])
    counted = {f"p{n}" for n, (asked, over, _) in enumerate(pods) if asked and not over}
    # A kubelet that restarts admits every pod that has asked.
    assert count >= len(counted)
    # The scheduler adds pods only as long as each of them, and of those before, has an address.
    if count > len(counted):
        assert count - len(counted & set(holders)) + len(holders) <= size


def test_a_second_run_at_the_same_time_does_nothing(worker: Place) -> None:
    lock = worker.path("/run/spiderpool-alicloud-node.lock")
    with subprocess.Popen(["/usr/bin/flock", lock, "/usr/bin/sleep", "5"]) as holder:  # noqa: S603
        while subprocess.run(["/usr/bin/flock", "-n", lock, "true"], check=False).returncode == 0:  # noqa: S603
            pass
        assert worker.run().returncode == 0
        assert worker.annotations == {}
        holder.kill()


def test_a_new_machine_has_nothing_to_change(worker: Place) -> None:
    text = settings_for(worker)
    worker.ask(machine.SETTINGS, text)
    worker.run()
    assert worker.annotations[machine.SETTINGS_APPLIED] == machine.settings_digest(text)
    assert worker.calls("systemctl") == worker.calls("sysctl") == worker.calls("crictl") == []


def test_max_pods_restarts_the_kubelet_once(worker: Place) -> None:
    text = settings_for(worker, max_pods=3)
    worker.ask(machine.SETTINGS, text)
    worker.run()
    assert json.loads(worker.text(KUBELET))["maxPods"] == 3
    worker.run()
    assert worker.calls("systemctl") == ["systemctl restart kubelet"]
    assert worker.annotations[machine.SETTINGS_APPLIED] == machine.settings_digest(text)
    assert machine.SETTINGS_FAILED not in worker.annotations


def test_a_worker_follows_the_endpoint_and_its_kube_proxy_starts_again(worker: Place) -> None:
    worker.change("world.json", balancer="10.0.0.99")
    worker.path("/etc/hosts").write_text("10.0.0.99 api.small.internal\n", encoding="utf-8")
    worker.ask(machine.SETTINGS, settings_for(worker, "10.0.0.16"))
    worker.run()
    assert "10.0.0.16 api.small.internal\n" in worker.text("/etc/hosts")
    assert "10.0.0.99" not in worker.text("/etc/hosts")
    assert len(worker.calls("crictl ps")) == 1
    assert worker.calls("systemctl") == []


def test_a_setting_that_the_kubelet_does_not_start_with_is_reverted(worker: Place) -> None:
    before = worker.text(KUBELET)
    text = settings_for(worker, max_pods=-1)
    worker.ask(machine.SETTINGS, text)
    worker.run()
    assert worker.text(KUBELET) == before
    reason = worker.annotations[machine.SETTINGS_FAILED]
    assert reason.startswith(machine.settings_digest(text) + ": the kubelet does not start")
    assert machine.SETTINGS_APPLIED not in worker.annotations
    assert worker.calls("systemctl") == ["systemctl restart kubelet"] * 2


def test_the_same_broken_setting_is_not_tried_again_and_a_good_one_is(worker: Place) -> None:
    worker.ask(machine.SETTINGS, settings_for(worker, max_pods=-1))
    worker.run()
    worker.forget_calls()
    worker.run()
    assert worker.calls("systemctl") == []
    good = settings_for(worker, max_pods=4)
    worker.ask(machine.SETTINGS, good)
    worker.run()
    assert worker.annotations[machine.SETTINGS_APPLIED] == machine.settings_digest(good)
    assert machine.SETTINGS_FAILED not in worker.annotations


def test_a_sysctl_that_the_kernel_refuses_is_reverted_before_the_kubelet_restarts(
    worker: Place,
) -> None:
    before = worker.text(SYSCTLS)
    settings = json.loads(settings_for(worker, max_pods=3))
    settings["sysctls"] = "net.ipv4.ip_forward = banana\n"
    worker.ask(machine.SETTINGS, json.dumps(settings))
    worker.run()
    assert worker.text(SYSCTLS) == before
    assert "Invalid argument" in worker.annotations[machine.SETTINGS_FAILED]
    assert worker.calls("systemctl") == []


def test_settings_that_the_unit_cannot_read_are_reported(worker: Place) -> None:
    worker.ask(machine.SETTINGS, '{"kubelet": "x"}')
    worker.run()
    assert "cannot read the settings" in worker.annotations[machine.SETTINGS_FAILED]


@pytest.mark.process
@pytest.mark.parametrize("moment", ["CUT", "CUT_AFTER"])
@pytest.mark.parametrize("max_pods", [3, -1])
def test_settings_end_the_same_wherever_a_run_was_cut_off(
    tmp_path: Path, moment: str, max_pods: int
) -> None:
    def whole(place: Place) -> str:
        text = settings_for(place, max_pods=max_pods)
        place.ask(machine.SETTINGS, text)
        return text

    def check(place: Place) -> None:
        kubelet = json.loads(place.text(KUBELET))["maxPods"]
        assert kubelet == (3 if max_pods == 3 else place.node.max_pods)
        name = machine.SETTINGS_APPLIED if max_pods == 3 else machine.SETTINGS_FAILED
        assert name in place.annotations
        assert place.calls("systemctl")[-1] == "systemctl restart kubelet"

    _cut_everywhere(tmp_path, "workers-0", moment, whole, check)


def test_a_control_plane_leaves_etcd_and_says_so(plane: Place) -> None:
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    done = plane.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert plane.members == ["11", "12"]
    assert plane.pods == []
    assert plane.annotations[machine.ETCD_LEFT] == PROVIDER_ID
    assert "10.0.0.32 api.small.internal" in plane.text("/etc/hosts")


def test_it_answers_through_another_api_server_once_its_own_is_stopped(plane: Place) -> None:
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    plane.run()
    plane.ask(machine.ETCD_LEFT, "")
    done = plane.run()
    assert (done.returncode, plane.annotations[machine.ETCD_LEFT]) == (0, PROVIDER_ID)


def test_it_hands_over_the_leadership_before_its_member_goes(plane: Place) -> None:
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    plane.run()
    asked = [c.rpartition("/v3/")[2] for c in plane.calls("curl") if "/v3/" in c]
    handed, removed = (
        asked.index(name) for name in ("maintenance/transfer-leadership", "cluster/member/remove")
    )
    assert handed < removed


def test_it_is_asked_about_another_machine_of_its_name(plane: Place) -> None:
    plane.ask(machine.LEAVE_ETCD, "cn-hangzhou.i-other")
    plane.run()
    assert plane.members == ["10", "11", "12"]
    assert plane.pods == list(PODS)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ({"etcd": ["10.0.0.16", "10.0.0.32"]}, "no healthy majority"),
        ({"etcd": ["10.0.0.32", "10.0.0.48"]}, "its own etcd does not answer"),
        ({"kube-apiserver": ["10.0.0.16"]}, "no API server of another control plane is ready"),
    ],
)
def test_it_stays_where_leaving_would_lose_the_cluster(
    plane: Place, lost: dict[str, list[str]], reason: str
) -> None:
    plane.change("world.json", **lost)
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    plane.run()
    assert reason in plane.annotations[machine.ETCD_FAILED]
    assert plane.members == ["10", "11", "12"]
    assert plane.pods == list(PODS)


def test_the_only_member_never_leaves(tmp_path: Path) -> None:
    plane = settled(tmp_path, planned(small()), "masters-0")
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    plane.run()
    assert "the only one" in plane.annotations[machine.ETCD_FAILED]
    assert plane.members == ["10"]
    assert plane.pods == list(PODS)


def test_a_refusal_is_forgotten_once_nobody_asks(plane: Place) -> None:
    plane.ask(machine.ETCD_FAILED, "because")
    plane.run()
    assert machine.ETCD_FAILED not in plane.annotations


@pytest.mark.process
@pytest.mark.parametrize("moment", ["CUT", "CUT_AFTER"])
def test_leaving_ends_the_same_wherever_a_run_was_cut_off(tmp_path: Path, moment: str) -> None:
    def leave(place: Place) -> None:
        place.ask(machine.LEAVE_ETCD, PROVIDER_ID)

    def check(place: Place) -> None:
        assert place.members == ["11", "12"]
        assert place.pods == []
        assert place.annotations[machine.ETCD_LEFT] == PROVIDER_ID

    _cut_everywhere(tmp_path, "masters-0", moment, leave, check)


@pytest.mark.process
@pytest.mark.parametrize("moment", ["CUT", "CUT_AFTER"])
def test_a_renewal_ends_the_same_wherever_a_run_was_cut_off(tmp_path: Path, moment: str) -> None:
    def renew(place: Place) -> None:
        place.ask(machine.RENEW_CERTIFICATES, "monday")

    def check(place: Place) -> None:
        assert "kubeadm certs renew all" in place.calls("kubeadm")
        assert place.pods == list(PODS)
        assert place.annotations[machine.CERTIFICATES_RENEWED] == "monday"

    _cut_everywhere(tmp_path, "masters-0", moment, renew, check)


def test_certificates_are_renewed_once_for_each_request(plane: Place) -> None:
    plane.ask(machine.RENEW_CERTIFICATES, "monday")
    plane.run()
    plane.run()
    assert plane.calls("kubeadm") == ["kubeadm certs renew all"]
    assert plane.pods == list(PODS)


def test_a_worker_has_no_certificates_to_renew(worker: Place) -> None:
    worker.ask(machine.RENEW_CERTIFICATES, "monday")
    worker.run()
    assert worker.calls("kubeadm") == []


@pytest.mark.parametrize(("hours", "calls"), [(-1, 1), (23, 1), (25, 0)])
def test_a_certificate_at_its_end_is_renewed_although_no_api_server_can_ask(
    plane: Place, hours: int, calls: int
) -> None:
    end = datetime.now(UTC) + timedelta(hours=hours)
    path = plane.path("/etc/kubernetes/pki/apiserver.crt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(certificate_until(end), encoding="utf-8")
    plane.change("world.json", **{"kube-apiserver": []})
    plane.run()
    plane.run()
    assert plane.calls("kubeadm") == ["kubeadm certs renew all"] * calls
    assert plane.pods == list(PODS)


def test_a_renewal_that_was_cut_off_is_done_again_as_a_whole(plane: Place) -> None:
    # The API server's certificate is new already, and those after it in kubeadm's order are not.
    path = plane.path("/etc/kubernetes/pki/apiserver.crt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(certificate_until(datetime.now(UTC) + timedelta(days=365)), encoding="utf-8")
    plane.path(f"{HERE}/renewing").touch()
    plane.run()
    plane.run()
    assert plane.calls("kubeadm") == ["kubeadm certs renew all"]
    assert plane.pods == list(PODS)


def test_a_control_plane_that_leaves_starts_nothing_for_a_certificate_at_its_end(
    plane: Place,
) -> None:
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    plane.run()
    assert plane.pods == []
    path = plane.path("/etc/kubernetes/pki/apiserver.crt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(certificate_until(datetime.now(UTC)), encoding="utf-8")
    plane.run()
    assert plane.calls("kubeadm") == []
    assert plane.pods == []


def test_a_dead_member_is_removed(plane: Place) -> None:
    plane.change("world.json", etcd=["10.0.0.16", "10.0.0.32"])
    plane.ask(machine.FORGET_MEMBERS, "10.0.0.48")
    plane.run()
    assert plane.members == ["10", "11"]
    assert plane.annotations[machine.MEMBERS_FORGOTTEN] == "10.0.0.48"


def test_an_address_without_a_member_is_acknowledged(plane: Place) -> None:
    plane.ask(machine.FORGET_MEMBERS, "10.0.0.200,10.0.0.201")
    plane.run()
    assert plane.members == ["10", "11", "12"]
    assert plane.annotations[machine.MEMBERS_FORGOTTEN] == "10.0.0.200,10.0.0.201"


def test_a_member_list_without_members_is_ignored(plane: Place) -> None:
    plane.path("/world/members.json").write_text("[]", encoding="utf-8")
    plane.ask(machine.FORGET_MEMBERS, "10.0.0.48")
    plane.run()
    assert "its own etcd does not answer" in plane.annotations[machine.ETCD_FAILED]
    assert machine.MEMBERS_FORGOTTEN not in plane.annotations


def test_a_dead_member_is_not_passed_over_where_awk_fails(plane: Place) -> None:
    plane.break_command("awk")
    plane.change("world.json", etcd=["10.0.0.16", "10.0.0.32"])
    plane.ask(machine.FORGET_MEMBERS, "10.0.0.48")
    plane.run()
    assert plane.members == ["10", "11"]
    assert plane.annotations[machine.MEMBERS_FORGOTTEN] == "10.0.0.48"


def test_it_stays_where_awk_fails(plane: Place) -> None:
    plane.break_command("awk")
    plane.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    plane.run()
    assert "cannot read" in plane.annotations[machine.ETCD_FAILED]
    assert plane.members == ["10", "11", "12"]
    assert plane.pods == list(PODS)


@pytest.mark.parametrize(
    ("etcd", "reason"),
    [
        (["10.0.0.16", "10.0.0.32", "10.0.0.48"], "is alive"),
        (["10.0.0.16"], "no healthy majority"),
    ],
)
def test_a_member_is_kept_while_removing_it_would_be_wrong(
    plane: Place, etcd: list[str], reason: str
) -> None:
    plane.change("world.json", etcd=etcd)
    plane.ask(machine.FORGET_MEMBERS, "10.0.0.48")
    plane.run()
    assert reason in plane.annotations[machine.ETCD_FAILED]
    assert plane.members == ["10", "11", "12"]
    assert machine.MEMBERS_FORGOTTEN not in plane.annotations


def test_a_worker_has_no_part_in_etcd(worker: Place) -> None:
    worker.ask(machine.FORGET_MEMBERS, "10.0.0.48")
    worker.ask(machine.LEAVE_ETCD, PROVIDER_ID)
    worker.run()
    assert worker.members == ["10", "11", "12"]
    assert not {machine.ETCD_LEFT, machine.MEMBERS_FORGOTTEN} & set(worker.annotations)


def _cut_everywhere(
    folder: Path,
    name: str,
    moment: str,
    ask: Callable[[Place], object],
    check: Callable[[Place], None],
) -> None:
    """Kill a run at one call, another at a later one … and run again each time.

    With `CUT_EVERY_CALL` in the environment no call is left out (`make nightly`).
    """
    plan = planned(three_control_planes())
    first, stride = (1, 1) if os.environ.get(CUT_EVERY_CALL) else _SOME_CALLS[moment]
    for call in range(first, 200, stride):
        root = folder / f"{call}"
        root.mkdir()
        place = settled(root, plan, name)
        ask(place)
        cut = place.run(**{moment: str(call)})
        # A killed run has the lock until the last of its processes is gone.
        with place.path("/run/spiderpool-alicloud-node.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        place.run()
        check(place)
        if cut.returncode == 0:
            assert call > 4
            return
    raise AssertionError("the unit never came to an end")


@pytest.fixture
def with_disk(tmp_path: Path) -> Place:
    """The only control plane, with a disk for etcd that is attached and mounted."""
    document = small()
    document["nodePools"]["masters"]["etcdDisk"] = {}
    place = settled(tmp_path, planned(document), "masters-0")
    place.path(f"{HERE}/etcd-disk.sh").chmod(0o755)
    place.path(DEVICE).parent.mkdir(parents=True)
    place.path(DEVICE).touch()
    place.path("/proc").mkdir()
    mount = place.path("/var/lib/etcd")
    place.path("/proc/mounts").write_text(f"/dev/vdb {mount} ext4 rw 0 0\n", encoding="utf-8")
    return place


@pytest.mark.parametrize("lost", [DEVICE, "/proc/mounts"], ids=["device", "mount"])
def test_a_control_plane_whose_disk_is_gone_stops_etcd_and_its_api_server(
    with_disk: Place, lost: str
) -> None:
    assert with_disk.run().returncode == 0
    assert with_disk.pods == sorted(PODS)
    with_disk.path(lost).write_text("", encoding="utf-8")
    if lost == DEVICE:
        with_disk.path(lost).unlink()
    done = with_disk.run()
    assert done.returncode == 0
    assert "etcd's disk" in done.stdout
    assert with_disk.pods == ["kube-controller-manager", "kube-scheduler"]


def test_they_start_again_once_the_disk_is_mounted(with_disk: Place) -> None:
    mounts = with_disk.text("/proc/mounts")
    with_disk.path("/proc/mounts").write_text("", encoding="utf-8")
    with_disk.run()
    with_disk.path("/proc/mounts").write_text(mounts, encoding="utf-8")
    assert with_disk.run().returncode == 0
    assert with_disk.pods == sorted(PODS)


def test_a_control_plane_with_a_disk_writes_etcds_snapshot_once_when_it_is_asked(
    with_disk: Place,
) -> None:
    place = with_disk
    place.ask(machine.BACK_UP, "now")
    assert place.run().returncode == 0
    assert place.annotations[machine.BACKED_UP] == "now"
    assert len(place.path("/var/lib/etcd-disk/backup/snapshot.db").read_bytes()) == 32
    place.forget_calls()
    place.run()
    assert not [call for call in place.calls("curl") if "maintenance/snapshot" in call]


def test_a_control_plane_without_a_disk_writes_none(tmp_path: Path) -> None:
    place = settled(tmp_path, planned(small()), "masters-0")
    place.ask(machine.BACK_UP, "now")
    assert place.run().returncode == 0
    assert machine.BACKED_UP not in place.annotations


def a_token(place: Place, begins: timedelta) -> None:
    """Give a pod a token that is valid from a moment before or after now on."""
    claims = json.dumps({"nbf": int((datetime.now(UTC) + begins).timestamp())}).encode()
    folder = place.path("/var/lib/kubelet/pods/uid/volumes/kubernetes.io~projected/access")
    folder.mkdir(parents=True, exist_ok=True)
    text = f"e30.{b64encode(claims, altchars=b'-_').decode().rstrip('=')}.signature"
    (folder / "token").write_text(text, encoding="utf-8")


def api_server_clock(place: Place, off: timedelta) -> None:
    """Let the API server's answers have a time of their own."""
    date = format_datetime(datetime.now(UTC) + off, usegmt=True)
    curl = place.path("/commands/curl")
    others = curl.with_name("others") / "curl"
    others.parent.mkdir()
    curl.rename(others)
    curl.write_text(
        f'#!/bin/bash\n[[ " $* " == *" -D "* ]] || exec {others} "$@"\n'
        f"printf 'HTTP/2 200\\r\\ndate: {date}\\r\\n'\n",
        encoding="utf-8",
    )
    curl.chmod(0o755)


HOUR = timedelta(hours=1)


def test_tokens_that_are_not_valid_yet_are_replaced_by_one_restart_of_the_kubelet(
    worker: Place,
) -> None:
    a_token(worker, HOUR)
    api_server_clock(worker, -timedelta(seconds=2))
    assert worker.run().returncode == 0
    assert worker.calls("systemctl") == ["systemctl restart kubelet"]
    worker.run()
    assert worker.calls("systemctl") == ["systemctl restart kubelet"]


@pytest.mark.parametrize(
    ("token", "clock"),
    [(-HOUR, timedelta()), (HOUR, HOUR), (timedelta(seconds=30), timedelta())],
    ids=["valid", "the clock is still ahead", "within the leeway"],
)
def test_a_kubelet_is_not_restarted_for_other_tokens(
    worker: Place, token: timedelta, clock: timedelta
) -> None:
    a_token(worker, token)
    api_server_clock(worker, clock)
    assert worker.run().returncode == 0
    assert not worker.calls("systemctl")


def test_an_unreadable_token_does_not_stop_the_unit(worker: Place) -> None:
    a_token(worker, HOUR)
    file = next(worker.path("/var/lib/kubelet/pods").rglob("token"))
    file.write_text("no token", encoding="utf-8")
    assert worker.run().returncode == 0
    assert not worker.calls("systemctl")
    assert machine.UNIT_SCHEMA in worker.annotations
