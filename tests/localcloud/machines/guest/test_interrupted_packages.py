"""A power cut while packages are installed, and what apt-get and dpkg do at the next boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.machines.guest import about, bus
from localcloud.machines.guest.apt import dpkg as state
from localcloud.machines.guest.apt import installed
from localcloud.machines.guest.commands import apt, scripts
from localcloud.machines.guest.commands import dpkg as command
from localcloud.machines.guest.systemd import units

pytestmark = pytest.mark.unit

INSTALL = ("install", "-y", "nftables", "chrony")


class PowerCutError(Exception):
    """The machine loses its power."""


class Machine:
    """A machine's folders in a temporary one; its power fails at a call to systemd if told so."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.power_fails = False
        self.packages = folder / "packages"
        monkeypatch.setattr(state, "_JOURNAL", folder / "updates/0000")
        monkeypatch.setattr(state, "_UNPACKED", folder / "unpacked")
        monkeypatch.setattr(installed, "_FOLDER", self.packages)
        monkeypatch.setattr(units, "UNIT_FOLDERS", (folder / "etc", folder / "units"))
        monkeypatch.setattr(apt, "_PREFERENCES", folder / "preferences")
        monkeypatch.setattr(apt, "_LISTS", folder / "lists")
        monkeypatch.setattr(about, "read", About)
        monkeypatch.setattr(scripts, "write", lambda _name: None)
        monkeypatch.setattr(bus, "ask", self.ask)

    def ask(self, words: list[str]) -> None:
        if self.power_fails:
            raise PowerCutError
        self.asked.append(words)

    @property
    def installed(self) -> list[str]:
        return sorted(path.name for path in self.packages.glob("*"))


class About:
    """What the machine knows about its cloud."""

    kubernetes_versions = ("v1.36.3",)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def interrupted(machine: Machine) -> Machine:
    machine.power_fails = True
    with pytest.raises(PowerCutError):
        apt.apt_get(INSTALL)
    machine.power_fails = False
    return machine


def test_an_installation_that_ends_leaves_nothing_behind(machine: Machine) -> None:
    assert apt.apt_get(INSTALL) == 0
    assert machine.installed == ["chrony", "nftables"]
    assert machine.asked == [["enable", "chrony"], ["start", "chrony"]]
    assert not state.is_interrupted()
    assert apt.apt_get(INSTALL) == 0


def test_after_a_power_cut_apt_get_refuses_in_its_own_words(
    interrupted: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert interrupted.installed == []
    assert apt.apt_get(INSTALL) == 100
    assert "E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a'" in (
        capsys.readouterr().err
    )


def test_dpkg_configures_what_was_unpacked_and_apt_get_goes_on(interrupted: Machine) -> None:
    assert command.dpkg(["--force-confold", "--configure", "-a"]) == 0
    assert interrupted.installed == ["chrony", "nftables"]
    assert interrupted.asked == [["enable", "chrony"], ["start", "chrony"]]
    assert apt.apt_get(INSTALL) == 0


def test_dpkg_without_anything_to_do_does_nothing(machine: Machine) -> None:
    assert command.dpkg(["--configure", "-a"]) == 0
    assert machine.installed == []


def test_other_uses_of_dpkg_are_refused(machine: Machine) -> None:
    assert command.dpkg(["--install", "x.deb"]) == 2
    assert machine.asked == []
