"""What data disks contain, as files on the host."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud.machines import freezing
from localcloud.machines.control import DataDisk
from localcloud.machines.data_disks import DataDisks

pytestmark = pytest.mark.unit
GIBIBYTE = 1 << 30


def disk(name: str, *, size: int = 20, snapshot: str = "", content: str = "") -> DataDisk:
    return DataDisk(id=f"d-{name}", name=name, size=size, snapshot=snapshot, content=content)


@contextlib.contextmanager
def running(_: str) -> Iterator[None]:
    yield


def written(folder: Path) -> str:
    return (folder / "files" / "text").read_text("ascii")


def test_a_new_disk_is_blank_and_takes_no_room(tmp_path: Path) -> None:
    folder = DataDisks(tmp_path).prepare(disk("a"))
    device = folder / "device"
    assert device.stat().st_size == 20 * GIBIBYTE
    assert device.stat().st_blocks == 0
    assert list((folder / "files").iterdir()) == []


def test_a_disk_grows_and_never_shrinks(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    sizes = [
        (disks.prepare(disk("a", size=size)) / "device").stat().st_size // GIBIBYTE
        for size in (20, 30, 10)
    ]
    assert sizes == [20, 30, 30]


def test_the_largest_disk_of_the_cloud_fits_the_host(tmp_path: Path) -> None:
    assert (DataDisks(tmp_path).prepare(disk("a", size=65536)) / "device").exists()


def test_a_prepared_disk_keeps_its_files(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    (disks.prepare(disk("a")) / "files" / "text").write_text("kept")
    assert written(disks.prepare(disk("a", size=30))) == "kept"


def test_a_disk_from_a_snapshot_has_its_content(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    source = disks.prepare(disk("a"))
    (source / "files" / "text").write_text("then")
    disks.follow([disk("a")], [("s-1", "d-a")], running)
    (source / "files" / "text").write_text("now")
    disks.follow([disk("a"), disk("b", snapshot="s-1")], [("s-1", "d-a")], running)
    assert written(tmp_path / "disks" / "d-b") == "then"
    assert written(source) == "now"
    # It was created before anybody attached it, so the snapshot may go.
    disks.follow([disk("b", snapshot="s-1")], [], running)
    assert written(disks.prepare(disk("b", snapshot="s-1"))) == "then"
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["d-b"]


def test_a_disk_that_is_reset_has_the_content_of_its_snapshot_again(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    folder = disks.prepare(disk("a"))
    (folder / "files" / "text").write_text("then")
    disks.follow([disk("a")], [("s-1", "d-a")], running)
    (folder / "files" / "text").write_text("now")
    reset = disk("a", snapshot="s-1", content="reset once")
    for _ in range(2):
        disks.follow([reset], [("s-1", "d-a")], running)
        assert written(folder) == "then"
        (folder / "files" / "text").write_text("then")


def test_an_older_state_of_the_cloud_does_not_undo_a_reset(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    folder = disks.prepare(disk("a"))
    (folder / "files" / "text").write_text("then")
    disks.follow([disk("a")], [("s-1", "d-a")], running)
    disks.follow([disk("a", snapshot="s-1", content="reset once")], [("s-1", "d-a")], running)
    assert written(disks.prepare(disk("a"))) == "then"


def test_a_disk_that_is_being_created_is_left_alone(tmp_path: Path) -> None:
    for name in ("d-a.new", "d-b.new"):
        (tmp_path / "disks" / name).mkdir(parents=True)
    DataDisks(tmp_path).follow([disk("a")], [], running)
    assert [path.name for path in tmp_path.glob("*/*")] == ["d-a.new"]


def test_a_disk_and_its_snapshots_go_one_by_one(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    disks.prepare(disk("a"))
    disks.follow([], [("s-1", "d-a"), ("s-2", "d-a")], running)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["s-1", "s-2"]
    disks.follow([], [("s-2", "d-a")], running)
    assert [path.name for path in tmp_path.glob("*/*")] == ["s-2"]


def test_a_snapshot_of_a_disk_that_nobody_has_seen_is_blank(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    disks.follow([disk("a")], [("s-1", "d-a")], running)
    folder = disks.prepare(disk("b", snapshot="s-1"))
    assert (folder / "device").stat().st_size == 20 * GIBIBYTE


def test_a_snapshot_is_copied_while_nothing_writes(tmp_path: Path) -> None:
    disks = DataDisks(tmp_path)
    folder = disks.prepare(disk("a"))

    @contextlib.contextmanager
    def frozen(disk_id: str) -> Iterator[None]:
        (folder / "files" / "text").write_text(f"{disk_id} is frozen")
        yield
        (folder / "files" / "text").write_text("goes on")

    disks.follow([disk("a")], [("s-1", "d-a")], frozen)
    assert written(tmp_path / "snapshots" / "s-1") == "d-a is frozen"


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_processes_of_a_machine_stop_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state(pid: int) -> str:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]

    command = ("/bin/sh", "-c", "sleep 60 & echo $!; wait")
    first = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  (ours)
    try:
        assert first.stdout is not None
        child = int(first.stdout.readline())
        monkeypatch.setattr(freezing, "first_process", lambda *_: first.pid)
        with freezing.frozen(tmp_path):
            _until(lambda: state(child) == "T")
            assert state(first.pid) != "T"
        _until(lambda: state(child) != "T")
    finally:
        for pid in (child, first.pid):
            os.kill(pid, signal.SIGKILL)
        first.wait()


def test_a_machine_that_is_off_has_nothing_to_stop(tmp_path: Path) -> None:
    with freezing.frozen(tmp_path):
        pass
