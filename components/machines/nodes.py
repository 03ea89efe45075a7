"""A node: its ENIs, the instance that boots with them, and the RAM role it may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_alicloud import ecs

from components.machines.addresses.address_guard import AddressGuard
from components.machines.answers import ips_of_pools
from components.machines.changed_by_hand import report_changes
from components.machines.control_planes.etcd_disk import (
    attach_disk,
    make_disk,
    take_snapshots,
)
from components.machines.enis import EniArgs, NodeInterface, as_answered, make_eni
from components.machines.first_boot import Bootstrap, MachineAnswers, render_user_data
from components.machines.rollout.rollout import Rollout
from components.machines.unplanned_restart import RUNNING
from components.network.ipv6 import Ipv6Egress, Ipv6EgressArgs
from config.facts.nics import PRIMARY_NIC
from config.model import Role
from planning.model import ClusterPlan, InterfacePlan, NodePlan
from planning.names import etcd_disk_name
from planning.nodes.etcd_disk import ca_fingerprint
from planning.nodes.machine import identity_digest
from planning.transitions.earlier import ETCD_DISK

_IDENTITY_PROPERTIES: Final = (
    "imageId",
    "keyName",
    "spotStrategy",
    "spotPriceLimit",
    "systemDiskCategory",
    "systemDiskEncrypted",
    "systemDiskKmsKeyId",
)
"""Properties of an instance that follow from `planning.nodes.machine.identity`."""


@dataclass(frozen=True, kw_only=True)
class NodeArgs:
    """The inputs of a `Node`."""

    plan: ClusterPlan
    node: NodePlan
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key."""
    vswitches: Mapping[str, pulumi.Resource]
    """By vSwitch key: the vSwitches of this stack; an adopted one is missing."""
    reservations: Mapping[str, pulumi.Resource]
    """By vSwitch key: the reservation for its /28 prefixes, if it has one."""
    ipv6_ranges: Mapping[str, pulumi.Output[str]]
    """By vSwitch key: the /64 of each vSwitch with two stacks."""
    ipv6_gateway_id: pulumi.Input[str] | None
    security_group_id: pulumi.Input[str]
    bootstrap: Bootstrap | None
    needs: Sequence[pulumi.Resource] = ()
    """Resources needed before the first boot. A machine that boots with our own program needs none:
    it repeats its downloads until there is egress."""
    ram_role: pulumi.Input[str] | None = None
    """RAM role for the instance, by name."""
    snapshot_policy: ecs.AutoSnapshotPolicy | None = None
    """For etcd's disk."""
    rollout: Rollout | None = None
    """Decides when the node may change. None where somebody else builds the cluster."""
    address_guard: AddressGuard | None = None
    """Checks the addresses that leave an ENI. None without a kubeconfig of the cluster."""


class Node(pulumi.ComponentResource):
    """One ECS instance with ENIs of its own.

    Owns: one ENI for each NIC with its addresses, the instance, etcd's disk and its attachment, the
    attachment of a RAM role, the IPv6 bandwidth of its pods.

    Never touches: the network it is attached to; a RAM role itself.

    Every NIC, the primary too, is an ENI resource that the instance gets at creation, so all of
    them are there at first boot, and pod addresses change on the ENI in place. Two extra NICs
    crash the provider on refresh (pulumi-terraform-bridge issue 3391); configuration allows one.

    Later changes of user-data are ignored: the provider would reboot the machine, and cloud-init
    would not run again. A change of the machine's identity replaces it
    (`planning.nodes.machine`), and the engine then takes the user-data of that run; the only
    control plane is never replaced. Nodes change one at a time, each drained before
    (`components.machines.rollout`).

    Errors: `pulumi.RunError` when user-data grows beyond its limit, and in `up` when an ENI's
    addresses are not the planned ones.
    """

    machine_id: pulumi.Output[str]
    """The instance's id once it exists. Only what a machine needs to serve may use it."""
    instance_id: pulumi.Output[str]
    """The instance's id once the node serves, if the run waits for that."""
    provider_id: pulumi.Output[str]
    """`<region>.<instance id>`, as the kubelet reports it."""
    interfaces: Mapping[str, NodeInterface]
    """By NIC name."""
    disk_attachment_id: pulumi.Output[str] | None
    """Of etcd's disk; None without one."""

    def __init__(
        self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:nodes:Node", name, {}, opts)
        self._name = name
        self._args = args
        self._rollout = args.rollout
        self._is_only_control_plane = (
            args.rollout is not None
            and args.node.role is Role.CONTROL_PLANE
            and len(args.plan.control_planes) == 1
        )
        self._turn = self._wait_for_turn()
        enis = {nic: self._make_eni(plan) for nic, plan in args.node.interfaces.items()}
        self.interfaces = {
            nic: as_answered(
                args.node.name, plan, enis[nic], args.ipv6_ranges.get(plan.vswitch), parent=self
            )
            for nic, plan in args.node.interfaces.items()
        }
        self._disk = self._make_etcd_disk(enis)
        instance = self._make_instance(enis)
        self.disk_attachment_id = self._attach_etcd_disk(instance)
        if self._rollout is not None:
            report_changes(args.node, instance)
        self.instance_id = self.machine_id = instance.id
        if self._rollout is not None:
            self.instance_id = self._rollout.when_ready(
                args.node, instance_id=instance.id, addresses=self._ips_of_pools, resource=self
            )
        self.provider_id = self.instance_id.apply(lambda id_: f"{args.plan.region}.{id_}")
        self._make_ipv6_egress(instance)
        role = args.node.ram_role if args.node.ram_role is not None else args.ram_role
        if role is not None:
            ecs.RamRoleAttachment(
                name,
                instance_id=instance.id,
                ram_role_name=role,
                # An instance has room for one role only.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        # The stack's outputs have `describe`. Here it would be in the state a second time.
        self.register_outputs({} if self._disk is None else {ETCD_DISK: self._disk.id})

    def describe(self) -> dict[str, object]:
        """The node for the stack's outputs. A preview shows the values that it knows."""
        return {
            "instanceId": self.instance_id,
            "providerId": self.provider_id,
            "interfaces": self._nics(),
        }

    def _nics(self) -> dict[str, dict[str, pulumi.Output[object]]]:
        return {
            nic: {
                "eniId": interface.eni_id,
                "mac": interface.mac,
                "primary": interface.primary,
                "podAddresses": interface.pod_addresses.apply(list),
                **({} if interface.twins is None else {"ipv6": interface.twins.apply(dict)}),
            }
            for nic, interface in self.interfaces.items()
        }

    def _ips_of_pools(self) -> pulumi.Output[Mapping[str, Sequence[str]]]:
        """The `ips` of this node's pools by name, as far as its ENIs have them."""
        answers = pulumi.Output.all(
            {nic: interface.pod_addresses for nic, interface in self.interfaces.items()},
            {nic: interface.twins for nic, interface in self.interfaces.items()},
        )
        plan, node = self._args.plan, self._args.node.name
        return answers.apply(lambda values: ips_of_pools(plan, node, values[0], values[1]))

    def _wait_for_turn(self) -> pulumi.Output[object] | None:
        """Gate for this node's resources: resolves when the roll-out reaches it."""
        if self._rollout is None:
            return None
        generation = self._rollout.wait_turn(self._name, self._args.node, parent=self)
        return self._rollout.due(generation)

    def _replacement_trigger(self, nics: Sequence[str]) -> pulumi.Input[list[str]] | None:
        """The value whose change makes the engine replace the machine.

        Earlier releases recorded the NICs' names, and a change of notation must not replace their
        machines. So the trigger is those names as long as the machine's identity is the first one
        that was recorded (`Rollout.first_identities`), and the names and the identity's digest
        afterwards, and for nodes that came later. For the only control plane it is None, which
        disables the trigger (Pulumi: a missing one on either side replaces nothing).
        """
        names = sorted(nics)
        if self._rollout is None:
            # The cluster's owner decides about its machines. The NICs' names are needed anyway: the
            # provider does not notice that a NIC has left its inputs, and the ENI would stay.
            return names
        if self._is_only_control_plane:
            return None
        digest, node = identity_digest(self._args.plan, self._args.node), self._args.node.name
        return self._rollout.first_identities.apply(
            lambda first: names if first.get(node) == digest else [*names, digest]
        )

    def _make_eni(self, nic: InterfacePlan) -> ecs.EcsNetworkInterface:
        args = self._args
        return make_eni(
            f"{self._name}-{nic.name}",
            EniArgs(
                plan=args.plan,
                node=args.node,
                nic=nic,
                vswitch_id=args.vswitch_ids[nic.vswitch],
                security_group_id=args.security_group_id,
                primary=self._when_due(str(nic.primary)),
                ipv6_range=args.ipv6_ranges.get(nic.vswitch),
                needs=self._eni_needs(nic),
                hooks=self._eni_hooks(),
            ),
            parent=self,
        )

    def _make_etcd_disk(self, enis: Mapping[str, ecs.EcsNetworkInterface]) -> ecs.EcsDisk | None:
        """The disk for etcd, in the node's turn. None where etcd is on the system disk."""
        node, plan = self._args.node, self._args.plan
        if node.etcd_disk is None:
            return None
        if self._rollout is not None:
            nic = enis[PRIMARY_NIC].status
            self._rollout.lost_disks.watch(node.name, nic, resource=self)
        name = etcd_disk_name(self._name)
        return make_disk(
            name,
            node.etcd_disk,
            plan,
            node,
            disk_name=self._when_due(name),
            snapshot=self._snapshot_of_disk(),
            ca=self._etcd_ca(),
            protect=plan.protect and self._is_only_control_plane,
            hooks=None if self._rollout is None else self._rollout.lost_disks.disk_hooks,
            parent=self,
        )

    def _etcd_ca(self) -> pulumi.Output[str] | None:
        """The mark of the cluster on etcd's disk. A digest of a certificate is not secret."""
        bootstrap = self._args.bootstrap
        if bootstrap is None:
            return None
        return pulumi.Output.unsecret(bootstrap.secrets.apply(ca_fingerprint))

    def _snapshot_of_disk(self) -> str | None:
        """The snapshot for the disk, on the control plane that rebuilds the cluster; else None."""
        bootstrap = self._args.bootstrap
        if bootstrap is None or not self._is_first_control_plane():
            return None
        return bootstrap.restore

    def _is_first_control_plane(self) -> bool:
        return self._args.node.name == self._args.plan.control_planes[0].name

    def _restored_snapshot(self, bootstrap: Bootstrap) -> pulumi.Input[str | None]:
        """The snapshot that is named in the user-data.

        For the machine that rebuilds the cluster it comes from the disk's resource. After an
        interrupted restore a plain run may create that machine, and etcd must not start on the
        disk's unprepared data.
        """
        if self._disk is None or not self._is_first_control_plane():
            return bootstrap.restore
        return self._disk.snapshot_id.apply(lambda snapshot: snapshot or bootstrap.restore)

    def _attach_etcd_disk(self, instance: ecs.Instance) -> pulumi.Output[str] | None:
        if self._disk is None:
            return None
        name, policy = etcd_disk_name(self._name), self._args.snapshot_policy
        attachment = attach_disk(
            name,
            self._disk,
            instance,
            hooks=None if self._rollout is None else self._rollout.lost_disks.attachment_hooks,
            parent=self,
        )
        if policy is not None:
            take_snapshots(name, self._disk, policy, attachment, parent=self)
        return attachment.id

    def _eni_needs(self, nic: InterfacePlan) -> list[pulumi.Resource]:
        """The reservation of its prefixes, and the vSwitches of all NICs of the node.

        The instance waits for every ENI anyway, so the other vSwitches do not delay it. All ENIs
        are then at the same depth of the engine's graph, and a destroy deletes them together
        (`components.network.network`).
        """
        keys = sorted({interface.vswitch for interface in self._args.node.interfaces.values()})
        vswitches = [self._args.vswitches[key] for key in keys if key in self._args.vswitches]
        reservation = self._args.reservations.get(nic.vswitch)
        return vswitches if reservation is None else [reservation, *vswitches]

    def _eni_hooks(self) -> pulumi.ResourceHookBinding | None:
        guard = self._args.address_guard
        if guard is None:
            return None
        return guard.hooks if self._rollout is None else guard.hooks_after_drain

    def _when_due(self, text: str) -> pulumi.Input[str]:
        """Resolve to `text` once this node may change and the cluster can be asked about its pods.

        A resource of the node waits for its turn through an input of this kind.
        """
        if self._turn is not None:
            return self._turn.apply(lambda _: text)
        guard = self._args.address_guard
        return text if guard is None else guard.after_kubeconfig(text)

    def _make_ipv6_egress(self, instance: ecs.Instance) -> None:
        """Buy public bandwidth for the pods' IPv6 addresses, if the plan has IPv6 egress."""
        plan, gateway = self._args.plan, self._args.ipv6_gateway_id
        if gateway is None or not plan.network.ipv6.egress:
            return
        for nic, interface in self.interfaces.items():
            if interface.twins is not None:
                nic_plan = self._args.node.interfaces[nic]
                Ipv6Egress(
                    f"{self._name}-{nic}",
                    Ipv6EgressArgs(
                        interface=nic_plan,
                        vswitch_id=self._args.vswitch_ids[nic_plan.vswitch],
                        eni_id=interface.eni_id,
                        twins=interface.twins,
                        gateway_id=gateway,
                        bandwidth=plan.network.ipv6.bandwidth,
                        instance=instance,
                    ),
                    opts=pulumi.ResourceOptions(parent=self),
                )

    def _make_instance(self, enis: Mapping[str, ecs.EcsNetworkInterface]) -> ecs.Instance:
        node, plan = self._args.node, self._args.plan
        primary, *extra = (enis[nic] for nic in sorted(enis))
        spot = node.spot.strategy != "NoSpot"
        prepaid = node.charge_type == "PrePaid"
        # In `existing` mode there is no generation that could carry the protection.
        protect = plan.protect and node.role is Role.CONTROL_PLANE and self._rollout is None
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
            # If unset, a machine that an interrupted change of its type stopped would stay so.
            status=RUNNING,
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
            force_delete=True if prepaid and node.force_delete else None,
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
                ignore_changes=_ignored(has_life_cycle=self._rollout is not None),
                replacement_trigger=self._replacement_trigger(list(enis)),
                protect=protect,
                hooks=None if self._rollout is None else self._rollout.instance_hooks,
            ),
        )

    def _user_data(self, enis: Mapping[str, ecs.EcsNetworkInterface]) -> pulumi.Output[str] | None:
        bootstrap = self._args.bootstrap
        if bootstrap is None:
            return None
        return render_user_data(
            self._args.plan,
            self._args.node.name,
            bootstrap,
            MachineAnswers(
                macs={nic: eni.mac for nic, eni in enis.items()},
                ipv6_ranges=self._args.ipv6_ranges,
                disk_id=None if self._disk is None else self._disk.id,
                snapshot=self._restored_snapshot(bootstrap),
            ),
            parent=self,
        )


def _ignored(*, has_life_cycle: bool) -> list[str]:
    """Properties that keep the values with which the machine was created.

    A replacement takes the new values, because the engine then checks the inputs again. A planned
    edit of the identity replaces the machine by its trigger. Without this, an image that somebody
    changed in the cloud would be set back by emptying the disk, and a key pair by a restart: on all
    such machines at once, and without a drain.
    """
    return ["userData", *(_IDENTITY_PROPERTIES if has_life_cycle else ())]
