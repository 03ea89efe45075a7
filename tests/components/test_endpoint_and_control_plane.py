"""Where the API server is reached, and the kubeconfig that leads there."""

from __future__ import annotations

import pytest
import yaml

from planning.nodes.endpoint import admitted
from planning.read import plan_from
from tests.clusters import small, three_control_planes
from tests.deploying import deploy, first_preview
from tests.recording import UNKNOWN, Run, Secret

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def alone() -> Run:
    return deploy(small())


@pytest.fixture(scope="module")
def three() -> Run:
    return deploy(three_control_planes())


def _server(run: Run) -> str:
    kubeconfig = run.outputs["kubeconfig"]
    assert isinstance(kubeconfig, Secret)
    server = yaml.safe_load(str(kubeconfig.value))["clusters"][0]["cluster"]["server"]
    assert isinstance(server, str)
    return server


def test_one_control_plane_has_its_eip_and_no_load_balancer(alone: Run) -> None:
    assert not alone.of("ApplicationLoadBalancer")
    association = alone.of("EipAssociation")["small-api"]
    assert association.inputs["instanceType"] == "EcsInstance"
    assert alone.of("Instance")["small-masters-0"].urn in association.dependencies


def test_the_kubeconfig_leads_to_the_endpoint(alone: Run) -> None:
    assert _server(alone) == alone.outputs["apiEndpoint"]
    assert alone.outputs["apiEndpoint"].startswith("https://47.98.")


def test_without_a_public_endpoint_the_kubeconfig_leads_to_the_private_address() -> None:
    run = deploy(small({"kubernetes": {"endpoint": {"public": False, "allowedCidrs": []}}}))
    private = run.outputs["nodes"]["masters-0"]["interfaces"]["eth0"]["primary"]
    assert "small-api" not in run.of("EipAddress")
    assert _server(run) == f"https://{private}:6443"


def test_several_control_planes_are_behind_an_intranet_load_balancer(three: Run) -> None:
    balancer = three.one("ApplicationLoadBalancer").inputs
    listener = three.one("Listener").inputs
    assert balancer["addressType"] == "intranet"
    assert balancer["tags"]["ack.aliyun.com"] == "small"
    assert (listener["protocol"], listener["frontendPort"]) == ("tcp", 6443)
    assert listener["healthCheckType"] == "tcp"


def test_the_public_load_balancer_admits_only_allowed_networks_and_our_own(three: Run) -> None:
    listener = three.one("Listener").inputs
    assert (listener["aclStatus"], listener["aclType"]) == ("on", "white")
    entries = {entry.inputs["entry"] for entry in three.of("AclEntryAttachment").values()}
    switches = {switch.inputs["cidrBlock"] for switch in three.of("Switch").values()}
    assert entries == {"203.0.113.0/24", *switches}


def test_more_than_ten_networks_are_in_several_lists_of_the_listener() -> None:
    document = three_control_planes()
    document["kubernetes"]["endpoint"]["allowedCidrs"] = [f"198.51.{n}.0/24" for n in range(12)]
    run = deploy(document)
    entries = {entry.inputs["entry"]: entry for entry in run.of("AclEntryAttachment").values()}
    lists = run.of("Acl")
    assert set(entries) >= {f"198.51.{n}.0/24" for n in range(12)}
    assert len(lists) == 2
    assert len(run.one("Listener").inputs["aclIds"]) == 2
    assert {entry.urn for entry in entries.values()} <= set(run.one("Listener").dependencies)


def test_the_entries_of_a_list_are_added_one_after_another(three: Run) -> None:
    first, *others = three.of("AclEntryAttachment").values()
    before = first.urn
    for entry in others:
        assert before in entry.dependencies
        before = entry.urn


def test_an_allowed_network_that_is_a_vswitch_of_ours_has_no_entry_of_its_own() -> None:
    document = three_control_planes()
    ours = document["network"]["subnets"]["primary"]["zones"]["cn-hangzhou-i"]["cidr"]
    document["kubernetes"]["endpoint"]["allowedCidrs"].append(ours)
    entries = admitted(plan_from(document))
    assert [name for name, cidr in entries.items() if str(cidr) == ours] == [
        "primary-cn-hangzhou-i"
    ]


def test_a_load_balancer_without_a_public_address_has_no_access_list() -> None:
    document = three_control_planes()
    document["kubernetes"] = {"endpoint": {"public": False, "allowedCidrs": []}}
    run = deploy(document)
    assert run.one("Listener").inputs["aclStatus"] == "off"
    assert not run.of("Acl")


def test_each_control_plane_joins_the_load_balancer_under_its_own_name(three: Run) -> None:
    assert set(three.of("ServerGroupServerAttachment")) == {f"small-masters-{n}" for n in range(3)}


def test_the_eip_of_several_control_planes_is_on_the_load_balancer(three: Run) -> None:
    association = three.of("EipAssociation")["small-api"].inputs
    assert association["instanceType"] == "SlbInstance"


def test_the_eip_waits_for_the_first_control_plane_only(three: Run) -> None:
    attachments = {r.urn for r in three.of("ServerGroupServerAttachment").values()}
    first = three.of("ServerGroupServerAttachment")["small-masters-0"].urn
    assert attachments & set(three.of("EipAssociation")["small-api"].dependencies) == {first}


def test_the_load_balancer_takes_its_address_where_no_node_has_one() -> None:
    document = three_control_planes()
    document["network"]["subnets"]["services"] = {
        "egress": False,
        "zones": {"cn-hangzhou-i": {"cidr": "10.0.16.0/24"}},
    }
    document["network"]["nat"] = {"subnet": "services"}
    run = deploy(document)
    (services,) = (s for s in run.of("Switch").values() if s.name.startswith("small-services"))
    assert services.urn in run.one("ApplicationLoadBalancer").dependencies


def test_the_kubernetes_provider_is_never_replaced_by_a_changed_kubeconfig(alone: Run) -> None:
    provider = alone.one("kubernetes").inputs
    assert provider["clusterIdentifier"] == "small"
    assert isinstance(provider["kubeconfig"], Secret)


def test_the_kubeconfig_is_unknown_until_its_address_is() -> None:
    run = first_preview(small())
    assert run.outputs["apiEndpoint"] == UNKNOWN
    assert run.outputs["kubeconfig"] in (UNKNOWN, Secret(UNKNOWN))


def test_the_listener_opens_only_after_its_access_list_has_all_entries(three: Run) -> None:
    """A CLB's listener with an empty white list forwards all requests."""
    entries = {entry.urn for entry in three.of("AclEntryAttachment").values()}
    assert entries
    assert entries <= three.one("Listener").dependencies
