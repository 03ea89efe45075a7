"""The life of an ENI: creation, attachment, detachment and deletion, for every action."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products import endings, statuses
from localcloud.products.ecs import catalog, existing
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.endings import DELETED
from localcloud.products.nlb.entities import drop_server as drop_nlb_server
from localcloud.products.slb.entities import drop_server as drop_clb_server
from localcloud.products.vpc import claims, eips, ipv6, vswitches
from localcloud.products.vpc.entities import Eip, VSwitch
from localcloud.requests import tags
from localcloud.requests.actions import Call
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError, invalid, missing

_MOST_IPV6: Final = 10
_MOST_PREFIXES: Final = 10
_MOST_GROUPS: Final = 5
_DELETING_SECONDS: Final = 3.0
_VPC_MISMATCH: Final = ("InvalidOperation.VpcMismatch", 403)
_MIXED: Final = ("InvalidParameter", 400)
MULTIPLE_TYPES: Final = ("InvalidOperation.MultiGroupType", 400)
"""Code of JoinSecurityGroup for a basic and an enterprise group on one ENI."""


@dataclass(frozen=True, kw_only=True)
class Codes:
    """The codes and statuses with which an action refuses addresses (its error table)."""

    ipv4: claims.Codes
    ipv6: ipv6.Ipv6Codes
    too_many_ipv6: tuple[str, int] = ("MaxEniIpv6IpsCountExceeded", 403)
    vpc_mismatch: tuple[str, int] = _VPC_MISMATCH


_NONE_LEFT: Final = ("InvalidVSwitchId.IpNotEnough", 403)
CREATING: Final = Codes(
    ipv4=claims.Codes(
        malformed=("InvalidIp.Address", 403),
        outside=("InvalidVSwitchId.IpInvalid", 403),
        taken=("InvalidPrivateIpAddress.Duplicated", 400),
        none_left=_NONE_LEFT,
    ),
    ipv6=ipv6.Ipv6Codes(
        disabled=("InvalidOperation.VSwitchIpv6Disabled", 404),
        outside=("InvalidOperation.AddressNotInVSwitchCidr", 404),
        taken=("InvalidOperation.AddressAlreadyAllocated", 404),
    ),
    too_many_ipv6=("InvalidOperation.MaxEniIpv6IpsCountExceeded", 404),
)
"""Codes of CreateNetworkInterface."""
ASSIGNING: Final = Codes(
    ipv4=claims.Codes(
        malformed=("InvalidPrivateIpAddress.Malformed", 400),
        outside=("InvalidVSwitchId.IpInvalid", 403),
        taken=("InvalidIp.IpAssigned", 403),
        none_left=_NONE_LEFT,
    ),
    ipv6=ipv6.ASSIGNING,
)
"""Codes of AssignPrivateIpAddresses and AssignIpv6Addresses."""
RUNNING: Final = Codes(
    ipv4=claims.Codes(
        malformed=("InvalidPrivateIpAddress.Malformed", 400),
        outside=("InvalidPrivateIpAddress", 400),
        taken=("InvalidPrivateIpAddress.Duplicated", 400),
        none_left=("QuotaExceeded.PrivateIpAddress", 400),
    ),
    ipv6=ipv6.ASSIGNING,
    vpc_mismatch=("InvalidParameter.Mismatch", 400),
)
"""Codes of RunInstances."""


@dataclass(frozen=True, kw_only=True)
class InterfaceRequest:
    """The properties of a new ENI, for every action that creates one."""

    vswitch_id: str | None
    security_group_ids: Sequence[str]
    name: str = ""
    description: str = ""
    primary_address: str | None = None
    addresses: Sequence[str] = ()
    address_count: int = 0
    ipv6: Sequence[str] = ()
    ipv6_count: int = 0
    prefixes: Sequence[str] = ()
    prefix_count: int = 0
    delete_on_release: bool = True
    source_dest_check: bool = False
    traffic_mode: str = "Standard"
    queue_number: int = 1
    queue_pairs: int | None = None
    trunk: bool = False
    resource_group_id: str = ""
    tags: tags.Tags = ()


def _fresh_mac(call: Call) -> str:
    while True:
        mac = "00:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
        if not call.store.any(NetworkInterface, "mac", mac):
            return mac


def make(call: Call, request: InterfaceRequest, codes: Codes = CREATING) -> NetworkInterface:
    """Create an ENI, which is Available at once.

    CreateNetworkInterface is synchronous (help page doc-detail/58504, 2025-03): the ENI
    "immediately enters the Available state".
    """
    vswitch = vswitches.find(call, request.vswitch_id, code="InvalidVSwitchId.NotFound")
    groups = tuple(request.security_group_ids)
    if not groups:
        raise missing("SecurityGroupId")
    check_repeated(groups)
    check_groups(call, groups, vswitch.vpc_id, codes.vpc_mismatch)
    check_queue_pairs(request.queue_pairs, request.traffic_mode)
    eni_id = call.new_id("eni")
    if request.primary_address:
        address = _taken(call, vswitch, request.primary_address, eni_id, codes)
    else:
        # Claim the explicit addresses first, so that the cloud never chooses one of them.
        address = ""
    eni = NetworkInterface(
        id=eni_id,
        vpc_id=vswitch.vpc_id,
        vswitch_id=vswitch.id,
        zone=vswitch.zone,
        name=request.name,
        description=request.description,
        address=address,
        mac=_fresh_mac(call),
        security_group_ids=groups,
        delete_on_release=request.delete_on_release,
        source_dest_check=request.source_dest_check,
        traffic_mode=request.traffic_mode,
        queue_number=request.queue_number,
        queue_pairs=request.queue_pairs,
        trunk=request.trunk,
        resource_group_id=request.resource_group_id,
        created=call.now,
        life=Lifecycle.settled("Available"),
        tags=request.tags,
    )
    secondary = take_ipv4(call, eni, vswitch, request.addresses, request.address_count, codes)
    return call.store.put(
        dataclasses.replace(
            eni,
            address=address or _any(call, vswitch, eni_id, codes),
            secondary=secondary,
            prefixes=take_prefixes(call, eni, vswitch, request.prefixes, request.prefix_count),
            ipv6=take_ipv6(call, eni, vswitch, request.ipv6, request.ipv6_count, codes),
        )
    )


def check_repeated(groups: Sequence[str], status: int = 400) -> None:
    """Raise if a request names a security group twice. Each action has its own HTTP status."""
    if len(set(groups)) < len(groups):
        raise ApiError(
            "InvalidParameter.SecurityGroupIdRepeated",
            f"A security group occurs twice in {', '.join(groups)}.",
            status,
        )


def check_groups(
    call: Call,
    groups: Sequence[str],
    vpc_id: str,
    mismatch: tuple[str, int] = _VPC_MISMATCH,
    mixed: tuple[str, int] = _MIXED,
) -> None:
    """Raise unless an ENI of the VPC can have these security groups. All must be of one type."""
    if len(groups) > _MOST_GROUPS:
        raise ApiError(
            "JoinedGroupLimitExceed", f"An ENI is in at most {_MOST_GROUPS} security groups."
        )
    kinds = set()
    for group_id in groups:
        group = existing.security_group(call, group_id)
        kinds.add(group.kind)
        if group.vpc_id != vpc_id:
            code, status = mismatch
            message = f"The security group {group_id} is not in the VPC {vpc_id}."
            raise ApiError(code, message, status)
    if len(kinds) > 1:
        code, status = mixed
        raise ApiError(
            code,
            f"The security groups {', '.join(groups)} must be all basic or all enterprise.",
            status,
        )


def check_queue_pairs(number: int | None, traffic_mode: str) -> None:
    """Raise unless an ENI of the traffic mode can have this number of RDMA queue pairs.

    Codes: the error tables of RunInstances and CreateNetworkInterface (2025-12).
    """
    if number is None:
        return
    if traffic_mode != "HighPerformance":
        raise ApiError(
            "InvalidParameter.QueuePairNumberMustEmpty",
            "Only an ENI in the traffic mode HighPerformance has a QueuePairNumber.",
            403,
        )
    if number < 1:
        raise ApiError(
            "InvalidParameter.InvalidQueuePairNumber",
            f"QueuePairNumber {number} must be at least 1.",
            403,
        )


def _taken(call: Call, vswitch: VSwitch, address: str, eni_id: str, codes: Codes) -> str:
    return claims.take(call, vswitch, address, kind=claims.ENI, owner=eni_id, codes=codes.ipv4)


def _any(call: Call, vswitch: VSwitch, eni_id: str, codes: Codes) -> str:
    return claims.take_any(call, vswitch, kind=claims.ENI, owner=eni_id, codes=codes.ipv4)


def _either(addresses: Sequence[str], count: int, names: str) -> None:
    if addresses and count:
        raise ApiError("InvalidParameter.Conflict", f"{names} cannot be specified together.")


def check_one_kind(*, addresses: bool, prefixes: bool) -> None:
    """Raise if a request has both secondary addresses and prefixes.

    Terway itself refuses such calls because ECS does (pkg/aliyun/client/options.go and ecs_2.go at
    89aadf8b). The code is in the error tables of the three actions.
    """
    if addresses and prefixes:
        raise ApiError(
            "InvalidParameter.Conflict",
            "Private IP addresses and IPv4 prefixes cannot be specified in one request.",
        )


def take_ipv4(  # noqa: PLR0913, PLR0917  # who takes what where
    call: Call,
    eni: NetworkInterface,
    vswitch: VSwitch,
    addresses: Sequence[str],
    count: int,
    codes: Codes,
) -> tuple[str, ...]:
    """Claim secondary addresses for an ENI: either named ones or a number of the cloud's choice."""
    _either(addresses, count, "PrivateIpAddress.N and SecondaryPrivateIpAddressCount")
    if len(set(addresses)) < len(addresses):
        raise ApiError("InvalidIp.IpRepeated", "An address occurs twice.", 403)
    taken = [_taken(call, vswitch, ip, eni.id, codes) for ip in addresses]
    taken += [_any(call, vswitch, eni.id, codes) for _ in range(count)]
    return tuple(taken)


def take_prefixes(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, prefixes: Sequence[str], count: int
) -> tuple[str, ...]:
    """Claim /28 prefixes for an ENI."""
    _either(prefixes, count, "Ipv4Prefix.N and Ipv4PrefixCount")
    if len(set(prefixes)) < len(prefixes):
        raise ApiError("InvalidIp.IpPrefixIllegal", "An IPv4 prefix occurs twice.", 403)
    if len(prefixes) + count > _MOST_PREFIXES:
        raise invalid(
            "Ipv4Prefix", len(prefixes) + count, f"a request has at most {_MOST_PREFIXES}"
        )
    taken = [claims.take_prefix(call, vswitch, prefix, owner=eni.id) for prefix in prefixes]
    taken += [claims.take_prefix(call, vswitch, None, owner=eni.id) for _ in range(count)]
    return tuple(taken)


def take_ipv6(  # noqa: PLR0913, PLR0917  # who takes what where
    call: Call,
    eni: NetworkInterface,
    vswitch: VSwitch,
    addresses: Sequence[str],
    count: int,
    codes: Codes,
) -> tuple[str, ...]:
    """Claim IPv6 addresses for an ENI."""
    _either(addresses, count, "Ipv6Address.N and Ipv6AddressCount")
    if len(addresses) + count > _MOST_IPV6:
        code, status = codes.too_many_ipv6
        raise ApiError(code, f"A request has at most {_MOST_IPV6} IPv6 addresses.", status)
    taken = [ipv6.put_on(call, eni.id, vswitch, ip, codes.ipv6) for ip in addresses]
    taken += [ipv6.put_on(call, eni.id, vswitch, None, codes.ipv6) for _ in range(count)]
    return tuple(taken)


def check_limits(eni: NetworkInterface, instance: Instance) -> None:
    """Raise if an ENI has more addresses than the instance's type allows."""
    kind = catalog.instance_types()[instance.instance_type]
    addresses = 1 + len(eni.secondary) + len(eni.prefixes)
    if addresses > kind.ipv4_per_eni:
        raise ApiError(
            "InvalidOperation.Ipv4CountExceeded",
            f"{eni.id} would have {addresses} private IPv4 addresses; {kind.id} allows "
            f"{kind.ipv4_per_eni} for each network interface.",
            403,
        )
    if len(eni.ipv6) > kind.ipv6_per_eni:
        raise ApiError(
            "InvalidOperation.Ipv6CountExceeded",
            f"{eni.id} would have {len(eni.ipv6)} IPv6 addresses; {kind.id} allows "
            f"{kind.ipv6_per_eni} for each network interface.",
            403,
        )


def attach(  # noqa: PLR0913  # what an attachment is
    call: Call,
    eni: NetworkInterface,
    instance: Instance,
    *,
    primary: bool,
    card: int = 0,
    over_limit: str = "EniPerInstanceLimitExceeded",
) -> NetworkInterface:
    """Attach an Available ENI to an instance in the same VPC and zone."""
    statuses.require(call, eni, "Available", code="InvalidOperation.InvalidEniState")
    if eni.vpc_id != instance.vpc_id or eni.zone != instance.zone:
        raise ApiError(
            "InvalidOperation.AvailabilityZoneMismatch"
            if eni.zone != instance.zone
            else "InvalidOperation.VpcMismatch",
            f"{eni.id} is in {eni.vpc_id} {eni.zone}, {instance.id} in "
            f"{instance.vpc_id} {instance.zone}.",
            403,
        )
    others = call.store.where(NetworkInterface, "instance", instance.id)
    kind = catalog.instance_types()[instance.instance_type]
    if len(others) >= kind.enis:
        raise ApiError(
            over_limit,
            f"{instance.id} has {len(others)} network interfaces; {kind.id} allows {kind.enis}.",
            403,
        )
    check_limits(eni, instance)
    if not 0 <= card < (1 if primary else kind.network_cards):
        raise ApiError(
            "InvalidParameter.NetworkCardIndexInvalid",
            f"{kind.id} has no network card {card} for this network interface.",
        )
    index = 0 if primary else max((o.device_index for o in others), default=0) + 1
    return call.store.change(
        eni,
        instance_id=instance.id,
        primary=primary,
        device_index=index,
        card_index=card,
        life=(
            Lifecycle.settled("InUse") if primary else call.passing(("Attaching", 2.0), to="InUse")
        ),
    )


def detach(call: Call, eni: NetworkInterface, *, since: float | None = None) -> NetworkInterface:
    """Detach an ENI from its instance, now or at the earlier time `since`."""
    return call.store.change(
        eni,
        instance_id=None,
        primary=False,
        device_index=0,
        life=call.passing(("Detaching", 2.0), to="Available", since=since),
    )


def delete(call: Call, eni: NetworkInterface) -> None:
    """Delete an ENI: it is Deleting for a while, then it disappears with all its addresses.

    Deletion is asynchronous, and the addresses are in use until it ends: "If the ENI is in the
    Deleting state" (help page of DeleteNetworkInterface).
    """
    life = call.passing(("Deleting", _DELETING_SECONDS), to=DELETED)
    if life.at(call.now) == DELETED:
        destroy(call, eni)
    else:
        call.store.change(eni, instance_id=None, primary=False, life=life)


def settle(call: Call) -> None:
    """Remove the ENIs whose deletion has ended."""
    for eni in endings.ended(call, NetworkInterface):
        destroy(call, eni)


def destroy(call: Call, eni: NetworkInterface) -> None:
    """Remove an ENI with all its addresses."""
    for eip in call.store.where(Eip, "instance", eni.id):
        eips.release_binding(call, eip)
    for ip in eni.ipv6:
        ipv6.take_from(call, eni.vswitch_id, ip)
    claims.give_back_all(call, eni.id)
    drop_clb_server(call.store, eni.id)
    drop_nlb_server(call.store, eni.id)
    call.store.remove(eni)
