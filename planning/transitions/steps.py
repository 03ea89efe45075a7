"""What a transition is made of: steps in the order in which they happen, or refusals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One setting that differs. `before` and `after` are text; None where it was not set."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Create:
    """An object other than a node or a node's pool is created."""

    target: str


@dataclass(frozen=True, kw_only=True)
class Delete:
    """An object other than a node or a node's pool is deleted."""

    target: str


@dataclass(frozen=True, kw_only=True)
class ChangeInPlace:
    """An object is changed in place, without an effect on what runs."""

    target: str
    because: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Remake:
    """An object is deleted and created again. `loses` names what is lost; empty when nothing is."""

    target: str
    because: tuple[Difference, ...]
    loses: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangeRunningNode:
    """A node's own unit applies settings while it runs."""

    node: str
    because: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class ChangeNewMachines:
    """Running machines keep what they booted with; new machines take the new value."""

    because: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class RestartNode:
    """One stop and one start; disk, addresses and instance id stay."""

    node: str
    control_plane: bool
    drained: bool
    because: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class ReplaceWorker:
    """A new machine under the same name, with the same ENIs unless they are among the reasons."""

    node: str
    drained: bool
    because: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class ReplaceControlPlane:
    """One control plane leaves etcd, and its successor joins. `others` serve meanwhile."""

    node: str
    others: tuple[str, ...]
    because: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class KeepMachine:
    """A node that should be replaced and is not; `because` is the reason and the consequence."""

    node: str
    because: str


@dataclass(frozen=True, kw_only=True)
class AddNode:
    """A node is created, on addresses that no other node has."""

    node: str


@dataclass(frozen=True, kw_only=True)
class RemoveNode:
    """A node goes. `drained`: its pods leave first."""

    node: str
    drained: bool


@dataclass(frozen=True, kw_only=True)
class AddMember:
    """A new control plane joins etcd, which then has `size` members."""

    node: str
    size: int


@dataclass(frozen=True, kw_only=True)
class RemoveMember:
    """A control plane leaves etcd, which then has `size` members."""

    node: str
    size: int


@dataclass(frozen=True, kw_only=True)
class ShrinkPool:
    """An IP pool gives up addresses that no pod holds."""

    pool: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShrinkInterface:
    """A NIC gives up addresses, after its pools have."""

    node: str
    interface: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GrowInterface:
    """A NIC takes more addresses; `addresses` is empty where the cloud chooses `count` of them."""

    node: str
    interface: str
    addresses: tuple[str, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class GrowPool:
    """An IP pool takes addresses, after its NIC has."""

    pool: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UpgradeKubernetes:
    """The version that joining machines run; machines follow in steps of their own."""

    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class UpgradeSpiderpool:
    """The chart, in place."""

    before: str
    after: str


NodeStep = (
    ChangeRunningNode
    | RestartNode
    | ReplaceWorker
    | ReplaceControlPlane
    | KeepMachine
    | AddNode
    | RemoveNode
    | AddMember
    | RemoveMember
)
AddressStep = ShrinkPool | ShrinkInterface | GrowInterface | GrowPool
Step = (
    Create
    | ChangeNewMachines
    | Delete
    | ChangeInPlace
    | Remake
    | NodeStep
    | AddressStep
    | UpgradeKubernetes
    | UpgradeSpiderpool
)


@dataclass(frozen=True, kw_only=True, order=True)
class Refusal:
    """Why an edit is refused.

    `path` is a key of the stack file, `value` its value now, `rule` what must hold, `reason` why
    it must, `remedy` what to write or do instead.
    """

    path: str
    value: str
    rule: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """As the report of a configuration shows a problem."""
        return f"{self.path}: {self.value}\n    {self.rule} {self.reason}\n    → {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The edit can be made: these steps, in this order. `notes` are sentences to read before."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The edit is refused as a whole."""

    refusals: tuple[Refusal, ...]


Transition = Accepted | Refused
