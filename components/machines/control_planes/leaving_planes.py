"""Removes control planes from the cluster: first their etcd members, one after another.

A machine that answers removes its own member and stops its API server. For a machine that does not
answer, a control plane that stays removes the member. The nodes' own units read both requests from
annotations (`planning.nodes.machine`), so no key of etcd leaves the machines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode, NodeChange
from components.machines.control_planes.control_plane_health import (
    majority_problem,
    members,
    unready_planes,
)
from components.machines.draining import empty
from components.waiting import wait_until
from planning.nodes.machine import (
    ETCD_FAILED,
    ETCD_LEFT,
    FORGET_MEMBERS,
    LEAVE_ETCD,
    MEMBERS_FORGOTTEN,
    UNIT_SCHEMA,
)

LEFT_WITHIN: Final = 300.0
"""Seconds for the removal of a member. etcd may refuse it until other members are healthy."""
_FIRST_REPORT: Final = 60.0
"""Seconds for the first report of a new machine's unit, which starts when its boot has ended."""
_ASK_EVERY: Final = 1.0


async def leave(  # noqa: PLR0913 - times are there for tests
    api: ClusterApi,
    leaving: Mapping[str, str],
    *,
    staying: Collection[str],
    drain_within: float,
    report: Callable[[str], object],
    within: float = LEFT_WITHIN,
    ask_every: float = _ASK_EVERY,
) -> None:
    """Remove control planes from the cluster, last name first, and delete their Nodes.

    A second call continues where the first one ended.

    Args:
        api: the cluster.
        leaving: control plane → private address, in the previous plan.
        staying: names of the control planes that stay and were there before.
        drain_within: seconds to empty each of them.
        report: gets a sentence now and then.
        within: seconds for each member to be removed.
        ask_every: seconds between two questions.

    Raises:
        ClusterError: a control plane that stays is unhealthy, or a member was not removed.
    """
    for name in sorted(leaving, reverse=True):
        nodes, pods = await api.nodes(), await api.control_plane_pods()
        unready = unready_planes(nodes, pods, staying)
        if unready:
            raise ClusterError(
                f"{name} does not leave while {_listed(unready)}: etcd needs those that stay. "
                "Repair that first, then run the same command again."
            )
        node = nodes.get(name)
        if node is not None and node.ready:
            await api.cordon(name)
            await empty(api, node, within=drain_within, report=report)
            if name in members(pods):
                await _leave_etcd(api, node, within=within, ask_every=ask_every)
        else:
            await _remove_member(
                api,
                name,
                leaving[name],
                by=[nodes[plane] for plane in sorted(staying)],
                within=within,
                ask_every=ask_every,
            )
        await api.delete_node(name)
        report(f"{name} has left the cluster: its etcd member is removed and its Node deleted")


async def _leave_etcd(
    api: ClusterApi, node: KubernetesNode, *, within: float, ask_every: float
) -> None:
    """Let a ready control plane remove its own member. Raises `ClusterError`."""
    pods = await api.control_plane_pods()
    problem = majority_problem(pods, node.name)
    if problem is not None and len(members(pods)) == 1:
        raise ClusterError(problem)

    async def unreported() -> str | None:
        now = (await api.nodes()).get(node.name, node)
        return None if UNIT_SCHEMA in now.annotations else node.name

    await wait_until(
        unreported,
        within=min(within, _FIRST_REPORT),
        ask_every=ask_every,
        give_up=lambda _, name: ClusterError(
            f"{name} was made by an earlier release, and its machine cannot leave etcd by "
            "itself. Replace it first: an edit of the pool's image does that, one control plane "
            "at a time. Then take it out of the stack file."
        ),
    )
    await api.change_node(
        node.name, lambda _: NodeChange(annotations={LEAVE_ETCD: node.provider_id})
    )

    def left(nodes: Mapping[str, KubernetesNode]) -> bool:
        now = nodes.get(node.name)
        return now is not None and now.annotations.get(ETCD_LEFT) == node.provider_id

    await _until(
        api,
        left,
        asked=node.name,
        what=f"{node.name} to leave etcd",
        within=within,
        ask_every=ask_every,
    )


async def _remove_member(  # noqa: PLR0913 - as `leave`
    api: ClusterApi,
    name: str,
    address: str,
    *,
    by: list[KubernetesNode],
    within: float,
    ask_every: float,
) -> None:
    """Let one of the nodes `by` remove the member at `address`. Raises `ClusterError`."""
    able = [plane.name for plane in by if UNIT_SCHEMA in plane.annotations]
    if not able:
        raise ClusterError(
            f"{name} does not answer, and no control plane that stays can remove its etcd member: "
            "their machines were made by an earlier release. Remove the member with `etcdctl "
            f"member remove` on one of them (peer address {address}), delete the Node with "
            f"`kubectl delete node {name}`, and run the same command again."
        )
    first = able[0]
    await api.change_node(first, lambda _: NodeChange(annotations={FORGET_MEMBERS: address}))

    def forgotten(nodes: Mapping[str, KubernetesNode]) -> bool:
        now = nodes.get(first)
        answer = "" if now is None else now.annotations.get(MEMBERS_FORGOTTEN, "")
        return address in answer.split(",")

    await _until(
        api,
        forgotten,
        asked=first,
        what=f"{first} to remove the etcd member of {name}",
        within=within,
        ask_every=ask_every,
    )
    await api.change_node(first, lambda _: NodeChange(annotations={FORGET_MEMBERS: None}))


async def _until(  # noqa: PLR0913 - as `leave`
    api: ClusterApi,
    is_done: Callable[[Mapping[str, KubernetesNode]], bool],
    *,
    asked: str,
    what: str,
    within: float,
    ask_every: float,
) -> None:
    """Wait until `is_done` holds. Raises `ClusterError` with the answer of the node `asked`."""

    async def missing() -> str | None:
        try:
            nodes = await api.nodes()
        except ClusterError as error:
            # The connection may lead to the API server that just stopped.
            return str(error)
        if is_done(nodes):
            return None
        node = nodes.get(asked)
        return "" if node is None else node.annotations.get(ETCD_FAILED, "")

    await wait_until(
        missing,
        within=within,
        ask_every=ask_every,
        give_up=lambda _, reason: ClusterError(
            f"Waited {within:.0f} s for {what}. {reason or 'It has not answered'}. Look at "
            f"`journalctl -u spiderpool-alicloud-node` on {asked}, then run the same command again."
        ),
    )


def _listed(reasons: Mapping[str, str]) -> str:
    return ", ".join(f"{name} is not well ({reason})" for name, reason in reasons.items())
