"""Changes of an instance's vSwitch, address and bandwidth."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from localcloud.products import statuses
from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.ecs.instance.instances import STOPPED, enis_of
from localcloud.products.ecs.interface import public_addresses
from localcloud.products.ecs.interface.interfaces import check_groups
from localcloud.products.slb.entities import LoadBalancer, VServerGroup
from localcloud.products.updates import requested
from localcloud.products.vpc import claims, vswitches
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError, missing

_VPC_MISMATCH: Final = ("InvalidSecurityGroupVpc.NotBelongToOneVpc", 404)
# The reference has this spelling.
_MULTIPLE_TYPES: Final = ("EnterpriseGroupLimited.MutliGroupType", 404)
_ADDRESS_CODES: Final = claims.Codes(
    malformed=("InvalidPrivateIpAddress.Malformed", 400),
    outside=("InvalidPrivateIpAddress.Mismatch", 400),
    taken=("InvalidPrivateIpAddress.Duplicated", 400),
    none_left=("InvalidParameter.NotEnoughIpInVSwitch", 404),
)
"""Error table of ModifyInstanceVpcAttribute."""


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceVpcAttribute:
    """Parameters of ModifyInstanceVpcAttribute."""

    instance_id: str
    vswitch_id: str
    region_id: str | None = None
    private_ip_address: str | None = None
    vpc_id: str | None = None
    security_group_id: tuple[str, ...] = ()


@action(writes=True)
def modify_instance_vpc_attribute(call: Call, request: ModifyInstanceVpcAttribute) -> Answer:
    """Give a stopped instance's primary ENI another primary address, or another vSwitch."""
    instance = existing.instance(call, request.instance_id)
    statuses.require(call, instance, STOPPED, code="IncorrectInstanceStatus")
    vswitch = vswitches.find(call, request.vswitch_id)
    to_vpc = request.vpc_id or instance.vpc_id
    if vswitch.vpc_id != to_vpc:
        raise ApiError(
            "InvalidVSwitch.NotBelongToVpc",
            f"The vSwitch {vswitch.id} is not in the VPC {to_vpc}.",
            404,
        )
    if vswitch.zone != instance.zone:
        raise ApiError(
            "InvalidVSwitchId.Mismatch",
            f"The vSwitch {vswitch.id} is not in the zone of {instance.id}.",
        )
    eni = enis_of(call, instance)[0]
    if to_vpc != instance.vpc_id:
        _check_leaving(call, instance, eni, request)
    moves = vswitch.id != eni.vswitch_id
    if moves and (eni.secondary or eni.ipv6 or eni.prefixes):
        raise ApiError(
            "PrimaryEniHasSubIp",
            f"{eni.id} has more than its primary address; unassign the others before it moves.",
        )
    if to_vpc != instance.vpc_id:
        instance = call.store.change(instance, vpc_id=to_vpc)
    if request.security_group_id:
        check_groups(
            call,
            request.security_group_id,
            to_vpc,
            _VPC_MISMATCH,
            _MULTIPLE_TYPES,
        )
    address = eni.address
    if moves or (request.private_ip_address or address) != address:
        claims.give_back(call, eni.vswitch_id, eni.address)
        owner = {"kind": claims.ENI, "owner": eni.id}
        if request.private_ip_address:
            address = claims.take(
                call, vswitch, request.private_ip_address, codes=_ADDRESS_CODES, **owner
            )
        else:
            address = claims.take_any(call, vswitch, codes=_ADDRESS_CODES, **owner)
    call.store.put(
        dataclasses.replace(
            eni,
            vpc_id=to_vpc,
            vswitch_id=vswitch.id,
            address=address,
            security_group_ids=request.security_group_id or eni.security_group_ids,
        )
    )
    return {}


def _check_leaving(
    call: Call, instance: Instance, eni: NetworkInterface, request: ModifyInstanceVpcAttribute
) -> None:
    """Raise if something binds the instance to its VPC (page and error table of the action)."""
    if len(enis_of(call, instance)) > 1:
        raise ApiError(
            "InvalidInstance.AttachedEni", f"{instance.id} has a secondary network interface.", 404
        )
    if eni.ipv6:
        raise ApiError("InvalidIp.Ipv6", f"{instance.id} has an IPv6 address.", 404)
    if any(call.store.any(kind, "server", instance.id) for kind in (LoadBalancer, VServerGroup)):
        raise ApiError(
            "InvalidDependence.SLB", f"{instance.id} is the backend of a load balancer.", 404
        )
    if not request.security_group_id:
        raise missing("SecurityGroupId")


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceNetworkSpec:
    """Parameters of ModifyInstanceNetworkSpec."""

    instance_id: str
    region_id: str | None = None
    internet_max_bandwidth_out: int | None = None
    internet_max_bandwidth_in: int | None = None
    network_charge_type: str | None = None
    allocate_public_ip: bool = False
    auto_pay: bool | None = None


@action(writes=True)
def modify_instance_network_spec(call: Call, request: ModifyInstanceNetworkSpec) -> Answer:
    """Change an instance's own bandwidth.

    When the bandwidth was 0, a subscription instance gets a static public address with it. A
    pay-as-you-go instance gets one only if the request asks for it (page ModifyInstanceNetworkSpec,
    2025-12).
    """
    instance = existing.instance(call, request.instance_id)
    changes = requested(
        internet_bandwidth_out=request.internet_max_bandwidth_out,
        internet_bandwidth_in=request.internet_max_bandwidth_in,
        internet_charge_type=request.network_charge_type,
    )
    changed = call.store.change(instance, **changes)
    begins = instance.internet_bandwidth_out == 0 and changed.internet_bandwidth_out > 0
    if begins and (instance.charge_type == "PrePaid" or request.allocate_public_ip):
        public_addresses.assign(call, changed)
    return {"OrderId": ""}
