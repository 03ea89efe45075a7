"""The boot program of a control plane with a disk for etcd: found, formatted once, used again."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from planning.model import ClusterPlan
from planning.nodes.secrets import ClusterSecrets
from tests.clusters import fake_secrets, small, three_control_planes
from tests.planning.documents import ETCD_DISK, FAR_AWAY, planned
from tests.planning.nodes.programs.test_bootstrap_program import Machine, bare_machine, provisioned

pytestmark = pytest.mark.unit

OWN = "10.0.0.16"
PEER = "10.0.0.32"
MEMBERS = (
    '{"members":['
    f'{{"ID":"11","name":"masters-1","peerURLs":["https://{PEER}:2380"]}},'
    f'{{"ID":"77","name":"masters-0","peerURLs":["https://{OWN}:2380"]}}]}}'
)
MIB = 1 << 20
FORMAT = "mkfs.ext4 -q -F -L etcd "

_BLKID = """\
#!/bin/bash
echo "blkid $*" >> "$CALLS"
exit "$(cat "$DEVICE.kind")"
"""
_MKFS = """\
#!/bin/bash
echo "mkfs.ext4 $*" >> "$CALLS"
case " $FAILING " in *" mkfs.ext4 "*) exit 1 ;; esac
echo 0 > "$DEVICE.kind"
"""
_KUBEADM = """\
#!/bin/bash
echo "kubeadm $*" >> "$CALLS"
case " $FAILING " in *" kubeadm "*) exit 1 ;; esac
case $* in "init --config "*) cp "$3" "$DEVICE.kubeadm" ;; esac
"""
_RESIZE2FS = """\
#!/bin/bash
echo "resize2fs $*" >> "$CALLS"
case " $FAILING " in *" resize2fs "*) exit 1 ;; esac
"""
# The disk's files are in a folder, which a mount shows at another place.
_MOUNT = """\
#!/bin/bash
echo "mount $*" >> "$CALLS"
[ "$(cat "$DEVICE.kind")" = 0 ] || exit 32
if [ "$1" = --bind ]; then source=$2; else source=$DEVICE.files; fi
rmdir "$3" 2> /dev/null || rmdir "${@: -1}"
ln -s "$source" "${@: -1}"
echo "x ${@: -1} ext4 rw 0 0" >> "$MOUNTS"
"""


@dataclass(frozen=True, kw_only=True)
class Planes:
    """A control plane with a disk: `files` is what is on it."""

    machine: Machine
    device: Path

    @property
    def files(self) -> Path:
        return self.device.with_name(f"{self.device.name}.files")

    def holds(self, kind: int) -> None:
        """What blkid answers: 0 a file system, 2 nothing, 8 something ambivalent."""
        self.device.with_name(f"{self.device.name}.kind").write_text(str(kind), encoding="utf-8")

    def has_data_of(self, member: int, *, node: str = "masters-0", complete: bool = True) -> None:
        """Write a disk that a machine of that node has used."""
        self.holds(0)
        log = self.files / "data/member/wal/0000000000000000-0000000000000000.wal"
        log.parent.mkdir(parents=True)
        log.write_bytes(_record(4, b"") + _record(1, _number(1, member) + _number(2, 5)))
        certificate = fake_secrets().etcd_ca.certificate.encode()
        owner = f"{node} {hashlib.sha256(certificate).hexdigest()}\n"
        (self.files / "owner").write_text(owner, encoding="utf-8")
        if complete:
            (self.files / "complete").touch()

    def run(
        self,
        plan: ClusterPlan,
        *,
        created: bool = False,
        restore: str | None = None,
        node: str = "masters-0",
        secrets: ClusterSecrets | None = None,
        **more: str,
    ) -> subprocess.CompletedProcess[str]:
        """Boot a node; `created`: in the cluster's first creation."""
        if not self.machine.path("/etc/spiderpool-alicloud").exists():
            ends = FAR_AWAY if created else None
            provisioned(
                self.machine, plan, node, creation_ends=ends, restore=restore, secrets=secrets
            )
            for path in self.machine.path("/etc/spiderpool-alicloud").glob("*.sh"):
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
        mounts = str(self.machine.path("/proc/mounts"))
        return self.machine.run(DEVICE=str(self.device), MOUNTS=mounts, **more)

    def boot_again(self) -> subprocess.CompletedProcess[str]:
        """What the disk's service does at a later boot, after which nothing is mounted."""
        mounts = self.machine.path("/proc/mounts")
        mounts.write_text("", encoding="utf-8")
        for note in self.machine.path("/run").glob("etcd-disk-*"):
            note.unlink()
        for folder in ("/var/lib/etcd", "/var/lib/etcd-disk"):
            self.machine.path(folder).unlink()
        return subprocess.run(  # noqa: S603 - our own program
            [self.machine.path("/etc/spiderpool-alicloud/etcd-disk.sh"), "mount"],
            env={**self.machine.env, "DEVICE": str(self.device), "MOUNTS": str(mounts)},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, program: str) -> list[str]:
        return [call for call in self.machine.calls if call.startswith(program)]


def _record(kind: int, data: bytes) -> bytes:
    """A record of etcd's log: its length, with that of its padding, and a message."""
    text = _number(1, kind) + _number(2, 1) + bytes([0x1A, len(data)]) + data
    padding = -len(text) % 8
    length = len(text) | ((0x80 | padding) << 56 if padding else 0)
    return length.to_bytes(8, "little") + text + bytes(padding)


def _number(field: int, value: int) -> bytes:
    text = bytes([field << 3])
    while value >= 0x80:
        text, value = text + bytes([value & 0x7F | 0x80]), value >> 7
    return text + bytes([value])


@pytest.fixture
def plane(tmp_path: Path) -> Planes:
    """A control plane with a blank disk."""
    machine = bare_machine(tmp_path)
    commands = {
        "blkid": _BLKID,
        "kubeadm": _KUBEADM,
        "mkfs.ext4": _MKFS,
        "mount": _MOUNT,
        "blockdev": '#!/bin/bash\nwc -c < "${@: -1}"\n',
        "resize2fs": _RESIZE2FS,
    }
    for name, text in commands.items():
        program = tmp_path / "commands" / name
        program.write_text(text, encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    machine.path("/proc/mounts").touch()
    device = machine.path(f"/dev/disk/by-id/virtio-{ETCD_DISK}")
    device.parent.mkdir(parents=True)
    device.write_bytes(bytes(2 * MIB))
    plane = Planes(machine=machine, device=device)
    plane.files.mkdir()
    plane.holds(2)
    return plane


def one() -> ClusterPlan:
    document = small()
    document["nodePools"]["masters"]["etcdDisk"] = {}
    return planned(document)


def three() -> ClusterPlan:
    document = three_control_planes()
    document["nodePools"]["masters"]["etcdDisk"] = {}
    return planned(document)


def test_a_blank_disk_is_formatted_and_mounted_before_the_cluster_is_made(plane: Planes) -> None:
    done = plane.run(one(), created=True)
    assert (done.returncode, done.stderr) == (0, "")
    names = [call.split()[0] for call in plane.machine.calls]
    assert names.index("mkfs.ext4") < names.index("mount") < names.index("kubeadm")
    assert plane.calls("kubeadm") == [
        "kubeadm init --config /etc/spiderpool-alicloud/kubeadm.yaml --skip-token-print"
    ]
    assert (plane.files / "owner").read_text("utf-8").startswith("masters-0 ")
    assert (plane.files / "complete").exists()
    assert "systemctl enable spiderpool-alicloud-etcd-disk" in plane.machine.calls


def test_a_disk_of_the_nvme_kind_is_found_by_its_serial_number(plane: Planes) -> None:
    name = f"nvme-Alibaba_Cloud_Elastic_Block_Storage_{ETCD_DISK}"
    plane.device.rename(plane.device.with_name(name))
    assert plane.run(one(), created=True).returncode == 0
    assert plane.calls("mkfs.ext4") == [f"{FORMAT}/dev/disk/by-id/{name}"]


@pytest.mark.parametrize("kind", [0, 8], ids=["file system", "ambivalent"])
def test_a_disk_with_something_on_it_is_never_formatted(plane: Planes, kind: int) -> None:
    plane.holds(kind)
    (plane.files / "theirs").touch()
    done = plane.run(one(), created=True)
    assert done.returncode != 0
    assert "It stays as it is" in " ".join(done.stderr.split())
    assert not plane.calls("mkfs.ext4")
    assert not plane.calls("kubeadm")


def test_a_disk_that_blkid_cannot_read_is_not_blank(plane: Planes) -> None:
    plane.device.write_bytes(b"")
    assert plane.run(one(), created=True).returncode != 0
    assert not plane.calls("mkfs.ext4")


def test_bytes_that_blkid_does_not_know_are_not_blank(plane: Planes) -> None:
    plane.device.write_bytes(bytes(MIB - 1) + b"x" + bytes(MIB))
    assert plane.run(one(), created=True).returncode != 0
    assert not plane.calls("mkfs.ext4")


def test_a_format_that_was_cut_off_is_done_again(plane: Planes) -> None:
    assert plane.run(one(), created=True, failing="mkfs.ext4").returncode != 0
    plane.device.write_bytes(b"half a file system" + bytes(MIB))
    plane.holds(8)
    assert plane.run(one()).returncode == 0
    assert len(plane.calls("mkfs.ext4")) == 2


def test_a_disk_that_does_not_come_stops_the_boot_with_the_reason(plane: Planes) -> None:
    plane.device.unlink()
    done = plane.run(one(), created=True)
    assert done.returncode != 0
    assert f"etcd's disk (d-{ETCD_DISK}) is not attached" in done.stderr
    assert "FAILED at: mount etcd's disk" in done.stderr
    assert not plane.calls("kubeadm")


def test_the_only_control_plane_starts_the_cluster_that_is_on_its_disk(plane: Planes) -> None:
    plane.has_data_of(77)
    done = plane.run(one(), NODE_SAYS="cn-hangzhou.i-old none cn-hangzhou.i-bp1a")
    assert (done.returncode, done.stderr) == (0, "")
    assert not plane.calls("mkfs.ext4")
    init, mark = plane.calls("kubeadm")
    assert "--ignore-preflight-errors=DirAvailable--var-lib-etcd" in init
    assert init.endswith("--skip-phases=upload-config/kubeadm --skip-phases=addon")
    assert mark.startswith("kubeadm init phase mark-control-plane --config ")


def test_the_only_control_plane_takes_the_node_of_the_machine_before(plane: Planes) -> None:
    plane.has_data_of(77)
    plane.run(one(), NODE_SAYS="cn-hangzhou.i-old none none cn-hangzhou.i-bp1a")
    calls = plane.machine.calls
    (delete,) = (call for call in calls if " delete node masters-0 " in call)
    assert "--kubeconfig /etc/kubernetes/admin.conf" in delete
    (mark,) = plane.calls("kubeadm init phase")
    order = [calls.index(delete), calls.index("systemctl restart kubelet"), calls.index(mark)]
    assert order == sorted(order)


def test_the_only_control_plane_has_the_keys_of_the_data_not_those_of_old_user_data(
    plane: Planes,
) -> None:
    plane.has_data_of(77)
    (plane.files / "encryption").write_text("key2 key1\n", encoding="utf-8")
    assert plane.run(one()).returncode == 0
    keys = plane.machine.path("/etc/spiderpool-alicloud/encryption").read_text("utf-8")
    assert keys == "key2 key1\n"


OLD_CLUSTER = """\
apiServer: {}
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.31.0
"""


def test_a_disk_has_the_clusters_own_configuration(plane: Planes) -> None:
    assert plane.run(one(), created=True, CLUSTER=OLD_CLUSTER).returncode == 0
    assert (plane.files / "cluster.yaml").read_text("utf-8") == OLD_CLUSTER


def test_the_only_control_plane_starts_the_cluster_with_its_own_settings(plane: Planes) -> None:
    plane.has_data_of(77)
    (plane.files / "cluster.yaml").write_text(OLD_CLUSTER, encoding="utf-8")
    assert plane.run(one()).returncode == 0
    text = plane.machine.path(f"/dev/disk/by-id/virtio-{ETCD_DISK}.kubeadm").read_text("utf-8")
    documents = {document["kind"]: document for document in yaml.safe_load_all(text)}
    assert {"InitConfiguration", "KubeletConfiguration"} <= documents.keys()
    assert documents["ClusterConfiguration"] == {
        **yaml.safe_load(OLD_CLUSTER),
        "kubernetesVersion": f"v{one().kubernetes.version}",
    }


def test_without_a_copy_of_its_configuration_the_cluster_gets_that_of_the_user_data(
    plane: Planes,
) -> None:
    plane.has_data_of(77)
    assert plane.run(one()).returncode == 0
    text = plane.machine.path(f"/dev/disk/by-id/virtio-{ETCD_DISK}.kubeadm").read_text("utf-8")
    assert "encryption-provider-config" in text


def test_the_names_of_the_keys_are_on_the_disk(plane: Planes) -> None:
    assert plane.run(one(), created=True).returncode == 0
    keys = plane.machine.path("/etc/spiderpool-alicloud/encryption").read_text("utf-8")
    assert (plane.files / "encryption").read_text("utf-8") == keys


def test_a_later_boot_does_not_take_a_disk_that_has_lost_its_owner(plane: Planes) -> None:
    assert plane.run(one(), created=True).returncode == 0
    (plane.files / "owner").unlink()
    done = plane.boot_again()
    assert done.returncode != 0
    assert "etcd's disk has lost its file `owner`" in done.stderr


def test_a_cluster_whose_first_boot_did_not_end_gets_every_phase(plane: Planes) -> None:
    plane.has_data_of(77, complete=False)
    assert plane.run(one()).returncode == 0
    assert "--skip-phases" not in plane.calls("kubeadm init --config")[0]
    assert (plane.files / "complete").exists()


def test_without_data_the_only_control_plane_makes_no_second_cluster(plane: Planes) -> None:
    done = plane.run(one())
    assert done.returncode == 1
    assert "this machine may not make a new cluster" in done.stderr
    assert not plane.calls("kubeadm")


def test_the_disk_of_another_node_is_neither_used_nor_emptied(plane: Planes) -> None:
    plane.has_data_of(77, node="masters-9")
    done = plane.run(one())
    assert done.returncode != 0
    assert "etcd's disk belongs to masters-9" in done.stderr
    assert not plane.calls("mkfs.ext4")
    assert not plane.calls("kubeadm")


def test_the_disk_of_a_cluster_with_other_keys_is_not_used(plane: Planes) -> None:
    plane.has_data_of(77)
    (plane.files / "owner").write_text("masters-0 0123\n", encoding="utf-8")
    done = plane.run(one())
    assert done.returncode != 0
    assert "of a cluster with other keys" in done.stderr


def test_a_member_that_the_others_know_is_that_member_again(plane: Planes) -> None:
    plane.has_data_of(77)
    done = plane.run(three(), ready=PEER, MEMBERS=MEMBERS)
    assert done.returncode == 0
    assert "is etcd member 77 again" in done.stdout
    assert not [c for c in plane.machine.calls if c.endswith("member/remove")]
    assert [c for c in plane.machine.calls if " delete node masters-0 " in c]
    (join,) = plane.calls("kubeadm join")
    assert join.endswith(
        "--ignore-preflight-errors=DirAvailable--var-lib-etcd --skip-phases=check-etcd"
    )


@pytest.mark.parametrize("member", [78, 1 << 63 | 78], ids=["small", "large"])
def test_a_member_that_the_others_do_not_know_joins_as_a_new_one(
    plane: Planes, member: int
) -> None:
    plane.has_data_of(member)
    done = plane.run(three(), ready=PEER, MEMBERS=MEMBERS)
    assert done.returncode == 0
    assert "removes etcd member 77" in done.stdout
    assert not (plane.files / "data/member").exists()
    assert (plane.files / "data.old/member/wal").is_dir()
    (join,) = plane.calls("kubeadm join")
    assert join.endswith("kubeadm.yaml")


def test_a_large_member_id_is_read_as_the_unsigned_number_that_etcd_shows(plane: Planes) -> None:
    member = 1 << 63 | 78
    plane.has_data_of(member)
    members = MEMBERS.replace('"77"', f'"{member}"')
    done = plane.run(three(), ready=PEER, MEMBERS=members)
    assert f"is etcd member {member} again" in done.stdout


def test_a_learner_that_was_lost_joins_as_a_new_member(plane: Planes) -> None:
    plane.has_data_of(77)
    members = MEMBERS.replace('"name":"masters-0"', '"isLearner":true,"name":"masters-0"')
    done = plane.run(three(), ready=PEER, MEMBERS=members)
    assert "removes etcd member 77 (learner" in done.stdout
    assert (plane.files / "data.old/member").is_dir()


def test_a_later_boot_mounts_the_disk_and_formats_nothing(plane: Planes) -> None:
    plane.run(one(), created=True)
    (plane.machine.path("/calls")).unlink()
    assert plane.boot_again().returncode == 0
    assert [call.split()[0] for call in plane.machine.calls] == ["mount", "resize2fs", "mount"]


def grow(plane: Planes, **more: str) -> list[str]:
    """What the node's own unit calls every few seconds; returns the calls of resize2fs."""
    plane.machine.path("/calls").unlink(missing_ok=True)
    done = subprocess.run(  # noqa: S603 - our own program
        [plane.machine.path("/etc/spiderpool-alicloud/etcd-disk.sh"), "is-there"],
        env={**plane.machine.env, "FAILING": "", **more},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return plane.calls("resize2fs") if plane.machine.path("/calls").exists() else []


def test_the_file_system_grows_with_the_disk_while_the_machine_runs(plane: Planes) -> None:
    plane.run(one(), created=True)
    assert grow(plane) == []
    plane.device.write_bytes(bytes(4 * MIB))
    assert len(grow(plane, FAILING="resize2fs")) == 1
    assert grow(plane) == [f"resize2fs /dev/disk/by-id/virtio-{ETCD_DISK}"]
    assert grow(plane) == []


def parts(*texts: bytes, digest: bytes | None = None) -> str:
    """What etcd's gateway answers: a line for each part, and the digest of all as the last one."""
    own = hashlib.sha256(b"".join(texts)).digest() if digest is None else digest
    lines = [{"result": {"blob": base64.b64encode(text).decode()}} for text in (*texts, own)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def back_up(plane: Planes, answer: str) -> subprocess.CompletedProcess[str]:
    plane.run(one(), created=True)
    (plane.machine.root / "answer").write_text(answer, encoding="utf-8")
    curl = plane.machine.root / "commands" / "curl"
    curl.write_text(f"#!/bin/bash\ncat {plane.machine.root}/answer\n", encoding="utf-8")
    return subprocess.run(  # noqa: S603 - our own program
        [plane.machine.path("/etc/spiderpool-alicloud/etcd-disk.sh"), "back-up"],
        env=plane.machine.env,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_snapshot_of_etcd_is_written_next_to_its_data(plane: Planes) -> None:
    texts = (b"first" * 100, b"x", b"last part")
    assert back_up(plane, parts(*texts)).returncode == 0
    folder = plane.files / "backup"
    whole = b"".join(texts)
    assert (folder / "snapshot.db").read_bytes() == whole + hashlib.sha256(whole).digest()
    assert [path.name for path in folder.iterdir()] == ["snapshot.db"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_snapshot_that_is_not_whole_replaces_none(plane: Planes) -> None:
    done = back_up(plane, parts(b"half", digest=bytes(32)))
    assert done.returncode != 0
    assert "the snapshot is not whole" in done.stderr
    assert not (plane.files / "backup/snapshot.db").exists()
