"""A node's NICs as ENIs of their own: their inputs, and what the cloud answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Network
from typing import Any, TypedDict, assert_never

import pulumi
from pulumi_alicloud import ecs

from components.failure import reporting_errors
from components.machines.answers import (
    addresses_of,
    ipv6_as_planned,
    pod_addresses_as_planned,
    primary_as_planned,
)
from config.facts.nics import PRIMARY_NIC
from config.facts.regions import keeps_primary_eni
from planning.addresses.ipv6 import interface_addresses
from planning.addresses.pod_addresses import Counted, Pinned, PodAddresses, Prefixes
from planning.model import ClusterPlan, InterfacePlan, NodePlan
from planning.nodes.machine import identity_digest


@dataclass(frozen=True, kw_only=True)
class EniArgs:
    """The inputs of `make_eni`."""

    plan: ClusterPlan
    node: NodePlan
    nic: InterfacePlan
    vswitch_id: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    primary: pulumi.Input[str]
    """The primary address, known once the node may change."""
    ipv6_range: pulumi.Output[str] | None
    """The /64 of its vSwitch; None without IPv6."""
    needs: Sequence[pulumi.Resource]
    hooks: pulumi.ResourceHookBinding | None


@dataclass(frozen=True, kw_only=True)
class NodeInterface:
    """One NIC as the cloud created it. Addresses come from the ENI, never from the instance."""

    eni_id: pulumi.Output[str]
    mac: pulumi.Output[str]
    primary: pulumi.Output[str]
    pod_addresses: pulumi.Output[tuple[str, ...]]
    """Sorted. Unknown in a preview where the cloud chooses (`count`)."""
    twins: pulumi.Output[Mapping[str, str]] | None
    """IPv4 address → its IPv6 twin, the host's own address included; None without IPv6."""


def make_eni(name: str, args: EniArgs, *, parent: pulumi.Resource) -> ecs.EcsNetworkInterface:
    """Create the ENI of one NIC, with its primary address and its pod addresses."""
    return ecs.EcsNetworkInterface(
        name,
        network_interface_name=name,
        vswitch_id=args.vswitch_id,
        security_group_ids=[args.security_group_id],
        primary_ip_address=args.primary,
        **_pod_address_inputs(args.nic.pods),
        ipv6_addresses=_ipv6_addresses(args.nic, args.ipv6_range),
        # The cloud must not take the ENI, and its addresses, with an instance it replaces.
        delete_on_release=False,
        resource_group_id=args.plan.resource_group,
        tags=dict(args.plan.tags),
        # A second ENI cannot have the first one's addresses while the first one exists.
        opts=pulumi.ResourceOptions(
            parent=parent,
            delete_before_replace=True,
            depends_on=list(args.needs),
            hooks=args.hooks,
            replacement_trigger=_goes_with_machine(args),
        ),
    )


def as_answered(
    node: str,
    nic: InterfacePlan,
    eni: ecs.EcsNetworkInterface,
    ipv6_range: pulumi.Output[str] | None,
    *,
    parent: pulumi.Resource,
) -> NodeInterface:
    """The NIC from its ENI's outputs.

    An address that is not the planned one fails the run with a `pulumi.RunError`, which `parent`
    reports.
    """
    assigned: pulumi.Output[Sequence[str]] = (
        eni.ipv4_prefixes.apply(addresses_of)
        if isinstance(nic.pods, Prefixes)
        else eni.private_ip_addresses.apply(lambda addresses: addresses or ())
    )
    primary = reporting_errors(parent, partial(primary_as_planned, node, nic))
    pods = reporting_errors(parent, partial(pod_addresses_as_planned, node, nic))
    return NodeInterface(
        eni_id=eni.id,
        mac=eni.mac,
        primary=eni.primary_ip_address.apply(primary),
        pod_addresses=assigned.apply(pods),
        twins=None if ipv6_range is None else _twins(node, nic, eni, ipv6_range, parent),
    )


def _goes_with_machine(args: EniArgs) -> str | None:
    """The trigger that replaces eth0's ENI where the cloud deletes it with its instance.

    The new ENI has the same pinned addresses. `config.facts.regions.KEEPS_PRIMARY_ENI` has the
    source.
    """
    if args.nic.name != PRIMARY_NIC or keeps_primary_eni(args.plan.region):
        return None
    return identity_digest(args.plan, args.node)


def _ipv6_addresses(
    nic: InterfacePlan, ipv6_range: pulumi.Output[str] | None
) -> pulumi.Output[Sequence[str]] | None:
    """The host's address first; unknown until the cloud gave the VPC its range."""
    if ipv6_range is None:
        return None
    return ipv6_range.apply(
        lambda text: [str(a) for a in interface_addresses(IPv6Network(text), nic)]
    )


def _twins(
    node: str,
    nic: InterfacePlan,
    eni: ecs.EcsNetworkInterface,
    ipv6_range: pulumi.Output[str],
    parent: pulumi.Resource,
) -> pulumi.Output[Mapping[str, str]]:
    def twins(answers: Sequence[Any]) -> Mapping[str, str]:
        network, assigned = answers
        return ipv6_as_planned(node, nic, IPv6Network(network), assigned)

    check = reporting_errors(parent, twins)
    return pulumi.Output.all(ipv6_range, eni.ipv6_addresses).apply(check)


class _PodAddressInputs(TypedDict, total=False):
    private_ip_addresses: list[str]
    secondary_private_ip_address_count: int
    ipv4_prefixes: list[str]


def _pod_address_inputs(pods: PodAddresses) -> _PodAddressInputs:
    """The inputs of an ENI for its pod addresses: one of the three that the provider has.

    The provider accepts only one of them (`ConflictsWith`). An empty list or 0 takes the last
    addresses away; without an input the provider keeps what the ENI has (`Computed`, both in
    resource_alicloud_ecs_network_interface.go).
    """
    match pods:
        case Pinned(addresses):
            return {"private_ip_addresses": [str(address) for address in addresses]}
        case Counted(count):
            return {"secondary_private_ip_address_count": count}
        case Prefixes(blocks):
            return {"ipv4_prefixes": [str(block) for block in blocks]}
        case _:
            assert_never(pods)
