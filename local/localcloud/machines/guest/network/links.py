"""Brings the links, addresses, routes and rules of this network namespace to a plan."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import IPRoute  # type: ignore[import-untyped]  # ships no types
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # ships no types

from localcloud.machines.guest.network.netplan import Lease, Link, LinkPlan, interpret, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from localcloud.machines.guest.network.netplan import Route, Rule

NETPLAN: Final = Path("/etc/netplan")
_STATIC: Final = 4
"""The routing protocol number `static`; only routes and rules that have it are ours."""
_GLOBAL_SCOPE: Final = 0


def apply_netplan(leases: Sequence[Lease]) -> list[LinkPlan]:
    """Do what `netplan apply` does with /etc/netplan. Raises NetplanError."""
    files = [(path.name, path.read_text("utf-8")) for path in NETPLAN.glob("*.yaml")]
    with IPRoute() as ip:
        plans = interpret(merge(files), _links(ip), leases)
        _rename(ip, plans)
        for plan in plans:
            _apply(ip, plan)
        _apply_rules(ip, [rule for plan in plans for rule in plan.rules])
    return plans


def loopback_up() -> None:
    """Set lo up."""
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")


def add_local(address: str) -> None:
    """Answer on `address`, without showing it on a link."""
    with IPRoute() as ip:
        ip.route("replace", dst=f"{address}/32", oif=1, type="local", table=255, scope="host")


def remove_local(address: str) -> None:
    """Undo `add_local`."""
    with IPRoute() as ip:
        ip.route("del", dst=f"{address}/32", oif=1, type="local", table=255, scope="host")


def default_address() -> str | None:
    """Return the address of the link that the default route leaves by."""
    with IPRoute() as ip:
        routes = list(ip.get_routes(family=socket.AF_INET, table=254))
        defaults = [route for route in routes if route["dst_len"] == 0]
        if not defaults:
            return None
        first = min(defaults, key=lambda route: route.get_attr("RTA_PRIORITY") or 0)
        index = first.get_attr("RTA_OIF")
        for address in ip.get_addr(family=socket.AF_INET, index=index):
            address_text: str = address.get_attr("IFA_ADDRESS")
            return address_text
    return None


def _links(ip: IPRoute) -> list[Link]:
    links = [
        Link(name=link.get_attr("IFLA_IFNAME"), mac=str(link.get_attr("IFLA_ADDRESS")).lower())
        for link in ip.get_links()
        if link["index"] != 1
    ]
    return sorted(links, key=lambda link: link.name)


def _rename(ip: IPRoute, plans: Iterable[LinkPlan]) -> None:
    moving = [plan for plan in plans if plan.name != plan.present_name]
    indices = {plan.name: ip.link_lookup(ifname=plan.present_name)[0] for plan in moving}
    # Through an unused name, so that two links can swap theirs.
    for index in indices.values():
        ip.link("set", index=index, state="down")
        ip.link("set", index=index, ifname=f"rename{index}")
    for name, index in indices.items():
        ip.link("set", index=index, ifname=name)


def _apply(ip: IPRoute, plan: LinkPlan) -> None:
    index = ip.link_lookup(ifname=plan.name)[0]
    if plan.mtu:
        ip.link("set", index=index, mtu=plan.mtu)
    ip.link("set", index=index, state="up")
    planned = set(plan.addresses)
    for address in ip.get_addr(index=index):
        if address["scope"] != _GLOBAL_SCOPE:
            continue
        present = f"{address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}"
        if present not in planned:
            bare, _, length = present.partition("/")
            ip.addr("del", index=index, address=bare, prefixlen=int(length))
    for text in plan.addresses:
        bare, _, length = text.partition("/")
        ip.addr("replace", index=index, address=bare, prefixlen=int(length))
    planned_routes = [_route_arguments(index, route) for route in plan.routes]
    for family in (socket.AF_INET, socket.AF_INET6):
        for present in ip.get_routes(family=family, oif=index, proto=_STATIC):
            if not any(_same_route(present, route) for route in planned_routes):
                ip.route("del", **_present_route(present, index))
    for arguments in planned_routes:
        ip.route("replace", **arguments)


def _route_arguments(index: int, route: Route) -> dict[str, Any]:
    family = socket.AF_INET6 if ":" in route.to else socket.AF_INET
    arguments: dict[str, Any] = {
        "family": family,
        "dst": route.to,
        "oif": index,
        "table": route.table,
        "proto": _STATIC,
    }
    if route.via is None:
        arguments["scope"] = "link"
    else:
        arguments["gateway"] = route.via
    if route.metric is not None:
        arguments["priority"] = route.metric
    if route.source is not None:
        arguments["prefsrc"] = route.source
    if route.on_link:
        arguments["flags"] = ["onlink"]
    return arguments


def _same_route(present: Any, planned: dict[str, Any]) -> bool:  # noqa: ANN401  (netlink message)
    network = ipaddress.ip_network(planned["dst"])
    return (
        present["family"] == planned["family"]
        and present["dst_len"] == network.prefixlen
        and (present.get_attr("RTA_DST") or str(network.network_address))
        == str(network.network_address)
        and present.get_attr("RTA_TABLE") == planned["table"]
        and present.get_attr("RTA_GATEWAY") == planned.get("gateway")
        and (present.get_attr("RTA_PRIORITY") or 0) == planned.get("priority", 0)
    )


def _present_route(present: Any, index: int) -> dict[str, Any]:  # noqa: ANN401  (netlink message)
    empty = "::" if present["family"] == socket.AF_INET6 else "0.0.0.0"  # noqa: S104
    arguments: dict[str, Any] = {
        "family": present["family"],
        "dst": f"{present.get_attr('RTA_DST') or empty}/{present['dst_len']}",
        "oif": index,
        "table": present.get_attr("RTA_TABLE"),
    }
    if (metric := present.get_attr("RTA_PRIORITY")) is not None:
        arguments["priority"] = metric
    return arguments


def _apply_rules(ip: IPRoute, rules: Iterable[Rule]) -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        for present in ip.get_rules(family=family):
            if present.get_attr("FRA_PROTOCOL") == _STATIC:
                _delete_rule(ip, present)
    for rule in rules:
        where = rule.source or rule.to or ""
        arguments: dict[str, Any] = {
            "family": socket.AF_INET6 if ":" in where else socket.AF_INET,
            "table": rule.table,
            "protocol": _STATIC,
        }
        if rule.priority is not None:
            arguments["priority"] = rule.priority
        if rule.source:
            arguments["src"] = rule.source
        if rule.to:
            arguments["dst"] = rule.to
        if rule.mark is not None:
            arguments["fwmark"] = rule.mark
        ip.rule("add", **arguments)


def _delete_rule(ip: IPRoute, present: Any) -> None:  # noqa: ANN401  (netlink message)
    arguments: dict[str, Any] = {
        "family": present["family"],
        "table": present.get_attr("FRA_TABLE"),
        "priority": present.get_attr("FRA_PRIORITY"),
        # Without it the kernel deletes the first rule that is otherwise equal, whoever added it.
        "protocol": _STATIC,
    }
    if source := present.get_attr("FRA_SRC"):
        arguments |= {"src": source, "src_len": present["src_len"]}
    if target := present.get_attr("FRA_DST"):
        arguments |= {"dst": target, "dst_len": present["dst_len"]}
    try:
        ip.rule("del", **arguments)
    except NetlinkError as error:
        if error.code != 2:  # noqa: PLR2004  (ENOENT: a duplicate of a deleted rule)
            raise
