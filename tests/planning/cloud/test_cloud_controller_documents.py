"""The cloud controller's objects, configuration and rights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from planning.cloud.cloud_controller import (
    POLICY_LIMIT,
    SECRET_NAME,
    cloud_config,
    config_checksum,
    image,
    manifests,
    ram_policy,
    ram_trust_policy,
)
from planning.model import ClusterPlan
from tests.clusters import small, three_control_planes
from tests.planning.documents import planned, stack_plan

pytestmark = pytest.mark.unit


def deployment(plan: ClusterPlan) -> dict[str, Any]:
    manifest: dict[str, Any] = manifests(plan)["deployment"]
    return manifest


def pod(plan: ClusterPlan) -> dict[str, Any]:
    spec: dict[str, Any] = deployment(plan)["spec"]["template"]["spec"]
    return spec


def container(plan: ClusterPlan) -> dict[str, Any]:
    (container,) = pod(plan)["containers"]
    return dict(container)


def configuration(plan: ClusterPlan) -> dict[str, Any]:
    ids = {key: f"vsw-{key}" for key in plan.network.vswitches}
    document = json.loads(cloud_config(plan, vpc_id="vpc-1", vswitch_ids=ids))
    assert list(document) == ["Global"]
    return dict(document["Global"])


def with_controller(**settings: object) -> ClusterPlan:
    return planned(small({"cloudController": settings}))


def policy_actions() -> set[str]:
    actions: set[str] = set()
    statements: Any = ram_policy()["Statement"]
    for statement in statements:
        listed = statement["Action"]
        actions |= {listed} if isinstance(listed, str) else set(listed)
    return actions


def test_routes_are_off_and_the_source_check_stays_on() -> None:
    arguments = set(container(stack_plan("local"))["args"])
    assert {
        "--configure-cloud-routes=false",
        "--skip-disable-source-dest-check=true",
        "--controllers=node,service,nlb",
        "--network=vpc",
    } <= arguments


def test_no_port_of_the_node_is_opened() -> None:
    arguments = container(stack_plan("local"))["args"]
    binds = {a.partition("=")[0]: a.partition("=")[2] for a in arguments if "bind-addr" in a}
    assert binds == {
        "--metrics-bind-addr": "0",
        "--pprof-bind-addr": "0",
        "--health-probe-bind-addr": "127.0.0.1:10258",
    }


def test_flags_that_stop_it_are_not_given() -> None:
    text = " ".join(container(with_controller(featureGates={"IPv6DualStack": True}))["args"])
    assert "feature-gates" not in text
    assert "resource-lock" not in text


def test_it_runs_on_control_planes_before_anything_else_can() -> None:
    spec = pod(stack_plan("local"))
    assert spec["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
    taints = (
        ("node-role.kubernetes.io/control-plane", "NoSchedule"),
        ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
    )
    for taint in taints:
        assert seconds_under(spec, *taint) == math.inf
    assert spec["hostNetwork"] is True
    assert spec["dnsPolicy"] == "Default"
    assert spec["priorityClassName"] == "system-cluster-critical"


@pytest.mark.parametrize("plan", [stack_plan("local"), stack_plan("dev")], ids=["local", "dev"])
def test_it_leaves_a_lost_node_and_does_not_come_back_to_it(plan: ClusterPlan) -> None:
    assert seconds_under(pod(plan), "node.kubernetes.io/unreachable", "NoExecute") == 60
    assert seconds_under(pod(plan), "node.kubernetes.io/unreachable", "NoSchedule") == 0
    assert seconds_under(pod(plan), "node.kubernetes.io/out-of-service", "NoExecute") == 0


def test_it_runs_in_spite_of_the_taints_that_the_stack_gives_its_control_planes() -> None:
    taint = {"key": "company.example/infra", "value": "yes", "effect": "NoExecute"}
    plan = planned(small({"nodePools": {"masters": {"taints": [taint]}}}))
    assert seconds_under(pod(plan), "company.example/infra", "NoExecute") == math.inf


def seconds_under(pod_spec: Mapping[str, Any], key: str, effect: str) -> float:
    """How long a pod stays under a taint, as the node controller reckons it; 0 when it may not."""
    matching = [
        t
        for t in pod_spec["tolerations"]
        if t["operator"] == "Exists"
        and t.get("key", key) == key
        and t.get("effect", effect) == effect
    ]
    if not matching:
        return 0
    return min(float(t.get("tolerationSeconds", math.inf)) for t in matching)


@pytest.mark.parametrize(("document", "replicas"), [(small(), 1), (three_control_planes(), 3)])
def test_each_control_plane_has_one_and_one_of_them_leads(
    document: dict[str, Any], replicas: int
) -> None:
    assert deployment(planned(document))["spec"]["replicas"] == replicas


def test_the_selector_selects_its_pods() -> None:
    spec = deployment(stack_plan("local"))["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()


def test_it_runs_without_privileges() -> None:
    plan = stack_plan("local")
    assert pod(plan)["securityContext"]["runAsNonRoot"] is True
    assert container(plan)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_its_configuration_is_a_secret_that_it_can_read() -> None:
    plan = stack_plan("local")
    (volume,) = pod(plan)["volumes"]
    (mount,) = container(plan)["volumeMounts"]
    assert volume["secret"]["secretName"] == SECRET_NAME
    assert mount["name"] == volume["name"]
    assert f"--cloud-config={mount['mountPath']}/cloud-config.conf" in container(plan)["args"]


def test_the_configuration_leaves_nothing_to_metadata_but_credentials() -> None:
    assert configuration(stack_plan("local")) == {
        "clusterID": "guide",
        "region": "cn-hangzhou",
        "vpcid": "vpc-1",
        "zoneid": "cn-hangzhou-i",
        "vswitchid": "cn-hangzhou-i:vsw-primary-cn-hangzhou-i",
    }


def test_each_zone_of_the_nodes_has_its_vswitch() -> None:
    assert configuration(stack_plan("prod"))["vswitchid"].split(",") == [
        f"{zone}:vsw-primary-{zone}" for zone in ("cn-beijing-h", "cn-beijing-k", "cn-beijing-l")
    ]


def test_what_the_stack_says_reaches_the_configuration() -> None:
    settings = configuration(
        with_controller(backendType="eni", featureGates={"IPv6DualStack": True})
    )
    assert settings["serviceBackendType"] == "eni"
    assert settings["featureGates"] == "IPv6DualStack=true"
    assert settings["resourceGroupID"] == "rg-test"


def test_a_changed_setting_restarts_it_and_ids_do_not_matter() -> None:
    plan = planned(small())
    checksum = deployment(plan)["spec"]["template"]["metadata"]["annotations"]
    assert checksum == {"checksum/cloud-config": config_checksum(plan)}
    assert config_checksum(plan) != config_checksum(with_controller(backendType="eni"))
    assert config_checksum(plan) == config_checksum(planned(small()))


def test_no_credentials_stand_anywhere_with_a_role() -> None:
    plan = planned(small())
    assert "env" not in container(plan)
    assert "accessKey" not in json.dumps(configuration(plan))


def test_an_access_key_comes_from_its_own_secret() -> None:
    plan = with_controller(credentials="access-key")
    assert container(plan)["env"] == [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": "cloud-controller-access-key", "key": key}},
        }
        for name, key in (
            ("ACCESS_KEY_ID", "access-key-id"),
            ("ACCESS_KEY_SECRET", "access-key-secret"),
        )
    ]
    assert "accessKey" not in json.dumps(configuration(plan))


def test_the_image_comes_from_the_regions_registry() -> None:
    assert image(stack_plan("prod")) == (
        "registry-cn-beijing.ack.aliyuncs.com/acs/cloud-controller-manager:v2.14.0"
    )
    assert image(with_controller(image="example.com/ccm:1")) == "example.com/ccm:1"


def test_no_right_is_a_wildcard_and_none_is_over_secrets() -> None:
    for name in ("cluster-role", "role"):
        rules: Any = manifests(stack_plan("local"))[name]["rules"]
        for rule in rules:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert "secrets" not in rule["resources"]
            assert "serviceaccounts" not in rule["resources"]


def test_it_has_the_rights_that_its_controllers_use() -> None:
    rules: Any = manifests(stack_plan("local"))["cluster-role"]["rules"]
    granted = {(r["apiGroups"][0], r["resources"][0]): set(r["verbs"]) for r in rules}
    assert granted == {
        ("", "nodes"): {"get", "list", "watch", "patch", "update", "delete"},
        ("", "nodes/status"): {"patch", "update"},
        ("", "services"): {"get", "list", "watch", "patch", "update"},
        ("", "services/status"): {"patch", "update"},
        ("", "pods"): {"get", "list", "watch"},
        ("", "pods/status"): {"patch"},
        ("", "events"): {"create", "patch", "update"},
        ("discovery.k8s.io", "endpointslices"): {"get", "list", "watch"},
    }


def test_feature_gates_bring_the_one_right_that_they_need() -> None:
    rules: Any = manifests(with_controller(featureGates={"IPv6DualStack": True}))["cluster-role"]
    (extra,) = (r for r in rules["rules"] if r["apiGroups"] == ["apiextensions.k8s.io"])
    assert extra["verbs"] == ["get"]


def test_bindings_name_what_exists() -> None:
    objects: Any = manifests(stack_plan("local"))
    account = objects["service-account"]["metadata"]
    for binding, role in (("cluster-role-binding", "cluster-role"), ("role-binding", "role")):
        assert objects[binding]["roleRef"]["name"] == objects[role]["metadata"]["name"]
        assert objects[binding]["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
    assert pod(stack_plan("local"))["serviceAccountName"] == account["name"]


def test_only_ecs_may_take_the_role() -> None:
    assert ram_trust_policy()["Statement"] == [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"Service": ["ecs.aliyuncs.com"]},
        }
    ]


def test_the_policy_names_every_action_and_fits_its_limit() -> None:
    assert not [action for action in policy_actions() if "*" in action]
    assert len(json.dumps(ram_policy())) < POLICY_LIMIT


@pytest.mark.parametrize(
    "action",
    [
        "ecs:ModifyNetworkInterfaceAttribute",
        "ecs:StopInstance",
        "ecs:AuthorizeSecurityGroup",
        "ecs:CreateSecurityGroup",
        "ecs:DeleteSecurityGroup",
        "vpc:CreateRouteEntry",
        "slb:AddTags",
    ],
)
def test_the_policy_leaves_out_what_the_controller_does_not_do(action: str) -> None:
    assert action not in policy_actions()


def test_the_policy_lets_it_look_for_the_group_of_an_nlb_that_is_in_one() -> None:
    """v2.14.0 asks for it when `security-group-ids` is said, and gives up where it is refused."""
    assert "ecs:DescribeSecurityGroups" in policy_actions()


@pytest.mark.parametrize(
    "action",
    [
        "ecs:DescribeInstances",
        "ecs:DescribeNetworkInterfaces",
        "slb:CreateLoadBalancer",
        "slb:CreateLoadBalancerHTTPListener",
        "slb:TagResources",
        "nlb:GetJobStatus",
        "nlb:CreateServerGroup",
    ],
)
def test_the_policy_has_what_both_services_of_the_guide_need(action: str) -> None:
    assert action in policy_actions()
