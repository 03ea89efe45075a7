"""The region's default VPC and its default vSwitches, at most one in each zone.

The rules are on the pages CreateDefaultVpc and CreateDefaultVSwitch (2025-12). Once created, both
behave like any other VPC and vSwitch, except that the primary block of the VPC cannot change.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from localcloud import addressing
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from . import vpcs, vswitches
from .entities import Vpc, VSwitch

_BLOCK: Final = "172.31.0.0/16"
_VSWITCH_LENGTH: Final = 20
"""Help page default-vpc-and-default-vswitch: a /16 such as 172.31.0.0/16, vSwitches are /20."""


@dataclass(frozen=True, kw_only=True)
class CreateDefaultVpc:
    """Parameters of CreateDefaultVpc."""

    region_id: str | None = None
    enable_ipv6: bool = False
    ipv6_cidr_block: str | None = None
    resource_group_id: str = ""


def _default_vpc(call: Call) -> Vpc | None:
    return next((vpc for vpc in call.store.all(Vpc) if vpc.is_default), None)


@action(writes=True)
def create_default_vpc(call: Call, request: CreateDefaultVpc) -> Answer:
    """Create the region's default VPC.

    The page demands an Ipv6CidrBlock with EnableIpv6. The provider's acceptance test sends none and
    gets IPv6 (1.285.0, `TestAccAliCloudVPC_isDefault`), so the cloud chooses one, as in CreateVpc.
    """
    existing = _default_vpc(call)
    if existing is not None:
        raise ApiError(
            "OperationFailed.DefaultVpcExist", f"{existing.id} is the default VPC of the region."
        )
    request_of_default = vpcs.CreateVpc(
        cidr_block=_BLOCK,
        enable_ipv6=request.enable_ipv6,
        ipv6_cidr_block=request.ipv6_cidr_block,
        resource_group_id=request.resource_group_id,
    )
    vpc = vpcs.make(call, request_of_default, is_default=True)
    return {"VpcId": vpc.id, "VRouterId": vpc.router_id, "RouteTableId": vpc.route_table_id}


@dataclass(frozen=True, kw_only=True)
class CreateDefaultVSwitch:
    """Parameters of CreateDefaultVSwitch. Ipv6CidrBlock is the index of the /64, 0 to 255."""

    zone_id: str
    region_id: str | None = None
    ipv6_cidr_block: int | None = None


@action(writes=True)
def create_default_vswitch(call: Call, request: CreateDefaultVSwitch) -> Answer:
    """Create the default vSwitch of a zone in the first free /20 of the default VPC."""
    vpc = _default_vpc(call)
    if vpc is None:
        raise ApiError("OperationFailed.DefaultVpcNotExist", "The region has no default VPC.")
    if request.zone_id not in call.cloud.zones:
        raise ApiError("InvalidZoneId.NotFound", f"Zone {request.zone_id[:40]!r} does not exist.")
    others = call.store.where(VSwitch, "vpc", vpc.id)
    if any(v.is_default and v.zone == request.zone_id for v in others):
        raise ApiError(
            "OperationFailed.DefaultVSwitchExist",
            f"The zone {request.zone_id} has a default vSwitch.",
        )
    taken = [addressing.block(v.cidr) for v in others]
    free = (
        block
        for block in IPv4Network(vpc.cidr).subnets(new_prefix=_VSWITCH_LENGTH)
        if not any(block.overlaps(other) for other in taken)
    )
    block = next(free, None)
    if block is None:
        raise ApiError("InvalidCidrBlock.Overlapped", f"{vpc.id} has no free block.")
    of_default = vswitches.CreateVSwitch(
        vpc_id=vpc.id,
        cidr_block=str(block),
        zone_id=request.zone_id,
        ipv6_cidr_block=request.ipv6_cidr_block,
    )
    vswitch = vswitches.make(call, of_default, is_default=True)
    return {"VSwitchId": vswitch.id}
