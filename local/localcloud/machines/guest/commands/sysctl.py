"""sysctl: settings of this network namespace are written; host-wide ones are only noted."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.lines import complain, say

from .modules import loaded

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTES: Final = Path("/run/machine/sysctl.json")
_FAILED: Final = 255
_ONLY_WITH_MODULE: Final = {
    "net.bridge.": "br_netfilter",
    "net.netfilter.": "nf_conntrack",
    "net.nf_conntrack_max": "nf_conntrack",
}
_HOST_WIDE: Final = ("fs.", "kernel.", "vm.", "user.", "net.ipv4.neigh.", "net.ipv6.neigh.")


def sysctl(words: Sequence[str]) -> int:
    """Do --system, -p FILE, -w KEY=VALUE, KEY=VALUE, and reading with or without --values."""
    plain = [word for word in words if not word.startswith("-")]
    quiet = bool({"-q", "--quiet"} & set(words))
    ignore = bool({"-e", "--ignore"} & set(words))
    if "--system" in words:
        # procps reports a bad key of a --system file and still ends with 0.
        _set_all(_lines(_system_files()), quiet=quiet)
        return 0
    if {"-p", "--load"} & set(words):
        files = [Path(name) for name in plain] or [Path("/etc/sysctl.conf")]
        if missing := [path for path in files if not path.exists()]:
            complain(f'sysctl: cannot open "{missing[0]}": No such file or directory')
            return _FAILED
        return _set_all(_lines(files), quiet=quiet, ignore_unknown=ignore)
    if "-w" in words or any("=" in word for word in plain):
        return _set_all(plain, quiet=quiet, ignore_unknown=ignore)
    return _read(plain, bare=bool({"-n", "--values"} & set(words)))


def _system_files() -> list[Path]:
    drop_ins = [path for name in ("/etc", "/run") for path in Path(name, "sysctl.d").glob("*.conf")]
    return [*sorted(drop_ins, key=lambda path: path.name), Path("/etc/sysctl.conf")]


def _lines(files: Sequence[Path]) -> list[str]:
    texts = [path.read_text("utf-8") for path in files if path.exists()]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line and line[0] not in "#;"]


def _set_all(settings: Sequence[str], *, quiet: bool, ignore_unknown: bool = False) -> int:
    code = 0
    for setting in settings:
        left, equals, right = setting.partition("=")
        key, value = left.strip().lstrip("-").replace("/", "."), right.strip()
        if not equals:
            complain(f'sysctl: "{setting}" must be of the form name=value')
            code = _FAILED
            continue
        if problem := _set(key, value):
            if problem.startswith("cannot stat") and ignore_unknown:
                continue
            if not left.startswith("-"):
                complain(f"sysctl: {problem}")
                code = _FAILED
        elif not quiet:
            say(f"{key} = {value}")
    return code


def _set(key: str, value: str) -> str | None:
    """Set the key; return an error message, or None."""
    path = _path(key)
    if key.startswith(_HOST_WIDE) and path.exists():
        # The value is not applied to the host, but a word for a number is refused as by the kernel.
        with contextlib.suppress(OSError):
            if _is_number(path.read_text("ascii").strip()) and not _is_number(value):
                return f'setting key "{key}": Invalid argument'
    if not key.startswith(_HOST_WIDE):
        if path.exists():
            try:
                path.write_text(value, encoding="ascii")
            except PermissionError:
                pass  # Read-only in this namespace: only the host can change it.
            except OSError as error:
                return f'setting key "{key}": {error.strerror}'
        else:
            needed = [mod for start, mod in _ONLY_WITH_MODULE.items() if key.startswith(start)]
            if not set(needed) & loaded():
                return f"cannot stat {path}: No such file or directory"
    _NOTES.parent.mkdir(parents=True, exist_ok=True)
    noted = _noted() | {key: value}
    _NOTES.write_text(json.dumps(noted, indent=1, sort_keys=True), encoding="ascii")
    return None


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _read(keys: Sequence[str], *, bare: bool) -> int:
    noted = _noted()
    for key in keys:
        path = _path(key)
        if key not in noted and not path.exists():
            complain(f"sysctl: cannot stat {path}: No such file or directory")
            return _FAILED
        value = noted.get(key) or path.read_text("ascii").strip()
        say(value if bare else f"{key} = {value}")
    return 0


def _noted() -> dict[str, str]:
    notes: dict[str, str] = json.loads(_NOTES.read_text("ascii")) if _NOTES.exists() else {}
    return notes


def _path(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")
