"""Objects that the cloud cannot have twice: a range of the VPC, a security rule, and a listener.

The engine creates new objects before it deletes old ones. The cloud refuses a new range that
overlaps an old one. It does not create a new rule that is equal to an old one, because that rule
exists, and the deletion of the old one then removes it. A port of a load balancer that the stack
adopts has one listener. For a second Service on that port the cloud controller either creates none,
so that the run waits until its time is over, or takes the first one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from config.facts.ports import API_SERVER
from planning.names import vswitch_key
from planning.transitions.part import Part
from planning.transitions.reading import Record
from planning.transitions.steps import Refusal


def check_one_of_a_kind(before: Record, after: Record) -> Part:
    """Refuses objects that are removed under one name and added again under another."""
    return Part(
        refusals=(
            *_ranges(before, after),
            *_rules(before, after),
            *_listeners(before, after),
        )
    )


def _ranges(before: Record, after: Record) -> Iterator[Refusal]:
    for one, other in (
        (_vswitches(before), _vswitches(after)),
        (_secondary(before), _secondary(after)),
    ):
        for path in sorted(other.keys() - one.keys()):
            taken = [old for old in sorted(one) if one[old].overlaps(other[path])]
            if not taken:
                continue
            yield Refusal(
                path=path,
                value=str(other[path]),
                rule=f"{taken[0]} has addresses of this range until the end of the run.",
                reason="New ranges are created before old ones are deleted, and the cloud refuses "
                "ranges that overlap.",
                remedy=f"Keep {taken[0]}, or take it out and run `pulumi up`, and add {path} "
                "afterwards.",
            )


def _vswitches(record: Record) -> Mapping[str, IPv4Network]:
    """Ranges of vSwitches by path, without those of gateways, which `settings` never moves."""
    gateways = {record.chosen.get("nat"), record.chosen.get("balancer")}
    return {
        f"network.subnets.{name}.zones.{zone}": IPv4Network(vswitch["cidr"])
        for name, subnet in (record.section("network", "subnets") or {}).items()
        for zone, vswitch in subnet.get("zones", {}).items()
        if vswitch_key(name, zone) not in gateways
    }


def _secondary(record: Record) -> Mapping[str, IPv4Network]:
    cidrs = record.section("network", "vpc", "secondaryCidrs") or ()
    return {f"network.vpc.secondaryCidrs {cidr}": IPv4Network(cidr) for cidr in cidrs}


def _rules(before: Record, after: Record) -> Iterator[Refusal]:
    one, other = _admitted(before), _admitted(after)
    for path, rule in sorted(other.items()):
        for old in sorted(one):
            if old == path or one[old] != rule or other.get(old) == rule:
                continue
            yield Refusal(
                path=path,
                value=" ".join(rule),
                rule=f"{old} admits the same now, and the cloud keeps equal rules as one.",
                reason="Both names would mean one rule in the cloud, and the end of the run would "
                "delete it with the old name.",
                remedy=f"Keep {old} as it was, or take it out and run `pulumi up`, and write "
                f"{path} afterwards; in between nobody is admitted by it.",
            )


def _admitted(record: Record) -> Mapping[str, tuple[str, str, str]]:
    """Path → protocol, ports and source of each rule that the stack file writes."""
    rules = {
        f"network.ingress.{name}": (str(r["protocol"]), str(r["ports"]), str(r["source"]))
        for name, r in (record.section("network", "ingress") or {}).items()
    }
    if record.is_kubeadm:
        port = f"{API_SERVER}/{API_SERVER}"
        for cidr in record.section("kubernetes", "endpoint", "allowedCidrs") or ():
            rules[f"kubernetes.endpoint.allowedCidrs {cidr}"] = ("tcp", port, str(cidr))
    return rules


def _listeners(before: Record, after: Record) -> Iterator[Refusal]:
    one, other = _ports(before), _ports(after)
    for port, path in sorted(other.items(), key=lambda each: each[1]):
        old = one.get(port)
        if old is None or _service(old) == _service(path):
            continue
        balancer, number, _ = port
        yield Refusal(
            path=path,
            value=str(number),
            rule=f"{old} has this port of {balancer} until the end of the run.",
            reason="A port of a load balancer has one listener, and two Services would want it "
            "until then.",
            remedy=f"Keep {old} as it was, or take it out and run `pulumi up`, and write {path} "
            "afterwards; in between the port does not answer.",
        )


def _ports(record: Record) -> Mapping[tuple[str, int, bool], str]:
    """Adopted load balancer, port number and whether it is UDP → path of the port."""
    if record.section("cloudController", "enabled") is False:
        return {}
    return {
        (service["id"], port["port"], port.get("protocol") == "udp"): f"services.{name}.ports.{key}"
        for name, service in (record.section("services") or {}).items()
        if "id" in service
        for key, port in service.get("ports", {}).items()
    }


def _service(path: str) -> str:
    return path.split(".")[1]
