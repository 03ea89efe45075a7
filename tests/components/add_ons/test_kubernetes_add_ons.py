"""Spiderpool and the cloud controller: what is installed, from what, in which order."""

from __future__ import annotations

import json

import pytest

from tests.clusters import counted, existing_kubernetes, small
from tests.deploying import deploy, first_preview
from tests.recording import UNKNOWN, Run, Secret, secrets_in

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(small())


@pytest.fixture(scope="module")
def existing() -> Run:
    return deploy(existing_kubernetes(), extra={"kubeconfig": "apiVersion: v1\nkind: Config\n"})


def test_the_release_is_the_published_chart_without_its_hooks(run: Run) -> None:
    release = run.one("Release").inputs
    assert release["chart"] == "spiderpool"
    assert release["version"] == "1.2.2"
    assert release["repositoryOpts"]["repo"] == "https://spidernet-io.github.io/spiderpool"
    assert release["disableWebhooks"] is True
    assert release["skipCrds"] is False
    assert release["namespace"] == "kube-system"


def test_a_chart_of_this_checkout_has_no_repository() -> None:
    chart = {"repository": None, "name": ".local/charts/spiderpool"}
    release = deploy(small({"spiderpool": {"chart": chart}})).one("Release").inputs
    assert release["chart"] == ".local/charts/spiderpool"
    assert "repositoryOpts" not in release


def test_of_the_values_only_the_certificates_are_secret(run: Run) -> None:
    values = run.one("Release").inputs["values"]
    assert values["ipam"]["enableStatefulSet"] is False
    assert values["multus"]["multusCNI"]["defaultCniCRName"] == "ipvlan-eth0"
    tls = values["spiderpoolController"]["tls"]
    assert tls["method"] == "provided"
    assert isinstance(tls["provided"], Secret)
    assert len(list(secrets_in(values))) == 1


def test_there_is_one_multus_config_for_each_nic_name(run: Run) -> None:
    configs = run.of("SpiderMultusConfig").values()
    assert {c.inputs["metadata"]["name"] for c in configs} == {"ipvlan-eth0", "ipvlan-eth1"}
    assert {c.inputs["metadata"]["namespace"] for c in configs} == {"kube-system"}


def test_each_node_and_nic_has_one_pool_of_its_own_addresses(run: Run) -> None:
    pools = {
        p.inputs["metadata"]["name"]: p.inputs["spec"] for p in run.of("SpiderIPPool").values()
    }
    assert set(pools) == {
        f"{node}-{nic}" for node in ("masters-0", "workers-0") for nic in ("eth0", "eth1")
    }
    assert pools["workers-0-eth0"] == {
        "default": True,
        "ips": ["10.0.0.145-10.0.0.149"],
        "subnet": "10.0.0.0/20",
        "gateway": "10.0.15.253",
        "nodeName": ["workers-0"],
        "multusName": ["kube-system/ipvlan-eth0"],
    }


def test_a_pools_addresses_come_from_its_own_eni(run: Run) -> None:
    enis = run.of("EcsNetworkInterface")
    pool = run.of("SpiderIPPool")["small-workers-0-eth1"]
    assert enis["small-workers-0-eth1"].urn in pool.dependencies
    assert not {enis["small-masters-0-eth1"].urn, enis["small-workers-0-eth0"].urn} & (
        pool.dependencies
    )


def test_of_a_counted_pool_only_the_addresses_are_unknown_in_a_preview() -> None:
    run = first_preview(counted())
    spec = run.of("SpiderIPPool")["small-workers-0-eth1"].inputs["spec"]
    assert spec["ips"] == UNKNOWN
    assert spec["gateway"] == "10.1.31.253"


def test_a_pool_has_longer_to_go_than_the_collector_needs(run: Run) -> None:
    assert {p.delete_timeout for p in run.of("SpiderIPPool").values()} == {"20m"}


def test_the_coordinator_is_left_to_the_end_of_its_cluster(run: Run) -> None:
    coordinator = run.one("SpiderCoordinator")
    assert coordinator.inputs["metadata"]["name"] == "default"
    assert coordinator.retain_on_delete


def test_pools_go_first_then_configs_release_controller_nodes_and_rules(run: Run) -> None:
    release, controller = run.one("Release"), run.one("Deployment")
    configs = {c.urn for c in run.of("SpiderMultusConfig").values()}
    instances = {i.urn for i in run.of("Instance").values()}
    rules = {r.urn for r in run.of("SecurityGroupRule").values()}
    for pool in run.of("SpiderIPPool").values():
        assert configs | {release.urn} <= run.needed_by(pool)
    for config in run.of("SpiderMultusConfig").values():
        assert release.urn in run.needed_by(config)
    assert controller.urn in run.needed_by(release)
    assert instances | rules <= run.needed_by(controller)


def test_the_controller_has_its_rights_before_it_starts(run: Run) -> None:
    needs = run.needed_by(run.one("Deployment"))
    bindings = run.of("ClusterRoleBinding")
    nodes = bindings.pop("small-addresses-ClusterRoleBinding")
    rights = [*run.of("ServiceAccount").values(), *bindings.values()]
    assert rights
    assert nodes.urn not in needs
    assert {r.urn for r in rights} <= needs
    assert run.one("RolePolicyAttachment").urn in needs


def test_the_controllers_configuration_is_a_secret_with_our_ids(run: Run) -> None:
    data = run.of("Secret")["small-cloud-config"].inputs["stringData"]
    assert isinstance(data, Secret)
    assert isinstance(data.value, dict)
    settings = json.loads(data.value["cloud-config.conf"])["Global"]
    assert settings["clusterID"] == "small"
    assert settings["vpcid"] == run.outputs["vpcId"]
    assert run.outputs["vswitchIds"]["primary-cn-hangzhou-i"] in settings["vswitchid"]


def test_another_access_key_restarts_the_controller_that_read_the_old_one() -> None:
    def annotations(id_: str) -> dict[str, str]:
        run = deploy(
            small({"cloudController": {"credentials": "access-key"}}),
            extra={"accessKey": {"accessKeyId": id_, "accessKeySecret": "fake"}},
        )
        pod = run.of("Deployment")["small-deployment"].inputs["spec"]["template"]
        annotations: dict[str, str] = pod["metadata"]["annotations"]
        return annotations

    first, second = annotations("LTAI-fake-1"), annotations("LTAI-fake-2")
    assert first["checksum/cloud-config"] == second["checksum/cloud-config"]
    assert first["checksum/access-key"] != second["checksum/access-key"]
    assert "LTAI" not in str(first)


def test_an_access_key_takes_the_place_of_the_role_and_stays_secret() -> None:
    run = deploy(
        small({"cloudController": {"credentials": "access-key"}}),
        extra={"accessKey": {"accessKeyId": "LTAI-fake", "accessKeySecret": "fake"}},
    )
    data = run.of("Secret")["small-cloud-controller-access-key"].inputs["stringData"]
    assert data == Secret({"access-key-id": "LTAI-fake", "access-key-secret": "fake"})
    assert not [r for r in run.resources if r.type.startswith("alicloud:ram/")]
    assert not run.of("RamRoleAttachment")


def test_add_ons_can_be_left_out() -> None:
    run = deploy(small({"spiderpool": {"enabled": False}, "cloudController": {"enabled": False}}))
    inside = [r.name for r in run.resources if r.type.startswith("kubernetes:")]
    assert not [name for name in inside if "-annotations-" not in name]
    assert run.outputs["ipPools"]["workers-0-eth0"]["ips"] == ["10.0.0.145-10.0.0.149"]


def test_an_existing_cluster_gets_provider_ids_and_no_endpoint(existing: Run) -> None:
    patches = existing.of("NodePatch")
    assert {p.inputs["metadata"]["name"] for p in patches.values()} == {
        "their-master",
        "their-worker",
    }
    node = existing.outputs["nodes"]["workers-0"]
    assert patches["small-workers-0"].inputs["spec"] == {"providerID": node["providerId"]}
    assert "apiEndpoint" not in existing.outputs
    assert "small-api" not in existing.of("EipAddress")


def test_only_a_cluster_of_this_program_guards_the_annotations_of_its_units(
    run: Run, existing: Run
) -> None:
    policy, binding = (
        run.of(kind)[f"small-annotations-{kind}"]
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    )
    assert policy.urn in run.needed_by(binding)
    assert not [r.name for r in existing.resources if "-annotations-" in r.name]


def test_machines_of_an_existing_cluster_boot_bare(existing: Run) -> None:
    assert all("userData" not in i.inputs for i in existing.of("Instance").values())


def test_pools_of_an_existing_cluster_carry_its_own_node_names(existing: Run) -> None:
    spec = existing.of("SpiderIPPool")["small-workers-0-eth0"].inputs["spec"]
    assert spec["nodeName"] == ["their-worker"]


def test_without_a_kubeconfig_an_existing_cluster_stops_at_its_machines() -> None:
    run = deploy(existing_kubernetes(), extra={"secrets": None})
    assert run.of("Instance")
    assert not [r for r in run.resources if r.type.startswith("kubernetes:")]
    assert "spiderpool-alicloud:kubeconfig is not set" in run.log


def test_another_subnet_replaces_a_pool_and_the_old_one_goes_first(run: Run) -> None:
    for pool in run.of("SpiderIPPool").values():
        assert pool.replace_on_changes == ("spec.subnet",)
        assert pool.delete_before_replace
