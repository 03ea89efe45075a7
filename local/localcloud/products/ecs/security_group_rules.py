"""Rules of security groups."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Interface
from typing import Final

from localcloud.requests import paging
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.wire.errors import ApiError, invalid

from . import existing
from .entities import Rule, SecurityGroup

INGRESS: Final = "ingress"
EGRESS: Final = "egress"
_PROTOCOLS: Final = frozenset({"TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL"})
_WITH_PORTS: Final = frozenset({"TCP", "UDP"})
_ENTERPRISE: Final = "enterprise"
_MOST_RULES: Final = 200
_MOST_GROUP_RULES: Final = 20
"""Rules that name a group (error text of AuthorizedGroupRule.LimitExceed)."""
_MOST_PERMISSIONS: Final = 100
_LONGEST_DESCRIPTION: Final = 512
_MOST_PRIORITY: Final = 100
_MOST_PORT: Final = 65535
_RULE_CODES: Final = paging.TokenCodes("InvalidParamter", "InvalidParamter")


@dataclass(frozen=True, kw_only=True)
class DescribeSecurityGroupAttribute:
    """Parameters of DescribeSecurityGroupAttribute."""

    security_group_id: str
    region_id: str | None = None
    direction: str = "all"
    nic_type: str | None = None
    attribute: str | None = None
    next_token: str | None = None
    max_results: int | None = None


def _rule_shown(rule: Rule) -> dict[str, object]:
    ingress = rule.direction == INGRESS
    return {
        "SecurityGroupRuleId": rule.id,
        "Direction": rule.direction,
        "IpProtocol": rule.protocol,
        "PortRange": rule.port_range,
        "SourcePortRange": rule.source_port_range,
        "Policy": rule.policy,
        "Priority": str(rule.priority),
        "NicType": rule.nic_type,
        "SourceCidrIp": rule.cidr if ingress else "",
        "DestCidrIp": "" if ingress else rule.cidr,
        "Ipv6SourceCidrIp": rule.ipv6_cidr if ingress else "",
        "Ipv6DestCidrIp": "" if ingress else rule.ipv6_cidr,
        "SourceGroupId": rule.group_id if ingress else "",
        "SourceGroupName": "",
        "SourceGroupOwnerAccount": rule.group_owner if ingress else "",
        "DestGroupId": "" if ingress else rule.group_id,
        "DestGroupName": "",
        "DestGroupOwnerAccount": "" if ingress else rule.group_owner,
        "SourcePrefixListId": rule.prefix_list_id if ingress else "",
        "SourcePrefixListName": "",
        "DestPrefixListId": "" if ingress else rule.prefix_list_id,
        "DestPrefixListName": "",
        "PortRangeListId": "",
        "PortRangeListName": "",
        "Description": rule.description,
        "CreateTime": moment(rule.created),
    }


@action()
def describe_security_group_attribute(
    call: Call, request: DescribeSecurityGroupAttribute
) -> Answer:
    """Describe the rules of a security group."""
    group = existing.security_group(call, request.security_group_id)
    direction = (request.direction or "all").lower()
    rules = [r for r in group.rules if direction in {"all", r.direction}]
    following = ""
    if request.max_results is not None or request.next_token:
        part, following = paging.page_by_token(
            rules,
            request.next_token,
            request.max_results,
            usual=500,
            most=1000,
            codes=_RULE_CODES,
        )
        rules = list(part)
    return {
        "SecurityGroupId": group.id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "RegionId": call.cloud.region,
        "InnerAccessPolicy": group.inner_policy,
        "NextToken": following,
        "Permissions": {"Permission": [_rule_shown(r) for r in rules]},
    }


@dataclass(frozen=True, kw_only=True)
class Permission:
    """A rule in a request, as `Permissions.N` or as parameters of the request itself."""

    ip_protocol: str | None = None
    port_range: str | None = None
    source_port_range: str = ""
    policy: str = "accept"
    priority: str = "1"
    nic_type: str = "intranet"
    source_cidr_ip: str = ""
    dest_cidr_ip: str = ""
    ipv6_source_cidr_ip: str = ""
    ipv6_dest_cidr_ip: str = ""
    source_group_id: str = ""
    dest_group_id: str = ""
    source_group_owner_account: str = ""
    dest_group_owner_account: str = ""
    source_group_owner_id: str = ""
    dest_group_owner_id: str = ""
    source_prefix_list_id: str = ""
    dest_prefix_list_id: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class AuthorizeSecurityGroup(Permission):
    """Parameters of AuthorizeSecurityGroup."""

    security_group_id: str
    region_id: str | None = None
    permissions: tuple[Permission, ...] = ()
    security_group_rule_id: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AuthorizeSecurityGroupEgress(AuthorizeSecurityGroup):
    """Parameters of AuthorizeSecurityGroupEgress."""


@dataclass(frozen=True, kw_only=True)
class RevokeSecurityGroup(AuthorizeSecurityGroup):
    """Parameters of RevokeSecurityGroup."""


@dataclass(frozen=True, kw_only=True)
class RevokeSecurityGroupEgress(AuthorizeSecurityGroup):
    """Parameters of RevokeSecurityGroupEgress."""


def _canonical_v4(text: str, code: str) -> str:
    try:
        return str(IPv4Network(text, strict=False)) if "/" in text else str(IPv4Network(text))
    except ValueError:
        raise ApiError(code, f"{text[:60]!r} must be an IPv4 CIDR block or address.") from None


def _canonical_v6(text: str, code: str) -> str:
    """An IPv6 block in short form. Host bits stay.

    The provider 1.285.0 expects this: it finds its rule again by the address in short form and the
    mask (`compressIPv6OrCIDR`).
    """
    try:
        return IPv6Interface(text).with_prefixlen
    except ValueError:
        raise ApiError(code, f"{text[:60]!r} must be an IPv6 CIDR block.") from None


def _ports(text: str, protocol: str, name: str = "PortRange") -> str:
    if protocol not in _WITH_PORTS:
        if text != "-1/-1":
            raise ApiError(
                f"Invalid{name}.Malformed", f"{name} of {protocol} must be -1/-1, not {text!r}."
            )
        return text
    parts = text.split("/")
    if (
        len(parts) != 2  # noqa: PLR2004  # first and last
        or not all(p.isdecimal() for p in parts)
        or not 1 <= int(parts[0]) <= int(parts[1]) <= _MOST_PORT
    ):
        raise ApiError(
            f"Invalid{name}.Malformed",
            f"{name} {text!r} of {protocol} must be first/last, from 1/65535.",
        )
    return f"{int(parts[0])}/{int(parts[1])}"


@dataclass(frozen=True)
class _Peer:
    """The other end of a rule. Requests of the two directions name it by different parameters."""

    end: str
    cidr: str
    ipv6_cidr: str
    group_id: str
    group_owner: str
    prefix_list_id: str

    @classmethod
    def of(cls, permission: Permission, direction: str) -> _Peer:
        """The source of an ingress rule or the destination of an egress rule."""
        if direction == INGRESS:
            return cls(
                "Source",
                permission.source_cidr_ip,
                permission.ipv6_source_cidr_ip,
                permission.source_group_id,
                permission.source_group_owner_account,
                permission.source_prefix_list_id,
            )
        return cls(
            "Dest",
            permission.dest_cidr_ip,
            permission.ipv6_dest_cidr_ip,
            permission.dest_group_id,
            permission.dest_group_owner_account,
            permission.dest_prefix_list_id,
        )


def _checked(permission: Permission) -> tuple[str, str, str]:
    """The protocol, ports and policy of a rule in the cloud's own spelling."""
    protocol = (permission.ip_protocol or "").upper()
    if protocol not in _PROTOCOLS:
        raise ApiError(
            "InvalidIpProtocol.ValueNotSupported", f"IpProtocol {protocol[:40]!r} is unknown."
        )
    if permission.port_range is None:
        raise ApiError("InvalidPortRange.Malformed", "The parameter PortRange must be set.")
    policy = permission.policy.capitalize()
    if policy not in {"Accept", "Drop"}:
        raise ApiError(
            "InvalidPolicy.Malformed", f"Policy {permission.policy[:40]!r} must be accept or drop."
        )
    if not permission.priority.isdecimal() or not 1 <= int(permission.priority) <= _MOST_PRIORITY:
        raise ApiError(
            "InvalidPriority.ValueNotSupported",
            f"Priority {permission.priority[:20]!r} must be 1 to {_MOST_PRIORITY}.",
        )
    if permission.nic_type != "intranet":
        raise ApiError(
            "InvalidNicType.Mismatch"
            if permission.nic_type == "internet"
            else "InvalidNicType.ValueNotSupported",
            f"NicType {permission.nic_type[:40]!r} must be intranet in a VPC.",
        )
    if len(permission.description) > _LONGEST_DESCRIPTION:
        raise ApiError(
            # The reference has this spelling.
            "InvalidSecurityGroupDiscription.Malformed",
            f"The Description of a rule has at most {_LONGEST_DESCRIPTION} characters.",
        )
    if permission.source_port_range:
        _ports(permission.source_port_range, protocol, "SourcePortRange")
    return protocol, _ports(permission.port_range, protocol), policy


def _check_peer_group(call: Call, group: SecurityGroup, peer: _Peer) -> None:
    """Raise unless the group can authorize the other group that the rule names."""
    if peer.group_id == group.id:
        # This code is in every published version of the page and in public logs of real runs.
        raise ApiError(
            "InvalidParamter.Conflict",
            f"The specified SecurityGroupId should be different from the {peer.end}GroupId.",
            403,
        )
    other = existing.security_group(call, peer.group_id, code=f"Invalid{peer.end}GroupId.NotFound")
    if other.vpc_id != group.vpc_id:
        raise ApiError(
            f"Invalid{peer.end}GroupId.Mismatch",
            f"The security groups {group.id} and {other.id} are not in the same VPC.",
        )
    if group.kind == _ENTERPRISE:
        raise ApiError(
            "InvalidGroupParameter.OperationDenied",
            f"The {peer.end}GroupId of a rule of an enterprise security group cannot be set.",
        )
    if other.kind == _ENTERPRISE:
        raise ApiError(
            "InvalidGroupAuthParameter.OperationDenied",
            f"The enterprise security group {other.id} cannot be authorized.",
        )


def _check_families(protocol: str, peer: _Peer) -> None:
    """Raise for a protocol of one family of addresses with a peer of the other."""
    if peer.cidr and protocol == "ICMPV6":
        raise ApiError(
            "InvalidParam.Ipv6ProtocolConflictWithIpv4Address",
            f"{protocol} cannot have the IPv4 block {peer.cidr}.",
        )
    if peer.ipv6_cidr and protocol == "ICMP":
        raise ApiError(
            "InvalidParam.Ipv4ProtocolConflictWithIpv6Address",
            f"{protocol} cannot have the IPv6 block {peer.ipv6_cidr}.",
        )


def _rule(call: Call, permission: Permission, direction: str) -> Rule:
    protocol, ports, policy = _checked(permission)
    peer = _Peer.of(permission, direction)
    if not (peer.cidr or peer.ipv6_cidr or peer.group_id or peer.prefix_list_id):
        raise ApiError(
            f"MissingParameter.{peer.end}",
            f"One of {peer.end}CidrIp, Ipv6{peer.end}CidrIp, {peer.end}GroupId and "
            f"{peer.end}PrefixListId must be set.",
        )
    if peer.cidr and peer.ipv6_cidr:
        raise ApiError(
            f"InvalidParam.{peer.end}Ip",
            f"{peer.end}CidrIp and Ipv6{peer.end}CidrIp cannot be set at the same time.",
        )
    _check_families(protocol, peer)
    # "If you specify both SourceGroupId and SourceCidrIp, SourceCidrIp takes precedence", and a
    # prefix list "is ignored" where another peer is specified (page AuthorizeSecurityGroup).
    has_block = bool(peer.cidr or peer.ipv6_cidr)
    group_id = "" if has_block else peer.group_id
    prefix_list_id = "" if has_block or group_id else peer.prefix_list_id
    return Rule(
        id=call.new_id("sgr"),
        direction=direction,
        protocol=protocol,
        port_range=ports,
        source_port_range=permission.source_port_range,
        policy=policy,
        priority=int(permission.priority),
        nic_type="intranet",
        cidr=_canonical_v4(peer.cidr, f"Invalid{peer.end}CidrIp.Malformed") if peer.cidr else "",
        ipv6_cidr=_canonical_v6(peer.ipv6_cidr, f"InvalidParam.Ipv6{peer.end}CidrIp")
        if peer.ipv6_cidr
        else "",
        group_id=group_id,
        group_owner=peer.group_owner if group_id else "",
        prefix_list_id=prefix_list_id,
        description=permission.description,
        created=call.now,
    )


def _check_permissions(request: AuthorizeSecurityGroup) -> None:
    """Raise for a list of rules that is too long or comes with a rule of the request's own."""
    if not request.permissions:
        return
    if request.ip_protocol or request.port_range:
        raise ApiError(
            "InvalidParam.Permissions",
            "Permissions cannot be set together with IpProtocol and PortRange.",
        )
    if len(request.permissions) > _MOST_PERMISSIONS:
        raise invalid(
            "Permissions",
            len(request.permissions),
            f"a request has at most {_MOST_PERMISSIONS} rules",
        )


def _authorize(call: Call, request: AuthorizeSecurityGroup, direction: str) -> Answer:
    group = existing.security_group(call, request.security_group_id)
    _check_permissions(request)
    rules = {rule.key: rule for rule in group.rules}
    keys: set[object] = set()
    for permission in request.permissions or (request,):
        rule = _rule(call, permission, direction)
        if rule.key in keys:
            raise ApiError(
                "InvalidParam.DuplicatePermissions",
                f"Permissions has the rule {rule.protocol} {rule.port_range} twice.",
            )
        keys.add(rule.key)
        if rule.prefix_list_id:
            raise ApiError(
                "InvalidPrefixListId.NotFound",
                f"The prefix list {rule.prefix_list_id[:60]!r} does not exist.",
                404,
            )
        if rule.policy == "Drop" and group.kind == _ENTERPRISE:
            raise ApiError(
                "InvalidGroupParameter.OperationDenied",
                "The Policy of a rule of an enterprise security group cannot be set to drop.",
            )
        if rule.group_id:
            _check_peer_group(call, group, _Peer.of(permission, direction))
        rules.setdefault(rule.key, rule)
    if sum(bool(rule.group_id) for rule in rules.values()) > _MOST_GROUP_RULES:
        raise ApiError(
            "AuthorizedGroupRule.LimitExceed",
            f"A security group has at most {_MOST_GROUP_RULES} rules that name a group.",
        )
    if len(rules) > _MOST_RULES:
        raise ApiError(
            "AuthorizationLimitExceed",
            f"A security group has at most {_MOST_RULES} rules.",
            403,
        )
    call.store.change(group, rules=tuple(rules.values()))
    return {}


@action(writes=True)
def authorize_security_group(call: Call, request: AuthorizeSecurityGroup) -> Answer:
    """Add ingress rules. A rule that exists already does not cause an error."""
    return _authorize(call, request, INGRESS)


@action(writes=True)
def authorize_security_group_egress(call: Call, request: AuthorizeSecurityGroupEgress) -> Answer:
    """Add egress rules."""
    return _authorize(call, request, EGRESS)


def _no_such_rule(rule_id: str | None, code: str) -> ApiError:
    return ApiError(code, f"The security group rule {(rule_id or '')[:60]!r} does not exist.", 404)


def _revoke(call: Call, request: AuthorizeSecurityGroup, direction: str) -> Answer:
    group = existing.security_group(call, request.security_group_id)
    if request.security_group_rule_id:
        if len(set(request.security_group_rule_id)) < len(request.security_group_rule_id):
            raise ApiError(
                "InvalidParam.SecurityGroupRuleIdRepeated", "A SecurityGroupRuleId occurs twice."
            )
        unknown = set(request.security_group_rule_id) - {r.id for r in group.rules}
        if unknown:
            raise _no_such_rule(min(unknown), "InvalidSecurityGroupRuleId.NotFound")
        left = tuple(r for r in group.rules if r.id not in request.security_group_rule_id)
    else:
        gone = {_rule(call, g, direction).key for g in request.permissions or (request,)}
        left = tuple(r for r in group.rules if r.key not in gone)
    call.store.change(group, rules=left)
    return {}


@action(writes=True)
def revoke_security_group(call: Call, request: RevokeSecurityGroup) -> Answer:
    """Remove ingress rules by their properties or by id. Unknown properties are not an error."""
    return _revoke(call, request, INGRESS)


@action(writes=True)
def revoke_security_group_egress(call: Call, request: RevokeSecurityGroupEgress) -> Answer:
    """Remove egress rules."""
    return _revoke(call, request, EGRESS)


@dataclass(frozen=True, kw_only=True)
class ModifySecurityGroupRule(Permission):
    """Parameters of ModifySecurityGroupRule."""

    security_group_id: str
    region_id: str | None = None
    security_group_rule_id: str | None = None


def _described(
    call: Call, request: ModifySecurityGroupRule | ModifySecurityGroupEgressRule, direction: str
) -> Answer:
    group = existing.security_group(call, request.security_group_id)
    if request.security_group_rule_id:
        chosen = [r for r in group.rules if r.id == request.security_group_rule_id]
    else:
        key = _rule(call, request, direction).key
        chosen = [r for r in group.rules if r.key == key]
    if not chosen:
        raise _no_such_rule(request.security_group_rule_id, "SecurityGroupRule.NotFound")
    changed = dataclasses.replace(chosen[0], description=request.description)
    if request.security_group_rule_id and request.ip_protocol:
        changed = dataclasses.replace(_rule(call, request, direction), id=chosen[0].id)
    call.store.change(
        group, rules=tuple(changed if r.id == chosen[0].id else r for r in group.rules)
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifySecurityGroupEgressRule(Permission):
    """Parameters of ModifySecurityGroupEgressRule."""

    security_group_id: str
    region_id: str | None = None
    security_group_rule_id: str | None = None


@action(writes=True)
def modify_security_group_rule(call: Call, request: ModifySecurityGroupRule) -> Answer:
    """Change an ingress rule by id, or the description of the rule with these properties."""
    return _described(call, request, INGRESS)


@action(writes=True)
def modify_security_group_egress_rule(call: Call, request: ModifySecurityGroupEgressRule) -> Answer:
    """Change an egress rule by id, or the description of the rule with these properties."""
    return _described(call, request, EGRESS)
