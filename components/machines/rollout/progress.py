"""What one run knows about its nodes while it changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from planning.transitions.earlier import ClusterInState


@dataclass(kw_only=True)
class Progress:
    """The facts of one run. The engine's hooks add to them; turns and waits read them.

    Every set has names of nodes.
    """

    control_planes: Sequence[str]
    """All of the plan, in its order."""
    workers: Sequence[str]
    """All of the plan, in its order."""
    before: ClusterInState = field(default_factory=ClusterInState)
    """The state before this run, once the edit is accepted. Empty in a preview."""
    earlier_planes: frozenset[str] = frozenset()
    """Control planes of the plan before."""
    is_creation: bool = False
    """Whether the state had nothing of this cluster before this run."""
    is_of_earlier_release: bool = False
    """Whether the plan before was recorded by a release that had generations of workers only."""
    endpoint_moves: bool = False
    """Whether the API server's address moves to a load balancer, or back to a control plane."""
    new: set[str] = field(default_factory=set)
    """Nodes that this run adds to the stack."""
    changed: set[str] = field(default_factory=set)
    """Nodes whose machine is restarted or replaced."""
    replaced: set[str] = field(default_factory=set)
    """Nodes whose machine's identity changes."""
    new_machines: set[str] = field(default_factory=set)
    """Nodes whose machine is created in this run."""
    started: set[str] = field(default_factory=set)
    """Control planes that this run starts although no API server answers."""

    def is_lost(self, node: str) -> bool:
        """Whether the node was there before this run and has no machine."""
        return node in self.before.lost_machines

    def are_lost(self, *nodes: str) -> bool:
        """Whether all these nodes are lost. Then none of them waits for another."""
        return all(self.is_lost(node) for node in nodes)

    def is_lost_with_the_cluster(self, node: str) -> bool:
        """Whether the node is the only control plane of a cluster that has served, and is lost."""
        return self.is_lost(node) and self.before.has_served and list(self.control_planes) == [node]

    def has_new_machine(self, node: str) -> bool:
        """Whether this run creates or replaces the machine."""
        return self.is_lost(node) or node in self.new | self.replaced | self.new_machines
