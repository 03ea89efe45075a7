"""The checks as data: what each one reads, what it needs, and what to do when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from operations.engine.running import Finished
from operations.verification.cluster_objects import Cluster, Pod


class Needs(StrEnum):
    """What a check requires of the cluster."""

    OBJECTS = "objects"
    """The API server."""
    CONTROLLER = "cloud controller"
    """A cloud controller that runs."""
    PACKETS = "packets"
    """A network that carries packets, and the sample apps."""


SIMULATED = frozenset({Needs.OBJECTS, Needs.CONTROLLER})
"""What the local cloud has; checks that need anything else are not simulated there."""


class Shell(Protocol):
    """Runs commands in pods, and connects to load balancers from outside."""

    def execute(self, pod: Pod, *argv: str) -> Finished:
        """Run a command in a pod."""

    def logs(self, pod: Pod) -> str:
        """What a pod has written in the last minutes."""

    def connect(self, host: str, port: int) -> str | None:
        """Connect by TCP from this machine, and stay for a moment; why it failed, or None."""

    def get(self, host: str, port: int, path: str) -> str | None:
        """Send an HTTP request from here; returns why it failed, or None."""


@dataclass(frozen=True, kw_only=True)
class PacketPath:
    """Where a probe's packets go."""

    source: str
    """Who sends: a pod and its node, or `outside`."""
    target: str
    """What is asked, with its address."""
    addresses: frozenset[str] = frozenset()
    """Addresses that packets of this path have at an end."""
    ports: frozenset[int] = frozenset()
    """TCP ports that packets of this path have at an end."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One attempt of a check; returns what is wrong, one line each."""

    attempt: Callable[[Shell], Sequence[str]]
    path: PacketPath | None = None
    """None for a probe that reads objects and sends no packets."""


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """Why a check does not apply to this cluster."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to a cluster."""

    name: str
    needs: Needs
    how: str
    """What the check does, in words."""
    cause: str
    """What is most likely wrong when it fails."""
    look: str
    """A command that shows more."""
    probes: Callable[[Cluster], Sequence[Probe] | NotRun]
