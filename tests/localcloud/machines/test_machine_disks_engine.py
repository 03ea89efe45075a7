"""Data disks in a machine: devices, file systems, what persists, hot attachment, snapshots."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.machines import fake_cloud
from tests.localcloud.machines.fake_cloud import FakeCloud, Supervisor, until
from tests.localcloud.machines.test_machines_engine import TOOLS, nics

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
MIB = 1 << 20


@dataclass
class Bed:
    """A cloud whose machines do nothing by themselves."""

    home: Path
    cloud: FakeCloud
    supervisor: Supervisor
    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    disks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def disk(self, name: str, snapshot: str = "", size: int = 1) -> str:
        self.disks[name] = {"id": f"d-{name}", "name": name, "size": size, "snapshot": snapshot}
        return name

    def show(self, machine: str, *disks: str, **fields: object) -> None:
        """Have a machine with these disks, which its process has noticed."""
        if machine not in self.instances:
            number = len(self.instances) + 1
            self.instances[machine] = fake_cloud.instance(machine, nics(number), "")
        one = self.instances[machine] | fields
        one |= {"data_disks": [self.disks[name] for name in disks]}
        self.instances[machine] = one
        self.cloud.disks = list(self.disks.values())
        self.cloud.change(one)
        if one["status"] == "Running":
            links = {f"virtio-{name}" for name in disks}
            until(f"{machine} with {disks}", 60, lambda: self._links(machine) == links)

    def _links(self, machine: str) -> set[str]:
        return set(self.run(machine, "ls /dev/disk/by-id 2> /dev/null || true").split())

    def run(self, machine: str, script: str) -> str:
        """What a script prints, with its errors; it must succeed."""
        command = [sys.executable, "-m", "localcloud.machines.session", "--home", str(self.home)]
        done = subprocess.run(  # noqa: S603  (our own module)
            [*command, f"i-{machine}", "--", "sh", "-ec", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def snapshot(self, name: str, disk: str) -> None:
        self.cloud.snapshots = [*self.cloud.snapshots, {"id": name, "disk": f"d-{disk}"}]
        self.cloud.change()
        until(name, 30, (self.home / "machines" / "snapshots" / name).exists)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    home = tmp_path_factory.mktemp("disks")
    cloud = FakeCloud(home)
    supervisor = Supervisor(home, TOOLS)
    yield Bed(home, cloud, supervisor)
    supervisor.end()
    cloud.close()


def test_a_new_disk_is_blank_until_it_is_formatted(bed: Bed) -> None:
    bed.disk("blank")
    bed.show("first", "blank")
    device = "/dev/disk/by-id/virtio-blank"
    printed = bed.run(
        "first",
        f"readlink -f {device}; stat -Lc %s {device}; blkid --probe {device} || echo $?;"
        f"head -c {MIB} {device} | tr -d '\\0' | wc -c; mkdir -p /data /bound;"
        f"mount {device} /data || echo $?",
    ).splitlines()
    assert printed[:4] == ["/dev/vdb", str(1024 * MIB), "2", "0"]
    assert "wrong fs type" in printed[4]
    assert printed[5] == "32"
    printed = bed.run(
        "first",
        f"mkfs.ext4 -q -F -L etcd {device}; blkid --probe -o value -s LABEL -s TYPE {device};"
        f"mount -o noatime {device} /data; grep -c ' /data ' /proc/mounts; ls /data;"
        f"mount {device} /data || echo $?; mkfs.ext4 -q -F {device} || echo $?",
    ).splitlines()
    assert printed[:4] == ["etcd", "ext4", "1", "lost+found"]
    assert "already mounted on /data" in printed[4]
    assert "will not make a filesystem here" in printed[6]
    assert [printed[5], printed[7]] == ["32", "1"]


def test_the_files_follow_the_disk_to_another_machine(bed: Bed) -> None:
    """After the test before, whose disk is mounted."""
    bed.run("first", "mkdir /data/sub; mount --bind /data/sub /bound; echo kept > /bound/file")
    bed.show("first")
    assert bed.run("first", "ls /data /bound; ls /dev/vd* || true").split()[:2] == [
        "/bound:",
        "/data:",
    ]
    bed.show("second", "blank")
    read = "mkdir -p /data; mount /dev/disk/by-id/virtio-blank /data; cat /data/sub/file"
    assert bed.run("second", read) == "kept\n"
    bed.show("second", "blank", status="Stopped")
    bed.show("second", "blank", status="Running", boot=2)
    assert bed.run("second", read) == "kept\n"
    bed.cloud.change(gone=("i-second",))
    bed.show("first", "blank")
    assert bed.run("first", "mount /dev/vdb /data; cat /data/sub/file; umount /data") == "kept\n"


def test_a_mount_of_no_disk_is_refused_or_the_real_one(bed: Bed) -> None:
    printed = bed.run(
        "first",
        "for device in /dev/vdz /dev/disk/by-id/virtio-none; do mount $device /mnt || true; done;"
        "mount /dev/vdb /none || true; mkdir -p /x; mount --bind /x /srv; mount -t tmpfs none /mnt",
    )
    assert printed.count("does not exist") == 3


def test_a_disk_from_a_snapshot_has_what_was_there_then(bed: Bed) -> None:
    bed.run("first", "mount /dev/vdb /data; echo 1 > /data/file")
    bed.snapshot("s-1", "blank")
    bed.run("first", "echo 2 > /data/file")
    bed.disk("copy", snapshot="s-1")
    bed.show("first", "blank", "copy")
    read = "mkdir /copy; mount /dev/vdc /copy; cat /data/file /copy/file"
    assert bed.run("first", f"{read}; blkid -p -o value -s LABEL /dev/vdc").split() == [
        "2",
        "1",
        "etcd",
    ]


def test_a_disk_grows_in_a_running_machine_and_can_be_emptied(bed: Bed) -> None:
    bed.disk("copy", snapshot="s-1", size=2)
    bed.show("first", "blank", "copy")
    grown = str(2048 * MIB)
    until("2 GiB", 30, lambda: bed.run("first", "stat -c %s /dev/vdc").strip() == grown)
    assert bed.run("first", "blockdev --getsize64 /dev/vdc").strip() == grown
    assert "now 524288 (4k) blocks" in bed.run("first", "resize2fs /dev/vdc 2>&1")
    emptied = "blkdiscard /dev/vdc || blkdiscard --force /dev/vdc; blkid -p /dev/vdc || echo $?"
    assert bed.run("first", emptied).split()[-1] == "2"


def test_a_deleted_disk_leaves_nothing(bed: Bed) -> None:
    folder = bed.home / "machines" / "disks" / "d-copy"
    assert folder.is_dir()
    del bed.disks["copy"]
    bed.show("first", "blank")
    until("no folder", 30, lambda: not folder.exists())
