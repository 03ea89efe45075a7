"""Settings of the cluster as a whole: network, Kubernetes, add-ons, services.

`answers` has the effect of each setting. This module has only the cases that depend on both values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from planning.transitions.answers import ANSWERS, BALANCER_STAYS, Answer, Kind
from planning.transitions.differences import text, written
from planning.transitions.keys import Leaf, entries, leaves
from planning.transitions.part import Part, Phase
from planning.transitions.reading import Record
from planning.transitions.steps import (
    ChangeInPlace,
    ChangeNewMachines,
    Create,
    Delete,
    Difference,
    Refusal,
    Remake,
    Step,
)

_ENTRIES: Final = (
    "network.subnets.*.zones.*",
    "network.ingress.*",
    "namespaces.*",
    "services.*",
)
"""Named objects that come and go as a whole."""
_POOLS: Final = "spiderpool.extraPools.*"
"""Named objects that come and go by their addresses."""
_STAYS: Final = "namespaces."
"""Prefix of objects that stay in the cluster when they leave the stack file."""
_SET_ONCE: Final = (
    "cloud.accountId",
    "network.subnets.*.zones.*.ipv6Index",
    "network.subnets.*.zones.*.prefixReservation",
)
"""Keys whose first value is set in place. Later changes are refused."""
_WITHOUT_ORDER: Final = ("kubernetes.endpoint.certSans",)
"""Lists that a new order does not change."""
_ELSEWHERE: Final = frozenset({Kind.RUNNING, Kind.RESTART, Kind.VERSION, Kind.ADDRESSES})
"""Kinds that the rules for nodes, versions and pools check."""
_ADD_ONS: Final = (
    "pods",
    "spiderpool.",
    "cloudController.",
    "namespaces.",
    "services.",
    "sampleApps.",
)


_OF_OUR_CLUSTERS: Final = ("kubernetes.endpoint.", "kubernetes.version", "kubernetes.mirrors")
"""Prefixes of keys without effect on a cluster that somebody else has built."""
_BALANCER: Final = "load balancer of the API servers"


@dataclass(frozen=True, kw_only=True)
class _Change:
    path: str
    pattern: str
    before: Any
    after: Any

    @property
    def answer(self) -> Answer:
        return ANSWERS[self.pattern]

    @property
    def difference(self) -> Difference:
        return Difference(key=self.path, before=text(self.before), after=text(self.after))

    @property
    def target(self) -> str:
        """The object of the stack file that it belongs to."""
        if self.path.startswith("services."):
            return ".".join(self.path.split(".")[:2])
        return self.path.rpartition(".")[0] or self.path


def check_settings(before: Record, after: Record) -> Part:
    """Steps and refusals for everything but nodes, versions and pools."""
    coming, going = _entries(before, after, *_ENTRIES)
    pools = _entries(before, after, _POOLS)
    changes = [
        change
        for change in _changes(before, after)
        if not _is_below(change.path, (*coming, *going, *chain(*pools)))
        and _matters(change, before, after)
    ]
    remade = frozenset(c.target for c in changes if c.answer.worker is Kind.NEW_ADDRESS)
    classified = [(change, _kind(change, after, remade)) for change in changes]
    refusals = [
        *(_refusal(change) for change, kind in classified if kind is Kind.REFUSED),
        *_moved(before, after, remade),
    ]
    steps: list[tuple[Phase, Step]] = [(_phase(target), Create(target=target)) for target in coming]
    steps += [
        (Phase.REMAINS, Delete(target=target)) for target in going if not target.startswith(_STAYS)
    ]
    steps += _steps(classified)
    steps += _balancer(before, after)
    return Part(steps=tuple(steps), refusals=tuple(refusals))


def _entries(
    before: Record, after: Record, *patterns: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Objects that come and objects that go, by path."""
    one = {path for path, pattern in entries(before.cluster) if pattern in patterns}
    other = {path for path, pattern in entries(after.cluster) if pattern in patterns}
    return tuple(sorted(other - one)), tuple(sorted(one - other))


def _changes(before: Record, after: Record) -> Iterator[_Change]:
    one = {leaf.path: leaf for leaf in leaves(before.cluster)}
    other = {leaf.path: leaf for leaf in leaves(after.cluster)}
    for path in sorted(one.keys() | other.keys()):
        leaf: Leaf = other.get(path) or one[path]
        change = _Change(
            path=path,
            pattern=leaf.pattern,
            before=one[path].value if path in one else None,
            after=other[path].value if path in other else None,
        )
        if _written(change, change.before) != _written(change, change.after):
            yield change


def _written(change: _Change, value: object) -> object:
    """A value, without the order of a list in which order means nothing."""
    if change.pattern in _WITHOUT_ORDER and isinstance(value, list):
        return frozenset(value)
    return value


def _is_below(path: str, objects: tuple[str, ...]) -> bool:
    subnets = tuple(target.partition(".zones.")[0] for target in objects if ".zones." in target)
    return any(path.startswith(f"{target}.") for target in objects) or (
        path.endswith(".egress") and path.removesuffix(".egress") in subnets
    )


def _matters(change: _Change, before: Record, after: Record) -> bool:
    """Whether anything that is deployed, or will be, has this setting."""
    kind = change.answer.worker
    if kind in _ELSEWHERE or change.path.startswith("nodePools."):
        return False
    if kind is Kind.ROLLS and change.path != "network.ipv6.enabled":
        return False
    if change.path in ("network.nat.subnet", "network.nat.zone"):
        return False  # `_moved` compares what was chosen.
    existing = not after.is_kubeadm and not before.is_kubeadm
    if existing and change.path.startswith(_OF_OUR_CLUSTERS):
        return False
    if change.path == "kubernetes.nodeNames":
        return existing
    return _is_on(change, before) and _is_on(change, after)


def _is_on(change: _Change, record: Record) -> bool:  # noqa: PLR0911 - one a switch
    """Whether the object is enabled, or the change is its switch itself."""
    first, _, rest = change.path.partition(".")
    if rest == "enabled" or change.path.endswith((".enabled", "ipv6.gateway")):
        return True
    if first in ("namespaces", "services"):
        return record.section("cloudController", "enabled") is not False
    if first in ("spiderpool", "cloudController", "sampleApps"):
        enabled = record.section(first, "enabled")
        return enabled is not False and not (first == "sampleApps" and enabled is None)
    if change.path.startswith("network.nat.") or change.path.endswith(".egress"):
        if change.path == "network.ipv6.egress":
            return record.section("network", "ipv6", "enabled") is True
        return record.section("network", "nat", "enabled") is not False
    if change.path.startswith("network.ipv6."):
        return record.section("network", "ipv6", "enabled") is True
    return True


def _kind(  # noqa: PLR0911 - one a case
    change: _Change, after: Record, remade: frozenset[str]
) -> Kind:
    kind = change.answer.worker
    if change.pattern in _SET_ONCE and change.before is None:
        return Kind.IN_PLACE
    if change.path == "cloud.endpoint" and None in (change.before, change.after):
        return Kind.REFUSED
    if change.path == "network.ipv6.enabled":
        return Kind.IN_PLACE if change.after else Kind.REFUSED
    if change.path == "kubernetes.endpoint.public" and not change.after:
        return Kind.CREATED
    if change.pattern == "services.*.addressType":
        service = change.target.removeprefix("services.")
        nlb = after.section("services", service, "loadBalancer") == "nlb"
        return Kind.IN_PLACE if nlb else kind
    if change.pattern == "services.*.subnet" and change.target in remade:
        return Kind.IN_PLACE
    return kind


def _refusal(change: _Change) -> Refusal:
    before = text(change.before)
    back = (
        f"Leave {change.path} out."
        if before is None
        else f"Write {change.path}: {written(change.before)}."
    )
    return Refusal(
        path=change.path,
        value=text(change.after) or "nothing",
        rule=f"It is {before or 'unset'} and cannot change after the stack was created.",
        reason=change.answer.reason,
        remedy=f"{back} {change.answer.remedy}".strip(),
    )


def _moved(before: Record, after: Record, remade: frozenset[str]) -> Iterator[Refusal]:
    """Refusals if the program would now choose another vSwitch than before."""
    nat = ANSWERS["network.nat.subnet"].reason
    for what, key, reason in (
        ("NAT gateway", "nat", nat),
        (_BALANCER, "balancer", BALANCER_STAYS),
    ):
        one, other = before.chosen.get(key), after.chosen.get(key)
        if one is None or other is None or one == other:
            continue
        yield Refusal(
            path="network.nat.subnet",
            value=str(other),
            rule=f"The {what} stays in the vSwitch that it was created in, {one}.",
            reason=reason,
            remedy=_back_to(before, str(one)),
        )
    one, other = _services(before), _services(after)
    for name in sorted(one.keys() & other.keys()):
        target = f"services.{name}"
        subnets = _subnet(before, one[name]), _subnet(after, other[name])
        if one[name] == other[name] or subnets[0] != subnets[1] or target in remade:
            continue
        yield Refusal(
            path=f"{target}.subnet",
            value=other[name],
            rule=f"The load balancer stays in the vSwitch that it was created in, {one[name]}.",
            reason=ANSWERS["services.*.subnet"].reason,
            remedy=f"Write {target}.zones: [{_zone(before, one[name])}].",
        )


def _balancer(before: Record, after: Record) -> Iterator[tuple[Phase, Step]]:
    one, other = before.chosen.get("balancer"), after.chosen.get("balancer")
    if one is None and other is not None:
        yield Phase.FOUNDATION, Create(target=_BALANCER)
    if one is not None and other is None:
        yield Phase.REMAINS, Delete(target=_BALANCER)


def _services(record: Record) -> Mapping[str, str]:
    chosen = record.chosen.get("services")
    return chosen if isinstance(chosen, Mapping) else {}


def _back_to(record: Record, vswitch: str) -> str:
    """What keeps both gateways in the vSwitch that they are in."""
    subnet, zone = _subnet(record, vswitch), _zone(record, vswitch)
    return f"Write network.nat.subnet: {subnet}, and network.nat.zone: {zone}."


def _zone(record: Record, vswitch: str) -> str:
    return vswitch.removeprefix(f"{_subnet(record, vswitch)}-")


def _subnet(record: Record, vswitch: str) -> str:
    subnets = record.section("network", "subnets") or {}
    for name, subnet in subnets.items():
        if vswitch in {f"{name}-{zone}" for zone in subnet.get("zones", {})}:
            return str(name)
    return vswitch


def _steps(classified: list[tuple[_Change, Kind]]) -> Iterator[tuple[Phase, Step]]:
    plain: dict[str, list[Difference]] = {}
    anew: dict[str, list[Difference]] = {}
    loses: set[str] = set()
    for change, kind in classified:
        target = change.target
        if kind is Kind.CREATED:
            yield from _created(change)
        elif kind is Kind.NEW_ONLY:
            yield Phase.FOUNDATION, ChangeNewMachines(because=(change.difference,))
        elif kind in (Kind.REMADE, Kind.NEW_ADDRESS):
            anew.setdefault(target, []).append(change.difference)
            if kind is Kind.NEW_ADDRESS:
                loses.add(target)
        elif kind not in (Kind.NOTHING, Kind.REFUSED):
            plain.setdefault(target, []).append(change.difference)
    for target, because in anew.items():
        yield (
            _phase(target),
            Remake(
                target=target,
                because=tuple(because + plain.pop(target, [])),
                loses="its address" if target in loses else "",
            ),
        )
    for target, because in plain.items():
        yield _phase(target), ChangeInPlace(target=target, because=tuple(because))


def _created(change: _Change) -> Iterator[tuple[Phase, Step]]:
    if isinstance(change.before or change.after, list):
        one, other = set(change.before or ()), set(change.after or ())
        for item in sorted(other - one):
            yield _phase(change.path), Create(target=f"{change.path} {item}")
        for item in sorted(one - other):
            yield Phase.REMAINS, Delete(target=f"{change.path} {item}")
        return
    target = change.target if change.path.endswith(".enabled") else change.path
    if change.pattern == "namespaces.*.create":
        target = change.target
        if not change.after:
            return
    if change.after:
        yield _phase(target), Create(target=target)
    else:
        yield Phase.REMAINS, Delete(target=target)


def _phase(target: str) -> Phase:
    return Phase.ADD_ONS if target.startswith(_ADD_ONS) else Phase.FOUNDATION
