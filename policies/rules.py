"""The rules. Each takes a resource's type token and inputs, and yields its problems.

Inputs have the names that Pulumi sends (camelCase). A value that is unknown in a preview is absent.
A rule that needs it passes in the preview and checks it in `pulumi up`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

Inputs = Mapping[str, object]

INSTANCE = "alicloud:ecs/instance:Instance"
DISK = "alicloud:ecs/ecsDisk:EcsDisk"
ENI = "alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface"
SECURITY_GROUP = "alicloud:ecs/securityGroup:SecurityGroup"
SECURITY_GROUP_RULE = "alicloud:ecs/securityGroupRule:SecurityGroupRule"
RAM_POLICY = "alicloud:ram/policy:Policy"
RAM_ATTACHMENTS = frozenset(
    {
        "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment",
        "alicloud:ram/userPolicyAttachment:UserPolicyAttachment",
        "alicloud:ram/groupPolicyAttachment:GroupPolicyAttachment",
    }
)
TAGGABLE = frozenset(
    {
        INSTANCE,
        DISK,
        ENI,
        SECURITY_GROUP,
        "alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy",
        "alicloud:ecs/eipAddress:EipAddress",
        "alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer",
        "alicloud:vpc/network:Network",
        "alicloud:vpc/switch:Switch",
        "alicloud:vpc/natGateway:NatGateway",
        "alicloud:vpc/ipv6Gateway:Ipv6Gateway",
    }
)
"""Resource types of this program that take `tags`."""

GUARDED_PORTS = (22, 6443)
"""SSH and the Kubernetes API: never open to the whole internet."""

_ANY_PORT = (-1, -1)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One rule that one resource breaks."""

    rule: str
    message: str


Rule = Callable[[str, Inputs], Iterator[Violation]]


def no_public_admin_ports(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """SSH and the API server are never open to everybody, over IPv4 or IPv6."""
    if kind != SECURITY_GROUP_RULE or inputs.get("type") != "ingress":
        return
    if inputs.get("policy", "accept") != "accept":
        return
    for key in ("cidrIp", "ipv6CidrIp"):
        source = inputs.get(key)
        if isinstance(source, str) and _is_everybody(source):
            for port in GUARDED_PORTS:
                if _covers(inputs, port):
                    yield Violation(
                        rule="no-public-admin-ports",
                        message=f"Port {port} is open to {source}. Write the networks that need "
                        "it in kubernetes.endpoint.allowedCidrs or network.ingress.",
                    )


def members_reach_each_other(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """A basic group's members reach each other by its inner access policy, never by a rule.

    AuthorizeSecurityGroup refuses a rule whose source is its own group (403
    InvalidParamter.Conflict).
    """
    basic = kind == SECURITY_GROUP and inputs.get("securityGroupType", "normal") == "normal"
    if basic and inputs.get("innerAccessPolicy") != "Accept":
        yield Violation(
            rule="members-reach-each-other",
            message="innerAccessPolicy is not Accept, so nodes and pods of the group could not "
            "reach each other. Set it to Accept.",
        )
    source = inputs.get("sourceSecurityGroupId")
    own = kind == SECURITY_GROUP_RULE and source is not None
    if own and source == inputs.get("securityGroupId"):
        yield Violation(
            rule="members-reach-each-other",
            message="The source is the group itself, which the cloud refuses. Set the group's "
            "innerAccessPolicy to Accept instead.",
        )


def metadata_needs_a_token(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """The metadata service answers only with a session token (IMDSv2).

    Without it a pod that can be made to fetch a URL can read the node's RAM credentials.
    """
    if kind == INSTANCE and inputs.get("httpTokens") != "required":
        yield Violation(
            rule="metadata-needs-a-token",
            message="httpTokens is not required, so a pod that fetches URLs for others can be "
            "made to read the node's credentials. Set it to required.",
        )


def disks_are_encrypted(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """System disks and etcd's disks are encrypted. For production stacks only."""
    if kind == INSTANCE and inputs.get("systemDiskEncrypted") is not True:
        yield Violation(
            rule="disks-are-encrypted",
            message="The system disk is not encrypted. Write disk.encrypted: true in the pool.",
        )
    if kind == DISK and inputs.get("encrypted") is not True:
        yield Violation(
            rule="disks-are-encrypted",
            message="The disk is not encrypted. Write disk.encrypted: true in the pool, which is "
            "also for etcd's disk.",
        )


def taggable_is_tagged(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """Resources that take tags have some: without them the leftovers of a stack cannot be found."""
    if kind in TAGGABLE and not inputs.get("tags"):
        yield Violation(
            rule="taggable-is-tagged",
            message="The resource has no tags. Give it those of the cluster.",
        )


def enis_outlive_instances(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """An ENI outlives its instance, so that a replacement keeps the pods' addresses."""
    if kind == ENI and inputs.get("deleteOnRelease") is not False:
        yield Violation(
            rule="enis-outlive-instances",
            message="deleteOnRelease is not false, so the cloud would delete the ENI and its pod "
            "addresses with the instance. Set it to false.",
        )


def no_administrators(kind: str, inputs: Inputs) -> Iterator[Violation]:
    """No policy of a node's role allows every action."""
    if kind in RAM_ATTACHMENTS and inputs.get("policyName") == "AdministratorAccess":
        yield Violation(
            rule="no-administrators",
            message="AdministratorAccess is attached. Write a policy with the needed actions.",
        )
    if kind == RAM_POLICY and any(_allows_everything(s) for s in _statements(inputs)):
        yield Violation(
            rule="no-administrators",
            message="A statement allows every action on every resource. Name the needed actions.",
        )


ALWAYS: tuple[Rule, ...] = (
    no_public_admin_ports,
    members_reach_each_other,
    metadata_needs_a_token,
    taggable_is_tagged,
    enis_outlive_instances,
    no_administrators,
)
PRODUCTION: tuple[Rule, ...] = (*ALWAYS, disks_are_encrypted)


def violations(kind: str, inputs: Inputs, *, production: bool) -> tuple[Violation, ...]:
    """Check one resource by all rules of its environment."""
    rules = PRODUCTION if production else ALWAYS
    return tuple(violation for rule in rules for violation in rule(kind, inputs))


def _is_everybody(source: str) -> bool:
    try:
        return ip_network(source, strict=False).prefixlen == 0
    except ValueError:
        return False


def _covers(inputs: Inputs, port: int) -> bool:
    if inputs.get("ipProtocol") not in {"tcp", "all"}:
        return False
    first, _, last = str(inputs.get("portRange", "-1/-1")).partition("/")
    try:
        span = (int(first), int(last))
    except ValueError:
        return True
    return span == _ANY_PORT or span[0] <= port <= span[1]


def _statements(inputs: Inputs) -> Iterator[Mapping[str, object]]:
    document = inputs.get("policyDocument", inputs.get("document"))
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return
    if isinstance(document, Mapping):
        statements = document.get("Statement")
        for statement in statements if isinstance(statements, list) else [statements]:
            if isinstance(statement, Mapping):
                yield statement


def _allows_everything(statement: Mapping[str, object]) -> bool:
    return (
        statement.get("Effect") == "Allow"
        and _has_star(statement.get("Action"))
        and _has_star(statement.get("Resource"))
    )


def _has_star(value: object) -> bool:
    return value == "*" or (isinstance(value, list) and "*" in value)
