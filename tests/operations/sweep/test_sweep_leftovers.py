"""What counts as a leftover, and what is never one: on a cloud of plain lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.facts.tags import TAG_CLUSTER, TAG_PROFILE
from localcloud.products.catalogue import PRODUCTS
from localcloud.published.parameters import mandatory
from operations.engine.places import LOCAL_STACK, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.sweep.cloud import Account, CloudError, region_key
from operations.sweep.leftovers import Leftover, leftovers
from operations.sweep.owned_names import OwnedNames
from operations.sweep.recovery import wait_until_quiet
from operations.sweep.removal import order, remove
from operations.sweep.state import StackState
from operations.sweep.survey import BY_CONTROLLER, BY_NAME, BY_PARENT, BY_TAG

pytestmark = pytest.mark.unit

OWNED = OwnedNames.of(Stack.read(path_of_stack(LOCAL_STACK)).plan())
TAGS = {"Tags": {"Tag": [{"Key": k, "Value": v} for k, v in OWNED.tags.items()]}}
CONTROLLER = {"Tags": {"Tag": [{"TagKey": "ack.aliyun.com", "TagValue": "guide"}]}}
NOTHING = StackState.of(None)


class ListedCloud:
    """Answers each list action with what it was given, and forgets what is deleted."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = lists
        self.named: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, str] = {}
        self.deleted: list[tuple[str, str]] = []
        self.calls: list[tuple[str, Mapping[str, object]]] = []

    def call(
        self,
        product: str,  # noqa: ARG002 - as `Api`
        action: str,
        **parameters: object,
    ) -> Mapping[str, Any]:
        self.calls.append((action, parameters))
        if action in self.refused:
            raise CloudError(action, self.refused[action], "as asked")
        if action in self.named:
            return self.named[action]
        if action.startswith("Get"):
            raise CloudError(action, "EntityNotExist.Role", "none of that name")
        if action.startswith(("Delete", "Release")):
            (gone,) = [str(v) for k, v in parameters.items() if k.endswith(("Id", "Name"))]
            self.deleted.append((action, gone))
            for items in self.lists.values():
                items[:] = [item for item in items if gone not in item.values()]
        return {}

    def every(
        self,
        product: str,  # noqa: ARG002 - as `Api`
        action: str,
        *path: str,  # noqa: ARG002 - as `Api`
        **parameters: object,  # noqa: ARG002 - as `Api`
    ) -> list[Mapping[str, Any]]:
        return list(self.lists.get(action, []))


def state(*resources: tuple[str, str], **inputs: object) -> StackState:
    return StackState.of(
        {"resources": [{"type": t, "id": i, "inputs": inputs} for t, i in resources]}
    )


def signs(cloud: ListedCloud, in_state: StackState = NOTHING) -> list[tuple[str, str, str]]:
    return [(item.kind, item.id, item.sign) for item in leftovers(cloud, OWNED, in_state)]


def test_what_carries_both_tags_and_is_not_in_the_state_is_left_over() -> None:
    cloud = ListedCloud(DescribeInstances=[{"InstanceId": "i-1", **TAGS}])
    assert signs(cloud) == [("instance", "i-1", BY_TAG)]


def test_what_is_in_the_state_is_never_a_leftover() -> None:
    cloud = ListedCloud(DescribeInstances=[{"InstanceId": "i-1", **TAGS}])
    assert signs(cloud, state(("alicloud:ecs/instance:Instance", "i-1"))) == []


def test_a_disk_and_a_snapshot_policy_that_the_state_lacks_are_left_over() -> None:
    cloud = ListedCloud(
        DescribeDisks=[{"DiskId": "d-1", **TAGS}, {"DiskId": "d-2", **TAGS}, {"DiskId": "d-3"}],
        DescribeAutoSnapshotPolicyEx=[{"AutoSnapshotPolicyId": "sp-1", **TAGS}],
    )
    in_state = state(("alicloud:ecs/ecsDisk:EcsDisk", "d-2"))
    assert signs(cloud, in_state) == [("disk", "d-1", BY_TAG), ("snapshot policy", "sp-1", BY_TAG)]
    remove(cloud, leftovers(cloud, OWNED, in_state), lambda: leftovers(cloud, OWNED, in_state))
    assert cloud.deleted == [("DeleteDisk", "d-1"), ("DeleteAutoSnapshotPolicy", "sp-1")]


def test_what_the_state_only_refers_to_is_never_left_over() -> None:
    cloud = ListedCloud(DescribeVSwitches=[{"VSwitchId": "vsw-1", **TAGS}])
    in_state = state(("alicloud:ecs/instance:Instance", "i-1"), where=["in vsw-1"])
    assert signs(cloud, in_state) == []


def test_a_pending_operation_on_something_that_exists_keeps_it() -> None:
    cloud = ListedCloud(DescribeVpcs=[{"VpcId": "vpc-1", **TAGS}])
    pending = {"type": "deleting", "resource": {"urn": "urn:x::y::a:b:C::guide", "id": "vpc-1"}}
    in_state = StackState.of({"pending_operations": [pending]})
    assert signs(cloud, in_state) == []
    assert in_state.pending == ("deleting a:b:C guide",)


def test_a_pending_create_that_has_its_id_already_is_forgotten_and_so_left_over() -> None:
    """As found when a SIGKILL met the engine just as it wrote the new resource down."""
    cloud = ListedCloud(DescribeVpcs=[{"VpcId": "vpc-1", **TAGS}])
    pending = {"type": "creating", "resource": {"urn": "urn:x::y::a:b:C::guide", "id": "vpc-1"}}
    in_state = StackState.of({"pending_operations": [pending]})
    assert signs(cloud, in_state) == [("VPC", "vpc-1", BY_TAG)]


def test_one_of_the_two_tags_is_not_enough() -> None:
    one = {"Tags": {"Tag": [{"Key": TAG_CLUSTER, "Value": "guide"}]}}
    assert signs(ListedCloud(DescribeInstances=[{"InstanceId": "i-1", **one}])) == []


def test_the_same_tags_of_another_profile_are_another_stacks() -> None:
    other = {TAG_CLUSTER: "guide", TAG_PROFILE: "prod"}
    tags = {"Tags": {"Tag": [{"Key": k, "Value": v} for k, v in other.items()]}}
    assert signs(ListedCloud(DescribeInstances=[{"InstanceId": "i-1", **tags}])) == []


def test_a_name_alone_makes_nothing_ours() -> None:
    cloud = ListedCloud(
        DescribeVpcs=[{"VpcId": "vpc-1", "VpcName": "guide"}],
        DescribeInstances=[{"InstanceId": "i-1", "InstanceName": "guide-master"}],
        DescribeSecurityGroups=[{"SecurityGroupId": "sg-1", "SecurityGroupName": "guide"}],
    )
    assert signs(cloud) == []


def test_an_untagged_vswitch_inside_our_vpc_is_recognised_by_its_name() -> None:
    switch = {"VSwitchName": "guide-primary-cn-hangzhou-i"}
    cloud = ListedCloud(
        DescribeVSwitches=[
            {"VSwitchId": "vsw-1", "VpcId": "vpc-1", **switch},
            {"VSwitchId": "vsw-2", "VpcId": "vpc-other", **switch},
            {"VSwitchId": "vsw-3", "VpcId": "vpc-1", "VSwitchName": "theirs"},
        ]
    )
    in_state = state(("alicloud:vpc/network:Network", "vpc-1"))
    assert signs(cloud, in_state) == [("vSwitch", "vsw-1", BY_NAME)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [("EIP", "eip-1", BY_NAME)]),
        ({"InstanceId": "lb-1", "InstanceType": "SlbInstance"}, []),
        ({"Name": "theirs"}, []),
        ({"Tags": {"Tag": [{"Key": "team", "Value": "other"}]}}, []),
    ],
)
def test_an_untagged_eip_is_ours_only_by_name_and_free(
    more: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    cloud = ListedCloud(
        DescribeEipAddresses=[{"AllocationId": "eip-1", "Name": "guide-nat", **more}]
    )
    assert signs(cloud) == expected


def test_the_cloud_controllers_load_balancers_are_left_over_once_no_machine_is() -> None:
    cloud = ListedCloud(DescribeLoadBalancers=[{"LoadBalancerId": "lb-1", **CONTROLLER}])
    assert signs(cloud) == [("load balancer", "lb-1", BY_CONTROLLER)]
    assert signs(cloud, state(("alicloud:ecs/instance:Instance", "i-1"))) == []


def test_another_clusters_load_balancers_are_not_ours() -> None:
    other = {"Tags": {"Tag": [{"TagKey": "ack.aliyun.com", "TagValue": "guide-2"}]}}
    assert signs(ListedCloud(DescribeLoadBalancers=[{"LoadBalancerId": "lb-1", **other}])) == []


def test_listeners_and_groups_are_looked_at_on_the_apis_own_load_balancer_only() -> None:
    cloud = ListedCloud(
        DescribeLoadBalancers=[{"LoadBalancerId": "lb-1"}],
        DescribeLoadBalancerListeners=[{"ListenerProtocol": "tcp", "ListenerPort": 6443}],
        DescribeVServerGroups=[{"VServerGroupId": "rsp-1", "VServerGroupName": "guide-api"}],
    )
    assert signs(cloud) == []
    own = ("alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer", "lb-1")
    assert [(kind, id_) for kind, id_, _ in signs(cloud, state(own))] == [
        ("listener", "lb-1:tcp:6443"),
        ("server group", "rsp-1"),
    ]
    listener = ("alicloud:slb/listener:Listener", "lb-1:tcp:6443")
    group = ("alicloud:slb/serverGroup:ServerGroup", "rsp-1")
    assert signs(cloud, state(own, listener, group)) == []


ACL = ("alicloud:slb/acl:Acl", "acl-1")
ENTRY = "alicloud:slb/aclEntryAttachment:AclEntryAttachment"


def access_list(*blocks: str) -> ListedCloud:
    """A cloud with the stack's access control list, and another one with the same entries."""
    cloud = ListedCloud(DescribeAccessControlLists=[{"AclId": "acl-1", **TAGS}, {"AclId": "acl-2"}])
    entries = [{"AclEntryIP": block} for block in blocks]
    cloud.named["DescribeAccessControlListAttribute"] = {
        "AclEntrys": {"AclEntry": entries},
        "TotalAclEntry": len(entries),
    }
    return cloud


def test_a_planned_entry_that_the_state_lacks_is_taken_out_of_our_list_and_no_other() -> None:
    cloud = access_list("10.1.0.0/16", "10.2.0.0/16", "192.0.2.7/32")
    owned = replace(OWNED, admitted=frozenset({"10.1.0.0/16", "10.2.0.0/16"}))
    in_state = state(ACL, (ENTRY, "acl-1:10.1.0.0/16"))
    assert [item.id for item in leftovers(cloud, owned, in_state)] == ["acl-1:10.2.0.0/16"]


def test_an_entry_of_a_creation_that_was_cut_off_goes_although_the_plan_has_it_no_more() -> None:
    entry = {"type": ENTRY, "urn": f"urn:x::y::{ENTRY}::e", "inputs": {"entry": "10.1.0.0/16"}}
    in_state = StackState.of(
        {
            "resources": [{"type": ACL[0], "id": ACL[1]}],
            "pending_operations": [{"type": "creating", "resource": entry}],
        }
    )
    cloud = access_list("10.1.0.0/16", "10.2.0.0/16")
    (item,) = leftovers(cloud, OWNED, in_state)
    assert (item.kind, item.id) == ("access entry", "acl-1:10.1.0.0/16")


@pytest.mark.parametrize(
    ("name", "blocks", "expected"),
    [
        ("guide-api", [], [("access control list", "acl-1", BY_NAME)]),
        ("guide-api-0123abcd", [], [("access control list", "acl-1", BY_NAME)]),
        ("guide-api-api", [], []),
        ("guide-api", ["10.1.0.0/16"], []),
        ("theirs", [], []),
    ],
)
def test_an_untagged_access_control_list_is_ours_only_by_name_and_empty(
    name: str, blocks: list[str], expected: list[tuple[str, str, str]]
) -> None:
    cloud = access_list(*blocks)
    cloud.lists["DescribeAccessControlLists"] = [{"AclId": "acl-1", "AclName": name}]
    assert signs(cloud) == expected


def test_a_control_plane_behind_the_load_balancer_that_the_state_misses_is_taken_out() -> None:
    cloud = ListedCloud(
        DescribeLoadBalancers=[{"LoadBalancerId": "lb-1"}],
        DescribeVServerGroups=[{"VServerGroupId": "rsp-1", "VServerGroupName": "guide-api"}],
    )
    servers = [{"ServerId": f"i-{n}", "Port": 6443} for n in (1, 2, 3)]
    cloud.named["DescribeVServerGroupAttribute"] = {"BackendServers": {"BackendServer": servers}}
    in_state = state(
        ("alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer", "lb-1"),
        ("alicloud:slb/serverGroup:ServerGroup", "rsp-1"),
        ("alicloud:ecs/instance:Instance", "i-1"),
        ("alicloud:ecs/instance:Instance", "i-2"),
        (
            "alicloud:slb/serverGroupServerAttachment:ServerGroupServerAttachment",
            "rsp-1:i-1:6443",
        ),
    )
    assert [(kind, id_) for kind, id_, _ in signs(cloud, in_state)] == [
        ("backend server", "rsp-1:i-2:6443")
    ]


@pytest.mark.parametrize(
    ("item", "action", "parameters"),
    [
        (
            Leftover(kind="backend server", id="rsp-1:i-2:6443", sign=BY_PARENT, of="rsp-1"),
            "RemoveVServerGroupBackendServers",
            {
                "VServerGroupId": "rsp-1",
                "BackendServers": '[{"ServerId": "i-2", "Port": "6443"}]',
            },
        ),
        (
            Leftover(
                kind="access entry", id="acl-1:e", name="10.1.0.0/16", sign=BY_NAME, of="acl-1"
            ),
            "RemoveAccessControlListEntry",
            {"AclId": "acl-1", "AclEntrys": '[{"entry": "10.1.0.0/16"}]'},
        ),
    ],
)
def test_a_part_of_a_list_is_removed_alone(
    item: Leftover, action: str, parameters: dict[str, str]
) -> None:
    cloud = ListedCloud()
    assert remove(cloud, [item], list) == {}
    assert cloud.calls == [(action, parameters)]


def test_a_binding_of_our_eip_to_our_gateway_that_the_state_misses_is_undone() -> None:
    eip = {"AllocationId": "eip-1", "InstanceId": "ngw-1", "InstanceType": "Nat"}
    cloud = ListedCloud(DescribeEipAddresses=[eip])
    own = ("alicloud:ecs/eipAddress:EipAddress", "eip-1")
    gateway = ("alicloud:vpc/natGateway:NatGateway", "ngw-1")
    in_state = ("alicloud:ecs/eipAssociation:EipAssociation", "eip-1:ngw-1")
    assert [kind for kind, _, _ in signs(cloud, state(own, gateway))] == ["EIP association"]
    assert signs(cloud, state(own)) == []
    assert signs(cloud, state(own, gateway, in_state)) == []


def test_an_adopted_vpc_is_never_left_over_even_with_our_tags() -> None:
    cloud = ListedCloud(DescribeVpcs=[{"VpcId": "vpc-theirs", **TAGS}])
    adopted = replace(OWNED, vpc_id="vpc-theirs")
    assert leftovers(cloud, adopted, NOTHING) == []


def test_a_range_on_our_vpc_that_the_state_misses_is_taken_off_again() -> None:
    vpc = {
        "VpcId": "vpc-1",
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": ["192.168.0.0/16", "10.9.0.0/16"]},
    }
    cloud = ListedCloud(DescribeVpcs=[vpc])
    in_state = state(("alicloud:vpc/network:Network", "vpc-1"))
    assert signs(cloud, in_state) == [("CIDR block", "vpc-1:192.168.0.0/16", BY_NAME)]
    block = ("alicloud:vpc/ipv4CidrBlock:Ipv4CidrBlock", "vpc-1:192.168.0.0/16")
    assert signs(cloud, state(("alicloud:vpc/network:Network", "vpc-1"), block)) == []


def test_role_and_policy_with_the_same_name_are_kept_apart() -> None:
    cloud = ListedCloud()
    cloud.named = {"GetRole": {"Role": {}}, "GetPolicy": {"Policy": {}}}
    name = OWNED.role
    assert signs(cloud) == [("policy", name, BY_NAME), ("role", name, BY_NAME)]
    assert signs(cloud, state(("alicloud:ram/role:Role", name))) == [("policy", name, BY_NAME)]


def test_a_list_that_is_refused_is_an_error_and_not_an_empty_one() -> None:
    cloud = ListedCloud()
    cloud.refused = {"GetRole": "NoPermission"}
    with pytest.raises(CloudError, match="NoPermission"):
        leftovers(cloud, OWNED, NOTHING)


def test_only_what_was_agreed_to_is_deleted() -> None:
    cloud = ListedCloud(
        DescribeInstances=[{"InstanceId": "i-1", **TAGS}, {"InstanceId": "i-2", **TAGS}]
    )
    agreed = leftovers(cloud, OWNED, NOTHING)[:1]
    kept = remove(cloud, agreed, lambda: leftovers(cloud, OWNED, NOTHING), still=0)
    assert kept == {}
    assert cloud.deleted == [("DeleteInstance", "i-1")]


def test_what_the_cloud_refuses_for_good_is_named_with_its_reason() -> None:
    cloud = ListedCloud(DescribeInstances=[{"InstanceId": "i-1", **TAGS}])
    cloud.refused = {"DeleteInstance": "Forbidden.RAM"}
    agreed = leftovers(cloud, OWNED, NOTHING)
    kept = remove(cloud, agreed, lambda: leftovers(cloud, OWNED, NOTHING))
    assert {item.id: why for item, why in kept.items()} == {
        "i-1": "DeleteInstance: Forbidden.RAM: as asked"
    }


def test_what_depends_on_something_goes_before_it() -> None:
    kinds = order()
    for first, second in (
        ("instance", "network interface"),
        ("instance", "disk"),
        ("network interface", "security group"),
        ("security group", "VPC"),
        ("NAT gateway", "vSwitch"),
        ("vSwitch", "CIDR block"),
        ("CIDR block", "VPC"),
        ("policy attachment", "policy"),
        ("policy", "role"),
        ("network load balancer", "vSwitch"),
    ):
        assert kinds.index(first) < kinds.index(second)


def test_a_recovery_waits_until_nothing_new_appears() -> None:
    now = [0.0]
    cloud = ListedCloud(DescribeInstances=[])

    def pause(seconds: float) -> None:
        now[0] += seconds
        if now[0] < 20:
            cloud.lists["DescribeInstances"].append({"InstanceId": f"i-{now[0]}", **TAGS})

    wait_until_quiet(cloud, OWNED, NOTHING, clock=lambda: now[0], pause=pause)
    assert now[0] >= 27.5


def test_real_credentials_never_travel_to_a_local_cloud() -> None:
    env = {"ALICLOUD_ACCESS_KEY": "real", "ALICLOUD_SECRET_KEY": "real"}
    ca = Path("ca.pem")
    assert Account.of("r", endpoint="127.0.0.1:1", ca=ca, env=env).access_key == "localcloud"
    there = Account.of("r", endpoint=None, ca=ca, env=env)
    assert (there.access_key, there.ca) == ("real", None)
    assert there.host("slb", env={}) == "slb.r.aliyuncs.com"
    assert there.host("slb", env={"SLB_ENDPOINT": "slb.inside"}) == "slb.inside"
    assert "real" not in repr(there)


def test_the_tags_are_those_that_the_plan_gives() -> None:
    plan = Stack.read(path_of_stack(LOCAL_STACK)).plan()
    assert {k: plan.tags[k] for k in (TAG_CLUSTER, TAG_PROFILE)} == dict(OWNED.tags)


def test_every_kind_of_leftover_can_be_deleted() -> None:
    assert Leftover(kind="VPC", id="vpc-1", sign=BY_TAG).kind in order()
    assert len(set(order())) == len(order()) == 27


def calls_of_deletion(kind: str) -> list[tuple[str, str, set[str]]]:
    """Product, action and parameters of each call that deletes a leftover, as sent."""
    calls: list[tuple[str, str, set[str]]] = []

    class Recorder(ListedCloud):
        def call(self, product: str, action: str, **parameters: object) -> Mapping[str, Any]:
            region = region_key(product, action)
            names = {*parameters} if region is None else {*parameters, region}
            calls.append((product, action, {name.partition(".")[0] for name in names}))
            return {}

    item = Leftover(kind=kind, id="a:b:1", name="n", sign=BY_TAG, of="c", bound="Nat ngw-1")
    remove(Recorder(), [item], list)
    return calls


@pytest.mark.parametrize("kind", order())
def test_a_deletion_has_every_parameter_that_the_vendor_calls_mandatory(kind: str) -> None:
    products = {product.name.lower(): product.name for product in PRODUCTS.values()}
    calls = calls_of_deletion(kind)
    assert calls
    for product, action, sent in calls:
        assert set(mandatory(products[product], action)) <= sent, action


def test_a_stack_that_pulumi_does_not_know_has_no_deployment(tmp_path: Path) -> None:
    script = tmp_path / "pulumi"
    script.write_text("#!/bin/sh\necho \"error: no stack named 'x' found\" >&2\nexit 255\n")
    script.chmod(0o755)
    places = Places.of(tmp_path)
    stack = PulumiStack(
        name="x", runner=Runner(env={"PATH": f"{tmp_path}:/usr/bin:/bin"}), backend=places.backend
    )
    assert stack.deployment() is None
