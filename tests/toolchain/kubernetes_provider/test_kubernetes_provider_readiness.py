from __future__ import annotations

import pytest

from toolchain.kubernetes_provider.errors import ProviderError
from toolchain.kubernetes_provider.objects.readiness import Waiting, rule_for
from toolchain.kubernetes_provider.protocol.wire import Object

pytestmark = pytest.mark.unit


def nothing(_api_version: str, _kind: str, _namespace: str, _name: str) -> Object | None:
    return None


def why(target: Object, live: Object | None = None) -> Waiting | None:
    rule = rule_for(target)
    return rule(target, lambda *_: live) if rule else None


def deployment(status: Object) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "generation": 2},
        "spec": {"replicas": 2},
        "status": status,
    }


ROLLED_OUT: Object = {
    "observedGeneration": 2,
    "updatedReplicas": 2,
    "availableReplicas": 2,
    "conditions": [
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {"type": "Available", "status": "True"},
    ],
}


def test_a_deployment_that_has_rolled_out_is_ready() -> None:
    assert why(deployment(ROLLED_OUT)) is None


def test_a_deployment_waits_for_its_controller_to_see_the_change() -> None:
    waiting = why(deployment({**ROLLED_OUT, "observedGeneration": 1}))
    assert waiting == Waiting(reason="its controller has not processed the latest change yet")


def test_a_deployment_waits_for_its_replicas() -> None:
    waiting = why(deployment({**ROLLED_OUT, "availableReplicas": 1}))
    assert waiting == Waiting(reason="1 of 2 replicas are available, 2 are updated")


def test_a_deployment_past_its_deadline_is_still_waited_for() -> None:
    progressing: Object = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet agent-1 has timed out progressing.",
    }
    waiting = why(deployment({**ROLLED_OUT, "conditions": [progressing]}))
    assert waiting == Waiting(reason="ReplicaSet agent-1 has timed out progressing.")


def test_a_daemon_set_waits_for_each_of_its_pods() -> None:
    target: Object = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"generation": 1},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": 2,
            "updatedNumberScheduled": 2,
            "numberAvailable": 1,
            "numberReady": 1,
        },
    }
    assert why(target) == Waiting(reason="1 of 2 pods are available")


def test_a_daemon_set_without_nodes_is_ready() -> None:
    target: Object = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"generation": 1},
        "status": {"observedGeneration": 1},
    }
    assert why(target) is None


def service(spec: Object, status: Object | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "d"},
        "spec": spec,
        "status": status or {},
    }


def test_a_load_balancer_waits_for_its_address() -> None:
    waiting = why(service({"type": "LoadBalancer"}))
    assert waiting is not None
    assert "has not set a load balancer address" in waiting.reason


def test_a_load_balancer_with_an_address_and_no_selector_is_ready() -> None:
    status: Object = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    assert why(service({"type": "LoadBalancer"}, status)) is None


def test_a_service_waits_while_selected_pods_are_not_ready() -> None:
    endpoints: Object = {"subsets": [{"notReadyAddresses": [{"ip": "10.0.0.1"}]}]}
    waiting = why(service({"selector": {"a": "b"}}), endpoints)
    assert waiting == Waiting(reason="1 of its pods are not ready")


def test_a_service_that_selects_no_pod_yet_is_ready() -> None:
    assert why(service({"selector": {"a": "b"}}), {"subsets": []}) is None


def test_a_headless_service_does_not_wait() -> None:
    assert why(service({"selector": {"a": "b"}, "clusterIP": "None"})) is None


def test_a_pod_whose_container_ended_says_with_which_code() -> None:
    ended: Object = {"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "status": {"phase": "Failed", "containerStatuses": [ended]},
    }
    assert why(pod) == Waiting(reason="its container c ended with exit code 1 Error", hopeless=True)


def test_skip_await_waits_for_nothing() -> None:
    target = deployment({})
    target["metadata"] = {"annotations": {"pulumi.com/skipAwait": "true"}}
    assert rule_for(target) is None


def custom(wait_for: str, status: Object) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Coordinator",
        "metadata": {"annotations": {"pulumi.com/waitFor": wait_for}},
        "status": status,
    }


def test_a_custom_kind_does_not_wait_by_itself() -> None:
    assert rule_for({"apiVersion": "example.com/v1", "kind": "Pool"}) is None


@pytest.mark.parametrize(
    ("wait_for", "ready"),
    [
        ("condition=Ready", {"conditions": [{"type": "Ready", "status": "True"}]}),
        ("condition=Ready=False", {"conditions": [{"type": "Ready", "status": "False"}]}),
        ("jsonpath={.status.phase}=Synced", {"phase": "Synced"}),
        ("jsonpath={.status.phase}", {"phase": "anything"}),
        ("jsonpath={.status.list[0].n}=3", {"list": [{"n": 3}]}),
    ],
)
def test_wait_for_is_met_by_what_it_names(wait_for: str, ready: Object) -> None:
    assert why(custom(wait_for, ready)) is None
    assert why(custom(wait_for, {})) is not None


def test_several_expressions_must_all_be_met() -> None:
    both = '["condition=A", "condition=B"]'
    status: Object = {"conditions": [{"type": "A", "status": "True"}]}
    assert why(custom(both, status)) == Waiting(reason="its condition B is not set")


@pytest.mark.parametrize("wait_for", ["Ready", "[]", "jsonpath={.items[*].x}=1"])
def test_an_expression_that_cannot_be_followed_is_refused(wait_for: str) -> None:
    with pytest.raises(ProviderError, match=r"pulumi\.com/waitFor"):
        rule_for(custom(wait_for, {}))
