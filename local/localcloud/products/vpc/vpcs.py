"""VPCs: https://help.aliyun.com/document_detail/35737.html."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from localcloud import addressing
from localcloud.products import endings, filters, resource_groups, statuses, texts
from localcloud.products.ecs.entities import SecurityGroup
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.state.store import Store
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from .entities import (
    DEFAULT_RESOURCE_GROUP,
    Eip,
    Ipv4Gateway,
    Ipv6Gateway,
    NatGateway,
    RouteEntry,
    Vpc,
    VSwitch,
)
from .tagging import TAG_CODES

_DEFAULT_CIDR: Final = "172.16.0.0/12"
_MOST_SECONDARY: Final = 5
_MOST_USER_CIDRS: Final = 3
_MOST_VPCS: Final = 10
_SHORTEST: Final = 8
_LONGEST: Final = 28
_LONGEST_DELETION: Final = 5.0
_IPV6_LENGTH: Final = 56
_IPV6_POOL: Final = IPv6Network("2408:4005::/32")


@dataclass(frozen=True)
class _BlockCodes:
    """The codes with which an action refuses a CIDR block, by cause. Each action has its own."""

    malformed: str
    mask: str
    excluded: str


_PRIMARY: Final = _BlockCodes(
    malformed="InvalidParameter",
    mask="IllegalParam.CidrBlockMask",
    excluded="OperationDenied.CidrInExcludeCidrs",
)
_CHANGED: Final = _BlockCodes(
    malformed="InvalidCidrBlock.Malformed",
    mask="InvalidCidrBlock.Malformed",
    excluded="OperationDenied.CidrInExcludeCidrs",
)
_SECONDARY: Final = _BlockCodes(
    malformed="InvalidCidrBlock.Malformed",
    mask="IllegalParam.SecondaryCidrBlock",
    excluded="OperationDenied.CidrInExcludeCidrs",
)


@dataclass(frozen=True, kw_only=True)
class CreateVpc:
    """Parameters of CreateVpc."""

    region_id: str | None = None
    cidr_block: str = _DEFAULT_CIDR
    vpc_name: str = ""
    description: str = ""
    enable_ipv6: bool = wire("EnableIpv6", default=False)
    ipv6_cidr_block: str | None = None
    ipv6_isp: str = "BGP"
    user_cidr: str = ""
    resource_group_id: str = ""
    enable_dns_hostname: bool = False
    tag: tuple[TagParameter, ...] = ()


find: Final = Lookup(Vpc, "VPC", "InvalidVpcId.NotFound")


def blocks(vpc: Vpc) -> list[IPv4Network]:
    """The primary CIDR block and the secondary ones."""
    return [addressing.block(c) for c in (vpc.cidr, *vpc.secondary_cidrs)]


def _checked_block(text: str, codes: _BlockCodes) -> IPv4Network:
    """The CIDR block, if a VPC may have it: /8 to /28, outside ranges that are never private."""
    network = addressing.requested_block(text, codes.malformed, "CidrBlock")
    if not _SHORTEST <= network.prefixlen <= _LONGEST:
        raise ApiError(
            codes.mask, f"The CIDR block {network} must be a /{_SHORTEST} to /{_LONGEST}."
        )
    if not addressing.is_private(network):
        raise ApiError(
            codes.excluded,
            f"The CIDR block {network} cannot be used in a VPC: it must lie outside of "
            "100.64.0.0/10, loopback, link-local and multicast.",
        )
    return network


def _free_ipv6(store: Store) -> str:
    taken = {vpc.ipv6_cidr for vpc in store.all(Vpc)}
    base = int(_IPV6_POOL.network_address)
    number = 0x30005200 >> 8
    while True:
        candidate = str(IPv6Network((base + (number << 72), 56)))
        if candidate not in taken:
            return candidate
        number += 1


def _ipv6_block(call: Call, text: str | None, code: str) -> str:
    """The requested IPv6 block of a VPC, a /56, or a free one; `code` is the action's own."""
    if not text:
        return _free_ipv6(call.store)
    try:
        network = IPv6Network(text)
    except ValueError:
        raise _not_ipv6(text, code) from None
    if network.prefixlen != _IPV6_LENGTH:
        raise _not_ipv6(text, code)
    return str(network)


def _not_ipv6(text: str, code: str) -> ApiError:
    return ApiError(
        code, f"The specified Ipv6CidrBlock {text[:60]!r} is not a /{_IPV6_LENGTH} network."
    )


def _user_cidrs(text: str) -> tuple[str, ...]:
    """The user CIDR blocks: at most three, and none in 100.64.0.0/10."""
    cidrs = tuple(c.strip() for c in text.split(",") if c.strip())
    if len(cidrs) > _MOST_USER_CIDRS:
        raise ApiError("InvalidUserCidr.Quota", f"UserCidr has at most {_MOST_USER_CIDRS} blocks.")
    for cidr in cidrs:
        if addressing.overlaps_system(
            addressing.requested_block(cidr, "IllegalParam.UserCidr", "UserCidr")
        ):
            raise ApiError(
                "InvalidUserCidr.Malformed", f"The UserCidr {cidr} overlaps with 100.64.0.0/10."
            )
    return cidrs


def _check_texts(name: str | None, description: str | None) -> None:
    texts.check(name, "InvalidVpcName.Malformed")
    texts.check(description, "InvalidVpcDiscription.Malformed", texts.DESCRIPTION)


@action(writes=True)
def create_vpc(call: Call, request: CreateVpc) -> Answer:
    """Create a VPC with its router and system route table."""
    vpc = make(call, request)
    return {
        "VpcId": vpc.id,
        "VRouterId": vpc.router_id,
        "RouteTableId": vpc.route_table_id,
        "ResourceGroupId": vpc.resource_group_id,
    }


def make(call: Call, request: CreateVpc, *, is_default: bool = False) -> Vpc:
    """Create a VPC, for every action that does so.

    Raises:
        ApiError: the request has a value that a VPC cannot have, or the account has too many VPCs.
    """
    _check_texts(request.vpc_name, request.description)
    resource_groups.require_of_vpc(request.resource_group_id)
    cidr = str(_checked_block(request.cidr_block, _PRIMARY))
    if call.store.count(Vpc) >= _MOST_VPCS:
        raise ApiError("QuotaExceeded.Vpc", f"The account has {_MOST_VPCS} VPCs in the region.")
    ipv6: str | None = None
    if request.enable_ipv6 or request.ipv6_cidr_block:
        ipv6 = _ipv6_block(call, request.ipv6_cidr_block, "IllegalParam.Ipv6CidrBlock")
    suffix = call.new_id("x")[2:]
    return call.store.put(
        Vpc(
            id=f"vpc-{suffix}",
            is_default=is_default,
            name=request.vpc_name,
            description=request.description,
            cidr=cidr,
            user_cidrs=_user_cidrs(request.user_cidr),
            ipv6_cidr=ipv6,
            ipv6_isp=request.ipv6_isp,
            router_id=f"vrt-{suffix}",
            route_table_id=f"vtb-{suffix}",
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            dns_hostname=request.enable_dns_hostname,
            created=call.now,
            life=call.passing(("Pending", 2.0), to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )


def _shown(call: Call, vpc: Vpc) -> dict[str, object]:
    return {
        "VpcId": vpc.id,
        "VpcName": vpc.name,
        "Description": vpc.description,
        "Status": vpc.life.at(call.now),
        "CidrBlock": vpc.cidr,
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": list(vpc.secondary_cidrs)},
        "UserCidrs": {"UserCidr": list(vpc.user_cidrs)},
        "EnabledIpv6": vpc.ipv6_cidr is not None,
        "Ipv6CidrBlock": vpc.ipv6_cidr or "",
        "Ipv6CidrBlocks": {
            "Ipv6CidrBlock": [{"Ipv6CidrBlock": vpc.ipv6_cidr, "Ipv6Isp": vpc.ipv6_isp}]
            if vpc.ipv6_cidr
            else []
        },
        "RegionId": call.cloud.region,
        "VRouterId": vpc.router_id,
        "VSwitchIds": {"VSwitchId": [v.id for v in call.store.where(VSwitch, "vpc", vpc.id)]},
        "IsDefault": vpc.is_default,
        "OwnerId": int(call.cloud.account_id),
        "ResourceGroupId": vpc.resource_group_id,
        "DnsHostnameStatus": "ENABLED" if vpc.dns_hostname else "DISABLED",
        "DhcpOptionsSetId": "",
        "DhcpOptionsSetStatus": "",
        "CreationTime": moment(vpc.created),
        "Tags": tags.vpc(vpc.tags),
    }


@dataclass(frozen=True, kw_only=True)
class DescribeVpcAttribute:
    """Parameters of DescribeVpcAttribute."""

    vpc_id: str
    region_id: str | None = None
    is_default: bool | None = None


@action()
def describe_vpc_attribute(call: Call, request: DescribeVpcAttribute) -> Answer:
    """Describe one VPC. For an unknown id the API now answers with an error of status 404."""
    vpc = find(call, request.vpc_id)
    return {
        **_shown(call, vpc),
        "ClassicLinkEnabled": False,
        "SupportIpv4Gateway": True,
        "Ipv4GatewayId": next((g.id for g in call.store.where(Ipv4Gateway, "vpc", vpc.id)), ""),
        "AssociatedCens": {"AssociatedCen": []},
        "AssociatedPropagationSources": {"AssociatedPropagationSources": []},
        "CloudResources": {
            "CloudResourceSetType": [
                {
                    "ResourceType": "VSwitch",
                    "ResourceCount": call.store.size(VSwitch, "vpc", vpc.id),
                }
            ]
        },
    }


@dataclass(frozen=True, kw_only=True)
class DescribeVpcs(PageRequest):
    """Parameters of DescribeVpcs."""

    region_id: str | None = None
    vpc_id: str | None = None
    vpc_name: str | None = None
    is_default: bool | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _listed(call: Call, vpc: Vpc) -> dict[str, object]:
    return {
        **_shown(call, vpc),
        "CenStatus": "Detached",
        "RouterTableIds": {"RouterTableIds": [vpc.route_table_id]},
        "NatGatewayIds": {
            "NatGatewayIds": [n.id for n in call.store.where(NatGateway, "vpc", vpc.id)]
        },
    }


_TABLE: Final = Table("Vpcs", "Vpc", _listed, most=50)


@action()
def describe_vpcs(call: Call, request: DescribeVpcs) -> Answer:
    """List VPCs by filter. VpcId takes several ids, separated by commas."""
    ids = filters.names(request.vpc_id)
    vpcs = [
        vpc
        for vpc in call.store.all(Vpc)
        if filters.among(ids, vpc.id)
        and filters.equal(request.vpc_name, vpc.name)
        and filters.equal(request.resource_group_id, vpc.resource_group_id)
        and request.is_default in {None, vpc.is_default}
        and tags.match(vpc.tags, request.tag)
    ]
    return _TABLE.numbered(call, vpcs, request)


@dataclass(frozen=True, kw_only=True)
class ModifyVpcAttribute:
    """Parameters of ModifyVpcAttribute. EnableIPv6 has the API's spelling."""

    vpc_id: str
    region_id: str | None = None
    vpc_name: str | None = None
    description: str | None = None
    enable_ipv6: bool | None = wire("EnableIPv6", default=None)
    enable_dns_hostname: bool | None = None
    ipv6_cidr_block: str | None = None
    ipv6_isp: str | None = None
    cidr_block: str | None = None


def _changed_cidr(call: Call, vpc: Vpc, text: str) -> str:
    """The new primary block of a VPC. It must contain all vSwitches of the old one."""
    network = _checked_block(text, _CHANGED)
    old = addressing.block(vpc.cidr)
    for vswitch in call.store.where(VSwitch, "vpc", vpc.id):
        block = addressing.block(vswitch.cidr)
        if block.subnet_of(old) and not block.subnet_of(network):
            raise ApiError(
                "IllegalCidrBlock",
                f"The vSwitch {vswitch.id} has {vswitch.cidr}, which is not in {network}.",
            )
    return str(network)


@action(writes=True)
def modify_vpc_attribute(call: Call, request: ModifyVpcAttribute) -> Answer:
    """Change a VPC in place.

    Turning IPv6 on gives the VPC a block. Turning it off removes the block and is refused while a
    vSwitch has one.
    """
    vpc = find(call, request.vpc_id)
    _check_texts(request.vpc_name, request.description)
    if request.enable_ipv6 and request.cidr_block:
        raise ApiError(
            "ExclusiveParam.EnableIpv6AndCidrBlock",
            "EnableIPv6 and CidrBlock are changed by two requests.",
        )
    changes = requested(
        name=request.vpc_name,
        description=request.description,
        dns_hostname=request.enable_dns_hostname,
    )
    if request.cidr_block is not None and request.cidr_block != vpc.cidr:
        if vpc.is_default:
            # "After you create a default VPC, you cannot change its CIDR block" (CreateDefaultVpc).
            raise ApiError(
                "IllegalCidrBlock", f"{vpc.id} is the default VPC; its CIDR block stays {vpc.cidr}."
            )
        changes["cidr"] = _changed_cidr(call, vpc, request.cidr_block)
    if request.enable_ipv6 and vpc.ipv6_cidr is None:
        changes["ipv6_cidr"] = _ipv6_block(call, request.ipv6_cidr_block, "IllegalParam.Ipv6Cidr")
    if request.enable_ipv6 is False and vpc.ipv6_cidr is not None:
        if any(v.ipv6_cidr for v in call.store.where(VSwitch, "vpc", vpc.id)):
            raise ApiError(
                "OperationFailed.IpV6VSwitchInuse",
                "A vSwitch of the VPC still has an IPv6 CIDR block.",
            )
        if call.store.any(Ipv6Gateway, "vpc", vpc.id):
            raise ApiError("OperationFailed.Ipv6GatewayInUse", "The VPC still has an IPv6 gateway.")
        changes["ipv6_cidr"] = None
    call.store.change(vpc, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteVpc:
    """Parameters of DeleteVpc."""

    vpc_id: str
    region_id: str | None = None
    force_delete: bool | None = None


@action(writes=True)
def delete_vpc(call: Call, request: DeleteVpc) -> Answer:
    """Delete an empty VPC."""
    vpc = find(call, request.vpc_id)
    if endings.leaving(vpc):
        statuses.require(call, vpc, "Available", code="IncorrectVpcStatus")
    _check_empty(call, vpc)
    if not endings.has_begun(call, vpc, "Pending", longest=_LONGEST_DELETION):
        call.store.remove(vpc)
    return {}


def _check_empty(call: Call, vpc: Vpc) -> None:
    for kind, code, what in (
        (VSwitch, "DependencyViolation.VSwitch", "vSwitches"),
        (SecurityGroup, "DependencyViolation.SecurityGroup", "security groups"),
        (NatGateway, "DependencyViolation.NatGateway", "NAT gateways"),
        (Ipv6Gateway, "DependencyViolation.Ipv6Gateway", "IPv6 gateways"),
        (Ipv4Gateway, "DependencyViolation.Ipv4Gateway", "IPv4 gateways"),
    ):
        if call.store.any(kind, "vpc", vpc.id):
            raise ApiError(code, f"Specified VPC {vpc.id} still has {what}.")
    if call.store.any(RouteEntry, "table", vpc.route_table_id):
        raise ApiError("DependencyViolation.RouteEntry", f"VPC {vpc.id} still has route entries.")


def settle(call: Call) -> None:
    """Remove the VPCs whose deletion has ended. A VPC that is no longer empty stays."""
    endings.settle(call, Vpc, _check_empty)


@dataclass(frozen=True, kw_only=True)
class AssociateVpcCidrBlock:
    """Parameters of AssociateVpcCidrBlock."""

    vpc_id: str
    region_id: str | None = None
    secondary_cidr_block: str | None = None
    ip_version: str = "IPV4"
    ipv6_cidr_block: str | None = wire("IPv6CidrBlock", default=None)
    ipv6_isp: str | None = None


@action(writes=True)
def associate_vpc_cidr_block(call: Call, request: AssociateVpcCidrBlock) -> Answer:
    """Add a secondary IPv4 block or the IPv6 block."""
    vpc = find(call, request.vpc_id, code="InvalidVpc.NotFound", status=400)
    if request.ip_version.upper() == "IPV6":
        if vpc.ipv6_cidr is None:
            block = _ipv6_block(call, request.ipv6_cidr_block, "IllegalParam.Ipv6CidrBlock")
            vpc = call.store.change(vpc, ipv6_cidr=block)
        return {"CidrBlock": vpc.ipv6_cidr, "IpVersion": "IPV6"}
    if not request.secondary_cidr_block:
        raise ApiError(
            "MissingParam.SecondaryCidrBlockOrIpv6CidrBlock",
            "Either SecondaryCidrBlock or Ipv6CidrBlock must be specified.",
        )
    network = _checked_block(request.secondary_cidr_block, _SECONDARY)
    if network in blocks(vpc):
        raise ApiError("InvalidCidrBlock", f"The VPC has the CIDR block {network} already.")
    if any(network.overlaps(block) for block in blocks(vpc)):
        raise ApiError(
            "IllegalParam.SecondaryCidrBlock",
            f"The block {network} overlaps with a CIDR block of the VPC.",
        )
    if len(vpc.secondary_cidrs) >= _MOST_SECONDARY:
        raise ApiError(
            "QuotaExceeded.VpcMultiCidr",
            f"A VPC has at most {_MOST_SECONDARY} secondary CIDR blocks.",
        )
    call.store.change(vpc, secondary_cidrs=(*vpc.secondary_cidrs, str(network)))
    return {"CidrBlock": str(network), "IpVersion": "IPV4"}


@dataclass(frozen=True, kw_only=True)
class UnassociateVpcCidrBlock:
    """Parameters of UnassociateVpcCidrBlock."""

    vpc_id: str
    region_id: str | None = None
    secondary_cidr_block: str | None = None
    ip_version: str | None = None
    ipv6_cidr_block: str | None = wire("IPv6CidrBlock", default=None)


@action(writes=True)
def unassociate_vpc_cidr_block(call: Call, request: UnassociateVpcCidrBlock) -> Answer:
    """Remove a secondary block that contains no vSwitch, or the IPv6 block."""
    vpc = find(call, request.vpc_id, code="InvalidVpc.NotFound", status=400)
    if request.ipv6_cidr_block:
        if any(v.ipv6_cidr for v in call.store.where(VSwitch, "vpc", vpc.id)):
            raise ApiError(
                "OperationFailed.IpV6VSwitchInuse", "A vSwitch still has an IPv6 CIDR block."
            )
        if call.store.any(Ipv6Gateway, "vpc", vpc.id):
            raise ApiError("OperationFailed.Ipv6Gateway", "The VPC still has an IPv6 gateway.")
        call.store.change(vpc, ipv6_cidr=None)
        return {}
    text = request.secondary_cidr_block
    if not text:
        raise ApiError(
            "MissingParam.SecondaryCidrBlockOrIpv6CidrBlock",
            "SecondaryCidrBlock or IPv6CidrBlock must be set.",
        )
    if text not in vpc.secondary_cidrs:
        raise ApiError(
            "InvalidSecondaryCidrBlock.NotFound",
            f"The VPC has no secondary CIDR block {text!r}.",
        )
    network = addressing.block(text)
    if any(
        addressing.block(v.cidr).subnet_of(network)
        for v in call.store.where(VSwitch, "vpc", vpc.id)
    ):
        raise ApiError("OperationFailed.CidrInUse", f"A vSwitch still lies in {network}.")
    call.store.change(vpc, secondary_cidrs=tuple(c for c in vpc.secondary_cidrs if c != text))
    return {}


_MOVED: Final = frozenset({"vpc", "eip", "ipv4gateway", "ipv6gateway", "natgateway"})
"""The types of the page that are here, in lower case, and the NAT gateway of the SDK's."""


@dataclass(frozen=True, kw_only=True)
class MoveResourceGroup:
    """Parameters of MoveResourceGroup."""

    resource_id: str
    new_resource_group_id: str
    resource_type: str
    region_id: str | None = None


@action(writes=True)
def move_resource_group(call: Call, request: MoveResourceGroup) -> Answer:
    """Move a VPC, a gateway or an EIP to another resource group."""
    if request.resource_type.lower() not in _MOVED:
        raise ApiError(
            "IllegalParam.ResourceType",
            f"ResourceType {request.resource_type[:40]!r} is none of {', '.join(sorted(_MOVED))}.",
        )
    resource_groups.require_of_vpc(request.new_resource_group_id)
    for kind in (Vpc, NatGateway, Ipv6Gateway, Eip):
        entity = call.store.find(kind, request.resource_id)
        if entity is not None:
            call.store.change(entity, resource_group_id=request.new_resource_group_id)
            return {}
    raise ApiError(
        "InvalidResourceId.NotFound", f"The resource {request.resource_id!r} does not exist."
    )
