"""netplan apply and generate, done for real on this machine's links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.lines import complain, say
from localcloud.machines.guest.network import leases, links
from localcloud.machines.guest.network.netplan import NetplanError, interpret, merge

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAD_CONFIGURATION: Final = 78


def netplan(words: Sequence[str]) -> int:
    """Apply /etc/netplan to the links, or only check it."""
    verb = next((word for word in words if not word.startswith("-")), "")
    try:
        if verb == "apply":
            for plan in links.apply_netplan(leases.read()):
                say(f"netplan: {plan.name} ({plan.mac}) {' '.join(plan.addresses) or '-'}")
            return 0
        if verb in {"generate", "get"}:
            files = [(path.name, path.read_text("utf-8")) for path in links.NETPLAN.glob("*.yaml")]
            interpret(merge(files), [], [])
            return 0
    except NetplanError as error:
        complain(f"netplan: {error}")
        return _BAD_CONFIGURATION
    complain(f"netplan {verb}: not simulated; apply and generate are")
    return 2
