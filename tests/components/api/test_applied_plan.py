"""The hook that checks an edit before anything else: its messages, and what it accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pulumi
import pytest

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode
from components.transition import AppliedPlan
from planning.transitions.earlier import StateResource
from planning.transitions.reading import Record, read_record
from planning.transitions.record import record
from tests.clusters import Document, small
from tests.deploying import deploy
from tests.planning.documents import planned
from tests.planning.edited import at, edited

pytestmark = pytest.mark.unit

SHRUNK = edited(small(), at("nodePools/workers/interfaces/eth1/podAddresses", 3))


class AnsweringCluster(ClusterApi):
    """A cluster in which one pod holds the last address of the worker's eth1."""

    def __init__(self) -> None:
        """Without a client: nothing is sent."""

    async def version(self) -> str:
        return "v1.36.3"

    async def nodes(self) -> Mapping[str, KubernetesNode]:
        plane = KubernetesNode(
            name="masters-0",
            provider_id="",
            ready=True,
            rolling=False,
            annotations={"spiderpool-alicloud.io/unit": "2"},
            labels={"node-role.kubernetes.io/control-plane": ""},
        )
        return {plane.name: plane}

    async def ip_pools(self) -> Sequence[Mapping[str, Any]]:
        status = {"allocatedIPs": '{"10.1.0.149": {"pod": "shop/web-1", "podUid": "x"}}'}
        return [{"metadata": {"name": "workers-0-eth1"}, "status": status}]


class SilentCluster(ClusterApi):
    """A cluster that does not answer."""

    def __init__(self) -> None:
        """Without a client: nothing is sent."""

    async def version(self) -> str:
        raise ClusterError("no route to host")


def applied(document: Document) -> AppliedPlan:
    """The resource of a program that has run to its end."""
    seen: list[AppliedPlan] = []

    class Seen(AppliedPlan):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
            super().__init__(*args, **kwargs)
            seen.append(self)

    with patch("components.cluster.AppliedPlan", Seen):
        deploy(document)
    return seen[0]


def messages_of(
    after: Document,
    old: Mapping[str, Any],
    *,
    cluster: ClusterApi,
    outputs: Mapping[str, Any] | None = None,
    preview: bool = False,
) -> list[str]:
    """Run the hook for an edit; what it told."""

    @asynccontextmanager
    async def api(_text: str, **_: float) -> AsyncIterator[ClusterApi]:
        yield cluster

    async def nothing() -> tuple[StateResource, ...]:
        return ()

    messages: list[str] = []
    resource = applied(after)
    args = pulumi.ResourceHookArgs(
        urn="",
        id="",
        name="small",
        type="",
        old_inputs=old,
        old_outputs={"server": "203.0.113.9"} if outputs is None else outputs,
    )
    with (
        patch("components.transition.cluster_api", api),
        patch("components.transition.state_resources", nothing),
        patch("pulumi.runtime.is_dry_run", lambda: preview),
        patch("pulumi.log.info", lambda text, *_: messages.append(text)),
    ):
        asyncio.run(resource._before_update(args))
    return messages


def test_an_accepted_edit_is_described_in_words() -> None:
    after = edited(small(), at("nodePools/workers/instanceType", "ecs.g7.xlarge"))
    messages = messages_of(after, record(planned(small())), cluster=AnsweringCluster())
    assert messages == [
        (
            "workers-0: restarted, drained first, because instanceType ecs.g7.large becomes "
            "ecs.g7.xlarge."
        )
    ]


def test_a_refusal_names_the_pod_that_holds_the_address() -> None:
    with pytest.raises(pulumi.RunError, match=r"shop/web-1 \(10\.1\.0\.149\)"):
        messages_of(SHRUNK, record(planned(small())), cluster=AnsweringCluster())


def test_an_update_takes_no_address_while_the_cluster_is_silent() -> None:
    with pytest.raises(pulumi.RunError, match="no route to host"):
        messages_of(SHRUNK, record(planned(small())), cluster=SilentCluster())


def test_a_preview_goes_on_without_an_answer_and_says_so() -> None:
    messages = messages_of(SHRUNK, record(planned(small())), cluster=SilentCluster(), preview=True)
    assert "which pods have them: the API server gave no answer (no route to host)" in messages[0]


def test_an_update_without_the_clusters_address_removes_no_address() -> None:
    with pytest.raises(pulumi.RunError, match="no run has been complete yet"):
        messages_of(SHRUNK, record(planned(small())), cluster=AnsweringCluster(), outputs={})


def test_all_reasons_come_in_one_message() -> None:
    after = edited(small(), at("name", "other"), at("kubernetes/podCidr", "10.245.0.0/16"))
    with pytest.raises(pulumi.RunError) as caught:
        messages_of(after, record(planned(small())), cluster=AnsweringCluster())
    assert "Write name: small." in str(caught.value)
    assert "Write kubernetes.podCidr: 10.244.0.0/16." in str(caught.value)


def test_a_stack_of_an_earlier_release_gets_a_notice_of_what_happens_to_it() -> None:
    old = {"workers": ["workers-0"], "kubernetes": "1.36.3"}
    messages = messages_of(small(), old, cluster=AnsweringCluster())
    assert "deployed by an earlier release" in messages[0]
    assert messages[1].startswith("masters-0: keeps its machine")
    assert messages[2].startswith("workers-0: keeps its machine")


def test_a_callback_gets_both_plans_once_the_edit_is_accepted() -> None:
    plans: list[object] = []

    async def remember(before: object, after: object, kubeconfig: str | None) -> None:
        plans.extend((before, after))
        assert kubeconfig is None, "no run has been complete, so no address is known"

    resource = applied(edited(small(), at("tags/owner", "platform")))
    object.__setattr__(resource._args, "before_changes", remember)
    args = pulumi.ResourceHookArgs(
        urn="", id="", name="small", type="", old_inputs=record(planned(small()))
    )
    with patch("pulumi.log.info"):
        asyncio.run(resource._before_update(args))
    assert [type(plan) for plan in plans] == [Record, Record]
    assert plans[0] == read_record(record(planned(small())))


CLUSTER = "urn:pulumi:dev::p::spiderpool-alicloud:cluster:Cluster"
INSTANCE = f"{CLUSTER}$spiderpool-alicloud:nodes:Node$alicloud:ecs/instance:Instance"


def creations(*urns: str, version: str = "1.36.3") -> int:
    """How often a plan without predecessor counts as a first run, over this state."""

    async def state() -> tuple[StateResource, ...]:
        return tuple(StateResource(urn=urn, outputs={}) for urn in urns)

    noted: list[None] = []
    resource = applied(edited(small(), at("kubernetes/version", version)))
    object.__setattr__(resource._args, "at_creation", lambda: noted.append(None))
    with patch("components.transition.state_resources", state):
        asyncio.run(
            resource._before_create(pulumi.ResourceHookArgs(urn="", id="", name="small", type=""))
        )
    return len(noted)


def test_a_run_over_an_empty_state_is_the_first() -> None:
    assert creations(f"{CLUSTER}::small") == 1


def test_a_run_over_machines_is_never_the_first() -> None:
    """They would get the permission to make a second cluster."""
    assert creations(f"{CLUSTER}::small", f"{INSTANCE}::small-masters-0") == 0


def test_another_name_is_refused_because_it_is_another_cluster() -> None:
    with pytest.raises(pulumi.RunError, match=r"Write name: other, or use another stack"):
        creations(f"{CLUSTER}::other", f"{CLUSTER}::small")


def test_a_new_cluster_past_its_end_of_life_is_refused_before_anything_is_created() -> None:
    refusal = r"(?s)^This cluster cannot be created, .*Write kubernetes\.version: 1\.36\.3\."
    with pytest.raises(pulumi.RunError, match=refusal):
        creations(f"{CLUSTER}::small", version="1.34.4")


def test_machines_past_their_end_of_life_get_a_plan_all_the_same() -> None:
    urns = (f"{CLUSTER}::small", f"{INSTANCE}::small-masters-0")
    assert creations(*urns, version="1.34.4") == 0
