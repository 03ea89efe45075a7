"""The hostile mode: where the real cloud leaves a choice open, the local one makes a bad one.

Each switch is one function. Without a seed (`Cloud.hostile` is None) each of them gives back what
the friendly cloud does. The same seed makes the same choices for the same requests.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from math import gcd
from typing import Final, TypeVar

from .addressing import RESERVED_AT_END
from .settings import Cloud

T = TypeVar("T")

DELAY_SCALE: Final = 0.1
"""How slow resources are in hostile mode unless `--delays` says otherwise."""

CALLS_A_MINUTE: Final = {
    "AssignPrivateIpAddresses": 400,
    "AttachNetworkInterface": 400,
    "CreateNetworkInterface": 400,
    "DeleteNetworkInterface": 400,
    "DetachNetworkInterface": 400,
    "UnassignPrivateIpAddresses": 400,
    "ModifyNetworkInterfaceAttribute": 400,
    "RunInstances": 100,
    "DeleteInstance": 500,
    "CreateSecurityGroup": 200,
    "AuthorizeSecurityGroup": 500,
}
"""Write calls of ECS that an account may make in a minute."""


def _random(cloud: Cloud, *about: object) -> random.Random:
    words = " ".join(map(str, (cloud.hostile, *about)))
    return random.Random(words)  # noqa: S311  # choices that must repeat, not secrets


def addresses(
    cloud: Cloud, network: IPv4Network, claimed: int, usual: Iterable[IPv4Address]
) -> Iterator[IPv4Address]:
    """The order in which the cloud tries a vSwitch's addresses for a choice of its own.

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
    """The order of an answer's rows, for those lists whose order no page documents."""
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


def asynchronous_deletion(cloud: Cloud) -> bool:
    """Whether a resource that is deleted is seen as Deleting first, whatever the delays are."""
    return cloud.hostile is not None


class Throttle:
    """Counts the write calls of each account in a sliding minute."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], list[float]] = {}

    def exceeded(self, cloud: Cloud, account: str, action: str, now: float) -> bool:
        """Count a call; whether it is one more than the account may make in a minute."""
        limit = CALLS_A_MINUTE.get(action)
        if cloud.hostile is None or limit is None:
            return False
        recent = [t for t in self._times.get((account, action), ()) if now - t < 60.0]  # noqa: PLR2004  # a minute
        if len(recent) >= limit:
            self._times[account, action] = recent
            return True
        self._times[account, action] = [*recent, now]
        return False
