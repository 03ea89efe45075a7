"""Enhanced NAT gateways and their SNAT entries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from localcloud import addressing, paging, tags
from localcloud.actions import Answer, Call, action, moment
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from . import claims, vpcs, vswitches
from .entities import DEFAULT_RESOURCE_GROUP, Eip, NatGateway, SnatEntry, VSwitch


@dataclass(frozen=True, kw_only=True)
class AccessMode:
    """How a NAT gateway is reached over PrivateLink."""

    mode_value: str | None = None
    tunnel_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateNatGateway:
    """Parameters of CreateNatGateway."""

    vpc_id: str
    region_id: str | None = None
    vswitch_id: str | None = None
    name: str = ""
    description: str = ""
    nat_type: str = "Enhanced"
    network_type: str = "internet"
    internet_charge_type: str = "PayByLcu"
    instance_charge_type: str = "PostPaid"
    spec: str | None = None
    eip_bind_mode: str = "MULTI_BINDED"
    icmp_reply_enabled: bool = True
    private_link_enabled: bool = False
    security_protection_enabled: bool | None = None
    access_mode: AccessMode | None = None
    duration: str | None = None
    pricing_cycle: str | None = None
    auto_pay: bool | None = None
    tag: tuple[TagParameter, ...] = ()


def find(call: Call, nat_id: str, *, code: str = "InvalidNatGatewayId.NotFound") -> NatGateway:
    """The NAT gateway, or the API's error."""
    nat = call.store.find(NatGateway, nat_id)
    if nat is None:
        raise ApiError(code, f"Specified NAT gateway {nat_id!r} does not exist.", 404)
    return nat


@action(writes=True)
def create_nat_gateway(call: Call, request: CreateNatGateway) -> Answer:
    """An enhanced NAT gateway in a vSwitch, with its own private address and ENI."""
    vpc = vpcs.find(call, request.vpc_id)
    if request.nat_type != "Enhanced":
        raise ApiError("OperationUnsupported.NatType", "Only enhanced NAT gateways can be created.")
    if not request.vswitch_id:
        raise ApiError("MissingParam.VSwitchId", "An enhanced NAT gateway needs a VSwitchId.")
    vswitch = vswitches.find(call, request.vswitch_id)
    if vswitch.vpc_id != vpc.id:
        raise ApiError(
            "InvalidVSwitchId.NotInVpc", f"The vSwitch {vswitch.id} is not in the VPC {vpc.id}."
        )
    if request.internet_charge_type not in {"PayByLcu", "PayBySpec"}:
        raise ApiError(
            "InvalidInternetChargeType.NotSupport", "InternetChargeType must be PayByLcu."
        )
    nat_id = call.new_id("ngw")
    call.store.put(
        nat := NatGateway(
            id=nat_id,
            vpc_id=vpc.id,
            vswitch_id=vswitch.id,
            zone=vswitch.zone,
            name=request.name,
            description=request.description,
            network_type=request.network_type,
            internet_charge_type=request.internet_charge_type,
            instance_charge_type=request.instance_charge_type,
            spec=(request.spec or "Small") if request.internet_charge_type == "PayBySpec" else "",
            eip_bind_mode=request.eip_bind_mode,
            icmp_reply=request.icmp_reply_enabled,
            private_link=request.private_link_enabled,
            deletion_protection=False,
            private_address=claims.take_any(call, vswitch, kind=claims.NAT, owner=nat_id),
            eni_id=call.new_id("eni"),
            snat_table_id=call.new_id("stb"),
            forward_table_id=call.new_id("ftb"),
            resource_group_id=DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(("Creating", 20.0), to="Available"),
            tags=tags.given(request.tag),
        )
    )
    return {
        "NatGatewayId": nat.id,
        "SnatTableIds": {"SnatTableId": [nat.snat_table_id]},
        "ForwardTableIds": {"ForwardTableId": [nat.forward_table_id]},
        "FullNatTableIds": {"FullNatTableId": []},
    }


def _shown(call: Call, nat: NatGateway) -> dict[str, object]:
    eips = call.store.where(Eip, "instance", nat.id)
    return {
        "NatGatewayId": nat.id,
        "Name": nat.name,
        "Description": nat.description,
        "VpcId": nat.vpc_id,
        "Status": nat.life.at(call.now),
        "BusinessStatus": "Normal",
        "NatType": "Enhanced",
        "NetworkType": nat.network_type,
        "InternetChargeType": nat.internet_charge_type,
        "InstanceChargeType": nat.instance_charge_type,
        "Spec": nat.spec,
        "AutoPay": False,
        "EipBindMode": nat.eip_bind_mode,
        "IcmpReplyEnabled": nat.icmp_reply,
        "PrivateLinkEnabled": nat.private_link,
        "PrivateLinkMode": "",
        "EcsMetricEnabled": True,
        "SecurityProtectionEnabled": False,
        "DeletionProtection": nat.deletion_protection,
        "ResourceGroupId": nat.resource_group_id,
        "RegionId": call.cloud.region,
        "CreationTime": moment(nat.created),
        "ExpiredTime": "",
        "SnatTableIds": {"SnatTableId": [nat.snat_table_id]},
        "ForwardTableIds": {"ForwardTableId": [nat.forward_table_id]},
        "FullNatTableIds": {"FullNatTableId": []},
        "NatGatewayPrivateInfo": {
            "VswitchId": nat.vswitch_id,
            "IzNo": nat.zone,
            "PrivateIpAddress": nat.private_address,
            "EniInstanceId": nat.eni_id,
            "EniType": "NatGateway",
            "MaxBandwidth": 5120,
            "MaxSessionQuota": 2000000,
            "MaxSessionEstablishRate": 100000,
        },
        "IpLists": {
            "IpList": [
                {
                    "AllocationId": e.id,
                    "IpAddress": e.ip,
                    "PrivateIpAddress": nat.private_address,
                    "ApAccessEnabled": False,
                    "SnatEntryEnabled": call.store.any(SnatEntry, "ip", e.ip),
                    "UsingStatus": (
                        "UsedBySnatTable" if call.store.any(SnatEntry, "ip", e.ip) else "Idle"
                    ),
                }
                for e in eips
            ]
        },
        "Tags": tags.vpc(nat.tags),
    }


@dataclass(frozen=True, kw_only=True)
class NamedFilter:
    """`Filter.N.Key` and `Filter.N.Value.N`."""

    key: str | None = None
    value: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DescribeNatGateways:
    """Parameters of DescribeNatGateways."""

    region_id: str | None = None
    nat_gateway_id: str | None = None
    vpc_id: str | None = None
    name: str | None = None
    nat_type: str | None = None
    network_type: str | None = None
    status: str | None = None
    zone_id: str | None = None
    spec: str | None = None
    instance_charge_type: str | None = None
    resource_group_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_nat_gateways(call: Call, request: DescribeNatGateways) -> Answer:
    """NAT gateways by filter."""
    found = [
        n
        for n in call.store.all(NatGateway)
        if (not request.nat_gateway_id or n.id == request.nat_gateway_id)
        and (not request.vpc_id or n.vpc_id == request.vpc_id)
        and (not request.name or n.name == request.name)
        and (not request.status or n.life.at(call.now) == request.status)
        and tags.match(n.tags, request.tag)
    ]
    return paging.numbered("NatGateways", "NatGateway", found, request, partial(_shown, call))


@dataclass(frozen=True, kw_only=True)
class ModifyNatGatewayAttribute:
    """Parameters of ModifyNatGatewayAttribute."""

    nat_gateway_id: str
    region_id: str | None = None
    name: str | None = None
    description: str | None = None
    eip_bind_mode: str | None = None
    icmp_reply_enabled: bool | None = None
    access_mode: AccessMode | None = None


@action(writes=True)
def modify_nat_gateway_attribute(call: Call, request: ModifyNatGatewayAttribute) -> Answer:
    """Change a NAT gateway in place."""
    nat = find(call, request.nat_gateway_id)
    call.store.change(
        nat,
        name=nat.name if request.name is None else request.name,
        description=nat.description if request.description is None else request.description,
        eip_bind_mode=request.eip_bind_mode or nat.eip_bind_mode,
        icmp_reply=(
            nat.icmp_reply if request.icmp_reply_enabled is None else request.icmp_reply_enabled
        ),
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyNatGatewaySpec:
    """Parameters of ModifyNatGatewaySpec."""

    nat_gateway_id: str
    spec: str
    region_id: str | None = None
    auto_pay: bool | None = None


@action(writes=True)
def modify_nat_gateway_spec(call: Call, request: ModifyNatGatewaySpec) -> Answer:
    """Change the size of a NAT gateway that is paid by size."""
    nat = find(call, request.nat_gateway_id)
    if nat.internet_charge_type != "PayBySpec":
        raise ApiError(
            "OperationUnsupported.InternetChargeType", f"{nat.id} is paid by use: it has no size."
        )
    if request.spec not in {"Small", "Middle", "Large", "XLarge.1"}:
        raise ApiError("InvalidSpec.NotSupport", f"Spec {request.spec[:40]!r} is not known.")
    call.store.change(nat, spec=request.spec)
    return {}


@dataclass(frozen=True, kw_only=True)
class UpdateNatGatewayNatType:
    """Parameters of UpdateNatGatewayNatType."""

    nat_gateway_id: str
    nat_type: str
    vswitch_id: str
    region_id: str | None = None


@action(writes=True)
def update_nat_gateway_nat_type(call: Call, request: UpdateNatGatewayNatType) -> Answer:
    """Make an enhanced gateway of an ordinary one; here all are enhanced already."""
    nat = find(call, request.nat_gateway_id)
    raise ApiError(
        "OperationUnsupported.NatType", f"{nat.id} is Enhanced: there is nothing to upgrade."
    )


@dataclass(frozen=True, kw_only=True)
class DeletionProtection:
    """Parameters of DeletionProtection; Type is NATGW or EIP."""

    instance_id: str
    kind: str = wire("Type")
    protection_enable: bool
    region_id: str | None = None


@action(writes=True)
def deletion_protection(call: Call, request: DeletionProtection) -> Answer:
    """Protect a NAT gateway or an EIP from deletion, or no longer."""
    if request.kind.upper() == "EIP":
        eip = call.store.find(Eip, request.instance_id)
        if eip is None:
            raise ApiError("InvalidAllocationId.NotFound", "The EIP does not exist.", 404)
        call.store.change(eip, deletion_protection=request.protection_enable)
    else:
        nat = find(call, request.instance_id)
        call.store.change(nat, deletion_protection=request.protection_enable)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteNatGateway:
    """Parameters of DeleteNatGateway."""

    nat_gateway_id: str
    region_id: str | None = None
    force: bool = False


@action(writes=True)
def delete_nat_gateway(call: Call, request: DeleteNatGateway) -> Answer:
    """Delete a NAT gateway without EIPs; Force takes entries and bindings with it."""
    nat = find(call, request.nat_gateway_id)
    if nat.deletion_protection:
        raise ApiError("OperationFailed.DeletionProtection", f"{nat.id} is protected.")
    entries = call.store.where(SnatEntry, "table", nat.snat_table_id)
    eips = call.store.where(Eip, "instance", nat.id)
    if not request.force:
        if eips:
            raise ApiError(
                "DependencyViolation.EIPS", "There are EIPs on the specified NAT gateway."
            )
        if entries:
            raise ApiError(
                "DependencyViolation.SnatEntry", "There are SNAT entries on the NAT gateway."
            )
    for entry in entries:
        call.store.remove(entry)
    for eip in eips:
        call.store.change(eip, instance_id=None, instance_type=None, vpc_id="")
    claims.give_back_all(call, nat.id)
    call.store.remove(nat)
    return {}


def _by_table(call: Call, table_id: str) -> NatGateway:
    found = call.store.where(NatGateway, "snat_table", table_id)
    if not found:
        raise ApiError(
            "InvalidSnatTableId.NotFound", f"Specified SNAT table {table_id!r} does not exist.", 404
        )
    return found[0]


def _checked_ips(call: Call, nat: NatGateway, text: str) -> tuple[str, ...]:
    ips = tuple(ip.strip() for ip in text.split(",") if ip.strip())
    bound = {e.ip: e for e in call.store.where(Eip, "instance", nat.id)}
    for ip in ips:
        eip = bound.get(ip)
        if eip is None:
            raise ApiError(
                "EIP_NOT_IN_GATEWAY", f"The EIP {ip} is not bound to the NAT gateway {nat.id}."
            )
        if eip.life.at(call.now) != "InUse":
            raise ApiError(
                "OperationUnsupported.EipInBinding", f"The EIP {ip} is still being bound."
            )
    if not ips:
        raise ApiError("MissingParam.SnatIp", "A SNAT entry needs a SnatIp.")
    return ips


@dataclass(frozen=True, kw_only=True)
class CreateSnatEntry:
    """Parameters of CreateSnatEntry."""

    snat_table_id: str
    snat_ip: str
    region_id: str | None = None
    source_vswitch_id: str | None = wire("SourceVSwitchId", default=None)
    source_cidr: str | None = wire("SourceCIDR", default=None)
    snat_entry_name: str = ""
    eip_affinity: int = 0


@action(writes=True)
def create_snat_entry(call: Call, request: CreateSnatEntry) -> Answer:
    """Translate a vSwitch's or a block's outgoing traffic to EIPs of the gateway."""
    nat = _by_table(call, request.snat_table_id)
    if nat.life.at(call.now) != "Available":
        raise ApiError("IncorrectStatus.NATGW", f"The NAT gateway {nat.id} is not available yet.")
    ips = _checked_ips(call, nat, request.snat_ip)
    vswitch: VSwitch | None = None
    if request.source_cidr:
        cidr = str(addressing.given_block(request.source_cidr, "InvalidSourceCidr", "SourceCIDR"))
    else:
        vswitch = vswitches.find(
            call, request.source_vswitch_id, code="InvalidSourceVSwitchId.NotFound"
        )
        if vswitch.vpc_id != nat.vpc_id:
            raise ApiError(
                "InvalidSourceVSwitchId.NotInVpc",
                f"The vSwitch {vswitch.id} is not in the NAT gateway's VPC.",
            )
        cidr = vswitch.cidr
    if any(e.cidr == cidr for e in call.store.where(SnatEntry, "table", nat.snat_table_id)):
        raise ApiError(
            "Forbidden.SourceVSwitchId.Duplicated", f"The source {cidr} already has a SNAT entry."
        )
    entry = call.store.put(
        SnatEntry(
            id=call.new_id("snat"),
            snat_table_id=nat.snat_table_id,
            nat_gateway_id=nat.id,
            ips=ips,
            vswitch_id=vswitch.id if vswitch else None,
            cidr=cidr,
            name=request.snat_entry_name,
            eip_affinity=request.eip_affinity,
            life=call.passing(("Pending", 2.0), to="Available"),
        )
    )
    return {"SnatEntryId": entry.id}


@dataclass(frozen=True, kw_only=True)
class DescribeSnatTableEntries:
    """Parameters of DescribeSnatTableEntries."""

    region_id: str | None = None
    snat_table_id: str | None = None
    snat_entry_id: str | None = None
    nat_gateway_id: str | None = None
    snat_entry_name: str | None = None
    snat_ip: str | None = None
    source_cidr: str | None = wire("SourceCIDR", default=None)
    source_vswitch_id: str | None = wire("SourceVSwitchId", default=None)
    page_number: int | None = None
    page_size: int | None = None


def _entry_shown(call: Call, s: SnatEntry) -> dict[str, object]:
    return {
        "SnatEntryId": s.id,
        "SnatEntryName": s.name,
        "SnatTableId": s.snat_table_id,
        "NatGatewayId": s.nat_gateway_id,
        "SnatIp": ",".join(s.ips),
        "SourceVSwitchId": s.vswitch_id or "",
        "SourceCIDR": s.cidr,
        "EipAffinity": str(s.eip_affinity),
        "NetworkInterfaceId": "",
        "Status": s.life.at(call.now),
    }


@action()
def describe_snat_table_entries(call: Call, request: DescribeSnatTableEntries) -> Answer:
    """SNAT entries by filter."""
    found = [
        s
        for s in call.store.all(SnatEntry)
        if (not request.snat_table_id or s.snat_table_id == request.snat_table_id)
        and (not request.snat_entry_id or s.id == request.snat_entry_id)
        and (not request.nat_gateway_id or s.nat_gateway_id == request.nat_gateway_id)
        and (not request.source_vswitch_id or s.vswitch_id == request.source_vswitch_id)
        and (not request.source_cidr or s.cidr == request.source_cidr)
        and (not request.snat_ip or request.snat_ip in s.ips)
    ]
    return paging.numbered(
        "SnatTableEntries", "SnatTableEntry", found, request, partial(_entry_shown, call)
    )


def _entry(call: Call, entry_id: str) -> SnatEntry:
    entry = call.store.find(SnatEntry, entry_id)
    if entry is None:
        raise ApiError(
            "InvalidSnatEntryId.NotFound", f"Specified SNAT entry {entry_id!r} does not exist.", 404
        )
    return entry


@dataclass(frozen=True, kw_only=True)
class ModifySnatEntry:
    """Parameters of ModifySnatEntry."""

    snat_entry_id: str
    snat_table_id: str
    region_id: str | None = None
    snat_ip: str | None = None
    snat_entry_name: str | None = None
    eip_affinity: int | None = None


@action(writes=True)
def modify_snat_entry(call: Call, request: ModifySnatEntry) -> Answer:
    """Change a SNAT entry's addresses or name."""
    entry = _entry(call, request.snat_entry_id)
    nat = _by_table(call, request.snat_table_id)
    call.store.change(
        entry,
        ips=_checked_ips(call, nat, request.snat_ip) if request.snat_ip else entry.ips,
        name=entry.name if request.snat_entry_name is None else request.snat_entry_name,
        eip_affinity=entry.eip_affinity if request.eip_affinity is None else request.eip_affinity,
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteSnatEntry:
    """Parameters of DeleteSnatEntry."""

    snat_entry_id: str
    snat_table_id: str
    region_id: str | None = None


@action(writes=True)
def delete_snat_entry(call: Call, request: DeleteSnatEntry) -> Answer:
    """Delete a SNAT entry."""
    call.store.remove(_entry(call, request.snat_entry_id))
    return {}
