"""The time at which the cloud releases a pay-as-you-go instance by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from localcloud.products.ecs import existing
from localcloud.products.ecs.instance.instances import OneInstance
from localcloud.requests.actions import Answer, Call, action, minute
from localcloud.wire.errors import ApiError

_SOONEST: Final = timedelta(minutes=30)
_LATEST: Final = timedelta(days=3 * 366)
"""Three years (page ModifyInstanceAutoReleaseTime)."""


def shown(call: Call, text: str) -> str:
    """A release time as DescribeInstances shows it: without seconds, or empty if there is none.

    "The release time must be at least 30 minutes later than the current time" and "at most three
    years later" (page ModifyInstanceAutoReleaseTime, 2025-12).

    Raises:
        ApiError: InvalidAutoReleaseTime.Malformed.
    """
    if not text:
        return ""
    now = datetime.fromtimestamp(call.now, UTC)
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        time = now
    if not now + _SOONEST <= time <= now + _LATEST:
        raise ApiError(
            "InvalidAutoReleaseTime.Malformed",
            f"AutoReleaseTime {text[:40]!r} must be written as 2030-01-31T12:00:00Z and lie "
            "between 30 minutes and three years from now.",
        )
    return minute(time.timestamp())


def is_over(time: str, now: float) -> bool:
    """Whether a release time, in the form that DescribeInstances shows, has come."""
    return bool(time) and time <= minute(now)


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceAutoReleaseTime(OneInstance):
    """Parameters of ModifyInstanceAutoReleaseTime.

    A request without a time switches the release off.
    """

    auto_release_time: str = ""


@action(writes=True)
def modify_instance_auto_release_time(call: Call, request: ModifyInstanceAutoReleaseTime) -> Answer:
    """Set or remove the release time of an instance."""
    instance = existing.instance(call, request.instance_id, code="NoSuchResource")
    time = shown(call, request.auto_release_time)
    if time and instance.charge_type == "PrePaid":
        raise ApiError(
            "ChargeTypeViolation", "Only a pay-as-you-go instance has an AutoReleaseTime.", 403
        )
    call.store.change(instance, auto_release_time=time)
    return {}
