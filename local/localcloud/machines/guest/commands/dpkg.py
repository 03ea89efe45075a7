"""dpkg, as far as it finishes what a power cut has interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.machines.guest import bus
from localcloud.machines.guest.apt import dpkg as state
from localcloud.machines.guest.apt import installed
from localcloud.machines.guest.lines import complain, say

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED = 2


def dpkg(words: Sequence[str]) -> int:
    """`--configure -a`: configure every package that is unpacked, and end the interruption."""
    plain = [word for word in words if not word.startswith("--force-")]
    if plain not in (["--configure", "-a"], ["--configure", "--pending"]):
        complain(f"dpkg: error: no such command (simulated dpkg): {' '.join(words)}")
        return _FAILED
    with state.journal():
        configure_all()
    return 0


def configure_all() -> None:
    """Configure what is unpacked: enable and start its units, as its scripts do."""
    for package in state.unpacked():
        for unit in package.units:
            bus.ask(["enable", unit])
            if unit != "kubelet":
                bus.ask(["start", unit])
        installed.add(package.name, package.version)
        state.remove(package.name)
        say(f"Setting up {package.name} ({package.version}) ... (simulated)")
