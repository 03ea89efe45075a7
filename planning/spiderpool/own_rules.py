"""What this project refuses in a SpiderIPPool though the webhook may let it pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from config.report import Problem
from planning.spiderpool.pool_spec import (
    LARGEST,
    Address,
    Spec,
    address_of,
    maps,
    network_of,
    parsed,
    problem,
    texts,
)


def own_problems(spec: Spec) -> Iterator[Problem]:
    """The problems of one pool's fields; paths are relative to its spec."""
    for field in ("ips", "excludeIPs"):
        for place, entry in enumerate(texts(spec.get(field))):
            ends = [parsed(part) for part in entry.split("-")]
            if len(ends) == 2 and _backwards(ends[0], ends[1]):  # noqa: PLR2004 - a-b
                yield problem(
                    f"{field}[{place}]",
                    entry,
                    "The range is written backwards: Spiderpool takes it, and gives no address.",
                    "Write the lower address first.",
                )
    written = (
        str(spec["subnet"]),
        str(spec.get("gateway") or ""),
        *(entry for field in ("ips", "excludeIPs") for entry in texts(spec.get(field))),
        *(str(v) for route in maps(spec.get("routes")) for v in route.values()),
    )
    for text in written:
        if any(_disguised(part) for part in re.split(r"[-/]", text)):
            yield problem(
                "ips",
                text,
                "This is an IPv4 address in IPv6 spelling, which Go and Python read differently.",
                "Write it as IPv4.",
            )
    yield from _own_gateway_rule(spec)
    for place, route in enumerate(maps(spec.get("routes"))):
        network = network_of(str(route["dst"]), strict=False)
        if network is not None and network.prefixlen == 0:
            yield problem(
                f"routes[{place}].dst",
                str(route["dst"]),
                "This is the default route, however it is written.",
                "Take it out; the gateway is the default route.",
            )
    if _size(spec) > LARGEST:
        yield problem(
            "ips",
            _size(spec),
            f"Spiderpool makes a list of all addresses at each update; {LARGEST} are the most.",
            "Write smaller ranges.",
        )


def _own_gateway_rule(spec: Spec) -> Iterator[Problem]:
    gateway = address_of(str(spec.get("gateway") or ""))
    excluded = [parsed(entry) for entry in texts(spec.get("excludeIPs"))]
    if gateway is None or gateway in excluded:
        return
    for place, entry in enumerate(texts(spec.get("ips"))):
        if parsed(entry) == gateway and entry != spec.get("gateway"):
            yield problem(
                f"ips[{place}]",
                entry,
                f"This is the gateway {spec['gateway']}, written another way.",
                "Take it out.",
            )


def _size(spec: Spec) -> int:
    total = 0
    for field in ("ips", "excludeIPs"):
        for entry in texts(spec.get(field)):
            ends = [parsed(part) for part in entry.split("-")]
            if len(ends) == 2 and ends[0] is not None and ends[1] is not None:  # noqa: PLR2004
                total += abs(int(ends[1]) - int(ends[0])) + 1
            else:
                total += 1
    return total


def _backwards(one: Address | None, other: Address | None) -> bool:
    return one is not None and other is not None and int(one) > int(other)


def _disguised(text: str) -> bool:
    address = parsed(text)
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None
