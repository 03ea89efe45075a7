"""The boot program of a control plane that makes a cluster of a snapshot, or finds no majority."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from planning.model import ClusterPlan
from tests.clusters import fake_secrets
from tests.planning.nodes.programs.test_etcd_disk_program import (
    MEMBERS,
    OWN,
    PEER,
    Planes,
    one,
    plane,
    three,
)

__all__ = ["plane"]

pytestmark = pytest.mark.unit

SNAPSHOT = "s-bp1a"
ROTATED = replace(fake_secrets(), encryption_keys=("key2",))
TAKEN_OVER = "cn-hangzhou.i-old none cn-hangzhou.i-bp1a"
"""Provider ids of the Node: the machine's before, and this one's once it was deleted."""
_KUBEADM = """\
#!/bin/bash
echo "kubeadm $*" >> "$CALLS"
case " $FAILING " in *" kubeadm "*) exit 1 ;; esac
case $* in
  "config images list "*) echo registry.k8s.io/kube-apiserver:v1; echo registry.k8s.io/etcd:3 ;;
esac
"""
# With FAILING it is cut off while the folder is half made.
_CTR = """\
#!/bin/bash
echo "ctr $*" >> "$CALLS"
while [ "$1" != --data-dir ]; do shift; done
mkdir -p "$2/member/snap"
case " $FAILING " in *" ctr "*) exit 1 ;; esac
echo restored > "$2/member/snap/db"
"""
# A run that is cut off at the nth of these.
_CUT_OFF = """\
#!/bin/bash
[ ! -e "$CALLS.{0}" ] || read -r count < "$CALLS.{0}"
count=$((count + 1))
echo $count > "$CALLS.{0}"
[ "$CUT_OFF" != "{0} $count" ] || exit 1
exec /bin/{0} "$@"
"""


@pytest.fixture
def restored(plane: Planes) -> Planes:
    """A control plane whose disk was created from a snapshot of masters-1's."""
    commands = plane.machine.root / "commands"
    programs = {"kubeadm": _KUBEADM, "ctr": _CTR}
    programs |= {name: _CUT_OFF.format(name) for name in ("mv", "rm")}
    for name, text in programs.items():
        (commands / name).write_text(text, encoding="utf-8")
        (commands / name).chmod((commands / name).stat().st_mode | stat.S_IXUSR)
    plane.has_data_of(77, node="masters-1")
    db = plane.files / "data/member/snap/db"
    db.parent.mkdir()
    db.write_text("of the snapshot", encoding="utf-8")
    return plane


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def is_restored(plane: Planes) -> None:
    assert text(plane.files / "data/member/snap/db") == "restored"
    assert text(plane.files / "restored") == SNAPSHOT
    assert text(plane.files / "owner").startswith("masters-0 ")
    assert not list(plane.files.glob("restored-*"))


@pytest.mark.parametrize("plan", [one(), three()], ids=["one", "three"])
def test_the_first_control_plane_makes_a_new_member_of_the_data_and_starts_it(
    restored: Planes, plan: ClusterPlan
) -> None:
    done = restored.run(plan, restore=SNAPSHOT)
    assert (done.returncode, done.stderr) == (0, "")
    is_restored(restored)
    (make,) = restored.calls("ctr")
    assert "registry.k8s.io/etcd:3 " in make
    assert "--bump-revision 1000000000 --mark-compacted" in make
    assert f"--initial-cluster masters-0=https://{OWN}:2380 " in make
    images, init, *_ = restored.calls("kubeadm")
    assert images.startswith("kubeadm config images list ")
    assert "--skip-phases=addon" in init
    assert "kubeadm join" not in " ".join(restored.machine.calls)


def test_the_data_of_the_snapshot_stay_next_to_the_new_member(restored: Planes) -> None:
    restored.run(one(), restore=SNAPSHOT)
    assert text(restored.files / "data.old/member/snap/db") == "of the snapshot"


def test_a_restore_that_ended_is_not_done_again(restored: Planes) -> None:
    restored.run(one(), restore=SNAPSHOT, failing="kubectl")
    (restored.files / "data/member/snap/db").write_text("written since", encoding="utf-8")
    assert restored.run(one(), restore=SNAPSHOT).returncode == 0
    assert len(restored.calls("ctr")) == 1
    assert text(restored.files / "data/member/snap/db") == "written since"


@pytest.mark.parametrize("cut_off", [f"mv {n}" for n in range(1, 9)] + ["rm 1", "rm 2", "rm 3"])
def test_a_restore_that_is_cut_off_anywhere_goes_on_at_the_next_boot(
    restored: Planes, cut_off: str
) -> None:
    restored.run(one(), restore=SNAPSHOT, CUT_OFF=cut_off)
    assert restored.run(one(), restore=SNAPSHOT).returncode == 0
    is_restored(restored)


def test_a_member_that_etcdutl_left_half_made_is_made_again(restored: Planes) -> None:
    assert restored.run(one(), restore=SNAPSHOT, failing="ctr").returncode != 0
    assert text(restored.files / "data/member/snap/db") == "of the snapshot"
    assert restored.run(one(), restore=SNAPSHOT).returncode == 0
    is_restored(restored)


def test_nothing_is_restored_where_another_control_plane_still_runs(restored: Planes) -> None:
    done = restored.run(three(), restore=SNAPSHOT, serving=PEER)
    assert done.returncode == 1
    assert "would be a second one with the same keys" in done.stderr
    assert text(restored.files / "data/member/snap/db") == "of the snapshot"
    assert not restored.calls("kubeadm init --config")
    assert not restored.calls("kubeadm join")


def test_a_snapshot_of_a_cluster_with_other_keys_is_not_used(restored: Planes) -> None:
    (restored.files / "owner").write_text("masters-1 0123\n", encoding="utf-8")
    done = restored.run(three(), restore=SNAPSHOT)
    assert done.returncode != 0
    assert "of a cluster with other keys" in done.stderr


def test_a_disk_that_is_not_of_a_snapshot_stops_the_boot_with_the_reason(plane: Planes) -> None:
    done = plane.run(one(), restore=SNAPSHOT)
    assert done.returncode != 0
    assert f"does not come from the snapshot {SNAPSHOT}" in done.stderr
    assert not plane.calls("kubeadm init --config")


def test_other_control_planes_join_the_restored_cluster_as_new_members(plane: Planes) -> None:
    version = f"kubernetesVersion: v{three().kubernetes.version}"
    done = plane.run(three(), restore=SNAPSHOT, node="masters-1", ready=OWN, CLUSTER=version)
    assert done.returncode == 0, done.stderr
    assert plane.calls("kubeadm join")
    assert not plane.calls("kubeadm init --config")


OBJECTS = """\
items:
- data:
    ClusterConfiguration: |
      featureGates: {}
      kubernetesVersion: v1.0.7
  kind: ConfigMap
- kind: DaemonSet
  spec:
    image: registry.example.com/kube-proxy:v1.0.7
    command: [/usr/local/bin/kube-proxy, --config=/var/lib/kube-proxy/config.conf]"""


def test_a_snapshot_from_before_an_upgrade_gets_the_version_of_the_machine(
    restored: Planes,
) -> None:
    cluster = "featureGates: {}\nkubernetesVersion: v1.0.7\n"
    done = restored.run(three(), restore=SNAPSHOT, CLUSTER=cluster, OBJECTS=OBJECTS)
    assert done.returncode == 0, done.stderr
    assert ":: masters-0: the data are of Kubernetes 1.0.7; the cluster has" in done.stdout
    version = three().kubernetes.version
    replaced = restored.machine.text("/calls.replaced")
    assert replaced == OBJECTS.replace("v1.0.7", f"v{version}") + "\n"


@pytest.mark.parametrize("version", [three().kubernetes.version, "99.1.0"])
def test_a_snapshot_of_the_same_or_a_later_version_keeps_its_own(
    restored: Planes, version: str
) -> None:
    done = restored.run(three(), restore=SNAPSHOT, CLUSTER=f"kubernetesVersion: v{version}\n")
    assert done.returncode == 0, done.stderr
    assert not restored.machine.path("/calls.replaced").exists()


def test_a_control_plane_joins_only_once_the_restored_cluster_has_its_version(
    plane: Planes,
) -> None:
    earlier = "kubernetesVersion: v1.0.7"
    done = plane.run(three(), restore=SNAPSHOT, node="masters-1", ready=OWN, CLUSTER=earlier)
    assert done.returncode != 0
    assert not plane.calls("kubeadm join")


def test_a_member_with_its_data_starts_by_itself_when_no_majority_is_left(plane: Planes) -> None:
    plane.has_data_of(77)
    done = plane.run(three(), MEMBERS=MEMBERS, NO_MAJORITY="yes", NODE_SAYS=TAKEN_OVER)
    assert done.returncode == 0, done.stderr
    assert "because no other one serves" in done.stdout
    (init,) = plane.calls("kubeadm init --config")
    assert "--ignore-preflight-errors=DirAvailable--var-lib-etcd" in init
    assert "--skip-phases=addon" in init
    assert not (plane.files / "data.old").exists()


_KUBEADM_WITHOUT_MAJORITY = """\
#!/bin/bash
echo "kubeadm $*" >> "$CALLS"
case $* in
  "init --config "*)
    tries=$(($(cat "$CALLS.tries" 2> /dev/null || echo 0) + 1))
    echo $tries > "$CALLS.tries"
    [ "$tries" -gt "$MAJORITY_AFTER" ] || exit 1 ;;
esac
"""
"""Its API server is not ready until another member of etcd runs."""


@pytest.fixture
def alone(plane: Planes) -> Planes:
    """A member with its data, which starts before the others."""
    command = plane.machine.root / "commands/kubeadm"
    command.write_text(_KUBEADM_WITHOUT_MAJORITY, encoding="utf-8")
    plane.has_data_of(77)
    return plane


def test_a_member_that_started_alone_waits_until_another_one_runs(alone: Planes) -> None:
    done = alone.run(three(), NO_MAJORITY="yes", MAJORITY_AFTER="2", NODE_SAYS=TAKEN_OVER)
    assert done.returncode == 0, done.stderr
    assert "etcd waits for that of another control plane" in done.stderr
    first, *others = alone.calls("kubeadm init --config")
    assert "--ignore-preflight-errors=DirAvailable--var-lib-etcd --skip-phases" in first
    assert len(others) == 2
    assert all("--ignore-preflight-errors=all --skip-phases" in call for call in others)
    assert not alone.calls("kubeadm join")


def test_a_member_that_stays_alone_says_what_to_do_and_goes_on_at_the_next_boot(
    alone: Planes,
) -> None:
    done = alone.run(three(), NO_MAJORITY="yes", MAJORITY_AFTER="15")
    assert done.returncode == 1
    assert "Start the other control planes (10.0.0.32 " in done.stderr
    assert "FAILED at: run kubeadm init" in done.stderr
    # Meanwhile the others have come back, with this member: a join would find it running.
    done = alone.run(three(), ready=PEER, MEMBERS=MEMBERS, MAJORITY_AFTER="0", NODE_SAYS=TAKEN_OVER)
    assert done.returncode == 0, done.stderr
    assert "goes on with the etcd that it has started" in done.stdout
    assert not alone.calls("kubeadm join")
    assert not [call for call in alone.machine.calls if call.endswith("member/remove")]
    assert not (alone.files / "data.old").exists()


def test_a_member_that_was_removed_while_it_was_alone_says_so(alone: Planes) -> None:
    assert alone.run(three(), NO_MAJORITY="yes", MAJORITY_AFTER="15").returncode == 1
    members = MEMBERS.replace('"ID":"77"', '"ID":"78"')
    done = alone.run(three(), ready=PEER, MEMBERS=members, MAJORITY_AFTER="99")
    assert done.returncode == 1
    assert "the etcd on 10.0.0.32 has removed member 77" in done.stderr
    assert len(alone.calls("kubeadm init --config")) == 16


def test_a_member_whose_others_have_a_majority_waits_for_their_api_server(plane: Planes) -> None:
    plane.has_data_of(77)
    done = plane.run(three(), MEMBERS=MEMBERS)
    assert done.returncode == 1
    assert not plane.calls("kubeadm init --config")


def test_a_member_without_data_never_starts_by_itself(plane: Planes) -> None:
    done = plane.run(three(), NO_MAJORITY="yes")
    assert done.returncode == 1
    assert not plane.calls("kubeadm init --config")


@pytest.mark.parametrize(
    ("of_the_snapshot", "afterwards"),
    [("key1", "key2 key1"), ("key1 key2", "key2 key1"), ("key2", "key2"), (None, "key2")],
)
def test_a_restored_api_server_reads_the_keys_of_the_snapshot_and_writes_with_the_stacks(
    restored: Planes, of_the_snapshot: str | None, afterwards: str
) -> None:
    if of_the_snapshot is not None:
        (restored.files / "encryption").write_text(f"{of_the_snapshot}\n", encoding="utf-8")
    done = restored.run(one(), restore=SNAPSHOT, secrets=ROTATED)
    assert done.returncode == 0, done.stderr
    keys = restored.machine.path("/etc/spiderpool-alicloud/encryption").read_text("utf-8").strip()
    assert keys == afterwards
    assert text(restored.files / "encryption") == afterwards


def test_a_control_plane_that_joins_a_restored_cluster_reads_the_same_keys(
    plane: Planes,
) -> None:
    version = f"kubernetesVersion: v{three().kubernetes.version}"
    done = plane.run(
        three(),
        restore=SNAPSHOT,
        secrets=ROTATED,
        node="masters-1",
        ready=OWN,
        CLUSTER=version,
        KEYS_IN_USE="key1",
    )
    assert done.returncode == 0, done.stderr
    keys = plane.machine.path("/etc/spiderpool-alicloud/encryption").read_text("utf-8").strip()
    assert keys == "key2 key1"
