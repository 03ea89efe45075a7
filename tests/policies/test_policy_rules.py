from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest

from policies.rules import (
    DISK,
    ENI,
    INSTANCE,
    RAM_POLICY,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    TAGGABLE,
    violations,
)

pytestmark = pytest.mark.unit

TAGS = {"cluster": "guide"}
ATTACHMENT = "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment"


def broken(kind: str, inputs: Mapping[str, object], *, production: bool = False) -> set[str]:
    return {violation.rule for violation in violations(kind, inputs, production=production)}


def ingress(**inputs: object) -> Mapping[str, object]:
    return {"type": "ingress", "ipProtocol": "tcp", "policy": "accept", **inputs}


@pytest.mark.parametrize(
    "rule",
    [
        ingress(cidrIp="0.0.0.0/0", portRange="22/22"),
        ingress(cidrIp="0.0.0.0/0", portRange="6443/6443"),
        ingress(cidrIp="0.0.0.0/0", portRange="1/65535"),
        ingress(cidrIp="0.0.0.0/0", portRange="-1/-1", ipProtocol="all"),
        ingress(ipv6CidrIp="::/0", portRange="6000/7000"),
        ingress(cidrIp="8.8.8.8/0", portRange="22/22"),
    ],
)
def test_an_admin_port_open_to_everybody_is_refused(rule: Mapping[str, object]) -> None:
    assert broken(SECURITY_GROUP_RULE, rule) == {"no-public-admin-ports"}


@pytest.mark.parametrize(
    "rule",
    [
        ingress(cidrIp="10.0.0.0/8", portRange="22/22"),
        ingress(cidrIp="0.0.0.0/0", portRange="443/443"),
        ingress(cidrIp="0.0.0.0/0", portRange="-1/-1", ipProtocol="icmp"),
        ingress(cidrIp="0.0.0.0/0", portRange="22/22", policy="drop"),
        {**ingress(cidrIp="0.0.0.0/0", portRange="-1/-1", ipProtocol="all"), "type": "egress"},
        ingress(sourceSecurityGroupId="sg-1", portRange="1/65535"),
    ],
)
def test_a_rule_that_opens_no_admin_port_to_everybody_passes(rule: Mapping[str, object]) -> None:
    assert broken(SECURITY_GROUP_RULE, rule) == set()


def test_an_instance_whose_metadata_needs_no_token_is_refused() -> None:
    assert broken(INSTANCE, {"tags": TAGS}) == {"metadata-needs-a-token"}
    assert broken(INSTANCE, {"tags": TAGS, "httpTokens": "optional"}) == {"metadata-needs-a-token"}
    assert broken(INSTANCE, {"tags": TAGS, "httpTokens": "required"}) == set()


def test_a_disk_in_clear_is_refused_in_production_only() -> None:
    plain = {"tags": TAGS, "httpTokens": "required"}
    assert broken(INSTANCE, plain) == set()
    assert broken(INSTANCE, plain, production=True) == {"disks-are-encrypted"}
    assert broken(INSTANCE, {**plain, "systemDiskEncrypted": True}, production=True) == set()
    assert broken(DISK, {"tags": TAGS}, production=True) == {"disks-are-encrypted"}
    assert broken(DISK, {"tags": TAGS, "encrypted": True}, production=True) == set()


def test_an_eni_that_dies_with_its_instance_is_refused() -> None:
    assert broken(ENI, {"tags": TAGS}) == {"enis-outlive-instances"}
    assert broken(ENI, {"tags": TAGS, "deleteOnRelease": True}) == {"enis-outlive-instances"}
    assert broken(ENI, {"tags": TAGS, "deleteOnRelease": False}) == set()


@pytest.mark.parametrize("kind", sorted(TAGGABLE))
def test_what_can_carry_tags_must_carry_some(kind: str) -> None:
    assert "taggable-is-tagged" in broken(kind, {})
    assert "taggable-is-tagged" not in broken(kind, {"tags": TAGS})


@pytest.mark.parametrize("key", ["policyDocument", "document"])
@pytest.mark.parametrize("star", ["*", ["ecs:DescribeInstances", "*"]])
def test_a_policy_that_allows_everything_is_refused(key: str, star: object) -> None:
    statement = {"Effect": "Allow", "Action": star, "Resource": "*"}
    assert broken(RAM_POLICY, {key: json.dumps({"Statement": [statement]})}) == {
        "no-administrators"
    }


def test_a_policy_with_named_actions_passes() -> None:
    statement = {"Effect": "Allow", "Action": ["vpc:DescribeVSwitches"], "Resource": "*"}
    assert broken(RAM_POLICY, {"policyDocument": json.dumps({"Statement": [statement]})}) == set()


def test_the_predefined_administrator_policy_is_refused() -> None:
    assert broken(ATTACHMENT, {"policyName": "AdministratorAccess"}) == {"no-administrators"}
    assert broken(ATTACHMENT, {"policyName": "guide-cloud-controller"}) == set()


def test_every_violation_says_what_to_do_instead() -> None:
    broken = violations(INSTANCE, {}, production=True)
    assert {v.rule for v in broken} == {
        "metadata-needs-a-token",
        "taggable-is-tagged",
        "disks-are-encrypted",
    }
    assert all(re.fullmatch(r"[A-Z\w].*\. [A-Z].*\.", v.message) for v in broken)


@pytest.mark.parametrize(
    "group", [{"innerAccessPolicy": "Drop"}, {}, {"securityGroupType": "normal"}]
)
def test_members_of_a_basic_group_must_be_accepted(group: Mapping[str, object]) -> None:
    assert broken(SECURITY_GROUP, {**group, "tags": TAGS}) == {"members-reach-each-other"}


@pytest.mark.parametrize(
    "group", [{"innerAccessPolicy": "Accept"}, {"securityGroupType": "enterprise"}]
)
def test_a_group_whose_members_reach_each_other_passes(group: Mapping[str, object]) -> None:
    assert broken(SECURITY_GROUP, {**group, "tags": TAGS}) == set()


def test_a_rule_with_its_own_group_as_the_source_is_refused() -> None:
    rule = ingress(securityGroupId="sg-1", sourceSecurityGroupId="sg-1", portRange="1/65535")
    assert broken(SECURITY_GROUP_RULE, rule) == {"members-reach-each-other"}
