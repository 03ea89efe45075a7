"""SNAT entries of NAT gateways."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from localcloud import addressing
from localcloud.products import filters, statuses, texts
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from . import vswitches
from .entities import Eip, NatGateway, SnatEntry

_MOST_ENTRIES: Final = 40
_MOST_SNAT_IPS: Final = 64
_entry: Final = Lookup(SnatEntry, "SNAT entry", "InvalidSnatEntryId.NotFound")


def _by_table(call: Call, table_id: str) -> NatGateway:
    gateways = call.store.where(NatGateway, "snat_table", table_id)
    if not gateways:
        raise ApiError(
            "InvalidSnatTableId.NotFound", f"Specified SNAT table {table_id!r} does not exist.", 404
        )
    return gateways[0]


def _checked_ips(call: Call, nat: NatGateway, text: str) -> tuple[str, ...]:
    ips = tuple(ip.strip() for ip in text.split(",") if ip.strip())
    if not ips:
        raise ApiError("MissingParam.SnatIp", "A SNAT entry needs a SnatIp.")
    if len(ips) > _MOST_SNAT_IPS:
        raise ApiError("QuotaExceeded.SnatIp", f"A SNAT entry has at most {_MOST_SNAT_IPS} EIPs.")
    bound = {e.ip: e for e in call.store.where(Eip, "instance", nat.id)}
    for ip in ips:
        try:
            IPv4Address(ip)
        except AddressValueError:
            raise ApiError(
                "InvalidSnatIp.Malformed", f"The SnatIp {ip[:40]!r} is not an IP address."
            ) from None
        eip = bound.get(ip)
        if eip is None:
            raise ApiError(
                "EIP_NOT_IN_GATEWAY", f"The EIP {ip} is not bound to the NAT gateway {nat.id}."
            )
        if eip.life.at(call.now) != "InUse":
            raise ApiError(
                "OperationUnsupported.EipInBinding", f"The EIP {ip} is still being bound."
            )
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


def _source(call: Call, nat: NatGateway, request: CreateSnatEntry) -> tuple[str | None, str]:
    """The source of an entry: a vSwitch and its block, or only a block."""
    if request.source_vswitch_id and request.source_cidr:
        raise ApiError(
            "CreateSnatEntry.ParamExclusive.sourceVSwitchIdAndsourceCIDR",
            "SourceVSwitchId and SourceCIDR are mutually exclusive.",
        )
    if request.source_cidr:
        cidr = addressing.requested_block(
            request.source_cidr, "InvalidSourceCIDR.Malformed", "SourceCIDR"
        )
        return None, str(cidr)
    if not request.source_vswitch_id:
        raise ApiError("INVALID_PARAMETER", "SourceVSwitchId or SourceCIDR must be specified.")
    vswitch = vswitches.find(call, request.source_vswitch_id)
    if vswitch.vpc_id != nat.vpc_id:
        raise ApiError(
            "OperationFailed.VSwitchNotInVpc",
            f"The vSwitch {vswitch.id} is not in the NAT gateway's VPC.",
        )
    return vswitch.id, vswitch.cidr


def _check_entry_name(name: str | None) -> None:
    texts.check(name, "InvalidParameter.Name.Malformed", texts.LONGER_NAME, letter_first=True)


@action(writes=True)
def create_snat_entry(call: Call, request: CreateSnatEntry) -> Answer:
    """Create a SNAT entry, which translates a vSwitch or block to EIPs of the gateway."""
    nat = _by_table(call, request.snat_table_id)
    statuses.require(call, nat, "Available", code="IncorrectStatus.NATGW")
    _check_entry_name(request.snat_entry_name)
    ips = _checked_ips(call, nat, request.snat_ip)
    vswitch_id, cidr = _source(call, nat, request)
    entries = call.store.where(SnatEntry, "table", nat.snat_table_id)
    if any(e.cidr == cidr for e in entries):
        raise ApiError(
            "Forbidden.SourceVSwitchId.Duplicated", f"The source {cidr} already has a SNAT entry."
        )
    if len(entries) >= _MOST_ENTRIES:
        raise ApiError(
            "QuotaExceeded.SnatEntry", f"A SNAT table has at most {_MOST_ENTRIES} entries."
        )
    entry = call.store.put(
        SnatEntry(
            id=call.new_id("snat"),
            snat_table_id=nat.snat_table_id,
            nat_gateway_id=nat.id,
            ips=ips,
            vswitch_id=vswitch_id,
            cidr=cidr,
            name=request.snat_entry_name,
            eip_affinity=request.eip_affinity,
            life=call.passing(("Pending", 2.0), to="Available"),
        )
    )
    return {"SnatEntryId": entry.id}


@dataclass(frozen=True, kw_only=True)
class DescribeSnatTableEntries(PageRequest):
    """Parameters of DescribeSnatTableEntries."""

    region_id: str | None = None
    snat_table_id: str | None = None
    snat_entry_id: str | None = None
    nat_gateway_id: str | None = None
    snat_entry_name: str | None = None
    snat_ip: str | None = None
    source_cidr: str | None = wire("SourceCIDR", default=None)
    source_vswitch_id: str | None = wire("SourceVSwitchId", default=None)


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


_ENTRIES: Final = Table("SnatTableEntries", "SnatTableEntry", _entry_shown, most=50)


@action()
def describe_snat_table_entries(call: Call, request: DescribeSnatTableEntries) -> Answer:
    """List SNAT entries by filter.

    The request must name a table, a gateway or an entry. The table must exist.
    """
    if request.snat_table_id:
        _by_table(call, request.snat_table_id)
    elif not request.nat_gateway_id and not request.snat_entry_id:
        raise ApiError(
            "DESCRIBE_SNAT_PARAM_INVALID", "SnatTableId and NatGatewayId cannot both be empty."
        )
    entries = [
        s
        for s in call.store.all(SnatEntry)
        if filters.equal(request.snat_table_id, s.snat_table_id)
        and filters.equal(request.snat_entry_id, s.id)
        and filters.equal(request.snat_entry_name, s.name)
        and filters.equal(request.nat_gateway_id, s.nat_gateway_id)
        and filters.equal(request.source_vswitch_id, s.vswitch_id)
        and filters.equal(request.source_cidr, s.cidr)
        and (not request.snat_ip or request.snat_ip in s.ips)
    ]
    return _ENTRIES.numbered(call, entries, request)


def _of_table(call: Call, nat: NatGateway, entry_id: str) -> SnatEntry:
    """The entry of a gateway's table, if it is not changing its status."""
    entry = _entry(call, entry_id if _in_table(call, nat, entry_id) else None)
    # The reference has this spelling.
    statuses.require(call, entry, "Available", code="IncorretSnatEntryStatus")
    return entry


def _in_table(call: Call, nat: NatGateway, entry_id: str) -> bool:
    return any(e.id == entry_id for e in call.store.where(SnatEntry, "table", nat.snat_table_id))


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
    nat = _by_table(call, request.snat_table_id)
    entry = _of_table(call, nat, request.snat_entry_id)
    _check_entry_name(request.snat_entry_name)
    call.store.change(
        entry,
        ips=_checked_ips(call, nat, request.snat_ip) if request.snat_ip else entry.ips,
        **requested(name=request.snat_entry_name, eip_affinity=request.eip_affinity),
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
    nat = _by_table(call, request.snat_table_id)
    call.store.remove(_of_table(call, nat, request.snat_entry_id))
    return {}
