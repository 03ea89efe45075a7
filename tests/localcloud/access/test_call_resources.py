"""Which resources a call acts on, as policies see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.access import resources
from localcloud.products.catalogue import KINDS
from localcloud.settings import ACCOUNT_ID, Cloud
from localcloud.state.store import Store

pytestmark = pytest.mark.unit
HERE = f"cn-hangzhou:{ACCOUNT_ID}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("state")
    opened = Store(folder / "state.sqlite", KINDS)
    yield opened
    opened.close()


TABLE: list[tuple[str, dict[str, str], set[str]]] = [
    ("ecs:DeleteInstance", {"InstanceId": "i-1"}, {f"ecs:{HERE}:instance/i-1"}),
    (
        "ecs:DeleteInstances",
        {"InstanceId.1": "i-1", "InstanceId.2": "i-2"},
        {f"ecs:{HERE}:instance/i-1", f"ecs:{HERE}:instance/i-2"},
    ),
    ("ecs:DescribeInstances", {}, {f"ecs:{HERE}:instance/*"}),
    ("ecs:DescribeInstances", {"InstanceIds": "[]"}, {f"ecs:{HERE}:instance/*"}),
    ("ecs:DescribeInstances", {"InstanceIds": '["i-1"]'}, {f"ecs:{HERE}:instance/i-1"}),
    ("ecs:DescribeInstances", {"InstanceIds": "[broken"}, {f"ecs:{HERE}:instance/[broken"}),
    ("ecs:DescribeInstances", {"VpcId": "vpc-1"}, {f"ecs:{HERE}:instance/*"}),
    (
        "ecs:RunInstances",
        {"VSwitchId": "vsw-1", "SecurityGroupId": "sg-1", "ImageId": "m-1"},
        {
            f"ecs:{HERE}:instance/*",
            f"vpc:{HERE}:vswitch/vsw-1",
            f"ecs:{HERE}:securitygroup/sg-1",
            f"ecs:{HERE}:image/m-1",
        },
    ),
    (
        "ecs:AttachNetworkInterface",
        {"InstanceId": "i-1", "NetworkInterfaceId": "eni-1"},
        {f"ecs:{HERE}:instance/i-1", f"ecs:{HERE}:eni/eni-1"},
    ),
    ("ecs:CreateDisk", {"SnapshotId": "s"}, {f"ecs:{HERE}:disk/*", f"ecs:{HERE}:snapshot/s"}),
    (
        "ecs:AttachDisk",
        {"DiskId": "d-1", "InstanceId": "i-1"},
        {f"ecs:{HERE}:disk/d-1", f"ecs:{HERE}:instance/i-1"},
    ),
    (
        "ecs:CreateAutoSnapshotPolicy",
        {"regionId": "cn-hangzhou"},
        {f"ecs:{HERE}:snapshotpolicy/*"},
    ),
    (
        "ecs:ApplyAutoSnapshotPolicy",
        {"autoSnapshotPolicyId": "sp-1", "diskIds": '["d-1","d-2"]'},
        {f"ecs:{HERE}:snapshotpolicy/sp-1", f"ecs:{HERE}:disk/d-1", f"ecs:{HERE}:disk/d-2"},
    ),
    ("ecs:AssignPrivateIpAddresses", {"NetworkInterfaceId": "e"}, {f"ecs:{HERE}:eni/e"}),
    (
        "ecs:TagResources",
        {"ResourceType": "eni", "ResourceId.1": "e"},
        {f"ecs:{HERE}:eni/e"},
    ),
    (
        "vpc:TagResources",
        {"ResourceType": "VSWITCH", "ResourceId.1": "v"},
        {f"vpc:{HERE}:vswitch/v"},
    ),
    (
        "slb:TagResources",
        {"ResourceType": "instance", "ResourceId.1": "l"},
        {f"slb:{HERE}:loadbalancer/l"},
    ),
    ("vpc:CreateVpc", {"CidrBlock": "10.0.0.0/8"}, {f"vpc:{HERE}:vpc/*"}),
    (
        "vpc:CreateVSwitch",
        {"VpcId": "vpc-1"},
        {f"vpc:{HERE}:vpc/vpc-1", f"vpc:{HERE}:vswitch/*"},
    ),
    ("vpc:ReleaseEipAddress", {"AllocationId": "eip-1"}, {f"vpc:{HERE}:eip/eip-1"}),
    ("slb:CreateVServerGroup", {"LoadBalancerId": "lb"}, {f"slb:{HERE}:loadbalancer/lb"}),
    ("slb:DescribeVServerGroups", {"LoadBalancerId": "lb"}, {f"slb:{HERE}:loadbalancer/lb"}),
    (
        "nlb:CreateListener",
        {"LoadBalancerId": "nlb", "ServerGroupId": "sgp"},
        {
            f"nlb:{HERE}:loadbalancer/nlb",
            f"nlb:{HERE}:servergroup/sgp",
            f"nlb:{HERE}:listener/*",
        },
    ),
    ("ram:GetRole", {"RoleName": "R"}, {f"ram::{ACCOUNT_ID}:role/r"}),
    (
        "ram:AttachPolicyToRole",
        {"RoleName": "r", "PolicyName": "p", "PolicyType": "Custom"},
        {f"ram::{ACCOUNT_ID}:role/r", f"ram::{ACCOUNT_ID}:policy/p"},
    ),
    (
        "ram:AttachPolicyToRole",
        {"RoleName": "r", "PolicyName": "p", "PolicyType": "System"},
        {f"ram::{ACCOUNT_ID}:role/r", "ram::system:policy/p"},
    ),
    ("sts:AssumeRole", {"RoleArn": "acs:ram::1:role/r"}, {"ram::1:role/r"}),
    ("bssopenapi:QueryAvailableInstances", {}, {f"bssopenapi:{HERE}:*"}),
]


@pytest.mark.parametrize(("call", "parameters", "expected"), TABLE)
def test_a_call_acts_on(
    store: Store, call: str, parameters: dict[str, str], expected: set[str]
) -> None:
    product, action = call.split(":")
    touched = resources.acted_on(store, Cloud(), product, action, parameters, {})
    assert {r.arn for r in touched} == {f"acs:{arn}" for arn in expected}
