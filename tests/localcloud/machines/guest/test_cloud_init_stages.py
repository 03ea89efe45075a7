"""What a machine runs at its first boot, and what at the next one, if its power fails meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.machines.guest.cloud_init import cloudinit
from localcloud.machines.guest.cloud_init.cloudconfig import CloudConfig, parse

pytestmark = pytest.mark.unit


class PowerCutError(Exception):
    """The machine loses its power."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    """One command, on a machine whose folders are in a temporary one."""
    state = tmp_path / "instance"
    (state / "sem").mkdir(parents=True)
    for name, path in {
        "_STATE": state,
        "_DONE": state / "boot-finished",
        "_FILES_DONE": state / "sem/config_write_files",
        "_COMMANDS_BEGUN": state / "sem/config_scripts_user",
        "_RESULT": tmp_path / "result.json",
        "_LOG": tmp_path / "log",
        "_PER_BOOT": tmp_path / "per-boot",
    }.items():
        monkeypatch.setattr(cloudinit, name, path)
    script = tmp_path / "per-boot/again"
    script.parent.mkdir()
    script.touch(mode=0o700)
    return parse(b'#cloud-config\n{"runcmd": [["/bootstrap"]]}\n')


def boot(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch, *, power_fails_in: str = ""
) -> list[str]:
    """Names of the scripts that the machine began."""
    begun: list[str] = []

    def run(argv: list[str], _log: Path) -> int:
        begun.append(Path(argv[0]).name)
        if begun[-1] == power_fails_in:
            raise PowerCutError
        return 0

    monkeypatch.setattr(cloudinit, "run", run)
    try:
        cloudinit.init_stage(config)
        cloudinit.final_stage(config)
    except PowerCutError:
        pass
    return begun


def test_commands_run_once_after_the_scripts_of_every_boot(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert boot(config, monkeypatch) == ["again", "runcmd"]
    assert boot(config, monkeypatch) == ["again"]


def test_commands_do_not_run_again_when_the_power_failed_meanwhile(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert boot(config, monkeypatch, power_fails_in="runcmd") == ["again", "runcmd"]
    assert boot(config, monkeypatch) == ["again"]


def test_commands_run_at_the_next_boot_when_they_had_not_begun(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert boot(config, monkeypatch, power_fails_in="again") == ["again"]
    assert boot(config, monkeypatch) == ["again", "runcmd"]
