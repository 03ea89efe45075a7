"""The cloud controller on the local cloud: its Nodes, load balancers and rights.

The deployment is shared with test_verify_for_real.py, whose last test destroys it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from localcloud.daemons import ask
from localcloud.settings import Places as CloudPlaces
from tests.engine.clouds.local_cloud import SecondCloud
from tests.engine.clouds.serving_cloud import SERVICES, openapi
from tests.patience import end_of_wait

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

ACCOUNT = "system:serviceaccount:kube-system:cloud-controller-manager"
ALLOWED: Sequence[tuple[str, str, str]] = (
    ("get list watch patch update delete", "nodes", ""),
    ("patch update", "nodes/status", ""),
    ("get list watch patch update", "services", "default"),
    ("patch update", "services/status", "default"),
    ("get list watch", "pods", "default"),
    ("patch", "pods/status", "default"),
    ("create patch update", "events", "default"),
    ("get list watch", "endpointslices.discovery.k8s.io", "default"),
    ("create", "leases.coordination.k8s.io", "kube-system"),
    ("get update patch", "leases.coordination.k8s.io/ccm", "kube-system"),
)
REFUSED: Sequence[tuple[str, str, str]] = (
    ("create", "nodes", ""),
    ("create delete", "services", "default"),
    ("create delete patch", "pods", "default"),
    ("create", "pods/exec", "default"),
    ("get list watch", "secrets", "kube-system"),
    ("get list", "configmaps", "kube-system"),
    ("get list", "endpoints", "default"),
    ("create patch", "endpointslices.discovery.k8s.io", "default"),
    ("get update", "leases.coordination.k8s.io/kube-scheduler", "kube-system"),
    ("delete", "leases.coordination.k8s.io/ccm", "kube-system"),
    ("get list", "leases.coordination.k8s.io", "default"),
    ("create", "serviceaccounts/token", "kube-system"),
    ("create", "clusterroles.rbac.authorization.k8s.io", ""),
    ("bind escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    ("impersonate", "users", ""),
    ("list", "persistentvolumes", ""),
    ("list", "spiderippools.spiderpool.spidernet.io", ""),
)


def within(seconds: float, what: str, look: Callable[[], Any]) -> Any:  # noqa: ANN401
    """The first result of `look` that is true."""
    until = end_of_wait(seconds)
    while not (observed := look()):
        assert time.monotonic() < until, f"after {seconds} s: {what}"
        time.sleep(1)
    return observed


def listening(served: SecondCloud, clb: str) -> set[tuple[int, str, str]]:
    answer = openapi(served).slb("DescribeLoadBalancerListeners", LoadBalancerId=[clb])
    return {(x["ListenerPort"], x["ListenerProtocol"], x["Status"]) for x in answer["Listeners"]}


def behind(served: SecondCloud, clb: str) -> set[tuple[str, str, str]]:
    """Kind, id and address of the servers of a CLB's groups."""
    slb = openapi(served).slb
    groups = slb("DescribeVServerGroups", LoadBalancerId=clb)["VServerGroups"]["VServerGroup"]
    return {
        (s["Type"], s["ServerId"], s["ServerIp"] if s["Type"] == "eni" else "")
        for group in groups
        for s in slb("DescribeVServerGroupAttribute", VServerGroupId=group["VServerGroupId"])[
            "BackendServers"
        ]["BackendServer"]
    }


def clb_at(served: SecondCloud, address: str) -> dict[str, Any]:
    answer = openapi(served).slb("DescribeLoadBalancers", Address=address)
    (load_balancer,) = answer["LoadBalancers"]["LoadBalancer"]
    return dict(load_balancer)


def test_nodes_are_initialised_and_coredns_runs_on_pool_addresses(served: SecondCloud) -> None:
    nodes = {n["metadata"]["name"]: n for n in served.kubectl("get", "nodes")["items"]}
    outputs = served.outputs()
    for name, output in outputs["nodes"].items():
        node = nodes[name]
        assert "taints" not in node["spec"]
        assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "cn-hangzhou-i"
        assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "ecs.g7.large"
        addresses = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        assert addresses == [output["interfaces"]["eth0"]["primary"]]

    def running() -> list[str]:
        pods = served.kubectl("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
        return [p["status"]["podIP"] for p in pods if p["status"]["phase"] == "Running"]

    within(60, "two pods of CoreDNS run", lambda: len(running()) == 2)
    assert all(address.startswith("172.31.199.") for address in running())


def test_sample_apps_run_on_both_networks_of_both_nodes(served: SecondCloud) -> None:
    pods = served.kubectl("get", "pods", "-n", "default")["items"]
    statuses = {(p["metadata"]["labels"]["app"], p["spec"]["nodeName"]): p["status"] for p in pods}
    assert set(statuses) == {
        (a, n) for a in ("test-app-1", "test-app-2") for n in ("master", "worker")
    }
    for (app, _), status in statuses.items():
        first = "172.31." if app == "test-app-1" else "192.168.0."
        assert status["podIP"].startswith(first)


def test_addresses_are_exported_as_the_services_have_them(served: SecondCloud) -> None:
    outputs = served.outputs()["services"]
    assert set(outputs) == set(SERVICES)
    for name, shown in outputs.items():
        service = served.kubectl("get", "service", name)
        (ingress,) = service["status"]["loadBalancer"]["ingress"]
        assert shown["address"] == (ingress.get("ip") or ingress.get("hostname"))
    assert outputs["wide"]["address"].endswith(".cn-hangzhou.nlb.aliyuncsslb.com")
    assert outputs["inner"]["address"].startswith("172.31.")


@pytest.mark.parametrize(
    ("name", "listener"),
    [("tcp-service", (999, "tcp", "running")), ("http-service", (80, "http", "running"))],
)
def test_the_guide_s_services_have_a_clb_with_the_worker_behind_it(
    served: SecondCloud, name: str, listener: tuple[int, str, str]
) -> None:
    outputs = served.outputs()
    clb = clb_at(served, outputs["services"][name]["address"])
    assert clb["AddressType"] == "internet"
    assert listening(served, clb["LoadBalancerId"]) == {listener}
    # kubeadm keeps the control plane out of load balancers.
    worker = outputs["nodes"]["worker"]["instanceId"]
    # An `up` waits for an address and one ready pod, which may be the control plane's.
    within(
        60,
        "the worker stands behind it, and nobody else",
        lambda: behind(served, clb["LoadBalancerId"]) == {("ecs", worker, "")},
    )


def test_the_backends_of_a_clb_are_the_enis_of_the_pods(served: SecondCloud) -> None:
    outputs = served.outputs()
    clb = clb_at(served, outputs["services"]["inner"]["address"])
    pods = served.kubectl("get", "pods", "-l", "app=test-app-2")["items"]
    enis = {name: node["interfaces"]["eth1"]["eniId"] for name, node in outputs["nodes"].items()}
    expected = {("eni", enis[p["spec"]["nodeName"]], p["status"]["podIP"]) for p in pods}
    within(
        60,
        "each pod stands behind it",
        lambda: behind(served, clb["LoadBalancerId"]) == expected,
    )


def test_an_nlb_is_in_the_stacks_two_vswitches(served: SecondCloud) -> None:
    (nlb,) = openapi(served).nlb("ListLoadBalancers")["LoadBalancers"]
    ids = served.outputs()["vswitchIds"]
    assert {(z["ZoneId"], z["VSwitchId"]) for z in nlb["ZoneMappings"]} == {
        (zone, ids[f"primary-{zone}"]) for zone in ("cn-hangzhou-i", "cn-hangzhou-j")
    }
    assert nlb["DeletionProtectionConfig"]["Enabled"]


def test_the_stack_s_rules_admit_the_health_checks_of_the_nlb(served: SecondCloud) -> None:
    nlb = openapi(served).nlb
    listeners = [listener["ListenerId"] for listener in nlb("ListListeners")["Listeners"]]
    assert listeners
    for listener in listeners:
        (status,) = nlb("GetListenerHealthStatus", ListenerId=listener)["ListenerHealthStatus"]
        (group,) = status["ServerGroupInfos"]
        assert group["NonNormalServers"] == []


def test_it_acts_with_the_role_of_its_machine_and_is_never_refused(served: SecondCloud) -> None:
    calls = ask(CloudPlaces(home=served.places.home), "GET", "/calls?after=0")
    creations = [c for c in calls if c["action"] == "CreateLoadBalancer"]
    assert len(creations) == len(SERVICES)
    assert all("guide-cn-hangzhou-ccm" in c["principal"] for c in creations), creations[0]
    assert [c for c in calls if c["code"] == "Forbidden.RAM"] == []


def test_events_and_log_say_that_it_is_a_stand_in(served: SecondCloud) -> None:
    events = served.kubectl("get", "events", "--field-selector", "reason=EnsuredLoadBalancer")
    assert len(events["items"]) >= len(SERVICES)
    assert all("stand-in" in event["message"] for event in events["items"])
    logs = list(served.places.home.glob("machines/*/disk/var/log/pods/*cloud-controller*/*.log"))
    assert logs
    assert all("This is a stand-in" in log.read_text() for log in logs)


def review(verb: str, what: str, namespace: str) -> dict[str, Any]:
    resource, _, rest = what.partition("/")
    name, _, group = resource.partition(".")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": name,
        "subresource": "" if group else rest,
        "name": rest if group else "",
        "namespace": namespace,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": ACCOUNT, "resourceAttributes": attributes},
    }


def verdicts_on(served: SecondCloud, reviews: Sequence[dict[str, Any]]) -> list[bool]:
    """The API server's answer to each review, asked by one kubectl."""
    path = served.places.home / "reviews.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(reviews)}))
    text = served.run("kubectl", "create", "-f", str(path), "-o", "json", check=True).out.strip()
    verdicts = []
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        verdicts += [bool(r["status"]["allowed"]) for r in document.get("items", [document])]
        text = text[end:].strip()
    return verdicts


def test_its_service_account_may_do_what_it_does_and_no_more(served: SecondCloud) -> None:
    asked = [
        (verb, what, namespace, expected)
        for expected, table in ((True, ALLOWED), (False, REFUSED))
        for verbs, what, namespace in table
        for verb in verbs.split()
    ]
    verdicts = verdicts_on(served, [review(verb, what, place) for verb, what, place, _ in asked])
    assert len(verdicts) == len(asked)
    wrong = [
        f"{verb} {what} in {place!r}: {'allowed' if allowed else 'refused'}"
        for (verb, what, place, expected), allowed in zip(asked, verdicts, strict=True)
        if allowed is not expected
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (("get", "nodes"), False),
        (("get", "services", "-A"), False),
        (("annotate", "node", "worker", "a=b", "--dry-run=server"), False),
        (("annotate", "service", "tcp-service", "a=b", "--dry-run=server"), False),
        (("delete", "node", "worker", "--dry-run=server"), False),
        (("get", "lease", "ccm", "-n", "kube-system"), False),
        (("get", "secrets", "-A"), True),
        (("delete", "service", "tcp-service", "--dry-run=server"), True),
        (("annotate", "lease", "kube-scheduler", "a=b", "-n", "kube-system"), True),
    ],
)
def test_verbs_run_as_its_service_account(
    served: SecondCloud, command: tuple[str, ...], *, refused: bool
) -> None:
    done = served.run("kubectl", *command, f"--as={ACCOUNT}")
    assert (done.status != 0) is refused, done.transcript
    assert ("is forbidden" in done.err.lower() or "cannot" in done.err) is refused, done.transcript


def create_service(served: SecondCloud, name: str, **annotations: str) -> None:
    prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
    prefixed_annotations = {
        prefix + key.replace("_", "-"): value for key, value in annotations.items()
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": prefixed_annotations},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "test-app-2"},
            "ports": [{"port": 80}],
        },
    }
    path = served.places.home / f"{name}.json"
    path.write_text(json.dumps(service))
    served.run("kubectl", "create", "-f", str(path), check=True)


def test_a_refusal_of_the_api_is_in_the_services_events(served: SecondCloud) -> None:
    create_service(served, "astray", address_type="intranet", vswitch_id="vsw-none")
    selector = "--field-selector=reason=SyncLoadBalancerFailed,involvedObject.name=astray"
    (event, *_) = within(20, "an event", lambda: served.kubectl("get", "events", selector)["items"])
    assert "CreateLoadBalancer: " in event["message"]
    served.run("kubectl", "delete", "service", "astray", "--timeout=60s", check=True)


def test_a_deleted_service_takes_its_protected_load_balancer_along(served: SecondCloud) -> None:
    def present() -> int:
        response = openapi(served).slb("DescribeLoadBalancers")
        return len(response["LoadBalancers"]["LoadBalancer"])

    before = present()
    create_service(served, "passing")
    within(
        20,
        "an address",
        lambda: served.kubectl("get", "service", "passing")["status"]["loadBalancer"],
    )
    assert present() == before + 1
    # It is protected by default; the controller lifts what it set.
    served.run("kubectl", "delete", "service", "passing", "--timeout=60s", check=True)
    assert present() == before


def test_a_second_up_changes_nothing(served: SecondCloud) -> None:
    done = served.pulumi("preview", "--expect-no-changes")
    assert done.status == 0, done.transcript
