"""The hostile mode: where the real cloud leaves a choice open, the local one makes a bad one.

Each switch is one function. Without a seed (`Cloud.hostile` is None) each of them returns what
the friendly cloud does. The same seed makes the same choices for the same requests.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from math import gcd
from typing import Final, TypeVar

from localcloud.addressing import RESERVED_AT_END
from localcloud.settings import Cloud
from localcloud.wire.errors import ApiError

T = TypeVar("T")

DELAY_SCALE: Final = 0.1
"""How slow resources are in hostile mode without `--delays`."""

LATEST_TAGS: Final = 10.0
"""The maximum number of seconds until every list shows a change of tags."""

CALLS_A_MINUTE: Final = 200
"""Calls of one action that an account may make in a minute. The real thresholds are shown in the
Quota Center only; this is the example of the page on throttling of the OpenAPI ("200/60 s",
https://help.aliyun.com/en/openapi/throttling-and-quota-management)."""

THROTTLED: Final = frozenset({"Ecs"})
"""Products whose write calls are throttled."""

_BY_REQUESTS: Final = frozenset(
    {
        "AssignIpv6Addresses",
        "AssignPrivateIpAddresses",
        "CreateNetworkInterface",
        "ModifyInstanceChargeType",
        "ModifyInstanceNetworkSpec",
        "ModifyInstanceSpec",
        "ModifyPrepayInstanceSpec",
    }
)
"""Actions of ECS whose error tables list `Throttling` with 400 (API metadata of 2025-12-19). The
page of AssignIpv6Addresses lists no code; Terway repeats it on `Throttling` (89aadf8b,
pkg/aliyun/client/ecs.go)."""


SPREAD_SECONDS: Final = 10.0
"""How long a change of RAM may take, at the real pace, to reach the other services. No page of
Alibaba Cloud states a bound. The provider 1.285.0 does not repeat RunInstances or
AttachInstanceRamRole for a role that ECS does not see yet, so a longer time would fail runs."""

ENTRY_SECONDS: Final = 0.3
"""How long, at the real pace, an access control list of CLB takes no change of its entries after
another one. No page has a bound; the provider 1.285.0 repeats both actions on AclEntryProcessing
(resource_alicloud_slb_acl_entry_attachment.go)."""

SLOWEST: Final = 4.0
"""By how much an NLB's creation and deletion may exceed their usual time."""


def _random(cloud: Cloud, *about: object) -> random.Random:
    words = " ".join(map(str, (cloud.hostile, *about)))
    return random.Random(words)  # noqa: S311  # choices that must repeat, not secrets


def addresses(
    cloud: Cloud, network: IPv4Network, claimed: int, usual: Iterable[IPv4Address]
) -> Iterator[IPv4Address]:
    """The order in which the cloud tries a vSwitch's addresses when it chooses one itself.

    The real cloud documents no order. Even seeds choose from the bottom, odd ones at random.
    """
    if cloud.hostile is None:
        yield from usual
        return
    size = network.num_addresses - RESERVED_AT_END - 1
    first = int(network.network_address) + 1
    if size < 1:
        return
    if cloud.hostile % 2 == 0:
        start, stride = 0, 1
    else:
        choice = _random(cloud, network, claimed)
        start = choice.randrange(size)
        stride = next(
            s for s in iter(lambda: choice.randrange(1, size + 1), 0) if gcd(s, size) == 1
        )
    for step in range(size):
        yield IPv4Address(first + (start + step * stride) % size)


def shuffled(cloud: Cloud, rows: Sequence[T]) -> Sequence[T]:
    """An answer's rows, reordered in hostile mode; for lists whose order no page documents."""
    if cloud.hostile is None:
        return rows
    mixed = list(rows)
    # One order for one set of rows: an answer's pages must fit together, as they do in reality.
    _random(cloud, len(mixed)).shuffle(mixed)
    return mixed


def prefixes_before_attachment(cloud: Cloud, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The prefixes that an ENI shows while it is on no instance.

    Terway's pool (pkg/eni/… at 89aadf8b) says that CreateNetworkInterface "might not return the
    actual prefixes (only available after attach)".
    """
    return prefixes if cloud.hostile is None else ()


def statuses_for_user_data(cloud: Cloud) -> tuple[str, ...]:
    """The statuses in which ModifyInstanceAttribute takes UserData.

    Pages before 2025 demand Stopped; the metadata of 2025-12-19 no longer does.
    """
    return ("Running", "Stopped") if cloud.hostile is None else ("Stopped",)


def has_spread(cloud: Cloud, since: float, now: float, *about: object) -> bool:
    """Whether a change of RAM at `since` has reached the other services.

    RAM itself sees it at once. `about` identifies the change; the delay is drawn for it.
    """
    if cloud.hostile is None:
        return True
    seconds = _random(cloud, "spread", *about).uniform(0, SPREAD_SECONDS)
    return now - since >= seconds * cloud.delay_scale


def slowed(cloud: Cloud, seconds: float, *about: object) -> float:
    """The duration of an NLB's transient state that usually takes `seconds`."""
    if cloud.hostile is None:
        return seconds
    return seconds * _random(cloud, "slowed", *about).uniform(1, SLOWEST)


def works_on_entries(cloud: Cloud, since: float, now: float) -> bool:
    """Whether an access control list still works on the change of its entries at `since`."""
    return cloud.hostile is not None and now - since < ENTRY_SECONDS * cloud.delay_scale


def shows_tags(cloud: Cloud, since: float, now: float, *about: object) -> bool:
    """Whether lists show a change of tags at `since`; `about` names the tagged entity.

    At the pace of the real cloud a change is seen after LATEST_TAGS seconds at the latest. No page
    has a bound.
    """
    if cloud.hostile is None:
        return True
    seconds = _random(cloud, "tags", *about).uniform(0, LATEST_TAGS)
    return now - since >= seconds * cloud.delay_scale


def deletion_seconds(cloud: Cloud, longest: float, *about: object) -> float:
    """How long a deleted entity is still seen, at the pace of the real cloud; `about` names it.

    No page has a bound. The provider 1.285.0 waits until the entity is gone, whatever its status;
    of an instance it accepts Pending, Running, Stopped and Stopping (resource_alicloud_*.go).
    """
    if cloud.hostile is None:
        return 0.0
    return _random(cloud, "deletion", *about).uniform(longest / 4, longest)


def throttled(action: str) -> ApiError:
    """The refusal of a throttled call.

    The OpenAPI has two codes: `Throttling` ("request throttling") and `Throttling.User` ("user flow
    control"). If no page lists either, it is the second one, because the actions of ECS that list
    both (DescribePrice) use it for an account's limit.
    """
    if action in _BY_REQUESTS:
        return ApiError("Throttling", "Request was denied due to request throttling.")
    return ApiError("Throttling.User", "Request was denied due to user flow control.")


class Throttle:
    """Counts the calls of each action in the current minute.

    The rules of ECS (https://www.alibabacloud.com/help/doc-detail/437902.htm): each action is
    counted separately, over all users of the account, and an action that is throttled in one minute
    can be called in the next.
    """

    def __init__(self) -> None:
        self._minute = 0
        self._calls: Counter[tuple[str, str]] = Counter()

    def exceeded(self, cloud: Cloud, product: str, action: str, now: float) -> bool:
        """Count a write call, and return whether it exceeds the account's limit."""
        if cloud.hostile is None or product not in THROTTLED:
            return False
        minute = int(now // 60)
        if minute != self._minute:
            self._minute = minute
            self._calls.clear()
        self._calls[product, action] += 1
        return self._calls[product, action] > CALLS_A_MINUTE
