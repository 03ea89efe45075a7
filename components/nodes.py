"""A node: its ENIs, the instance that boots with them, and the RAM role it may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_alicloud import ecs

from components.answers import addresses_of, pod_addresses_as_planned, primary_as_planned
from components.failure import telling
from config.model import AddressMode, Role
from planning.bootstrap import user_data
from planning.model import ClusterPlan, InterfacePlan, NodePlan
from planning.secrets import ClusterSecrets


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """What a node's first boot needs beside the plan; without it the machine boots bare."""

    secrets: pulumi.Output[ClusterSecrets]
    api_address: pulumi.Input[str]
    """Private address of the API server: the one control plane's, or the load balancer's."""
    public_address: pulumi.Input[str] | None
    """Address of the API server from outside, for the certificate; None without one."""


@dataclass(frozen=True, kw_only=True)
class NodeArgs:
    """What a `Node` is made from."""

    plan: ClusterPlan
    node: NodePlan
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key."""
    reservations: Mapping[str, pulumi.Resource]
    """By vSwitch key: what its /28 prefixes come from, where there are any."""
    security_group_id: pulumi.Input[str]
    bootstrap: Bootstrap | None
    needs: Sequence[pulumi.Resource] = ()
    """What must stand before the first boot: the SNAT entries that packages are fetched through."""
    ram_role: pulumi.Input[str] | None = None
    """RAM role for the instance, by name."""


@dataclass(frozen=True, kw_only=True)
class NodeInterface:
    """One NIC as the cloud made it; addresses come from the ENI, never from the instance."""

    eni_id: pulumi.Output[str]
    mac: pulumi.Output[str]
    primary: pulumi.Output[str]
    pod_addresses: pulumi.Output[tuple[str, ...]]
    """Sorted. Unknown in a preview where the cloud chooses (`count`)."""


class Node(pulumi.ComponentResource):
    """One ECS instance with ENIs of its own.

    Owns: one ENI for each NIC with its addresses, the instance, the attachment of a RAM role.

    Never touches: the network it stands in; a RAM role itself.

    Every NIC, the primary too, is an ENI resource that the instance gets at creation, so all of
    them are there at first boot, and pod addresses change on the ENI in place. Two extra NICs
    crash the provider on refresh (pulumi-terraform-bridge issue 3391); configuration allows one.

    Later changes of user-data are ignored on control planes (the provider would reboot them, and
    cloud-init would not run again) and replace workers.

    Errors: `pulumi.RunError` when user-data grows beyond its limit, and in `up` when an ENI's
    addresses are not the planned ones.
    """

    instance_id: pulumi.Output[str]
    provider_id: pulumi.Output[str]
    """`<region>.<instance id>`, as the kubelet reports it."""
    interfaces: Mapping[str, NodeInterface]
    """By NIC name."""

    def __init__(
        self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:nodes:Node", name, {}, opts)
        self._name = name
        self._args = args
        enis = {nic: self._make_eni(plan) for nic, plan in args.node.interfaces.items()}
        self.interfaces = {
            nic: self._as_answered(plan, enis[nic]) for nic, plan in args.node.interfaces.items()
        }
        instance = self._make_instance(enis)
        self.instance_id = instance.id
        self.provider_id = instance.id.apply(lambda id_: f"{args.plan.region}.{id_}")
        role = args.node.ram_role if args.node.ram_role is not None else args.ram_role
        if role is not None:
            ecs.RamRoleAttachment(
                name,
                instance_id=instance.id,
                ram_role_name=role,
                # An instance has room for one role only.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.register_outputs(
            {"instance_id": self.instance_id, "provider_id": self.provider_id, **self._nics()}
        )

    def describe(self) -> dict[str, object]:
        """The node for the stack's outputs; what is known in a preview shows in clear."""
        return {
            "instanceId": self.instance_id,
            "providerId": self.provider_id,
            "interfaces": self._nics(),
        }

    def _nics(self) -> dict[str, dict[str, pulumi.Output[object]]]:
        return {
            nic: {
                "eniId": made.eni_id,
                "mac": made.mac,
                "primary": made.primary,
                "podAddresses": made.pod_addresses.apply(list),
            }
            for nic, made in self.interfaces.items()
        }

    def _make_eni(self, nic: InterfacePlan) -> ecs.EcsNetworkInterface:
        name = f"{self._name}-{nic.name}"
        vswitch_id = self._args.vswitch_ids[nic.vswitch]
        pinned = [str(address) for address in nic.pod_addresses]
        counted = nic.mode is AddressMode.COUNT and nic.pod_address_count > 0
        return ecs.EcsNetworkInterface(
            name,
            network_interface_name=name,
            vswitch_id=vswitch_id,
            security_group_ids=[self._args.security_group_id],
            primary_ip_address=str(nic.primary),
            private_ip_addresses=pinned or None,
            secondary_private_ip_address_count=nic.pod_address_count if counted else None,
            ipv4_prefixes=[str(prefix) for prefix in nic.prefixes] or None,
            # The cloud must not take the ENI, and its addresses, with an instance it replaces.
            delete_on_release=False,
            resource_group_id=self._args.plan.resource_group,
            tags=dict(self._args.plan.tags),
            # A second ENI cannot have the first one's addresses while that one still stands.
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                depends_on=self._args.reservations.get(nic.vswitch),
            ),
        )

    def _as_answered(self, plan: InterfacePlan, eni: ecs.EcsNetworkInterface) -> NodeInterface:
        node = self._args.node.name
        held: pulumi.Output[Sequence[str]] = (
            eni.ipv4_prefixes.apply(addresses_of)
            if plan.mode is AddressMode.PREFIX
            else eni.private_ip_addresses.apply(lambda addresses: addresses or ())
        )
        primary = telling(self, partial(primary_as_planned, node, plan))
        pods = telling(self, partial(pod_addresses_as_planned, node, plan))
        return NodeInterface(
            eni_id=eni.id,
            mac=eni.mac,
            primary=eni.primary_ip_address.apply(primary),
            pod_addresses=held.apply(pods),
        )

    def _make_instance(self, enis: Mapping[str, ecs.EcsNetworkInterface]) -> ecs.Instance:
        node, plan = self._args.node, self._args.plan
        primary, *extra = (enis[nic] for nic in sorted(enis))
        spot = node.spot.strategy != "NoSpot"
        prepaid = node.charge_type == "PrePaid"
        control_plane = node.role is Role.CONTROL_PLANE
        return ecs.Instance(
            self._name,
            instance_name=self._name,
            host_name=node.name,
            instance_type=node.instance_type,
            image_id=node.image,
            network_interface_id=primary.id,
            network_interfaces=(
                ecs.InstanceNetworkInterfacesArgs(network_interface_id=extra[0].id)
                if extra
                else None
            ),
            user_data=self._user_data(enis),
            http_endpoint="enabled",
            http_tokens="required",
            key_name=node.key_pair,
            system_disk_category=node.disk.category,
            system_disk_size=node.disk.size,
            system_disk_performance_level=node.disk.performance_level,
            system_disk_encrypted=node.disk.encrypted,
            system_disk_kms_key_id=node.disk.kms_key_id,
            instance_charge_type=node.charge_type,
            period=1 if prepaid else None,
            period_unit="Month" if prepaid else None,
            renewal_status="AutoRenewal" if prepaid else None,
            auto_renew_period=1 if prepaid else None,
            spot_strategy=node.spot.strategy if spot else None,
            spot_price_limit=node.spot.price_limit if spot else None,
            deletion_protection=node.deletion_protection,
            resource_group_id=plan.resource_group,
            tags=dict(plan.tags),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(self._args.needs),
                # Two instances cannot have the same ENIs.
                delete_before_replace=True,
                ignore_changes=["userData"] if control_plane else None,
                replace_on_changes=None if control_plane else ["userData"],
                protect=plan.protect and control_plane,
            ),
        )

    def _user_data(self, enis: Mapping[str, ecs.EcsNetworkInterface]) -> pulumi.Output[str] | None:
        bootstrap = self._args.bootstrap
        if bootstrap is None:
            return None
        known = pulumi.Output.all(
            secrets=bootstrap.secrets,
            macs={nic: eni.mac for nic, eni in enis.items()},
            api_address=bootstrap.api_address,
            public_address=bootstrap.public_address,
        )
        render = partial(_render, self._args.plan, self._args.node.name)
        return pulumi.Output.secret(known.apply(telling(self, render)))


def _render(plan: ClusterPlan, node: str, known: Mapping[str, object]) -> str:
    secrets, macs = known["secrets"], known["macs"]
    public_address = known["public_address"]
    if not isinstance(secrets, ClusterSecrets) or not isinstance(macs, Mapping):
        raise TypeError("secrets and macs of a node arrived in another shape than they were sent")
    return user_data(
        plan,
        node,
        secrets=secrets,
        macs=macs,
        api_address=str(known["api_address"]),
        public_address=None if public_address is None else str(public_address),
    )
