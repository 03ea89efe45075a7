"""Protection of an NLB from deletion and from changes in the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.nlb.choices import one_of
from localcloud.products.nlb.load_balancer import load_balancers
from localcloud.requests.actions import Answer, Call, action

_STATUSES: Final = ("NonProtection", "ConsoleProtection")


@dataclass(frozen=True, kw_only=True)
class UpdateLoadBalancerProtection:
    """Parameters of UpdateLoadBalancerProtection."""

    load_balancer_id: str
    region_id: str | None = None
    deletion_protection_enabled: bool | None = None
    deletion_protection_reason: str = ""
    modification_protection_status: str | None = None
    modification_protection_reason: str = ""


@action(writes=True)
def update_load_balancer_protection(call: Call, request: UpdateLoadBalancerProtection) -> Answer:
    """Turn the protections on or off at once. A protection that the request leaves out stays."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    changes: dict[str, object] = {}
    if request.deletion_protection_enabled is not None:
        changes |= {
            "deletion_protection": request.deletion_protection_enabled,
            "deletion_protection_reason": request.deletion_protection_reason,
            "deletion_protection_since": call.now,
        }
    status = request.modification_protection_status
    if status is not None:
        changes |= {
            "modification_protection": one_of("ModificationProtectionStatus", status, _STATUSES),
            "modification_protection_reason": request.modification_protection_reason,
            "modification_protection_since": call.now,
        }
    call.store.change(balancer, **changes)
    return {}
