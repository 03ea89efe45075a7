"""What Spiderpool's webhook would say of a SpiderIPPool, before there is a cluster to ask.

The rules are those of Spiderpool 1.2.2 (`pkg/ippoolmanager/ippool_{mutate,validate}.go`,
`pkg/ip/{ip,iprange,subnet,cidr}.go`), with SpiderSubnets off as this project has them. The real
controller is asked the same questions in `tests/engine/spiderpool`: for every pool that is not in
`Verdict.ours` the answers agree, both ways.

Some pools the webhook lets pass though no pod can live on them. `Verdict.ours` has these: a range
written backwards (no address at all), a gateway written another way among the addresses (a pod
gets it), a default route in disguise, IPv4 addresses in IPv6 spelling, and ranges so large that
the webhook's next update of the pool ends in a panic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import pairwise
from typing import Final

from config.report import Problem
from planning.canonical import canonical_ranges
from planning.names import IPV6

LARGEST: Final = 2**16
"""Addresses of one pool: each update makes a list of them all."""

Spec = Mapping[str, object]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CIDR: Final = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
_VERSIONS: Final = frozenset({4, 6})
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_DOMAIN: Final = 253
_WITH_VALUES: Final = frozenset({"In", "NotIn"})
_WITHOUT_VALUES: Final = frozenset({"Exists", "DoesNotExist"})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Problems of one pool's spec; paths are relative to the spec."""

    webhook: tuple[Problem, ...]
    """The webhook refuses for one of these; it tells the first only."""
    ours: tuple[Problem, ...]
    """The webhook may let these pass; this project does not."""

    @property
    def accepted(self) -> bool:
        """Whether this project would write the pool."""
        return not self.webhook and not self.ours


@dataclass(frozen=True)
class _Range:
    text: str
    first: int
    last: int


class _RefusedError(Exception):
    """The webhook stops here."""

    def __init__(self, path: str, value: object, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.problem = _problem(path, value, rule, remedy)


def judge(spec: Spec, *, others: Mapping[str, Spec], ipv6: bool = True) -> Verdict:
    """Judge a pool that is to be created.

    Args:
        spec: the pool's spec; its fields have the types of the CRD.
        others: specs of all other pools of the cluster, by name; each was accepted.
        ipv6: `ipam.enableIPv6` of the release.
    """
    ours = list(_own_rules(spec))
    webhook: list[Problem] = []
    try:
        version, subnet = _subnet(spec, ipv6=ipv6)
        _apart_from_other_subnets(version, subnet, others)
    except _RefusedError as refused:
        return Verdict(webhook=(refused.problem,), ours=tuple(ours))
    try:
        mutated = _mutated(spec, version)
        held = _addresses(mutated, subnet)
        _apart_from_other_pools(held, subnet, others)
        _gateway(mutated, version, subnet)
        _routes(mutated, version, subnet)
    except _RefusedError as refused:
        webhook.append(refused.problem)
    webhook += _pod_affinity(spec.get("podAffinity"))
    return Verdict(webhook=tuple(webhook), ours=tuple(ours))


def pools_problems(specs: Mapping[str, Spec], *, ipv6: bool = True) -> tuple[Problem, ...]:
    """Judge all pools of a cluster that is to be made; paths begin with the pool's name.

    Pools of one subnet are compared in order of their addresses, so a thousand pools are quick.
    """
    problems: list[Problem] = []
    lots: dict[str, list[tuple[_Range, str]]] = {}
    for name, spec in specs.items():
        verdict = judge(spec, others={}, ipv6=ipv6)
        problems += [_under(name, p) for p in (*verdict.webhook, *verdict.ours)]
        if verdict.accepted:
            _, subnet = _subnet(spec, ipv6=ipv6)
            lot = lots.setdefault(str(subnet), [])
            lot += [(r, name) for r in _addresses(spec, subnet)]
    for lot in lots.values():
        ordered = sorted(lot, key=lambda entry: (entry[0].first, entry[0].last, entry[1]))
        for (low, one), (high, other) in pairwise(ordered):
            if high.first <= low.last and one != other:
                problems.append(_under(other, _overlap(one, [high.text]).problem))
    problems += _overlapping_subnets(lots)
    return tuple(problems)


def _overlapping_subnets(subnets: Iterable[str]) -> Iterator[Problem]:
    networks = sorted((ip_network(s) for s in subnets), key=lambda n: (n.version, n))
    for low, high in pairwise(networks):
        if low.version == high.version and int(low[-1]) >= int(high[0]):
            yield _problem(
                "subnet",
                high,
                f"it overlaps with subnet {low} of other pools; a vSwitch has one exact range.",
                "Write the vSwitch's own CIDR block in every pool.",
            )


def _subnet(spec: Spec, *, ipv6: bool) -> tuple[int, Network]:
    text, said = str(spec["subnet"]), spec.get("ipVersion")
    found = _network(text)
    if said is not None and said not in _VERSIONS:
        raise _RefusedError("ipVersion", said, "an IP version is 4 or 6.", "Leave it out.")
    if found is None or (said is not None and found.version != said):
        raise _RefusedError(
            "subnet",
            text,
            "a subnet is one CIDR block of the pool's IP version.",
            "Write the vSwitch's CIDR block, and leave ipVersion out.",
        )
    if found.version == IPV6 and not ipv6:
        raise _RefusedError(
            "subnet",
            text,
            "IPv6 is off in this cluster's Spiderpool.",
            "Say network.ipv6.enabled: true, or write an IPv4 pool.",
        )
    if str(found) != text:
        raise _RefusedError(
            "subnet", text, "a subnet is written without host bits, shortest.", f"Write {found}."
        )
    if text.startswith(":"):
        raise _RefusedError(
            "subnet",
            text,
            "Spiderpool makes a label of it, and a label begins with a letter or digit.",
            "Use a range of the VPC.",
        )
    return found.version, found


def _apart_from_other_subnets(version: int, subnet: Network, others: Mapping[str, Spec]) -> None:
    for name, spec in others.items():
        other = _network(str(spec["subnet"]))
        if other is None or other.version != version or other == subnet:
            continue
        if int(other.network_address) <= int(subnet.broadcast_address) and int(
            subnet.network_address
        ) <= int(other.broadcast_address):
            raise _RefusedError(
                "subnet",
                subnet,
                f"it overlaps with subnet {other} of pool {name}.",
                "Write one exact CIDR block for each vSwitch in all of its pools.",
            )


def _mutated(spec: Spec, version: int) -> Spec:
    """The spec as the mutating webhook leaves it: lists of two or more become sorted ranges."""
    changed = dict(spec)
    for field in ("ips", "excludeIPs"):
        entries = _texts(spec.get(field))
        if len(entries) > 1:
            merged = _merged(entries, version)
            if merged is None:
                break  # its error ends the mutation, and only a log says so
            changed[field] = merged
    return changed


def _merged(entries: Sequence[str], version: int) -> list[str] | None:
    numbers: set[int] = set()
    for entry in entries:
        ends = [_address(part) for part in entry.split("-")]
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


def _addresses(spec: Spec, subnet: Network) -> list[_Range]:
    """The pool's ranges without the excluded ones; refuses what is no range of the subnet."""
    held: list[_Range] = []
    for place, entry in enumerate(_texts(spec.get("ips"))):
        found = _range(f"ips[{place}]", entry, subnet)
        if found.first > found.last:
            found = _Range(entry, found.last, found.first)
        if any(found.first <= other.last and other.first <= found.last for other in held):
            raise _RefusedError(
                f"ips[{place}]", entry, "it overlaps with an entry before it.", "Take it out."
            )
        held.append(found)
    for place, entry in enumerate(_texts(spec.get("excludeIPs"))):
        gone = _range(f"excludeIPs[{place}]", entry, subnet)
        held = [piece for own in held for piece in _without(own, gone)]
    return held


def _without(own: _Range, gone: _Range) -> Iterator[_Range]:
    if own.first > gone.last or own.last < gone.first:
        yield own
        return
    if own.first < gone.first:
        yield _Range(own.text, own.first, gone.first - 1)
    if own.last > gone.last:
        yield _Range(own.text, gone.last + 1, own.last)


def _range(path: str, entry: str, subnet: Network) -> _Range:
    ends = [_address(part) for part in entry.split("-")]
    if len(ends) > 2 or any(a is None or a not in subnet for a in ends):  # noqa: PLR2004 - a-b
        raise _RefusedError(
            path,
            entry,
            f"an entry is an address or a range a-b, within {subnet}, without spaces.",
            "Write addresses of the vSwitch, as 172.31.199.185-172.31.199.189.",
        )
    first, last = (int(a) for a in (ends[0], ends[-1]) if a is not None)
    return _Range(entry, first, last)


def _apart_from_other_pools(
    held: Sequence[_Range], subnet: Network, others: Mapping[str, Spec]
) -> None:
    for name, spec in others.items():
        if spec["subnet"] != str(subnet):
            continue
        theirs = _addresses(_mutated(spec, subnet.version), subnet)
        both = [
            other.text
            for own in held
            for other in theirs
            if own.first <= other.last and other.first <= own.last
        ]
        if both:
            raise _overlap(name, both)


def _overlap(name: str, ranges: Sequence[str]) -> _RefusedError:
    return _RefusedError(
        "ips",
        ", ".join(ranges),
        f"pool {name} has these addresses, and one address serves one pod.",
        "Give each pool addresses of its own.",
    )


def _gateway(spec: Spec, version: int, subnet: Network) -> None:
    text = spec.get("gateway")
    if text is None:
        return
    address = _address(str(text))
    if address is None or address.version != version or address not in subnet:
        raise _RefusedError(
            "gateway",
            text,
            f"a gateway is an address of {subnet}; link-local ones are none.",
            "Write the vSwitch's gateway, its third address from the end.",
        )
    if any(_spells(entry, str(text), address) for entry in _texts(spec.get("excludeIPs"))):
        return
    for place, entry in enumerate(_texts(spec.get("ips"))):
        if _spells(entry, str(text), address):
            raise _RefusedError(
                f"ips[{place}]",
                entry,
                f"it holds the gateway {text}, which no pod can have.",
                "Take it out, or write it in excludeIPs.",
            )


def _spells(entry: str, text: str, address: Address) -> bool:
    """Compare as the webhook does: a range by numbers, a single address by its letters."""
    ends = [_address(part) for part in entry.split("-")]
    if len(ends) == 1:
        return entry == text
    first, last = ends[0], ends[-1]
    if first is None or last is None or first > last:  # type: ignore[operator]  # one version
        return False
    return int(first) <= int(address) <= int(last)


def _routes(spec: Spec, version: int, subnet: Network) -> None:
    seen: set[str] = set()
    for place, route in enumerate(_maps(spec.get("routes"))):
        path, dst, gw = f"routes[{place}]", str(route["dst"]), str(route["gw"])
        network, address = _network(dst, strict=False), _address(gw)
        if dst == {4: "0.0.0.0/0", 6: "::/0"}[version] or dst in seen:
            raise _RefusedError(
                f"{path}.dst",
                dst,
                "the default route is the gateway, and a destination has one route.",
                "Take it out.",
            )
        seen.add(dst)
        if network is None or network.version != version:
            raise _RefusedError(
                f"{path}.dst",
                dst,
                f"a destination is a CIDR block of IPv{version}.",
                "Write one, as 10.0.0.0/8.",
            )
        if address is None or address.version != version or address not in subnet:
            raise _RefusedError(
                f"{path}.gw",
                gw,
                f"a route leaves by an address of {subnet}.",
                "Write an address of the vSwitch.",
            )


def _pod_affinity(selector: object) -> Iterator[Problem]:
    if not isinstance(selector, Mapping):
        return
    labels = selector.get("matchLabels") or {}
    expressions = _maps(selector.get("matchExpressions"))
    if not labels and not expressions:
        yield _problem(
            "podAffinity", None, "an empty selector selects nothing.", "Leave podAffinity out."
        )
    for key, value in labels.items():
        yield from _label("podAffinity.matchLabels", str(key), (str(value),))
    for place, expression in enumerate(expressions):
        path = f"podAffinity.matchExpressions[{place}]"
        operator, values = expression.get("operator"), _texts(expression.get("values"))
        fits = (operator in _WITH_VALUES and bool(values)) or (
            operator in _WITHOUT_VALUES and not values
        )
        if not fits:
            yield _problem(
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
        yield _problem(path, key, "this is no label's key.", "Write name or domain/name.")
    for value in values:
        if not _LABEL.fullmatch(value):
            yield _problem(
                path, value, "this is no label's value.", "Write up to 63 letters, digits, -_."
            )


def _own_rules(spec: Spec) -> Iterator[Problem]:
    for field in ("ips", "excludeIPs"):
        for place, entry in enumerate(_texts(spec.get(field))):
            ends = [_parsed(part) for part in entry.split("-")]
            if len(ends) == 2 and _backwards(ends[0], ends[1]):  # noqa: PLR2004 - a-b
                yield _problem(
                    f"{field}[{place}]",
                    entry,
                    "the range is written backwards: Spiderpool takes it, and gives no address.",
                    "Write the lower address first.",
                )
    texts = (
        str(spec["subnet"]),
        str(spec.get("gateway") or ""),
        *(p for field in ("ips", "excludeIPs") for e in _texts(spec.get(field)) for p in [e]),
        *(str(v) for route in _maps(spec.get("routes")) for v in route.values()),
    )
    for text in texts:
        if any(_disguised(part) for part in re.split(r"[-/]", text)):
            yield _problem(
                "ips",
                text,
                "this is an IPv4 address in IPv6 spelling, which Go and Python read differently.",
                "Write it as IPv4.",
            )
    yield from _own_gateway_rule(spec)
    for place, route in enumerate(_maps(spec.get("routes"))):
        network = _network(str(route["dst"]), strict=False)
        if network is not None and network.prefixlen == 0:
            yield _problem(
                f"routes[{place}].dst",
                str(route["dst"]),
                "this is the default route, however it is written.",
                "Take it out; the gateway is the default route.",
            )
    if _size(spec) > LARGEST:
        yield _problem(
            "ips",
            _size(spec),
            f"Spiderpool makes a list of all addresses at each update; {LARGEST} are the most.",
            "Write smaller ranges.",
        )


def _own_gateway_rule(spec: Spec) -> Iterator[Problem]:
    gateway = _address(str(spec.get("gateway") or ""))
    excluded = [_parsed(entry) for entry in _texts(spec.get("excludeIPs"))]
    if gateway is None or gateway in excluded:
        return
    for place, entry in enumerate(_texts(spec.get("ips"))):
        if _parsed(entry) == gateway and entry != spec.get("gateway"):
            yield _problem(
                f"ips[{place}]",
                entry,
                f"this is the gateway {spec['gateway']}, written another way.",
                "Take it out.",
            )


def _size(spec: Spec) -> int:
    total = 0
    for field in ("ips", "excludeIPs"):
        for entry in _texts(spec.get(field)):
            ends = [_parsed(part) for part in entry.split("-")]
            if len(ends) == 2 and ends[0] is not None and ends[1] is not None:  # noqa: PLR2004
                total += abs(int(ends[1]) - int(ends[0])) + 1
            else:
                total += 1
    return total


def _backwards(one: Address | None, other: Address | None) -> bool:
    return one is not None and other is not None and int(one) > int(other)


def _disguised(text: str) -> bool:
    address = _parsed(text)
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _address(text: str) -> Address | None:
    found = _parsed(text)
    return None if _is_mapped(found) else found


def _is_mapped(address: Address | None) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _parsed(text: str) -> Address | None:
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str, *, strict: bool = False) -> Network | None:
    if not _CIDR.fullmatch(text):
        return None
    try:
        return ip_network(text, strict=strict)
    except ValueError:
        return None


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list | tuple) else []


def _maps(value: object) -> list[Mapping[str, object]]:
    return list(value) if isinstance(value, list | tuple) else []


def _problem(path: str, value: object, rule: str, remedy: str) -> Problem:
    shown = None if value is None else str(value)
    return Problem(path=path, value=shown, rule=rule, remedy=remedy)


def _under(name: str, problem: Problem) -> Problem:
    return Problem(
        path=f"{name}.{problem.path}",
        value=problem.value,
        rule=problem.rule,
        remedy=problem.remedy,
    )
