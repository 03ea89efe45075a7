"""Helm releases that a killed run left pending, and the repair of each.

Helm records a revision before it changes anything, and updates its status at the end. A run that
dies in between leaves `pending-install`, `pending-upgrade` or `pending-rollback`, and Helm refuses
every later operation on it ("another operation (install/upgrade/rollback) is in progress"). Pulumi
only checks that the release exists, so a run that does not change it succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PENDING: Final = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})
"""Statuses in which Helm refuses another operation (pkg/release/v1/status.go, IsPending)."""
_DEPLOYED: Final = "deployed"
_SUPERSEDED: Final = "superseded"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One line of a release's history."""

    number: int
    status: str
    chart: str
    """Name and version: `spiderpool-1.0.1`."""


@dataclass(frozen=True, kw_only=True)
class RollBack:
    """The release goes back to a revision that was deployed."""

    revision: int
    status: str
    """The release's present status."""


@dataclass(frozen=True, kw_only=True)
class Uninstall:
    """The first installation never ended, so it is removed, and the next run installs it."""

    status: str


@dataclass(frozen=True, kw_only=True)
class Adopt:
    """The installation succeeded after the run had died: the state takes the release."""


@dataclass(frozen=True, kw_only=True)
class NoWay:
    """There is no safe way to repair the release."""

    reason: str


ReleaseStep = RollBack | Uninstall | Adopt | NoWay


def history_of(document: Sequence[Mapping[str, Any]]) -> tuple[Revision, ...]:
    """Read what `helm history --output json` prints; the oldest revision first."""
    revisions = (
        Revision(
            number=int(entry["revision"]), status=str(entry["status"]), chart=str(entry["chart"])
        )
        for entry in document
    )
    return tuple(sorted(revisions, key=lambda revision: revision.number))


def release_step(history: Sequence[Revision], *, is_new: bool, version: str) -> ReleaseStep | None:
    """Return what makes the release ready for the next run; None when it is ready.

    Args:
        history: of the release, the oldest revision first; empty when there is none.
        is_new: its installation is pending, so the state does not have it.
        version: of the chart that the program asked for.
    """
    if not history:
        return None
    latest = history[-1]
    if is_new:
        return _step_of_new(history, version)
    if latest.status not in PENDING:
        return None
    for status in (_DEPLOYED, _SUPERSEDED):
        for revision in reversed(history[:-1]):
            if revision.status == status:
                return RollBack(revision=revision.number, status=latest.status)
    if latest.status == "pending-install":
        return Uninstall(status=latest.status)
    return NoWay(reason=f"it is {latest.status}, and no earlier revision was ever deployed")


def _step_of_new(history: Sequence[Revision], version: str) -> ReleaseStep:
    latest = history[-1]
    # A chart's folder may have any name, so only the version is compared.
    if len(history) > 1 or not latest.chart.endswith(f"-{version}"):
        return NoWay(
            reason=f"it is revision {latest.number} of {latest.chart}, and this stack was "
            f"installing version {version}"
        )
    if latest.status == _DEPLOYED:
        return Adopt()
    return Uninstall(status=latest.status)
