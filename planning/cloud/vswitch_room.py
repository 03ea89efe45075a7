"""How many addresses and /28 prefixes a vSwitch has left."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from config.facts.reserved import PREFIX_SIZE
from config.report import Problem
from planning.addresses.blocks import usable
from planning.cloud.load_balancers import gateways, taken_addresses
from planning.model import ClusterPlan


def usable_addresses(cidr: IPv4Network) -> int:
    """Number of addresses in a vSwitch that can be assigned."""
    span = usable(cidr)
    return max(span.last - span.first + 1, 0)


def free_addresses(plan: ClusterPlan) -> dict[str, int]:
    """The number of free addresses by vSwitch key, without ENIs, gateways and load balancers.

    A reservation for prefixes does not count as free; see `free_prefixes`.
    """
    free = {
        key: usable_addresses(v.cidr)
        - (0 if v.prefix_reservation is None else v.prefix_reservation.num_addresses)
        for key, v in plan.network.vswitches.items()
    }
    for node in plan.nodes.values():
        for interface in node.interfaces.values():
            single = 0 if interface.pods.blocks else interface.pods.count
            free[interface.vswitch] -= 1 + single
    for key, taken in taken_addresses(plan).items():
        free[key] -= taken
    return free


def gateways_have_room(plan: ClusterPlan) -> Iterator[Problem]:
    """The vSwitches with too few addresses for their gateways and load balancers."""
    free = free_addresses(plan)
    for key in taken_addresses(plan):
        if free[key] < 0:
            users = [f"{g.path} ({g.kind})" for g in gateways(plan) if key in g.vswitches]
            vswitch = plan.network.vswitches[key]
            yield Problem(
                path=f"network.subnets.{vswitch.subnet}.zones.{vswitch.zone}.cidr",
                value=str(vswitch.cidr),
                rule=f"It has {-free[key]} addresses too few for its NICs and {', '.join(users)}. "
                "An NLB takes three addresses of each of its vSwitches, a CLB and a NAT gateway "
                "one.",
                remedy="Write a larger range, or name another subnet for some of them.",
            )


def free_prefixes(plan: ClusterPlan) -> dict[str, int]:
    """By key of each vSwitch with a reservation: how many /28 prefixes are left in it."""
    free = {
        key: v.prefix_reservation.num_addresses // PREFIX_SIZE
        for key, v in plan.network.vswitches.items()
        if v.prefix_reservation is not None
    }
    for node in plan.nodes.values():
        for interface in node.interfaces.values():
            if interface.pods.blocks:
                free[interface.vswitch] -= len(interface.pods.blocks)
    return free
