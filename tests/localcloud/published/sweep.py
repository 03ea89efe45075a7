"""The requests of the sweep: every action with unknown identifiers, and each parameter malformed.

A request has what the action's request type and the vendor's metadata make mandatory. Identifiers
are those of the corpus's world, or well-formed ones that nothing has; then one parameter at a time
gets each of a few values that it cannot have. Nothing is drawn: the same actions give the same
requests, so a new action is part of the sweep at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, cast

from localcloud.requests.actions import Product
from tests.localcloud.attacks.fuzz_requests import GOOD, leaves, published_mandatory

Parameters = Mapping[str, str]
IdOf = Callable[[str], str]
_NEW: Final = "new"
_RULE: Final = {"IpProtocol": "tcp", "PortRange": "80/80"}
_ZONES: Final = {
    "ZoneMappings.1.ZoneId": "$zone",
    "ZoneMappings.1.VSwitchId": "$vswitch",
    "ZoneMappings.2.ZoneId": "$other_zone",
    "ZoneMappings.2.VSwitchId": "$far_vswitch",
}
IDENTIFIERS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "": {
            "AllocationId": "$eip",
            "DiskId": "$disk",
            "EipId": "$eip",
            "InstanceId": "$instance",
            "Ipv6AddressId": "$ipv6_address",
            "Ipv6GatewayId": "$ipv6_gateway",
            "KeyPairName": "$key_pair",
            "NatGatewayId": "$nat",
            "NetworkInterfaceId": "$eni",
            "PolicyName": "$policy",
            "RamRoleName": "$ecs_role",
            "RoleName": "$ecs_role",
            "RouteTableId": "$route_table",
            "SecurityGroupId": "$group",
            "ServerGroupId": "$nlb_servers",
            "SnatEntryId": "$snat_entry",
            "SnatIp": "$nat_ip",
            "SnatTableId": "$snat_table",
            "UserName": "$user",
            "VServerGroupId": "$server_group",
            "VSwitchCidrReservationId": "$reservation",
            "VSwitchId": "$vswitch",
            "VpcId": "$vpc",
        },
        "Nlb": {"LoadBalancerId": "$nlb", "ListenerId": "$nlb_listener", "ResourceId": "$nlb"},
        "Slb": {
            "AclId": "$acl",
            "LoadBalancerId": "$clb",
            "ResourceId": "$clb",
            "RuleId": "$clb_rule",
        },
        "Vpc": {"InstanceId": "$nat_eip", "ResourceId": "$vpc"},
        "Ecs": {"ResourceId": "$instance"},
        "Ram": {"ResourceNames": "$ecs_role"},
    }
)
"""Product, or empty for all of them → the last part of a parameter's name → its resource."""
_TYPES: Final = MappingProxyType(
    {"Ecs": "instance", "Vpc": "VPC", "Slb": "instance", "Nlb": "loadbalancer", "Ram": "role"}
)
_ALSO: Final[tuple[tuple[str, Parameters], ...]] = (
    (r"Ecs\.(Authorize|Revoke)SecurityGroup", {**_RULE, "SourceCidrIp": "10.0.0.0/8"}),
    (r"Ecs\.(Authorize|Revoke)SecurityGroupEgress", {**_RULE, "DestCidrIp": "10.0.0.0/8"}),
    (
        r"Ecs\.RunInstances",
        {
            "ImageId": GOOD["ImageId"][0],
            "InstanceType": "ecs.g7.large",
            "SecurityGroupId": "$group",
            "VSwitchId": "$vswitch",
        },
    ),
    (r"Ecs\.ImportKeyPair", {"KeyPairName": _NEW}),
    (r"Ram\.CreateUser", {"UserName": _NEW}),
    (r"Ram\.CreateRole", {"RoleName": _NEW}),
    (r"Ram\.CreatePolicy", {"PolicyName": _NEW}),
    (r"Slb\..*TCPListener.*", {"ListenerPort": "81"}),
    (r"Slb\..*UDPListener.*", {"ListenerPort": "82"}),
    (r"Slb\.CreateLoadBalancer.*Listener", {"ListenerPort": "8080", "BackendServerPort": "80"}),
    (r"Nlb\.(CreateLoadBalancer|UpdateLoadBalancerZones)", _ZONES),
)
"""Pattern of `Product.Action` → parameters without which every request would end at one refusal."""
_MALFORMED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "bool": ("", "maybe"),
        "int": ("", "0", "-1", "x", "70000", "9" * 18),
        "json": ("[[[", "[1]", "{}"),
        "text": ("", "x", "é" * 200, "[[["),
    }
)
_SECOND: Final = re.compile(r"\.2(\.|$)")


def _last(name: str) -> str:
    return [part for part in name.split(".") if not part.isdigit()][-1]


def _resource(product: str, name: str) -> str | None:
    """The resource of the world whose id the parameter takes, as `$name`."""
    of_product, of_all = IDENTIFIERS.get(product, {}), IDENTIFIERS[""]
    return of_product.get(name) or of_all.get(name)


def _is_id(product: str, name: str) -> bool:
    last = _last(name)
    return last.endswith(("Id", "Ids")) or _resource(product, last) is not None


def _unknown(name: str) -> str:
    """A well-formed id that nothing has."""
    last = _last(name)
    if last.endswith("Port"):
        return "9999"
    identifier = f"{last.removesuffix('s').removesuffix('Id').lower()}-bp1{'0' * 17}"
    return json.dumps([identifier]) if last.endswith("Ids") else identifier


def _good(product: str, name: str, kind: str) -> str:
    """A value that the parameter can have. The id of the resource `name` replaces `$name`."""
    last = _last(name)
    if last == "ResourceType":
        return _TYPES.get(product, GOOD[last][0])
    resource = _resource(product, last)
    if resource is None and last.endswith("Ids"):
        resource = _resource(product, last.removesuffix("s"))
        return f'["{resource}"]' if resource else _unknown(name)
    if resource is not None:
        return resource
    if GOOD.get(last):
        return GOOD[last][0]
    return {"int": "1", "bool": "true"}.get(kind) or (
        _unknown(name) if _is_id(product, name) else "name"
    )


def requests(product: Product, action: str, id_of: IdOf) -> Iterator[Parameters]:
    """The requests of one action; `id_of` gives the id of a resource of the corpus's world."""
    for parameters in _requests(product, action):
        yield {
            name: re.sub(r"\$([a-z][a-z0-9_]*)", lambda match: id_of(match[1]), value)
            for name, value in parameters.items()
        }


def _requests(product: Product, action: str) -> Iterator[Parameters]:
    declared = [
        leaf
        for leaf in leaves(cast("Hashable", product.actions[action].request))
        if not _SECOND.search(leaf[0]) and leaf[0] != "RegionId"
    ]
    needed = {leaf for leaf in declared if leaf[2]}
    needed |= {
        leaf
        for leaf in published_mandatory(product.name, action, tuple(declared))
        if leaf[0] != "RegionId"
    }
    also = {
        name: value
        for pattern, parameters in _ALSO
        if re.fullmatch(pattern, f"{product.name}.{action}")
        for name, value in parameters.items()
    }
    base = {name: _good(product.name, name, kind) for name, kind, _ in sorted(needed)}
    base = {"RegionId": GOOD["RegionId"][0], **base, **also}
    kinds = {name: kind for name, kind, _ in (*declared, *sorted(needed))}
    identifiers = sorted(
        name for name, kind in kinds.items() if kind != "json" and _is_id(product.name, name)
    )
    yield base
    yield base | {name: _unknown(name) for name in identifiers if name in base}
    yield base | {name: _unknown(name) for name in identifiers}
    for name in identifiers:
        yield base | {name: _unknown(name)}
        yield base | {name: _good(product.name, name, kinds[name])}
    for name, kind in sorted(kinds.items()):
        for value in _MALFORMED[kind]:
            yield base | {name: value}
