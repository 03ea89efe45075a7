"""IPv6 of a node: public bandwidth for each of its pods' addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_alicloud import vpc

from components.failure import reporting_errors
from planning.model import InterfacePlan


@dataclass(frozen=True, kw_only=True)
class Ipv6EgressArgs:
    """The inputs of an `Ipv6Egress`."""

    interface: InterfacePlan
    vswitch_id: pulumi.Input[str]
    eni_id: pulumi.Input[str]
    twins: pulumi.Output[Mapping[str, str]]
    """IPv4 pod address → its IPv6 twin, as the ENI has them."""
    gateway_id: pulumi.Input[str]
    bandwidth: int
    """Mbit/s for each address."""
    instance: pulumi.Resource
    """An address must be on a machine before bandwidth can be bought for it."""


class Ipv6Egress(pulumi.ComponentResource):
    """Public bandwidth for the pods' IPv6 addresses of one NIC: without it they reach the VPC only.

    Owns: one internet bandwidth for each pod address, named by its IPv4 twin.

    Never touches: the addresses, which the ENI has, and the gateway, which the network owns.

    The cloud gives each address an id that no resource outputs; it is looked up after the ENI has
    its addresses.

    Errors: `pulumi.RunError` when the cloud does not list an address that the ENI has.
    """

    def __init__(
        self, name: str, args: Ipv6EgressArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:ipv6:Ipv6Egress", name, {}, opts)
        # Looked up only once the ENI exists: the answer lists the addresses of that moment.
        vswitch_id = pulumi.Output.all(args.vswitch_id, args.eni_id, args.twins).apply(
            lambda values: str(values[0])
        )
        listed = vpc.get_ipv6_addresses_output(
            vswitch_id=vswitch_id, opts=pulumi.InvokeOutputOptions(parent=self)
        ).apply(lambda answer: {a.ipv6_address: a.ipv6_address_id for a in answer.addresses})
        for address in args.interface.pods.planned:
            find = reporting_errors(self, partial(_address_id, str(address)))
            vpc.Ipv6InternetBandwidth(
                f"{name}-{str(address).replace('.', '-')}",
                ipv6_gateway_id=args.gateway_id,
                ipv6_address_id=pulumi.Output.all(twins=args.twins, listed=listed).apply(find),
                bandwidth=args.bandwidth,
                internet_charge_type="PayByTraffic",
                opts=pulumi.ResourceOptions(parent=self, depends_on=[args.instance]),
            )
        self.register_outputs({})


def _address_id(address: str, answers: Mapping[str, Mapping[str, str]]) -> str:
    ipv6 = answers["twins"][address]
    address_id = answers["listed"].get(ipv6)
    if address_id is None:
        raise pulumi.RunError(
            f"{ipv6} is on an ENI of this cluster, but the cloud does not list it among its "
            "vSwitch's IPv6 addresses, so it cannot get public bandwidth yet. The list may follow "
            "the ENI with a delay: run `pulumi up` again."
        )
    return address_id
