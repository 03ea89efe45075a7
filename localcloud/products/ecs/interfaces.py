"""ENIs: made, attached, detached and destroyed, whoever asks for it."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localcloud import tags
from localcloud.actions import Call
from localcloud.products.nlb.entities import drop_server as drop_nlb_server
from localcloud.products.slb.entities import drop_server as drop_clb_server
from localcloud.products.vpc import claims, eips, ipv6, vswitches
from localcloud.products.vpc.entities import Eip, VSwitch
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError

from . import catalog, security_groups
from .entities import Instance, NetworkInterface

_MOST_IPV6: Final = 10


_MOST_PREFIXES: Final = 10


_MOST_GROUPS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a new ENI is asked to have, wherever it is asked for."""

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
    resource_group_id: str = ""
    tags: tags.Tags = ()


def _fresh_mac(call: Call) -> str:
    while True:
        mac = "00:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
        if not call.store.any(NetworkInterface, "mac", mac):
            return mac


def make(call: Call, wanted: Wanted) -> NetworkInterface:
    """A new ENI, Available once its lifecycle says so."""
    vswitch = vswitches.find(call, wanted.vswitch_id, code="InvalidVSwitchId.NotFound")
    groups = tuple(dict.fromkeys(wanted.security_group_ids))
    if not groups:
        raise ApiError(
            "MissingParameter.SecurityGroupId",
            'The input parameter "SecurityGroupId" that is mandatory is not supplied.',
        )
    check_groups(call, groups, vswitch.vpc_id)
    eni_id = call.new_id("eni")
    if wanted.primary_address:
        address = claims.take(call, vswitch, wanted.primary_address, kind=claims.ENI, owner=eni_id)
    else:
        # Explicit addresses first, so that the cloud's choice never takes one of them.
        address = ""
    eni = NetworkInterface(
        id=eni_id,
        vpc_id=vswitch.vpc_id,
        vswitch_id=vswitch.id,
        zone=vswitch.zone,
        name=wanted.name,
        description=wanted.description,
        address=address,
        mac=_fresh_mac(call),
        security_group_ids=groups,
        delete_on_release=wanted.delete_on_release,
        source_dest_check=wanted.source_dest_check,
        traffic_mode=wanted.traffic_mode,
        queue_number=wanted.queue_number,
        resource_group_id=wanted.resource_group_id,
        created=call.now,
        life=call.passing(("Creating", 2.0), to="Available"),
        tags=wanted.tags,
    )
    secondary = take_ipv4(call, eni, vswitch, wanted.addresses, wanted.address_count)
    return call.store.put(
        dataclasses.replace(
            eni,
            address=address or claims.take_any(call, vswitch, kind=claims.ENI, owner=eni_id),
            secondary=secondary,
            prefixes=take_prefixes(call, eni, vswitch, wanted.prefixes, wanted.prefix_count),
            ipv6=take_ipv6(call, eni, vswitch, wanted.ipv6, wanted.ipv6_count),
        )
    )


def check_groups(call: Call, groups: Sequence[str], vpc_id: str) -> None:
    """Raise unless an ENI of the VPC can be in these security groups."""
    if len(groups) > _MOST_GROUPS:
        raise ApiError(
            "SecurityGroupQuotaExceed", f"An ENI is in at most {_MOST_GROUPS} security groups."
        )
    for group_id in groups:
        if existing.security_group(call, group_id).vpc_id != vpc_id:
            raise ApiError(
                "InvalidSecurityGroupId.NotInVpc",
                f"The security group {group_id} is not in the VPC {vpc_id}.",
            )


def take_ipv4(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, given: Sequence[str], count: int
) -> tuple[str, ...]:
    """Claim secondary addresses for an ENI: given ones, or some of the cloud's choice."""
    if given and count:
        raise ApiError(
            "InvalidParameter.Conflict",
            "PrivateIpAddress.N and SecondaryPrivateIpAddressCount cannot be given together.",
        )
    taken = [claims.take(call, vswitch, ip, kind=claims.ENI, owner=eni.id) for ip in given]
    taken += [claims.take_any(call, vswitch, kind=claims.ENI, owner=eni.id) for _ in range(count)]
    return tuple(taken)


def take_prefixes(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, given: Sequence[str], count: int
) -> tuple[str, ...]:
    """Claim /28 prefixes for an ENI."""
    if len(given) + count > _MOST_PREFIXES:
        raise ApiError(
            "InvalidParameter.Ipv4Prefix", f"At most {_MOST_PREFIXES} IPv4 prefixes at a time."
        )
    taken = [claims.take_prefix(call, vswitch, prefix, owner=eni.id) for prefix in given]
    taken += [claims.take_prefix(call, vswitch, None, owner=eni.id) for _ in range(count)]
    return tuple(taken)


def take_ipv6(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, given: Sequence[str], count: int
) -> tuple[str, ...]:
    """Claim IPv6 addresses for an ENI."""
    if len(given) + count > _MOST_IPV6:
        raise ApiError(
            "InvalidParameter.Ipv6Address", f"At most {_MOST_IPV6} IPv6 addresses at a time."
        )
    taken = [ipv6.put_on(call, eni.id, vswitch, ip) for ip in given]
    taken += [ipv6.put_on(call, eni.id, vswitch, None) for _ in range(count)]
    return tuple(taken)


def check_limits(eni: NetworkInterface, instance: Instance) -> None:
    """Raise if the instance's type does not allow so many addresses on an ENI."""
    kind = catalog.instance_types()[instance.instance_type]
    held = 1 + len(eni.secondary) + len(eni.prefixes)
    if held > kind.ipv4_per_eni:
        raise ApiError(
            "InvalidOperation.Ipv4CountExceeded",
            f"{eni.id} would have {held} private IPv4 addresses; {kind.id} allows "
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


def attach(
    call: Call, eni: NetworkInterface, instance: Instance, *, primary: bool, card: int = 0
) -> NetworkInterface:
    """Attach an Available ENI of the instance's VPC and zone."""
    if eni.instance_id is not None or eni.life.at(call.now) not in {"Available", "Creating"}:
        raise ApiError(
            "InvalidOperation.InvalidEniState",
            f"{eni.id} is {eni.life.at(call.now)}; it must be Available.",
            403,
        )
    if eni.vpc_id != instance.vpc_id or eni.zone != instance.zone:
        raise ApiError(
            "InvalidOperation.ZoneIdNotMatch"
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
            "EniPerInstanceLimitExceeded",
            f"{instance.id} has {len(others)} network interfaces; {kind.id} allows {kind.enis}.",
            403,
        )
    check_limits(eni, instance)
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


def detach(call: Call, eni: NetworkInterface) -> NetworkInterface:
    """Take an ENI off its instance."""
    return call.store.change(
        eni,
        instance_id=None,
        primary=False,
        device_index=0,
        life=call.passing(("Detaching", 2.0), to="Available"),
    )


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

