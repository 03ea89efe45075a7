"""cloud-init's stages on a machine, from its user-data.

The only difference from cloud-init: a first boot that was interrupted runs its commands again.
"""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Final

import yaml

from localcloud.machines.guest.cloud_init.cloudconfig import (
    CloudConfig,
    UserDataError,
    WrittenFile,
    decode,
    parse,
)
from localcloud.machines.guest.lines import run, say

_STATE: Final = Path("/var/lib/cloud/instance")
_FOLDERS: Final = Path("/var/lib/cloud/instances")
_RUN: Final = Path("/run/cloud-init")
_RESULT: Final = _RUN / "result.json"
_LOG: Final = Path("/var/log/cloud-init-output.log")
_DONE: Final = _STATE / "boot-finished"
_FILES_DONE: Final = _STATE / "sem/config_write_files"
_DISABLED: Final = Path("/etc/cloud/cloud.cfg.d")


def first_boot() -> bool:
    """Whether the parts that run once for each instance have not run yet."""
    return not _DONE.exists()


def network_file(primary_name: str, primary_mac: str) -> None:
    """Write the datasource's netplan file: DHCP on the primary NIC, unless that is disabled."""
    for path in _DISABLED.glob("*.cfg"):
        document = yaml.safe_load(path.read_text("utf-8")) or {}
        if (document.get("network") or {}).get("config") == "disabled":
            return
    definition = {
        "match": {"macaddress": primary_mac},
        "dhcp4": True,
        "set-name": primary_name,
    }
    path = Path("/etc/netplan/50-cloud-init.yaml")
    path.touch(mode=0o600)
    path.write_text(
        yaml.safe_dump({"network": {"version": 2, "ethernets": {primary_name: definition}}}),
        encoding="utf-8",
    )


def read(user_data: str, instance_id: str) -> CloudConfig:
    """Parse the user-data. Invalid user-data is reported on the console and read as empty.

    cloud-init keeps it at every boot, in several files (Init.update in stages.py, Paths in
    helpers.py of canonical/cloud-init).
    """
    _RESULT.unlink(missing_ok=True)
    _link(instance_id)
    if not user_data:
        say("cloud-init: no user-data")
        return CloudConfig()
    try:
        raw = decode(user_data)
        for kept in (*(_STATE / name for name in _KEPT), _RUN / "combined-cloud-config.json"):
            kept.touch(mode=0o600)
            kept.write_bytes(raw)
        config = parse(raw)
    except UserDataError as error:
        say(f"cloud-init: [WARNING]: {error}")
        return CloudConfig()
    if config.ignored_keys:
        say(f"cloud-init: keys this machine does not act on: {', '.join(config.ignored_keys)}")
    return config


_KEPT: Final = ("user-data.txt", "user-data.txt.i", "cloud-config.txt", "obj.pkl")


def _link(instance_id: str) -> None:
    folder = _FOLDERS / instance_id
    _RUN.mkdir(parents=True, exist_ok=True)
    if not _STATE.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _STATE.symlink_to(folder)


def init_stage(config: CloudConfig) -> None:
    """Run bootcmd (at every boot) and write_files (once)."""
    if config.boot_script and (code := _run_script("bootcmd", config.boot_script)):
        say(f"cloud-init: [WARNING]: Failed to run bootcmd: exit code {code}")
    if _FILES_DONE.exists():
        return
    for file in config.files:
        try:
            _write(file)
        except (OSError, KeyError) as error:
            say(f"cloud-init: [WARNING]: write_files {file.path}: {error}")
    _FILES_DONE.parent.mkdir(parents=True, exist_ok=True)
    _FILES_DONE.touch()


def final_stage(config: CloudConfig) -> None:
    """Run runcmd (once), and report that this boot is done."""
    if first_boot():
        _run_commands(config)
    _RESULT.write_text('{"v1": {"errors": []}}\n', encoding="utf-8")


def _run_commands(config: CloudConfig) -> None:
    code = _run_script("runcmd", config.run_script) if config.run_script else 0
    if code:
        say(f"cloud-init: [WARNING]: Failed to run module scripts_user: exit code {code}")
    _DONE.touch()
    say(f"cloud-init: finished {'with errors' if code else 'well'}")


def _run_script(name: str, text: str) -> int:
    path = _STATE / "scripts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o700)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return run([str(path)], _LOG)


def _write(file: WrittenFile) -> None:
    path = Path(file.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file gets its permissions only once its content is complete.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab" if file.append else "wb") as target:
        if not file.append:
            target.truncate(0)
        target.write(file.content)
    path.chmod(file.mode)
    user, _, group = file.owner.partition(":")
    if (user, group or user) != ("root", "root"):
        os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group or user).gr_gid)
