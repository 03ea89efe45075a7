"""The objects of a VPC's fabric as a document: what a picture of it needs, and no user-data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.machines.control import Instance, Interface, LoadBalancer
from localcloud.machines.network.fabric import link_name
from localcloud.machines.network.translation import LINK


def describe(
    vpc: str, state: Mapping[str, Any], frames: Mapping[str, int], virtual: Iterable[str]
) -> dict[str, object]:
    """Return the document of one VPC.

    Args:
        vpc: its id.
        state: what the supervisor writes for the VPC's process.
        frames: what its filter and its security groups have counted.
        virtual: the ids of the instances that are virtual machines.
    """
    instances = [Instance.read(raw) for raw in state["instances"]]
    balancers = [LoadBalancer.read(raw) for raw in state["load_balancers"]]
    nics = [(instance, nic) for instance in instances for nic in instance.interfaces]
    vswitches = {nic.vswitch_id: _vswitch(nic, instance.zone) for instance, nic in nics}
    return {
        "id": vpc,
        "network": next((nic.vpc_network for _, nic in nics), ""),
        "vswitches": sorted(vswitches.values(), key=lambda vswitch: str(vswitch["id"])),
        "machines": [_machine(instance, frozenset(virtual)) for instance in instances],
        "translations": [
            {"source": entry["source"], "addresses": list(entry["addresses"])}
            for entry in state["translations"]
        ],
        "public_ipv6_addresses": list(state["public_ipv6_addresses"]),
        "load_balancers": [_balancer(balancer) for balancer in balancers],
        "frames": dict(frames),
    }


def places(state: Mapping[str, Any]) -> dict[str, str]:
    """Link of the fabric → the id of the ENI or vSwitch that it belongs to, or `internet`."""
    links = {LINK: "internet"}
    for raw in state["instances"]:
        for nic in Instance.read(raw).interfaces:
            links[link_name("vsw", nic.vswitch_id)] = nic.vswitch_id
            links |= {link_name(prefix, nic.id): nic.id for prefix in ("eni", "tap")}
    return links


def _vswitch(nic: Interface, zone: str) -> dict[str, object]:
    return {
        "id": nic.vswitch_id,
        "network": nic.network,
        "ipv6_network": nic.ipv6_network,
        "gateway": nic.gateway,
        "zone": zone,
    }


def _machine(instance: Instance, virtual: frozenset[str]) -> dict[str, object]:
    return {
        "id": instance.id,
        "name": instance.name,
        "virtual": instance.id in virtual,
        "public_address": instance.public_address,
        "interfaces": [
            {
                "id": nic.id,
                "mac": nic.mac,
                "vswitch": nic.vswitch_id,
                "address": nic.address,
                "secondary_addresses": list(nic.ipv4_addresses[1:]),
                "ipv6_addresses": list(nic.ipv6_addresses),
                "security_groups": list(nic.security_group_ids),
            }
            for nic in instance.interfaces
        ],
    }


def _balancer(balancer: LoadBalancer) -> dict[str, object]:
    return {
        "id": balancer.id,
        "address": balancer.address,
        "internet": balancer.internet,
        "listeners": [
            {
                "port": listener.port,
                "protocol": "http" if listener.http else "tcp",
                "backends": [f"{b.address}:{b.port}" for b in listener.backends],
            }
            for listener in balancer.listeners
        ],
    }
