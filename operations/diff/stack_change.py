"""What an edit of a stack file does, without an engine or a cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from config.report import ConfigError
from config.stackfile import read_text
from planning.addresses.canonical import canonical_ranges
from planning.addresses.pod_addresses import Counted
from planning.model import ClusterPlan
from planning.read import plan_from
from planning.report import plan_document
from planning.transitions.edits import check_edit
from planning.transitions.holders import NotAsked
from planning.transitions.reading import EarlierRelease, Interface, Record, read_record
from planning.transitions.record import record
from planning.transitions.steps import Accepted
from planning.transitions.words import lines

UNASKED: Final = NotAsked(reason="a comparison of files asks no cluster")


_NOT_PLANNED: Final = (
    "This release cannot plan the former file, so the two cannot be compared. `plan "
    "--against STACK` compares with the plan that the stack recorded."
)


class Verdict(StrEnum):
    """How the comparison of a file ended."""

    ADDED = "added"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNREADABLE = "cannot be planned"
    """The new file alone is refused."""
    NOT_COMPARED = "not compared"
    """This release refuses the old file, so the two cannot be compared."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number before and after; None where there is no plan."""

    name: str
    before: int | None
    after: int | None


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What a NIC has, before and after, as ranges; empty where the NIC is not there."""

    where: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class StackChange:
    """What the edit of one file does. `lines` are sentences for people, in order."""

    path: str
    verdict: Verdict
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    addresses: tuple[Addresses, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether `pulumi up` would refuse it."""
        return self.verdict in (Verdict.REFUSED, Verdict.UNREADABLE)

    def as_document(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "path": self.path,
            "verdict": self.verdict.value,
            "lines": list(self.lines),
            "figures": {f.name: {"before": f.before, "after": f.after} for f in self.figures},
            "addresses": {a.where: {"before": a.before, "after": a.after} for a in self.addresses},
        }


def compare(path: str, before: str | None, after: str | None) -> StackChange:
    """Compare the texts of a file in two commits; None where the file does not exist in one."""
    old = None if before is None else _plan(before, path)
    new = None if after is None else _plan(after, path)
    figures = tuple(_figures(_planned(old), _planned(new)))
    if isinstance(new, ConfigError):
        return StackChange(path=path, verdict=Verdict.UNREADABLE, lines=(str(new),))
    if new is None:
        return StackChange(
            path=path,
            verdict=Verdict.REMOVED,
            lines=("A stack that was deployed from it stays until `pulumi destroy`.",),
            figures=figures,
        )
    if old is None:
        return _added(path, _record(new), figures)
    if isinstance(old, ConfigError):
        return StackChange(
            path=path,
            verdict=Verdict.NOT_COMPARED,
            lines=(_NOT_PLANNED, str(old)),
            figures=figures,
        )
    return change_from_record(path, _record(old), new, figures=figures)


def _added(path: str, new: Record, figures: tuple[Figure, ...]) -> StackChange:
    """A new stack is checked, too: some things are refused to new clusters alone."""
    transition = check_edit(Record(), new, UNASKED)
    is_refused = not isinstance(transition, Accepted)
    return StackChange(
        path=path,
        verdict=Verdict.REFUSED if is_refused else Verdict.ADDED,
        lines=lines(transition) if is_refused else (),
        figures=figures,
        addresses=tuple(_addresses(Record(), new)),
    )


def change_from_record(
    path: str,
    before: Record | EarlierRelease,
    new: ClusterPlan,
    *,
    figures: tuple[Figure, ...] = (),
) -> StackChange:
    """Compare a plan with a record. `figures` are passed through."""
    after = _record(new)
    transition = check_edit(before, after, UNASKED)
    accepted = isinstance(transition, Accepted)
    quiet = accepted and transition == Accepted()
    return StackChange(
        path=path,
        verdict=(Verdict.UNCHANGED if quiet else Verdict.ACCEPTED if accepted else Verdict.REFUSED),
        lines=lines(transition),
        figures=figures,
        addresses=tuple(_addresses(before, after)) if isinstance(before, Record) else (),
    )


def _plan(text: str, path: str) -> ClusterPlan | ConfigError:
    try:
        return plan_from(read_text(text, name=path).cluster)
    except ConfigError as error:
        return error


def _planned(side: ClusterPlan | ConfigError | None) -> ClusterPlan | None:
    return side if isinstance(side, ClusterPlan) else None


def _record(plan: ClusterPlan) -> Record:
    read = read_record(record(plan))
    if isinstance(read, EarlierRelease):
        raise TypeError("this release does not read its own record")
    return read


def _figures(before: ClusterPlan | None, after: ClusterPlan | None) -> Iterator[Figure]:
    one, other = _counts(before), _counts(after)
    for name in dict.fromkeys([*one, *other]):
        yield Figure(name=name, before=one.get(name), after=other.get(name))


def _counts(plan: ClusterPlan | None) -> Mapping[str, int]:
    if plan is None:
        return {}
    capacity = plan_document(plan)["capacity"]
    if not isinstance(capacity, Mapping):
        raise TypeError("the capacity of a plan is not an object")
    return {
        "control planes": len(plan.control_planes),
        "workers": len(plan.workers),
        "pods": int(capacity["pods"]),
        "pod addresses": int(capacity["podAddresses"]),
        "IP pools": len(plan.ip_pools),
        "services": len(plan.services),
    }


def _addresses(before: Record, after: Record) -> Iterator[Addresses]:
    one, other = _interfaces(before), _interfaces(after)
    for where in sorted(one.keys() | other.keys()):
        old, new = _shown(one.get(where)), _shown(other.get(where))
        if old != new:
            yield Addresses(where=where, before=old, after=new)


def _interfaces(record_: Record) -> dict[str, Interface]:
    return {
        f"{node.name} {nic}": interface
        for node in record_.nodes.values()
        for nic, interface in node.interfaces.items()
    }


def _shown(interface: Interface | None) -> str:
    if interface is None:
        return ""
    shown = ", ".join(canonical_ranges(interface.pods.planned))
    if isinstance(interface.pods, Counted) and interface.pods.count:
        shown = f"{interface.pods.count} of the cloud's choice"
    return f"{interface.address} + {shown}" if shown else interface.address
