"""The rules of Spiderpool's webhook for a SpiderIPPool that is created, in its order.

Source: Spiderpool 1.2.2, `pkg/ippoolmanager/ippool_{mutate,validate}.go`,
`pkg/ip/{ip,iprange,subnet,cidr}.go`. These rules are neither stricter nor milder than the webhook.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from config.report import Problem
from planning.addresses.canonical import canonical_ranges
from planning.names import IPV6
from planning.spiderpool.pool_spec import (
    LARGEST,
    Address,
    Network,
    Range,
    Spec,
    address_of,
    maps,
    network_of,
    problem,
    texts,
)

_VERSIONS: Final = frozenset({4, 6})
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_DOMAIN: Final = 253
_WITH_VALUES: Final = frozenset({"In", "NotIn"})
_WITHOUT_VALUES: Final = frozenset({"Exists", "DoesNotExist"})


def webhook_problems(spec: Spec, *, others: Mapping[str, Spec], ipv6: bool) -> tuple[Problem, ...]:
    """The problem for which the webhook refuses: it reports one. Arguments as in `judge`."""
    try:
        version, subnet = _subnet(spec, ipv6=ipv6)
        _apart_from_other_subnets(version, subnet, others)
    except _RefusedError as refused:
        return (refused.problem,)
    problems: list[Problem] = []
    try:
        changed = _mutated(spec, version)
        _apart_from_other_pools(_addresses(changed, subnet), subnet, others)
        _gateway(changed, version, subnet)
        _routes(changed, version, subnet)
    except _RefusedError as refused:
        problems.append(refused.problem)
    return (*problems, *_pod_affinity(spec.get("podAffinity")))


def subnet_and_ranges(spec: Spec, *, ipv6: bool) -> tuple[Network, Sequence[Range]]:
    """Subnet and addresses of a pool that the webhook accepts."""
    _, subnet = _subnet(spec, ipv6=ipv6)
    return subnet, _addresses(spec, subnet)


def overlap_problem(name: str, ranges: Sequence[str]) -> Problem:
    """Two pools with the same addresses: these `ranges`, which pool `name` has."""
    return problem(
        "ips",
        ", ".join(ranges),
        f"Pool {name} has these addresses, and one address serves one pod.",
        "Give each pool addresses of its own.",
    )


class _RefusedError(Exception):
    """The webhook stops here."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.rule)
        self.problem = problem


def _refused(path: str, value: object, rule: str, remedy: str) -> _RefusedError:
    return _RefusedError(problem(path, value, rule, remedy))


def _subnet(spec: Spec, *, ipv6: bool) -> tuple[int, Network]:
    text, version = str(spec["subnet"]), spec.get("ipVersion")
    network = network_of(text)
    if version is not None and version not in _VERSIONS:
        raise _refused("ipVersion", version, "An IP version is 4 or 6.", "Leave it out.")
    if network is None or (version is not None and network.version != version):
        raise _refused(
            "subnet",
            text,
            "A subnet is one CIDR block of the pool's IP version.",
            "Write the vSwitch's CIDR block, and leave ipVersion out.",
        )
    if network.version == IPV6 and not ipv6:
        raise _refused(
            "subnet",
            text,
            "IPv6 is off in this cluster's Spiderpool.",
            "Write network.ipv6.enabled: true, or write an IPv4 pool.",
        )
    if str(network) != text:
        raise _refused(
            "subnet", text, "A subnet is written without host bits, shortest.", f"Write {network}."
        )
    if text.startswith(":"):
        raise _refused(
            "subnet",
            text,
            "Spiderpool makes a label of it, and a label begins with a letter or digit.",
            "Use a range of the VPC.",
        )
    return network.version, network


def _apart_from_other_subnets(version: int, subnet: Network, others: Mapping[str, Spec]) -> None:
    for name, spec in others.items():
        other = network_of(str(spec["subnet"]))
        if other is None or other.version != version or other == subnet:
            continue
        if int(other.network_address) <= int(subnet.broadcast_address) and int(
            subnet.network_address
        ) <= int(other.broadcast_address):
            raise _refused(
                "subnet",
                subnet,
                f"It overlaps with subnet {other} of pool {name}.",
                "Write one exact CIDR block for each vSwitch in all of its pools.",
            )


def _mutated(spec: Spec, version: int) -> Spec:
    """The spec as the mutating webhook leaves it: lists of two or more become sorted ranges."""
    changed = dict(spec)
    for field in ("ips", "excludeIPs"):
        entries = texts(spec.get(field))
        if len(entries) > 1:
            sorted_ranges = _sorted_ranges(entries, version)
            if sorted_ranges is None:
                break  # its error ends the mutation, and only a log mentions it
            changed[field] = sorted_ranges
    return changed


def _sorted_ranges(entries: Sequence[str], version: int) -> list[str] | None:
    numbers: set[int] = set()
    for entry in entries:
        ends = [address_of(part) for part in entry.split("-")]
        if len(ends) not in {1, 2} or any(a is None or a.version != version for a in ends):
            return None
        first, last = (int(a) for a in (ends[0], ends[-1]) if a is not None)
        if first > last:
            return None
        if last - first >= LARGEST:
            return list(entries)  # refused by our own rule
        numbers.update(range(first, last + 1))
    make = IPv6Address if version == IPV6 else IPv4Address
    return list(canonical_ranges(make(n) for n in numbers))


def _addresses(spec: Spec, subnet: Network) -> list[Range]:
    """The pool's ranges without the excluded ones; refuses a range outside the subnet."""
    ranges: list[Range] = []
    for place, entry in enumerate(texts(spec.get("ips"))):
        entry_range = _range(f"ips[{place}]", entry, subnet)
        if entry_range.first > entry_range.last:
            entry_range = Range(entry, entry_range.last, entry_range.first)
        if any(
            entry_range.first <= other.last and other.first <= entry_range.last for other in ranges
        ):
            raise _refused(
                f"ips[{place}]", entry, "It overlaps with an entry before it.", "Take it out."
            )
        ranges.append(entry_range)
    for place, entry in enumerate(texts(spec.get("excludeIPs"))):
        gone = _range(f"excludeIPs[{place}]", entry, subnet)
        ranges = [piece for own in ranges for piece in _without(own, gone)]
    return ranges


def _without(own: Range, gone: Range) -> Iterator[Range]:
    if own.first > gone.last or own.last < gone.first:
        yield own
        return
    if own.first < gone.first:
        yield Range(own.text, own.first, gone.first - 1)
    if own.last > gone.last:
        yield Range(own.text, gone.last + 1, own.last)


def _range(path: str, entry: str, subnet: Network) -> Range:
    ends = [address_of(part) for part in entry.split("-")]
    if len(ends) > 2 or any(a is None or a not in subnet for a in ends):  # noqa: PLR2004 - a-b
        raise _refused(
            path,
            entry,
            f"An entry is an address or a range a-b, within {subnet}, without spaces.",
            "Write addresses of the vSwitch, for example 172.31.199.185-172.31.199.189.",
        )
    first, last = (int(a) for a in (ends[0], ends[-1]) if a is not None)
    return Range(entry, first, last)


def _apart_from_other_pools(
    ranges: Sequence[Range], subnet: Network, others: Mapping[str, Spec]
) -> None:
    for name, spec in others.items():
        if spec["subnet"] != str(subnet):
            continue
        theirs = _addresses(_mutated(spec, subnet.version), subnet)
        both = [
            other.text
            for own in ranges
            for other in theirs
            if own.first <= other.last and other.first <= own.last
        ]
        if both:
            raise _RefusedError(overlap_problem(name, both))


def _gateway(spec: Spec, version: int, subnet: Network) -> None:
    text = spec.get("gateway")
    if text is None:
        return
    address = address_of(str(text))
    if address is None or address.version != version or address not in subnet:
        raise _refused(
            "gateway",
            text,
            f"A gateway is an address of {subnet}, and not link-local.",
            "Write the vSwitch's gateway, its third address from the end.",
        )
    if any(_spells(entry, str(text), address) for entry in texts(spec.get("excludeIPs"))):
        return
    for place, entry in enumerate(texts(spec.get("ips"))):
        if _spells(entry, str(text), address):
            raise _refused(
                f"ips[{place}]",
                entry,
                f"It holds the gateway {text}, which no pod can have.",
                "Take it out, or write it in excludeIPs.",
            )


def _spells(entry: str, text: str, address: Address) -> bool:
    """Compare as the webhook does: a range by numbers, a single address by its letters."""
    ends = [address_of(part) for part in entry.split("-")]
    if len(ends) == 1:
        return entry == text
    first, last = ends[0], ends[-1]
    if first is None or last is None or first > last:  # type: ignore[operator]  # one version
        return False
    return int(first) <= int(address) <= int(last)


def _routes(spec: Spec, version: int, subnet: Network) -> None:
    seen: set[str] = set()
    for place, route in enumerate(maps(spec.get("routes"))):
        path, dst, gw = f"routes[{place}]", str(route["dst"]), str(route["gw"])
        network, address = network_of(dst, strict=False), address_of(gw)
        if dst == {4: "0.0.0.0/0", 6: "::/0"}[version] or dst in seen:
            raise _refused(
                f"{path}.dst",
                dst,
                "The default route is the gateway, and a destination has one route.",
                "Take it out.",
            )
        seen.add(dst)
        if network is None or network.version != version:
            raise _refused(
                f"{path}.dst",
                dst,
                f"A destination is a CIDR block of IPv{version}.",
                "Write one, for example 10.0.0.0/8.",
            )
        if address is None or address.version != version or address not in subnet:
            raise _refused(
                f"{path}.gw",
                gw,
                f"A route leaves by an address of {subnet}.",
                "Write an address of the vSwitch.",
            )


def _pod_affinity(selector: object) -> Iterator[Problem]:
    if not isinstance(selector, Mapping):
        return
    labels = selector.get("matchLabels") or {}
    expressions = maps(selector.get("matchExpressions"))
    if not labels and not expressions:
        yield problem(
            "podAffinity", None, "An empty selector selects nothing.", "Leave podAffinity out."
        )
    for key, value in labels.items():
        yield from _label("podAffinity.matchLabels", str(key), (str(value),))
    for place, expression in enumerate(expressions):
        path = f"podAffinity.matchExpressions[{place}]"
        operator, values = expression.get("operator"), texts(expression.get("values"))
        fits = (operator in _WITH_VALUES and bool(values)) or (
            operator in _WITHOUT_VALUES and not values
        )
        if not fits:
            yield problem(
                f"{path}.operator",
                operator,
                "In and NotIn have values, Exists and DoesNotExist have none.",
                "Write one of these.",
            )
        yield from _label(path, str(expression.get("key")), values)


def _label(path: str, key: str, values: Sequence[str]) -> Iterator[Problem]:
    domain, slash, name = key.rpartition("/")
    good = bool(_LABEL_NAME.fullmatch(name))
    if slash:
        good = good and len(domain) <= _LONGEST_DOMAIN and bool(_DOMAIN.fullmatch(domain))
    if not good:
        yield problem(path, key, "Not a valid label key.", "Write name or domain/name.")
    for value in values:
        if not _LABEL.fullmatch(value):
            yield problem(
                path, value, "Not a valid label value.", "Write up to 63 letters, digits, -_."
            )
