"""Changes a node while its machine runs: labels, taints and the node's settings.

Labels and taints are changed in the API, because the kubelet sets them only when it registers its
Node. The node's own unit applies the other settings. It reads one annotation and answers in another
one (`planning.nodes.machine`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode, NodeChange, Taint
from components.waiting import wait_until
from planning.nodes.machine import (
    SETTINGS,
    SETTINGS_APPLIED,
    SETTINGS_FAILED,
    UNIT_SCHEMA,
    applicable,
    settings_digest,
    unit_version,
)

APPLIED_WITHIN: Final = 300.0
"""Seconds for a node to apply its settings, with a kubelet restart and the wait for its Node."""
_ASK_EVERY: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that a Node takes from its plan, other than those of the machine's identity."""

    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    text: str
    """`planning.nodes.machine.node_settings`."""


def settings_of(inputs: Mapping[str, object]) -> Settings | None:
    """Read the settings from a generation's inputs; None from those of an earlier release."""
    labels, taints, text = (inputs.get(key) for key in ("labels", "taints", "settings"))
    if not (
        isinstance(labels, Mapping)
        and isinstance(taints, Sequence)
        and not isinstance(taints, str)
        and isinstance(text, str)
    ):
        return None
    return Settings(
        labels={str(key): str(value) for key, value in labels.items()},
        taints=tuple(
            (str(t["key"]), str(t.get("value", "")), str(t["effect"]))
            for t in taints
            if isinstance(t, Mapping)
        ),
        text=text,
    )


def changed_node(current: KubernetesNode, *, before: Settings, after: Settings) -> NodeChange:
    """The change of a Node's labels and taints after an edit; those outside the plan stay.

    A taint belongs to the plan if the previous plan had its key and effect. Every other taint
    belongs to Kubernetes, to the cloud controller or to a person.
    """
    removed = set(before.labels) - set(after.labels)
    ours = {(key, effect) for key, _, effect in (*before.taints, *after.taints)}
    kept = [taint for taint in current.taints if (taint[0], taint[2]) not in ours]
    return NodeChange(
        labels={**dict.fromkeys(sorted(removed)), **after.labels},
        taints=(*kept, *after.taints),
    )


async def change_settings(  # noqa: PLR0913 - times are there for tests
    api: ClusterApi,
    node: str,
    *,
    before: Settings,
    after: Settings,
    report: Callable[[str], object],
    within: float = APPLIED_WITHIN,
    ask_every: float = _ASK_EVERY,
) -> None:
    """Give a running node its new settings, and wait until it has applied them.

    `within` and `ask_every` are in seconds. Raises `ClusterError` if the node cannot or
    does not apply them.
    """
    current = (await api.nodes()).get(node)
    if current is None:
        raise ClusterError(
            f"{node} has no Node, so its settings cannot change. Run the same command again once "
            "it has joined; its console output shows how far it is."
        )
    if (before.labels, before.taints) != (after.labels, after.taints):
        await api.change_node(node, lambda now: changed_node(now, before=before, after=after))
        report(f"{node}: labels and taints are changed")
    if before.text == after.text:
        return
    unit = unit_version(current.annotations)
    if applicable(before.text, unit) == applicable(after.text, unit):
        # Only settings that this unit does not know differ, as in the first run of a new release.
        report(
            f"{node}: its machine was made by an earlier release, whose unit does not keep pods "
            "from the metadata service. A new machine does: replace it when it suits you"
        )
        return
    if UNIT_SCHEMA not in current.annotations:
        raise ClusterError(_no_unit(node))
    await write_settings(api, node, after.text)
    await _until_applied(api, node, after.text, within=within, ask_every=ask_every)
    report(f"{node}: its settings are changed, and it was not restarted")


async def write_settings(api: ClusterApi, node: str, text: str) -> None:
    """Write the annotation that the node's unit reads, unless it is up to date.

    Raises `ClusterError`.
    """
    await api.change_node(
        node,
        lambda now: (
            None
            if now.annotations.get(SETTINGS) == text
            else NodeChange(annotations={SETTINGS: text})
        ),
    )


async def _until_applied(
    api: ClusterApi, node: str, text: str, *, within: float, ask_every: float
) -> None:
    digest = settings_digest(text)

    async def missing() -> str | None:
        try:
            current = (await api.nodes()).get(node)
            reason = "its Node is gone" if current is None else _missing(current, digest)
        except ClusterError as error:
            # The API server of a control plane whose kubelet restarts may be away for a moment.
            current, reason = None, f"the API server: {error}"
        if reason is None:
            return None
        refusal = "" if current is None else current.annotations.get(SETTINGS_FAILED, "")
        if refusal.startswith(f"{digest}:"):
            raise ClusterError(
                f"{node} could not apply its settings: {refusal.removeprefix(f'{digest}:').strip()}"
                ". It runs with the ones from before. Correct the setting in the stack file, and "
                "run the same command again."
            )
        return reason

    await wait_until(
        missing,
        within=within,
        ask_every=ask_every,
        give_up=lambda _, reason: ClusterError(
            f"{node} did not apply its settings within {within:.0f} s: {reason}. Look at "
            f"`kubectl describe node {node}` and at `journalctl -u spiderpool-alicloud-node` on "
            "the machine, then run the same command again."
        ),
    )


def _missing(current: KubernetesNode, digest: str) -> str | None:
    if current.annotations.get(SETTINGS_APPLIED) != digest:
        return "it has not answered"
    return None if current.ready else "its Node is not ready"


def _no_unit(node: str) -> str:
    return (
        f"{node} was made by an earlier release, and its machine cannot take other settings while "
        "it runs. Replace the machine: an edit of its pool's image or of kubernetes.version does "
        "that, one node at a time, and the new machine has the new settings. Or revert the "
        "edit of its settings."
    )
