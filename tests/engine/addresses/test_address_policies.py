"""The real API server judges pods by the admission policies that count addresses."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planning.read import plan_from
from planning.spiderpool.address_requests import NAME, manifests
from planning.spiderpool.network_annotations import DEFAULT_NETWORK, NETWORKS
from planning.spiderpool.network_choice import NETWORK_LABEL
from tests.clusters import small
from tests.patience import end_of_wait
from tests.toolchain.kubernetes_provider.servers.real_cluster import RealCluster

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

ETH0, ETH1 = (f"spiderpool-alicloud.io/{nic}-addresses" for nic in ("eth0", "eth1"))
OURS = {"eth0": "kube-system/ipvlan-eth0", "eth1": "kube-system/ipvlan-eth1"}
WITHOUT_ETH1_ON_PLANES = small(
    {"nodePools": {"masters": {"interfaces": {"eth1": {"podAddresses": 0}}}}}
)
"""The control plane is tainted, so pods are spread over five addresses of each NIC."""
KUBELET = ("--as=system:node:workers-0", "--as-group=system:nodes")
IN_FORCE_WITHIN = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """An API server of the default version, as kubeadm runs it, with a small stack's objects."""
    running = RealCluster(
        folder=tmp_path_factory.mktemp("policies"),
        api_server_arguments=("--enable-admission-plugins=NodeRestriction",),
    )
    try:
        running.start()
        for manifest in manifests(plan_from(WITHOUT_ETH1_ON_PLANES)):
            running.kubectl("apply", "-f", "-", standard_input=json.dumps(manifest))
        for namespace in ("on-eth1", "named", "mistaken"):
            running.kubectl("create", "namespace", namespace)
        for namespace in ("default", "on-eth1", "named", "mistaken"):
            running.kubectl("create", "serviceaccount", "default", "--namespace", namespace)
        running.kubectl("label", "namespace", "on-eth1", f"{NETWORK_LABEL}=eth1")
        running.kubectl("label", "namespace", "mistaken", f"{NETWORK_LABEL}=eth7")
        pools = 'ipam.spidernet.io/default-ipv4-ippool=["workers-0-eth0"]'
        running.kubectl("annotate", "namespace", "named", pools)
        deadline = end_of_wait(IN_FORCE_WITHIN)
        while not requests(create(running, pod())) or "kind" in create(
            running, pod(namespace="mistaken")
        ):
            assert time.monotonic() < deadline, "the policies are not in force"
            time.sleep(0.5)
        yield running
    finally:
        running.stop()


def pod(namespace: str = "default", annotations: Any = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    metadata: dict[str, Any] = {"generateName": "pod-", "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    spec = {"containers": [{"name": "app", "image": "app"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def create(running: RealCluster, document: dict[str, Any]) -> dict[str, Any]:
    """The pod as the API server would store it; `{"refusal": …}` where it refuses."""
    try:
        options = ("--dry-run=server", "--output=json", "--filename=-")
        text = running.kubectl("create", *options, standard_input=json.dumps(document))
    except AssertionError as error:
        return {"refusal": str(error)}
    return dict(json.loads(text))


def requests(document: dict[str, Any]) -> dict[str, int]:
    """What all containers ask for together, by NIC; limits are equal, or the API refuses them."""
    asked: Counter[str] = Counter()
    for container in document.get("spec", {}).get("containers", []):
        resources = container.get("resources", {})
        for nic, name in (("eth0", ETH0), ("eth1", ETH1)):
            asked[nic] += int(resources.get("requests", {}).get(name, 0))
            assert resources.get("requests", {}).get(name) == resources.get("limits", {}).get(name)
    return {nic: count for nic, count in asked.items() if count}


def network(document: dict[str, Any]) -> str | None:
    annotations: dict[str, str] = document["metadata"].get("annotations") or {}
    return annotations.get(DEFAULT_NETWORK)


def test_pods_that_choose_no_network_are_spread_over_both_nics(cluster: RealCluster) -> None:
    """A fair coin gives fewer than 8 or more than 32 of 40 once in 150,000 runs."""
    created = [create(cluster, pod()) for _ in range(40)]
    for each in created:
        (nic,) = requests(each)
        assert network(each) == (None if nic == "eth0" else OURS["eth1"])
    assert 8 <= sum("eth1" in requests(each) for each in created) <= 32


@pytest.mark.parametrize("owner", ["0", "f"])
def test_a_pod_without_a_token_follows_its_owner(cluster: RealCluster, owner: str) -> None:
    document = pod(automountServiceAccountToken=False)
    document["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "app",
            "uid": f"{owner}0b2c3d4-0000-4000-8000-000000000000",
        }
    ]
    assert requests(create(cluster, document)) == {"eth0" if owner == "0" else "eth1": 1}


@pytest.mark.parametrize(
    "text", [OURS["eth1"], "ipvlan-eth1", " ipvlan-eth1@eth0 ", "/ipvlan-eth1", "ipvlan-eth1\u00a0"]
)
def test_the_guides_annotation_keeps_its_meaning(cluster: RealCluster, text: str) -> None:
    created = create(cluster, pod(annotations={DEFAULT_NETWORK: text}))
    assert (requests(created), network(created)) == ({"eth1": 1}, text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"{OURS['eth0']},{OURS['eth1']}", 2),
        ('[{"name": "ipvlan-eth0"}, {"name": "ipvlan-eth1"}]', 2),
        ("own/a,own/b", 2),
        ("[]", 0),
    ],
)
def test_a_pod_has_one_default_network(cluster: RealCluster, text: str, count: int) -> None:
    refusal = create(cluster, pod(annotations={DEFAULT_NETWORK: text}))["refusal"]
    assert f"names {count} networks. A pod has one default network" in refusal


@pytest.mark.parametrize("key", [DEFAULT_NETWORK, NETWORKS])
def test_a_nic_that_no_node_has_is_refused(cluster: RealCluster, key: str) -> None:
    refusal = create(cluster, pod(annotations={key: "kube-system/ipvlan-eth7@net1"}))["refusal"]
    assert "The pod asks for the network kube-system/ipvlan-eth7" in refusal
    assert f"Write {OURS['eth0']} or {OURS['eth1']}." in refusal


def test_a_network_of_anybody_else_is_admitted_and_takes_nothing(cluster: RealCluster) -> None:
    for text in ("own/macvlan", '[{"name": "own", "cni-args": {"a": {"b": 1}}}]'):
        assert requests(create(cluster, pod(annotations={DEFAULT_NETWORK: text}))) == {}


def test_a_pod_of_the_hosts_network_takes_nothing(cluster: RealCluster) -> None:
    created = create(cluster, pod(hostNetwork=True))
    assert (requests(created), network(created)) == ({}, None)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (OURS["eth1"], {"eth0": 1, "eth1": 1}),
        (f"{OURS['eth1']}@net1, {OURS['eth1']}@net2,{OURS['eth0']}", {"eth0": 2, "eth1": 2}),
        (json.dumps([{"name": "ipvlan-eth1", "namespace": "kube-system"}]), {"eth0": 1, "eth1": 1}),
        ('[{"NAMESPACE":"kube-system",\n "Name":"ipvlan-eth1"}]', {"eth0": 1, "eth1": 1}),
        # In the pod's own namespace: another network, which takes no address of a pool of ours.
        ("ipvlan-eth1", {"eth0": 1}),
        ('[{"name": "own", "cni-args": {"a": {"b": 1}}}]', {"eth0": 1}),
        # What Go's strings.TrimSpace takes off, multus does.
        ("kube-system\u00a0/ ipvlan-eth1\u00a0@net1,own/x", {"eth0": 1, "eth1": 1}),
        (f"{OURS['eth1']}\v,", {"eth0": 1, "eth1": 1}),
    ],
)
def test_each_attachment_takes_one_more(
    cluster: RealCluster, text: str, needs: dict[str, int]
) -> None:
    assert requests(create(cluster, pod(annotations={NETWORKS: text}))) == needs


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "ipvlan-eth1", "namespace": "kube-system", "cni-args": {"a": 1}}]',
        '[{"name": "ipvlan\\u002deth1", "namespace": "kube-system"}]',
        '[{"name": "other", "name": "ipvlan-eth1", "namespace": "kube-system"}]',
        '{"name": "ipvlan-eth1", "namespace": "kube-system"}',
    ],
)
def test_what_cannot_be_counted_is_refused_with_what_to_write(
    cluster: RealCluster, text: str
) -> None:
    refusal = create(cluster, pod(annotations={NETWORKS: text}))["refusal"]
    assert "Write a list with commas, for example kube-system/ipvlan-eth1@net1." in refusal


def test_white_space_around_json_is_read_as_json_decoders_do(cluster: RealCluster) -> None:
    """multus and Spiderpool (`ParsePodNetworkAnnotation`) use Go's `json.Unmarshal`."""
    text = '[{"name": "ipvlan-eth1", "namespace": "kube-system"}]'
    for white in (" ", "\n\t", "\r\n "):
        created = create(cluster, pod(annotations={NETWORKS: white + text + white}))
        assert requests(created) == {"eth0": 1, "eth1": 1}
    for other in ("\u00a0", "\v", "\ufeff"):
        refusal = create(cluster, pod(annotations={NETWORKS: other + text}))["refusal"]
        assert "cannot be counted" in refusal


def numbered(label: str, index: int, owner: str) -> dict[str, Any]:
    document = pod()
    document["metadata"]["labels"] = {label: str(index)}
    document["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "name": "app",
            "uid": f"{owner}-0000-4000-8000-000000000000",
        }
    ]
    return document


@pytest.mark.parametrize(
    "label", ["apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index"]
)
def test_numbered_pods_take_the_nics_in_turns(cluster: RealCluster, label: str) -> None:
    nics = [requests(create(cluster, numbered(label, n, "0b2c3d40"))) for n in range(6)]
    assert nics in ([{"eth0": 1}, {"eth1": 1}] * 3, [{"eth1": 1}, {"eth0": 1}] * 3)
    first = {json.dumps(requests(create(cluster, numbered(label, 0, f"{n}b23d400")))) for n in "01"}
    first |= {
        json.dumps(requests(create(cluster, numbered(label, 0, f"0b{n}3d400")))) for n in "01"
    }
    assert len(first) == 2, "owners do not all begin with the same NIC"


@pytest.mark.parametrize(
    "bound",
    [
        {"nodeName": "masters-0"},
        {"nodeSelector": {"kubernetes.io/hostname": "masters-0"}},
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchFields": [
                                    {
                                        "key": "metadata.name",
                                        "operator": "In",
                                        "values": ["masters-0"],
                                    }
                                ]
                            }
                        ]
                    }
                }
            }
        },
    ],
    ids=lambda bound: next(iter(bound)),
)
def test_a_pod_that_certain_nodes_run_gets_a_nic_that_every_node_has(
    cluster: RealCluster, bound: dict[str, Any]
) -> None:
    for _ in range(6):
        assert requests(create(cluster, pod(**bound))) == {"eth0": 1}


def test_a_selector_of_the_operating_system_binds_to_no_node(cluster: RealCluster) -> None:
    created = [create(cluster, pod(nodeSelector={"kubernetes.io/os": "linux"})) for _ in range(20)]
    assert {nic for each in created for nic in requests(each)} == {"eth0", "eth1"}


def test_the_mirror_of_a_static_pod_stays_as_its_kubelet_writes_it(cluster: RealCluster) -> None:
    mirror = pod(annotations={"kubernetes.io/config.mirror": "0" * 32})
    assert requests(create(cluster, mirror)) == {}


def test_resources_of_the_whole_pod_leave_room_for_the_request(cluster: RealCluster) -> None:
    whole = {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}
    created = create(cluster, pod(resources=whole))
    assert sum(requests(created).values()) == 1
    assert created["spec"]["resources"] == whole


def test_limits_and_quotas_of_a_namespace_see_the_request(cluster: RealCluster) -> None:
    cluster.kubectl("create", "namespace", "limited")
    cluster.kubectl("create", "serviceaccount", "default", "--namespace", "limited")
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "cpu", "namespace": "limited"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}]},
    }
    cluster.kubectl("create", "-f", "-", standard_input=json.dumps(limits))
    chosen = {DEFAULT_NETWORK: OURS["eth1"]}
    created = create(cluster, pod(namespace="limited", annotations=chosen))
    assert requests(created) == {"eth1": 1}
    assert created["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", ETH1: "1"}


def may(
    cluster: RealCluster, user: str, verb: str, resource: str, *, groups: Sequence[str] = ()
) -> bool:
    """`resource` is `plural[.group][/subresource]`, as kubectl writes it."""
    kind, _, subresource = resource.partition("/")
    plural, _, group = kind.partition(".")
    attributes = {"group": group, "resource": plural, "subresource": subresource, "verb": verb}
    attributes["namespace"] = "default"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": list(groups), "resourceAttributes": attributes},
    }
    text = cluster.kubectl("create", "-o", "json", "-f", "-", standard_input=json.dumps(review))
    return bool(json.loads(text)["status"]["allowed"])


@pytest.mark.parametrize(
    ("role", "creates", "allowed"),
    [
        # The controller manager, which does not run here, aggregates these rules into `edit` and
        # `admin`.
        ("system:aggregate-to-edit", "pods", False),
        ("system:aggregate-to-admin", "rolebindings.rbac.authorization.k8s.io", False),
        ("cluster-admin", "pods", True),
    ],
)
def test_only_who_runs_the_cluster_may_write_networks_past_the_policies(
    cluster: RealCluster, role: str, creates: str, *, allowed: bool
) -> None:
    """Both can write a pod's annotations (`pkg/registry/core/pod`, strategy.go and storage)."""
    user = f"user-{role.rpartition(':')[2]}"
    cluster.kubectl("create", "clusterrolebinding", user, f"--clusterrole={role}", f"--user={user}")
    assert may(cluster, user, "patch", "pods/status") is allowed
    assert may(cluster, user, "create", "pods/binding") is allowed
    assert may(cluster, user, "create", creates)


def test_a_namespace_chooses_for_its_pods(cluster: RealCluster) -> None:
    assert requests(create(cluster, pod(namespace="on-eth1"))) == {"eth1": 1}
    own = pod(namespace="on-eth1", annotations={DEFAULT_NETWORK: "ipvlan-eth0"})
    assert requests(create(cluster, own)) == {"eth0": 1}
    assert "Write one of eth0, eth1." in create(cluster, pod(namespace="mistaken"))["refusal"]


def test_pods_that_name_their_pools_are_not_moved(cluster: RealCluster) -> None:
    named = {"ipam.spidernet.io/ippool": '{"ipv4": ["workers-0-eth0"]}'}
    for _ in range(5):
        assert requests(create(cluster, pod(annotations=named))) == {"eth0": 1}
        assert requests(create(cluster, pod(namespace="named"))) == {"eth0": 1}


def test_a_request_that_is_there_is_not_added_again(cluster: RealCluster) -> None:
    asks = {"requests": {"cpu": "1", ETH1: "1"}, "limits": {ETH1: "1"}}
    containers = [
        {"name": "proxy", "image": "proxy"},
        {"name": "app", "image": "app", "resources": asks},
    ]
    chosen = {DEFAULT_NETWORK: OURS["eth1"]}
    created = create(cluster, pod(annotations=chosen, containers=containers))
    assert requests(created) == {"eth1": 1}
    assert created["spec"]["containers"][0]["resources"] == {}


@pytest.mark.parametrize("containers", [{"containers": []}, {"containers": None}, {}])
@pytest.mark.parametrize("network", ["eth0", "eth1"])
def test_a_pod_without_containers_gets_the_api_servers_reason(
    cluster: RealCluster, network: str, containers: dict[str, Any]
) -> None:
    document = pod(annotations={DEFAULT_NETWORK: OURS[network]})
    document["spec"] = containers
    path = "/api/v1/namespaces/default/pods?dryRun=All"
    with pytest.raises(AssertionError) as refusal:
        # The raw document: kubectl's own validation would refuse it first.
        cluster.kubectl("create", "--raw", path, "-f", "-", standard_input=json.dumps(document))
    assert "spec.containers: Required value" in str(refusal.value)
    assert "expression" not in str(refusal.value)


def test_a_fraction_of_an_address_gets_the_api_servers_reason(cluster: RealCluster) -> None:
    asks = {"limits": {ETH1: "500m"}}
    containers = [
        {"name": "app", "image": "app"},
        {"name": "proxy", "image": "proxy", "resources": asks},
    ]
    refusal = create(cluster, pod(containers=containers))["refusal"]
    assert "must be an integer" in refusal


def test_networks_of_a_pod_cannot_change_and_everything_else_can(cluster: RealCluster) -> None:
    fixed = pod(annotations={DEFAULT_NETWORK: OURS["eth1"]})
    fixed["metadata"]["name"] = "fixed"
    cluster.kubectl("create", "-f", "-", standard_input=json.dumps(fixed))
    cluster.kubectl("annotate", "pod", "fixed", "team=net")
    with pytest.raises(AssertionError, match="Create another pod"):
        cluster.kubectl("annotate", "pod", "fixed", f"{NETWORKS}={OURS['eth0']}")


def test_a_resize_and_an_ephemeral_container_leave_the_request(cluster: RealCluster) -> None:
    cpu = {"requests": {"cpu": "1"}}
    document = pod(
        annotations={DEFAULT_NETWORK: OURS["eth1"]},
        containers=[{"name": "app", "image": "app", "resources": cpu}],
    )
    document["metadata"]["name"] = "resized"
    cluster.kubectl("create", "-f", "-", standard_input=json.dumps(document))
    larger = {"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "2"}}}]}}
    debugging = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "debug"}]}}
    for subresource, change in (("resize", larger), ("ephemeralcontainers", debugging)):
        command = ("patch", "pod", "resized", f"--subresource={subresource}", "-p")
        cluster.kubectl(*command, json.dumps(change))
    stored = json.loads(cluster.kubectl("get", "pod", "resized", "-o", "json"))
    assert requests(stored) == {"eth1": 1}
    assert stored["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "2"
    none = {"spec": {"containers": [{"name": "app", "resources": {"limits": {ETH1: None}}}]}}
    with pytest.raises(AssertionError, match=r"Forbidden|Invalid"):
        cluster.kubectl("patch", "pod", "resized", "--subresource=resize", "-p", json.dumps(none))


def test_the_validating_policy_alone_refuses_what_was_not_counted(cluster: RealCluster) -> None:
    """The pod is as a webhook would leave it after removing its requests."""
    binding = json.loads(
        cluster.kubectl("get", "mutatingadmissionpolicybinding", NAME, "-o", "json")
    )
    cluster.kubectl("delete", "mutatingadmissionpolicybinding", NAME)
    try:
        deadline = end_of_wait(IN_FORCE_WITHIN)
        while "refusal" not in (created := create(cluster, pod())):
            assert time.monotonic() < deadline, created
        assert "takes 1 address(es) of eth0" in created["refusal"]
        assert "refusal" not in create(cluster, pod(hostNetwork=True))
    finally:
        for key in ("resourceVersion", "uid", "creationTimestamp"):
            binding["metadata"].pop(key, None)
        cluster.kubectl("create", "-f", "-", standard_input=json.dumps(binding))
        while "refusal" in create(cluster, pod()):
            time.sleep(0.5)


names = st.sampled_from([*OURS.values(), "ipvlan-eth0", "own/ipvlan-eth1", "own/macvlan"])


@settings(max_examples=15, deadline=None, suppress_health_check=[*HealthCheck])
@given(default=st.none() | names, others=st.lists(names, max_size=4), as_json=st.booleans())
def test_a_pod_asks_for_what_multus_gives_it(
    cluster: RealCluster, default: str | None, others: list[str], *, as_json: bool
) -> None:
    annotations = {}
    taken = [OURS["eth0"]]
    if default is not None:
        annotations[DEFAULT_NETWORK] = default
        taken = [default if "/" in default else f"kube-system/{default}"]
    if others:
        pairs = [name.rpartition("/") for name in others]
        objects = [{"name": n} | ({"namespace": ns} if ns else {}) for ns, _, n in pairs]
        annotations[NETWORKS] = json.dumps(objects) if as_json else ", ".join(others)
        taken += [name if "/" in name else f"default/{name}" for name in others]
    else:
        annotations["ipam.spidernet.io/ippool"] = "{}"  # not spread
    asked = requests(create(cluster, pod(annotations=annotations)))
    assert asked == {nic: n for nic, ours in OURS.items() if (n := taken.count(ours))}


def test_a_node_may_read_pools_and_advertise_for_itself_alone(cluster: RealCluster) -> None:
    for name in ("workers-0", "workers-1"):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        cluster.kubectl("create", "-f", "-", standard_input=json.dumps(node))
    for name in ("workers-0", "workers-1"):
        node = json.loads(cluster.kubectl("get", "node", name, "-o", "json"))
        node["status"] |= {"capacity": {ETH0: "5"}, "allocatable": {ETH0: "5"}}
        replace = ("replace", "--raw", f"/api/v1/nodes/{name}/status", "-f", "-", *KUBELET)
        if name == "workers-0":
            cluster.kubectl(*replace, standard_input=json.dumps(node))
        else:
            with pytest.raises(AssertionError, match="is not allowed to modify node"):
                cluster.kubectl(*replace, standard_input=json.dumps(node))
    stored = json.loads(cluster.kubectl("get", "node", "workers-0", "-o", "json"))["status"]
    assert stored["capacity"][ETH0] == stored["allocatable"][ETH0] == "5"
    for verb, resource, allowed in (
        ("get", "spiderippools", True),
        ("update", "spiderippools", False),
        ("list", "spiderreservedips", True),
    ):
        qualified = f"{resource}.spiderpool.spidernet.io"
        answer = may(cluster, "system:node:workers-0", verb, qualified, groups=("system:nodes",))
        assert answer is allowed
