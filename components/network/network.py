"""The VPC with its vSwitches, security group, NAT gateway and IPv6 gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import pulumi
from pulumi_alicloud import ecs, vpc

from components.network.eips import binding_options
from planning.cloud.security import SecurityRule, inner_access_policy, security_rules
from planning.model import ClusterPlan, VSwitchPlan
from planning.names import nat_eip_name, vswitch_name


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """The inputs of a `Network`: all of them come from the plan."""

    plan: ClusterPlan


class Network(pulumi.ComponentResource):
    """The network of one cluster.

    Owns: VPC, secondary CIDRs, vSwitches, the reservations that /28 prefixes come from, one
    security group with its rules, an enhanced NAT gateway with EIP, one SNAT entry for each
    vSwitch with egress, an IPv6 gateway.

    Never touches: what the plan adopts by id. An adopted VPC, vSwitch, NAT gateway or EIP has no
    resource, so it is neither changed nor destroyed. SNAT entries are added to an adopted NAT
    gateway, reservations to an adopted vSwitch; an adopted VPC gets no secondary CIDR and no IPv6
    gateway.

    Units: bandwidth in Mbit/s. Rules on vSwitch order, `nic_type` and the SNAT entry's wait for
    its EIP association: terraform-provider-alicloud issues 2399 and 3398, vpc_ipv4_cidr_block.
    """

    vpc_id: pulumi.Output[str]
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key, `<subnet>-<zone>`."""
    vswitches: Mapping[str, vpc.Switch]
    """By vSwitch key; an adopted vSwitch has no resource."""
    ipv6_ranges: Mapping[str, pulumi.Output[str]]
    """By vSwitch key: the /64 of each vSwitch with two stacks."""
    ipv6_gateway_id: pulumi.Output[str] | None
    reservations: Mapping[str, vpc.VswitchCidrReservation]
    """By vSwitch key: what /28 prefixes of ENIs come from."""
    security_group_id: pulumi.Output[str]
    nat_address: pulumi.Output[str] | None
    """The public source address of the pods' traffic; None without a NAT gateway."""
    egress: Mapping[str, vpc.SnatEntry]
    """By vSwitch key; a machine that must fetch packages at first boot waits for its entry."""

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:network:Network", name, {}, opts)
        plan = args.plan
        self._name = name
        self._plan = plan
        self._child = pulumi.ResourceOptions(parent=self)
        self._precious = pulumi.ResourceOptions(parent=self, protect=plan.protect)

        self.vpc_id = self._make_vpc()
        self.vswitches = self._make_vswitches()
        self.vswitch_ids = {
            key: (
                self.vswitches[key].id
                if vswitch.vswitch_id is None
                else pulumi.Output.from_input(vswitch.vswitch_id)
            )
            for key, vswitch in plan.network.vswitches.items()
        }
        self.ipv6_ranges = self._ipv6_ranges()
        self.reservations = self._make_reservations()
        self.security_group_id = self._make_security_group(security_rules(plan))
        self.nat_address, self.egress = self._make_egress()
        self.ipv6_gateway_id = self._make_ipv6_gateway()
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "vswitch_ids": dict(self.vswitch_ids),
                "security_group_id": self.security_group_id,
                "nat_address": self.nat_address,
            }
        )

    def _make_vpc(self) -> pulumi.Output[str]:
        planned = self._plan.network.vpc
        if planned.id is not None:
            return pulumi.Output.from_input(planned.id)
        ipv6 = self._plan.network.ipv6
        return vpc.Network(
            self._name,
            vpc_name=self._name,
            cidr_block=str(planned.cidr),
            # If unset, a VPC that already has IPv6 keeps it.
            enable_ipv6=True if ipv6.enabled or ipv6.has_gateway else None,
            resource_group_id=self._plan.resource_group,
            tags=dict(self._plan.tags),
            opts=self._precious,
        ).id

    def _make_vswitches(self) -> Mapping[str, vpc.Switch]:
        planned = self._plan.network.vpc
        # An adopted VPC has its secondary CIDRs already.
        secondary = [
            vpc.Ipv4CidrBlock(
                f"{self._name}-{str(cidr).replace('/', '-')}",
                vpc_id=self.vpc_id,
                secondary_cidr_block=str(cidr),
                opts=self._child,
            )
            for cidr in (planned.secondary_cidrs if planned.id is None else ())
        ]
        # The provider does not wait until a CIDR is usable, so a vSwitch depends on its CIDR. Every
        # vSwitch depends on every CIDR, so that all are at the same depth. The engine deletes what
        # is at one depth together, and waits for it before it goes on (`ScheduleDeletes` of
        # `pkg/resource/deploy/step_generator.go` in github.com/pulumi/pulumi).
        return {
            key: self._make_vswitch(vswitch, secondary)
            for key, vswitch in self._plan.network.vswitches.items()
            if vswitch.vswitch_id is None
        }

    def _ipv6_ranges(self) -> Mapping[str, pulumi.Output[str]]:
        return {
            key: (
                _created_ipv6_range(key, self.vswitches[key])
                if vswitch.vswitch_id is None
                else _adopted_ipv6_range(vswitch.vswitch_id, self)
            )
            for key, vswitch in self._plan.network.vswitches.items()
            if vswitch.ipv6_index is not None
        }

    def _make_vswitch(self, vswitch: VSwitchPlan, needs: list[vpc.Ipv4CidrBlock]) -> vpc.Switch:
        name = vswitch_name(self._name, vswitch.key)
        return vpc.Switch(
            name,
            vswitch_name=name,
            vpc_id=self.vpc_id,
            cidr_block=str(vswitch.cidr),
            zone_id=vswitch.zone,
            enable_ipv6=None if vswitch.ipv6_index is None else True,
            ipv6_cidr_block_mask=vswitch.ipv6_index,
            tags=dict(self._plan.tags),
            opts=pulumi.ResourceOptions(parent=self, depends_on=needs),
        )

    def _make_reservations(self) -> Mapping[str, vpc.VswitchCidrReservation]:
        return {
            key: vpc.VswitchCidrReservation(
                f"{self._name}-{key}",
                vswitch_cidr_reservation_name=vswitch_name(self._name, key),
                vswitch_id=self.vswitch_ids[key],
                cidr_reservation_cidr=str(vswitch.prefix_reservation),
                cidr_reservation_type="Prefix",
                opts=self._child,
            )
            for key, vswitch in self._plan.network.vswitches.items()
            if vswitch.prefix_reservation is not None
        }

    def _make_security_group(self, rules: Mapping[str, SecurityRule]) -> pulumi.Output[str]:
        plan = self._plan
        group = ecs.SecurityGroup(
            self._name,
            security_group_name=self._name,
            vpc_id=self.vpc_id,
            security_group_type=plan.network.security_group.type,
            inner_access_policy=inner_access_policy(plan),
            resource_group_id=plan.resource_group,
            tags=dict(plan.tags),
            opts=self._child,
        )
        for key, rule in rules.items():
            ecs.SecurityGroupRule(
                f"{self._name}-{key}",
                security_group_id=group.id,
                type=rule.direction,
                ip_protocol=rule.protocol,
                port_range=rule.port_range,
                cidr_ip=str(rule.cidr),
                priority=rule.priority,
                policy="accept",
                # If unset, the provider writes the text "<nil>" into the rule's id.
                nic_type="intranet",
                description=rule.description,
                opts=self._child,
            )
        return group.id

    def _make_egress(self) -> tuple[pulumi.Output[str] | None, Mapping[str, vpc.SnatEntry]]:
        nat = self._plan.network.nat
        if not nat.enabled:
            return None, {}
        if nat.id is not None:
            address = pulumi.Output.from_input(str(nat.eip_address))
            return address, self._make_snat(_snat_table_of(nat.id, self), address, [])
        gateway = self._make_nat_gateway()
        name = nat_eip_name(self._name)
        if nat.eip_id is not None:
            allocation: pulumi.Input[str] = nat.eip_id
            address = pulumi.Output.from_input(str(nat.eip_address))
        else:
            eip = ecs.EipAddress(
                name,
                address_name=name,
                bandwidth=str(nat.bandwidth),
                internet_charge_type=nat.internet_charge_type,
                payment_type="PayAsYouGo",
                resource_group_id=self._plan.resource_group,
                tags=dict(self._plan.tags),
                opts=self._precious,
            )
            allocation, address = eip.id, eip.ip_address
        association = ecs.EipAssociation(
            name,
            allocation_id=allocation,
            instance_id=gateway.id,
            instance_type="Nat",
            opts=binding_options(self),
        )
        return address, self._make_snat(gateway.snat_table_ids, address, [association])

    def _make_nat_gateway(self) -> vpc.NatGateway:
        network = self._plan.network
        if network.nat_vswitch is None:
            raise ValueError("the plan has a NAT gateway of its own but no vSwitch for it")
        protected = network.nat.deletion_protection
        return vpc.NatGateway(
            self._name,
            nat_gateway_name=self._name,
            vpc_id=self.vpc_id,
            vswitch_id=self.vswitch_ids[network.nat_vswitch],
            nat_type="Enhanced",
            payment_type="PayAsYouGo",
            internet_charge_type="PayByLcu",
            network_type="internet",
            deletion_protection=self._plan.protect if protected is None else protected,
            tags=dict(self._plan.tags),
            # A gateway never moves, because pods could not reach the internet meanwhile.
            opts=pulumi.ResourceOptions(
                parent=self, protect=self._plan.protect, ignore_changes=["vswitchId"]
            ),
        )

    def _make_snat(
        self,
        table: pulumi.Input[str],
        address: pulumi.Input[str],
        needs: list[ecs.EipAssociation],
    ) -> Mapping[str, vpc.SnatEntry]:
        return {
            key: vpc.SnatEntry(
                f"{self._name}-{key}",
                snat_entry_name=vswitch_name(self._name, key),
                snat_table_id=table,
                snat_ip=address,
                source_vswitch_id=self.vswitch_ids[key],
                opts=pulumi.ResourceOptions(parent=self, depends_on=needs),
            )
            for key, vswitch in self._plan.network.vswitches.items()
            if vswitch.snat
        }

    def _make_ipv6_gateway(self) -> pulumi.Output[str] | None:
        network = self._plan.network
        if not network.ipv6.has_gateway or network.vpc.id is not None:
            return None
        return vpc.Ipv6Gateway(
            self._name,
            ipv6_gateway_name=self._name,
            vpc_id=self.vpc_id,
            resource_group_id=self._plan.resource_group,
            tags=dict(self._plan.tags),
            opts=self._child,
        ).id


def _snat_table_of(nat_gateway_id: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    gateways = vpc.get_nat_gateways_output(
        ids=[nat_gateway_id], opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    return gateways.apply(lambda answer: _first_snat_table(nat_gateway_id, answer))


def _first_snat_table(nat_gateway_id: str, answer: vpc.GetNatGatewaysResult) -> str:
    tables = [table for gateway in answer.gateways for table in gateway.snat_table_ids]
    if not tables:
        raise pulumi.RunError(
            f"network.nat.id: {nat_gateway_id} has no SNAT table, or this account and region do "
            "not have that NAT gateway. Name an enhanced internet NAT gateway of this region, or "
            "leave network.nat.id out to get one."
        )
    return tables[0]


def _created_ipv6_range(key: str, vswitch: vpc.Switch) -> pulumi.Output[str]:
    """The vSwitch's /64; unknown in a preview that only now turns IPv6 on."""

    def require(text: str | None) -> str | pulumi.Output[str]:
        if text:
            return text
        if pulumi.runtime.is_dry_run():
            return cast("pulumi.Output[str]", pulumi.Output.from_input(pulumi.UNKNOWN))
        raise pulumi.RunError(
            f"The vSwitch {key} has no IPv6 range, although ipv6Index is set. Run `pulumi up "
            "--refresh`; if it still has none, its zone does not support IPv6."
        )

    return cast("pulumi.Output[str]", vswitch.ipv6_cidr_block.apply(require))


def _adopted_ipv6_range(vswitch_id: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    vswitches = vpc.get_switches_output(
        ids=[vswitch_id], opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    return vswitches.apply(lambda answer: _ipv6_range(vswitch_id, answer))


def _ipv6_range(vswitch_id: str, answer: vpc.GetSwitchesResult) -> str:
    for vswitch in answer.vswitches:
        if vswitch.ipv6_cidr_block:
            return vswitch.ipv6_cidr_block
    raise pulumi.RunError(
        f"network.ipv6.enabled is true, but the adopted vSwitch {vswitch_id} has no IPv6 range. "
        "Give it one in the console (this program does not change an adopted vSwitch), or write "
        "network.ipv6.enabled: false."
    )
