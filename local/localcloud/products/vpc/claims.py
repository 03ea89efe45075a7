"""The private addresses of a vSwitch that are in use. An address has one owner."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from math import gcd
from types import MappingProxyType
from typing import Final

from localcloud import addressing
from localcloud.requests import hostility
from localcloud.requests.actions import Call
from localcloud.state.store import Store
from localcloud.wire.errors import ApiError

from .entities import AddressClaim, CidrReservation, VSwitch

ENI = "NetworkInterface"
NAT = "NatGateway"
SLB = "SLB"
NLB = "NLB"


class Obstacle(enum.Enum):
    """Why an address that a request names cannot be claimed."""

    MALFORMED = "it is not an IPv4 address"
    OUTSIDE = "it is not in the CIDR block of the vSwitch"
    SYSTEM = "it is reserved by the system: the first address and the last three of a vSwitch"
    RESERVED = "it is in a CIDR block that is reserved for prefixes"
    TAKEN = "it is already assigned"


@dataclass(frozen=True)
class Codes:
    """The codes and statuses with which an action refuses an address, by cause."""

    malformed: tuple[str, int]
    outside: tuple[str, int]
    taken: tuple[str, int]
    none_left: tuple[str, int]

    def of(self, cause: Obstacle) -> tuple[str, int]:
        """The code and status for a cause. A reserved address counts as one outside."""
        match cause:
            case Obstacle.MALFORMED:
                return self.malformed
            case Obstacle.TAKEN:
                return self.taken
            case Obstacle.OUTSIDE | Obstacle.SYSTEM | Obstacle.RESERVED:
                return self.outside


_CODES: Final = MappingProxyType(
    {
        ENI: Codes(
            malformed=("InvalidIp.Address", 403),
            outside=("InvalidVSwitchId.IpInvalid", 403),
            taken=("InvalidPrivateIpAddress.Duplicated", 400),
            none_left=("InvalidVSwitchId.IpNotEnough", 403),
        ),
        NAT: Codes(
            malformed=("IllegalParam.NatIp", 400),
            outside=("IllegalParam.NatIp", 400),
            taken=("ResourceAlreadyAssociated.NatIp", 400),
            none_left=("OperationFailed.VSwitchNoAvailableIp", 400),
        ),
        SLB: Codes(
            malformed=("InvalidParameter", 400),
            outside=("InvalidParameter", 400),
            taken=("AllocateVpcInstanceFailed", 400),
            none_left=("VSwitchAvailableIpNotExist", 400),
        ),
        NLB: Codes(
            malformed=("IllegalParam.PrivateIPv4Address", 400),
            outside=("IllegalParam.PrivateIPv4Address", 400),
            taken=("ResourceInUse.IP", 400),
            none_left=("ResourceNotEnough.VSwitchIp", 400),
        ),
    }
)
"""Codes by the kind of owner. Some actions of ECS have their own."""
_IN_ORDER = 64
_GOLDEN = 0.618


def _reservations(store: Store, vswitch: VSwitch) -> list[IPv4Network]:
    return [addressing.block(r.cidr) for r in store.where(CidrReservation, "vswitch", vswitch.id)]


def _taken(store: Store, vswitch: VSwitch, ip: IPv4Address) -> bool:
    prefix = f"{IPv4Address(int(ip) & ~15)}/{addressing.PREFIX_LENGTH}"
    return (
        store.find(AddressClaim, f"{vswitch.id}/{ip}") is not None
        or store.find(AddressClaim, f"{vswitch.id}/{prefix}") is not None
    )


def obstacle(store: Store, vswitch: VSwitch, text: str) -> Obstacle | None:
    """The reason why an address of a vSwitch cannot be claimed; None if it can be."""
    network = addressing.block(vswitch.cidr)
    try:
        ip = addressing.address(text)
    except ValueError:
        return Obstacle.MALFORMED
    if ip not in network:
        return Obstacle.OUTSIDE
    if addressing.is_reserved(ip, network):
        return Obstacle.SYSTEM
    if any(ip in reserved for reserved in _reservations(store, vswitch)):
        return Obstacle.RESERVED
    return Obstacle.TAKEN if _taken(store, vswitch, ip) else None


def take(  # noqa: PLR0913  # the claim and its codes
    call: Call,
    vswitch: VSwitch,
    requested: str,
    *,
    kind: str,
    owner: str,
    codes: Codes | None = None,
) -> str:
    """Claim the address that the request names. `codes` replace those of the kind.

    Raises:
        ApiError: the address is outside of the vSwitch, reserved (by the system or by a
            reservation), or in use.
    """
    cause = obstacle(call.store, vswitch, requested)
    if cause is not None:
        code, status = (codes or _CODES[kind]).of(cause)
        raise ApiError(
            code,
            f"The specified private IP address {requested[:40]!r} cannot be used in {vswitch.id} "
            f"({vswitch.cidr}): {cause.value}.",
            status,
        )
    ip = addressing.address(requested)
    call.store.put(
        AddressClaim(vswitch_id=vswitch.id, address=str(ip), owner_kind=kind, owner_id=owner)
    )
    return str(ip)


def _from_the_top(network: IPv4Network, claimed: int) -> Iterator[IPv4Address]:
    """All assignable addresses from the highest down, starting below those claimed already.

    When the next addresses are in use, for example after many others were released, the following
    ones come from all over the block. This finds a free address in a few steps, without a walk
    through all claimed ones.
    """
    size = network.num_addresses - addressing.RESERVED_AT_END - 1
    first = int(network.network_address)
    start = claimed % size if size > 0 else 0
    near = min(size, _IN_ORDER)
    for step in range(near):
        yield IPv4Address(first + size - (start + step) % size)
    stride = next((s for s in range(int(size * _GOLDEN), size) if gcd(s, size) == 1), 1)
    for step in range(size):
        yield IPv4Address(first + size - (start + step * stride) % size)


def take_any(
    call: Call, vswitch: VSwitch, *, kind: str, owner: str, codes: Codes | None = None
) -> str:
    """Claim a free address of the cloud's choice. `codes` replace those of the kind.

    Raises:
        ApiError: no address is left.
    """
    network = addressing.block(vswitch.cidr)
    reserved = _reservations(call.store, vswitch)
    claimed = call.store.size(AddressClaim, "vswitch", vswitch.id)
    for ip in hostility.addresses(call.cloud, network, claimed, _from_the_top(network, claimed)):
        if _taken(call.store, vswitch, ip) or any(ip in r for r in reserved):
            continue
        call.store.put(
            AddressClaim(vswitch_id=vswitch.id, address=str(ip), owner_kind=kind, owner_id=owner)
        )
        return str(ip)
    code, status = (codes or _CODES[kind]).none_left
    raise ApiError(code, f"The vSwitch {vswitch.id} has no free IP address left.", status)


def take_prefix(call: Call, vswitch: VSwitch, requested: str | None, *, owner: str) -> str:
    """Claim a /28 for an ENI in one of the vSwitch's CIDR reservations.

    Codes and statuses are in the error tables of AssignPrivateIpAddresses and
    CreateNetworkInterface.
    """
    reserved = _reservations(call.store, vswitch)
    if not reserved:
        raise ApiError(
            "InvalidOperation.VSwitchCidrReservationNotExist",
            f"The vSwitch {vswitch.id} has no CIDR reservation.",
            404,
        )
    chosen = _free_prefix(call, vswitch, reserved) if requested is None else _prefix(requested)
    if not any(chosen.subnet_of(r) for r in reserved):
        raise ApiError(
            "InvalidIp.IpPrefixMustInReserveSegment",
            f"The IP prefix {chosen} must be in a CIDR reservation of the vSwitch.",
            403,
        )
    if call.store.find(AddressClaim, f"{vswitch.id}/{chosen}") is not None:
        raise ApiError(
            "InvalidIp.IpPrefixNotAvailable", f"The IP prefix {chosen} is already assigned.", 403
        )
    call.store.put(
        AddressClaim(vswitch_id=vswitch.id, address=str(chosen), owner_kind=ENI, owner_id=owner)
    )
    return str(chosen)


def _free_prefix(call: Call, vswitch: VSwitch, reserved: list[IPv4Network]) -> IPv4Network:
    candidates = itertools.chain.from_iterable(
        r.subnets(new_prefix=addressing.PREFIX_LENGTH) for r in reserved
    )
    for candidate in candidates:
        if call.store.find(AddressClaim, f"{vswitch.id}/{candidate}") is None:
            return candidate
    raise ApiError(
        "InvalidVSwitchId.IpPrefixNotEnough",
        f"The vSwitch {vswitch.id} has no free IPv4 prefix in its CIDR reservations.",
        403,
    )


def _prefix(text: str) -> IPv4Network:
    try:
        loose = IPv4Network(text, strict=False)
    except ValueError:
        raise ApiError(
            "InvalidIp.IpPrefixIllegal", f"The IP prefix {text[:40]!r} is illegal.", 403
        ) from None
    if loose.prefixlen != addressing.PREFIX_LENGTH:
        raise ApiError(
            "InvalidIp.IpPrefixMaskInvalid",
            f"The IP prefix {text} must be a /{addressing.PREFIX_LENGTH}.",
            403,
        )
    if str(loose) != text:
        raise ApiError(
            "InvalidIp.IpPrefixNotStrict",
            f"The IP prefix {text} must be in strict CIDR format: {loose}.",
            403,
        )
    return loose


def give_back(call: Call, vswitch_id: str, address: str) -> None:
    """Release an address or prefix."""
    claim = call.store.find(AddressClaim, f"{vswitch_id}/{address}")
    if claim is not None:
        call.store.remove(claim)


def give_back_all(call: Call, owner: str) -> None:
    """Release all addresses and prefixes of an owner."""
    for claim in call.store.where(AddressClaim, "owner", owner):
        call.store.remove(claim)


def available(store: Store, vswitch: VSwitch) -> int:
    """The number of free addresses."""
    size = addressing.block(vswitch.cidr).num_addresses - addressing.RESERVED_AT_END - 1
    reserved = sum(r.num_addresses for r in _reservations(store, vswitch))
    singles = store.size(AddressClaim, "vswitch", vswitch.id)
    return max(0, size - singles - reserved)
