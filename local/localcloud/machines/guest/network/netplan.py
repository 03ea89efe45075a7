"""Netplan files as a plan for each link. No I/O.

Only the keys that a node's ethernet links need exist here; any other key is refused.
Rules: netplan's YAML reference, `networkd` renderer.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAIN_TABLE: Final = 254
_DHCP_METRIC: Final = 100
_ETHERNET_KEYS: Final = frozenset(
    {
        "accept-ra",
        "addresses",
        "critical",
        "dhcp-identifier",
        "dhcp4",
        "dhcp4-overrides",
        "dhcp6",
        "dhcp6-overrides",
        "gateway4",
        "gateway6",
        "ignore-carrier",
        "ipv6-privacy",
        "link-local",
        "macaddress",
        "match",
        "mtu",
        "nameservers",
        "optional",
        "renderer",
        "routes",
        "routing-policy",
        "set-name",
        "wakeonlan",
    }
)
_ROUTE_KEYS: Final = frozenset(
    {"from", "metric", "mtu", "on-link", "scope", "table", "to", "type", "via"}
)
_RULE_KEYS: Final = frozenset({"from", "mark", "priority", "table", "to", "type-of-service"})


class NetplanError(Exception):
    """A file that netplan would refuse; the text names file, place and rule."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link of the machine."""

    name: str
    mac: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What DHCP offers an ENI."""

    mac: str
    address: str
    prefix_length: int
    gateway: str


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of one link; `to` is a CIDR, default routes are 0.0.0.0/0 or ::/0."""

    to: str
    via: str | None = None
    table: int = MAIN_TABLE
    metric: int | None = None
    source: str | None = None
    on_link: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A routing policy rule."""

    table: int
    priority: int | None = None
    source: str | None = None
    to: str | None = None
    mark: int | None = None


@dataclass(frozen=True, kw_only=True)
class LinkPlan:
    """What one link must become."""

    mac: str
    present_name: str
    name: str
    addresses: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = field(default=())
    mtu: int | None = None


def merge(files: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Merge (name, text) pairs in the order of their names, as netplan does.

    Mappings merge, lists are joined, a later scalar wins.
    """
    merged: dict[str, Any] = {}
    for name, text in sorted(files):
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise NetplanError(f"{name}: Invalid YAML: {error}") from None
        if document is None:
            continue
        if not isinstance(document, dict) or not isinstance(document.get("network"), dict):
            raise NetplanError(f"{name}: expected mapping with the one key 'network'")
        unknown = document["network"].keys() - {"version", "renderer", "ethernets"}
        if unknown:
            raise NetplanError(f"{name}: unknown key '{min(unknown)}' in network")
        if document["network"].get("version") != 2:  # noqa: PLR2004  (the only version there is)
            raise NetplanError(f"{name}: network.version must be 2")
        _merge_into(merged, document["network"])
    return merged


def interpret(
    network: Mapping[str, Any], links: Sequence[Link], leases: Sequence[Lease]
) -> list[LinkPlan]:
    """Return a plan for each link that a definition matches.

    A link that several definitions match takes the first by name. Definitions that match no link
    wait for theirs, as in networkd. Raises NetplanError.
    """
    definitions = network.get("ethernets") or {}
    offered = {lease.mac: lease for lease in leases}
    for name, definition in definitions.items():
        _check(name, definition)
    plans = []
    for link in links:
        for name in sorted(definitions):
            if _matches(name, definitions[name], link):
                plans.append(_plan(definitions[name], link, offered.get(link.mac)))
                break
    return plans


def _check(name: str, definition: Any) -> None:  # noqa: ANN401  (YAML)
    if not isinstance(definition, dict):
        raise NetplanError(f"ethernets.{name}: expected mapping")
    unknown = definition.keys() - _ETHERNET_KEYS
    for route in definition.get("routes") or ():
        unknown |= route.keys() - _ROUTE_KEYS
    for rule in definition.get("routing-policy") or ():
        unknown |= rule.keys() - _RULE_KEYS
    if unknown:
        raise NetplanError(f"ethernets.{name}: unknown key '{min(unknown)}'")
    if "set-name" in definition and "match" not in definition:
        raise NetplanError(f"ethernets.{name}: 'set-name:' requires 'match:' properties")


def _matches(name: str, definition: Mapping[str, Any], link: Link) -> bool:
    match = definition.get("match")
    if match is None:
        return link.name == name
    mac, name_pattern = match.get("macaddress"), match.get("name")
    return (mac is None or str(mac).lower() == link.mac) and (
        name_pattern is None or name_pattern == link.name
    )


def _plan(definition: Mapping[str, Any], link: Link, lease: Lease | None) -> LinkPlan:
    addresses = [_address(entry) for entry in definition.get("addresses") or ()]
    routes = [_route(route) for route in definition.get("routes") or ()]
    for key, everything in (("gateway4", "0.0.0.0/0"), ("gateway6", "::/0")):
        if key in definition:
            routes.append(Route(to=everything, via=str(definition[key])))
    if definition.get("dhcp4") is True and lease is not None:
        addresses.append(f"{lease.address}/{lease.prefix_length}")
        overrides = definition.get("dhcp4-overrides") or {}
        if overrides.get("use-routes", True):
            metric = int(overrides.get("route-metric", _DHCP_METRIC))
            routes.append(
                Route(to="0.0.0.0/0", via=lease.gateway, metric=metric, source=lease.address)
            )
    return LinkPlan(
        mac=link.mac,
        present_name=link.name,
        name=str(definition.get("set-name") or link.name),
        addresses=tuple(dict.fromkeys(addresses)),
        routes=tuple(routes),
        rules=tuple(_rule(rule) for rule in definition.get("routing-policy") or ()),
        mtu=definition.get("mtu"),
    )


def _address(entry: Any) -> str:  # noqa: ANN401  (YAML)
    text = str(next(iter(entry)) if isinstance(entry, dict) else entry)
    problem = NetplanError(f"malformed address '{text}', must be X.X.X.X/NN or X:X:X:X:X:X:X:X/NN")
    if "/" not in text:
        raise problem
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError:
        raise problem from None


def _route(route: Mapping[str, Any]) -> Route:
    to, via = str(route.get("to", "")), route.get("via")
    if to == "default":
        to = "::/0" if via and ":" in str(via) else "0.0.0.0/0"
    try:
        to = str(ipaddress.ip_network(to, strict=False))
    except ValueError:
        raise NetplanError(f"invalid IP family or address in route: to '{to}'") from None
    link_scope = route.get("scope") == "link"
    if via is None and not link_scope:
        raise NetplanError(f"unicast route must include both a 'to' and 'via' IP: to '{to}'")
    return Route(
        to=to,
        via=None if via is None else str(via),
        table=int(route.get("table", MAIN_TABLE)),
        metric=None if route.get("metric") is None else int(route["metric"]),
        source=None if route.get("from") is None else str(route["from"]),
        on_link=bool(route.get("on-link")),
    )


def _rule(rule: Mapping[str, Any]) -> Rule:
    if rule.get("from") is None and rule.get("to") is None:
        raise NetplanError("IP routing policy must include either a 'from' or 'to' IP")
    return Rule(
        table=int(rule.get("table", MAIN_TABLE)),
        priority=None if rule.get("priority") is None else int(rule["priority"]),
        source=None if rule.get("from") is None else str(ipaddress.ip_network(rule["from"])),
        to=None if rule.get("to") is None else str(ipaddress.ip_network(rule["to"])),
        mark=None if rule.get("mark") is None else int(rule["mark"]),
    )


def _merge_into(target: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        present = target.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge_into(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            target[key] = present + value
        elif isinstance(value, dict):
            target[key] = {}
            _merge_into(target[key], value)
        else:
            target[key] = value
