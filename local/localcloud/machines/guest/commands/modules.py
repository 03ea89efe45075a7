"""modprobe and lsmod: names that the image's kernel has; nothing is loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.lines import complain, say

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOADED: Final = Path("/run/machine/modules")
_MODULES: Final = re.compile(
    r"(overlay|br_netfilter|bridge|ipvlan|macvlan|veth|8021q|dummy|tun|nf_.*|nft_.*|xt_.*|ip_vs.*|"
    r"ip_tables|ip6_tables|iptable_.*|ip6table_.*|ip_set.*|nfnetlink.*|sch_.*|cls_.*|act_.*)"
)


def modprobe(words: Sequence[str]) -> int:
    """Record a module as loaded; refuse one that the kernel does not have, as modprobe does."""
    names = [word for word in words if not word.startswith("-")]
    if not {"-a", "--all"} & set(words):
        names = names[:1]
    present = loaded()
    for name in names:
        plain = name.replace("-", "_")
        if not _MODULES.fullmatch(plain):
            complain(
                f"modprobe: FATAL: Module {name} not found in directory /lib/modules/6.8.0-generic"
            )
            return 1
        present.add(plain)
    _LOADED.parent.mkdir(parents=True, exist_ok=True)
    _LOADED.write_text("".join(f"{name}\n" for name in sorted(present)), encoding="ascii")
    return 0


def lsmod(_: Sequence[str]) -> int:
    """List the recorded modules."""
    say("Module                  Size  Used by")
    for name in sorted(loaded()):
        say(f"{name:<22} 16384  0")
    return 0


def load_configured() -> None:
    """Load the configured modules at boot, as systemd-modules-load does."""
    for path in sorted(Path("/etc/modules-load.d").glob("*.conf")):
        for line in path.read_text("utf-8").splitlines():
            if line.strip() and line.strip()[0] not in "#;":
                modprobe([line.strip()])


def loaded() -> set[str]:
    """Return the names recorded since boot."""
    return set(_LOADED.read_text("ascii").split()) if _LOADED.exists() else set()
