"""Which services a machine starts together, and which it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.machines.guest.systemd import services, units
from localcloud.machines.guest.systemd.services import Services

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of units; what services print goes below it, too."""
    monkeypatch.setattr(units, "UNIT_FOLDERS", (tmp_path, tmp_path / "none"))
    monkeypatch.setattr(services, "_LOGS", tmp_path / "logs")
    return tmp_path


def write(folder: Path, name: str, command: str, unit: str = "", drop_in: str = "") -> None:
    text = f"[Unit]\n{unit}\n[Service]\nType=oneshot\nExecStart=/bin/sh -c '{command}'\n"
    (folder / f"{name}.service").write_text(text)
    if drop_in:
        (folder / f"{name}.service.d").mkdir()
        (folder / f"{name}.service.d" / "10-more.conf").write_text(f"[Unit]\n{drop_in}\n")


def test_a_service_starts_after_the_one_that_its_drop_in_requires(folder: Path) -> None:
    write(folder, "disk", f"echo disk >> {folder}/order")
    write(folder, "kubelet", f"echo kubelet >> {folder}/order", drop_in="Requires=disk.service")
    machine = Services()
    assert machine.systemctl(["start", "kubelet"]).code == 0
    assert machine.systemctl(["restart", "kubelet"]).code == 0
    assert (folder / "order").read_text().split() == ["disk", "kubelet", "kubelet"]


def test_a_service_does_not_start_when_a_required_one_fails(folder: Path) -> None:
    write(folder, "disk", "exit 1")
    write(folder, "kubelet", f"touch {folder}/started", unit="Requires=disk.service")
    reply = Services().systemctl(["start", "kubelet"])
    assert reply.code == 1
    assert "dependency job for kubelet.service failed" in reply.text
    assert not (folder / "started").exists()


def test_a_service_does_not_start_without_the_file_of_a_required_one(folder: Path) -> None:
    write(folder, "kubelet", "exit 0", unit="Requires=disk.service")
    assert Services().systemctl(["start", "kubelet"]).code == 1


@pytest.mark.parametrize(("condition", "runs"), [("", False), ("!", True)])
def test_a_service_whose_condition_is_not_met_is_skipped(
    folder: Path, condition: str, *, runs: bool
) -> None:
    condition = f"ConditionPathExists={condition}{folder}/ready"
    write(folder, "disk", f"touch {folder}/started", unit=condition)
    write(folder, "kubelet", "exit 0", unit="Requires=disk.service")
    machine = Services()
    assert machine.systemctl(["start", "kubelet"]).code == 0
    assert (folder / "started").exists() is runs
    assert machine.systemctl(["is-active", "disk"]).text == ("active" if runs else "inactive")
