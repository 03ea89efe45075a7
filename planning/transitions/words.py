"""A transition in words: one line for each node, and one for each other thing."""

from __future__ import annotations

from collections.abc import Iterable

from planning.transitions.steps import (
    Accepted,
    AddMember,
    AddNode,
    ChangeInPlace,
    ChangeNewMachines,
    ChangeRunningNode,
    Create,
    Delete,
    Difference,
    GrowInterface,
    GrowPool,
    KeepMachine,
    Remake,
    RemoveMember,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
    ShrinkInterface,
    ShrinkPool,
    Step,
    Transition,
    UpgradeKubernetes,
    UpgradeSpiderpool,
)


def lines(transition: Transition) -> tuple[str, ...]:
    """What happens, in order; for a refused edit, why it does not."""
    if not isinstance(transition, Accepted):
        return tuple(str(refusal) for refusal in transition.refusals)
    grouped: dict[str, list[str]] = {}
    for step in transition.steps:
        target, sentence = words(step)
        grouped.setdefault(target, []).append(sentence)
    return (
        *transition.notes,
        *(f"{target}: {'; '.join(sentences)}." for target, sentences in grouped.items()),
    )


def words(step: Step) -> tuple[str, str]:  # noqa: C901, PLR0911, PLR0912 - one case a step
    """What a step is done to, and the rest of its line."""
    match step:
        case Create(target=target):
            return target, "created"
        case Delete(target=target):
            return target, "removed"
        case ChangeInPlace(target=target, because=because):
            return target, f"changed in place, because {reasons(because, target)}"
        case Remake(target=target, because=because, loses=loses):
            what = f", and loses {loses}" if loses else ""
            return target, f"re-created{what}, because {reasons(because, target)}"
        case ChangeNewMachines(because=because):
            return "machines that are made from now on", f"differ, because {reasons(because)}"
        case ChangeRunningNode(node=node, because=because):
            return node, f"changed while it runs, because {reasons(because)}"
        case RestartNode(node=node, control_plane=plane, drained=drained, because=because):
            how = "one control plane at a time" if plane else _drained(drained=drained)
            return node, f"restarted, {how}, because {reasons(because)}"
        case ReplaceWorker(node=node, drained=drained, because=because):
            return node, f"replaced, {_drained(drained=drained)}, because {reasons(because)}"
        case ReplaceControlPlane(node=node, because=because):
            return node, f"replaced, one control plane at a time, because {reasons(because)}"
        case KeepMachine(node=node, because=reason):
            return node, f"keeps its machine, because {reason}"
        case AddNode(node=node):
            return node, "added"
        case RemoveNode(node=node, drained=drained):
            return node, f"removed, {_drained(drained=drained)}"
        case AddMember(node=node, size=size):
            return node, f"joins etcd, which then has {_members(size)}"
        case RemoveMember(node=node, size=size):
            return node, f"leaves etcd, which then has {_members(size)}"
        case ShrinkPool(pool=pool, addresses=addresses):
            return f"pool {pool}", f"gives up {', '.join(addresses) or 'what the cloud chose'}"
        case GrowPool(pool=pool, addresses=addresses):
            return f"pool {pool}", f"takes {', '.join(addresses)}"
        case ShrinkInterface(node=node, interface=nic, addresses=addresses):
            return f"{node} {nic}", f"gives up {', '.join(addresses)}"
        case GrowInterface(node=node, interface=nic, addresses=addresses, count=count):
            what = ", ".join(addresses) or f"{count} addresses of the cloud's choice"
            return f"{node} {nic}", f"takes {what}"
        case UpgradeKubernetes(before=before, after=after):
            return "Kubernetes", f"{before} becomes {after}, control planes first, then workers"
        case UpgradeSpiderpool(before=before, after=after):
            return "Spiderpool", f"{before} becomes {after}"


def reasons(because: Iterable[Difference], target: str = "") -> str:
    """`instanceType ecs.g7.large becomes ecs.g7.xlarge and …`; keys below `target` are short."""
    return " and ".join(_reason(each, target) for each in because)


def _reason(difference: Difference, target: str) -> str:
    key = difference.key.removeprefix(f"{target}.") if target else difference.key
    if difference.before is None:
        return f"{key} becomes {difference.after}"
    if difference.after is None:
        return f"{key} {difference.before} goes"
    return f"{key} {difference.before} becomes {difference.after}"


def _drained(*, drained: bool) -> str:
    return "drained first" if drained else "not drained by this program"


def _members(size: int) -> str:
    return f"{size} member{'' if size == 1 else 's'}"
