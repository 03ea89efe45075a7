"""The whole cluster: its components in their order, and the stack's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_alicloud import ecs

from components.add_ons.cloud_controller_role import CloudControllerRole, CloudControllerRoleArgs
from components.control_plane import ControlPlane, ControlPlaneArgs, kubernetes_provider
from components.machines.addresses.address_guard import AddressGuard
from components.machines.addresses.exchanged_addresses import give_up
from components.machines.control_planes.etcd_disk import make_snapshot_policy
from components.machines.first_boot import Bootstrap
from components.machines.nodes import Node, NodeArgs
from components.machines.restoring import restored_snapshot
from components.machines.rollout.rollout import Rollout, RolloutArgs
from components.network.adopted import check_adopted
from components.network.cloud import cloud_provider
from components.network.endpoint import Endpoint, EndpointArgs
from components.network.network import Network, NetworkArgs
from components.stack import StackInputs
from components.transition import AppliedPlan, AppliedPlanArgs
from config.model import Role
from planning.addresses.capacity import advertised_addresses
from planning.model import NodePlan
from planning.nodes.kubeconfig import kubeconfig
from planning.transitions.reading import EarlierRelease, Record

if TYPE_CHECKING:
    # `_make_add_ons` imports it, and Kubernetes' SDK with it, where it is needed.
    from components.add_ons.inside_kubernetes import AddOns


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """The inputs of a `Cluster`."""

    inputs: StackInputs


class Cluster(pulumi.ComponentResource):
    """One cluster, from the VPC to the IP pools.

    Owns: every component below it, and both providers, so that nothing uses a default one. The
    accepted plan comes first: nothing else is registered before its edit is accepted.

    In `existing` mode there is no endpoint and no bootstrap: machines boot bare, and the objects
    inside Kubernetes are created as soon as the stack has the cluster's kubeconfig.

    Deleted in this order: LoadBalancer services and sample apps, pools, SpiderMultusConfigs,
    release, cloud controller, nodes, network.
    """

    network: Network
    nodes: Mapping[str, Node]
    """By node name."""
    endpoint: Endpoint | None
    kubeconfig: pulumi.Output[str] | None
    """A secret."""

    def __init__(
        self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:cluster:Cluster", name, {}, opts)
        self._name = name
        self._inputs = args.inputs
        self._plan = plan = args.inputs.plan
        applied = AppliedPlan(
            name,
            AppliedPlanArgs(
                plan=plan,
                secrets=args.inputs.secrets,
                kubeconfig=args.inputs.kubeconfig,
                before_changes=self._before_changes,
                at_creation=self._note_creation,
            ),
            parent=self,
        )
        cloud = cloud_provider(name, plan, parent=self, accepted=applied.accepted)
        # A component waits for what it depends on, and its children wait for the component.
        self._child = pulumi.ResourceOptions(
            parent=self, providers=[cloud], depends_on=check_adopted(plan, cloud, parent=self)
        )

        self.network = Network(name, NetworkArgs(plan=plan), opts=self._child)
        self.endpoint = (
            Endpoint(
                name,
                EndpointArgs(plan=plan, vswitch_ids=self.network.vswitch_ids),
                opts=self._child,
            )
            if plan.kubernetes.mode == "kubeadm"
            else None
        )
        applied.reached_at(None if self.endpoint is None else self.endpoint.address)
        self._role = self._make_role()
        self._access = self._kubeconfig_before_nodes()
        self._rollout = self._make_rollout(applied.accepted)
        self._address_guard = (
            None if self._access is None else AddressGuard(name, kubeconfig=self._access)
        )
        self._snapshot_policies = self._make_snapshot_policies()
        self.nodes = {key: self._make_node(key) for key in plan.nodes}
        self.kubeconfig, provider = self._make_control_plane()
        # Annotated here, because the SDK evaluates the annotations of the class.
        self._add_ons: AddOns | None = (
            None
            if provider is None or self.kubeconfig is None
            else self._make_add_ons(provider, self.kubeconfig)
        )
        if self._rollout is not None and self.kubeconfig is not None:
            # The engine waits for every output, so the run does not end before this has finished.
            self._rollout.end_joining(self.kubeconfig)
        # The stack has the outputs. Here they would be in the state a second time.
        self.register_outputs({})

    def outputs(self) -> dict[str, object]:
        """The stack's outputs; planned addresses are known in a preview, too."""
        shown: dict[str, object] = {
            "vpcId": self.network.vpc_id,
            "vswitchIds": dict(self.network.vswitch_ids),
            "nodes": {key: node.describe() for key, node in self.nodes.items()},
            "ipPools": {key: self._pool(key) for key in self._plan.ip_pools},
        }
        if self._plan.counting is not None:
            shown["advertised"] = {
                key: advertised_addresses(self._plan, node)
                for key, node in self._plan.nodes.items()
            }
        if self._plan.kubernetes.mode == "kubeadm":
            shown["metadataForPods"] = self._plan.kubernetes.metadata_for_pods
        if self.network.nat_address is not None:
            shown["natAddress"] = self.network.nat_address
        if self.endpoint is not None:
            shown["apiEndpoint"] = self.endpoint.url
        if self.kubeconfig is not None:
            shown["kubeconfig"] = self.kubeconfig
        if self._add_ons is not None and self._add_ons.services:
            shown["services"] = {
                key: {
                    "address": service.address,
                    "loadBalancer": self._plan.services[key].load_balancer,
                }
                for key, service in self._add_ons.services.items()
            }
        return shown

    def _pool(self, key: str) -> dict[str, object]:
        pool = self._plan.ip_pools[key]
        shown: dict[str, object] = {"nodeName": pool.node_name, "multusName": pool.multus_name}
        spiderpool = None if self._add_ons is None else self._add_ons.spiderpool
        if spiderpool is None:
            planned = {"subnet": str(pool.subnet), "gateway": str(pool.gateway)}
            return shown | {"ips": list(pool.ips)} | (planned if pool.subnet is not None else {})
        spec = spiderpool.ip_pools[key]
        return shown | {part: spec[part] for part in ("ips", "subnet", "gateway")}

    def _make_role(self) -> CloudControllerRole | None:
        controller = self._plan.cloud_controller
        if not controller.enabled or controller.credentials != "ram-role":
            return None
        return CloudControllerRole(
            self._name, CloudControllerRoleArgs(plan=self._plan), opts=self._child
        )

    def _kubeconfig_before_nodes(self) -> pulumi.Output[str] | None:
        """The kubeconfig, a secret, before any node. None if the stack cannot reach the cluster."""
        if self.endpoint is None:
            return self._inputs.kubeconfig
        plan = self._plan
        return pulumi.Output.secret(
            pulumi.Output.all(self._inputs.secrets, self.endpoint.address).apply(
                lambda values: kubeconfig(plan, secrets=values[0], server_address=values[1])
            )
        )

    async def _before_changes(
        self, before: Record | EarlierRelease, after: Record, access: str | None
    ) -> None:
        # This precedes the roll-out: if a pod has got one of the addresses since the check, the run
        # stops before it drains a node.
        if isinstance(before, Record) and access is not None:
            await give_up(before, after, access)
        # A hook runs after this constructor, so the roll-out exists by then.
        if self._rollout is not None:
            await self._rollout.before_changes(before, after, access)

    def _note_creation(self) -> None:
        if self._rollout is not None:
            self._rollout.note_creation()

    def _make_rollout(self, accepted: pulumi.Output[None]) -> Rollout | None:
        """The roll-out. None in `existing` mode: only that cluster's owners drain its nodes."""
        if self.endpoint is None or self._access is None:
            return None
        return Rollout(
            self._name,
            RolloutArgs(
                plan=self._plan,
                kubeconfig=self._access,
                endpoint_address=self.endpoint.private_address,
                bootstrap_token=pulumi.Output.secret(
                    self._inputs.secrets.apply(lambda secrets: secrets.bootstrap_token)
                ),
                # Names only, so that a preview shows a node's settings.
                encryption_keys=pulumi.Output.unsecret(
                    self._inputs.secrets.apply(lambda secrets: secrets.encryption_keys)
                ),
                accepted=accepted,
            ),
            parent=self,
        )

    def _make_snapshot_policies(self) -> dict[str, ecs.AutoSnapshotPolicy]:
        """The snapshot policies of etcd's disks, by pool; pools without snapshots have none."""
        plan = self._plan
        pools = {
            node.pool: node.etcd_disk.snapshots
            for node in plan.control_planes
            if node.etcd_disk is not None and node.etcd_disk.snapshots is not None
        }
        return {
            pool: make_snapshot_policy(
                f"{self._name}-{pool}-etcd", snapshots, plan, opts=self._child
            )
            for pool, snapshots in pools.items()
        }

    def _make_node(self, key: str) -> Node:
        node = self._plan.nodes[key]
        bootstrap = None
        if self.endpoint is not None and self._rollout is not None:
            bootstrap = Bootstrap(
                secrets=self._inputs.secrets,
                api_address=self.endpoint.private_address,
                public_address=self.endpoint.public_address,
                creation_ends=self._rollout.creation_ends,
                earlier_addresses=self._rollout.earlier_addresses,
                restore=restored_snapshot(),
            )
        takes_role = self._role is not None and node.role is Role.CONTROL_PLANE
        return Node(
            f"{self._name}-{key}",
            NodeArgs(
                plan=self._plan,
                node=node,
                vswitch_ids=self.network.vswitch_ids,
                vswitches=self.network.vswitches,
                reservations=self.network.reservations,
                ipv6_ranges=self.network.ipv6_ranges,
                ipv6_gateway_id=self.network.ipv6_gateway_id,
                security_group_id=self.network.security_group_id,
                bootstrap=bootstrap,
                needs=[] if bootstrap is not None else self._egress_of(node),
                snapshot_policy=self._snapshot_policies.get(node.pool),
                ram_role=self._role.role_name if takes_role and self._role else None,
                rollout=self._rollout,
                address_guard=self._address_guard,
            ),
            opts=self._child,
        )

    def _egress_of(self, node: NodePlan) -> list[pulumi.Resource]:
        """The SNAT entries of a node's vSwitches."""
        egress = self.network.egress
        return [egress[n.vswitch] for n in node.interfaces.values() if n.vswitch in egress]

    def _make_control_plane(
        self,
    ) -> tuple[pulumi.Output[str] | None, kubernetes.Provider | None]:
        needs: list[pulumi.Resource] = [self.network, *self.nodes.values()]
        if self.endpoint is not None and self._rollout is not None:
            control_plane = ControlPlane(
                self._name,
                ControlPlaneArgs(
                    plan=self._plan,
                    endpoint=self.endpoint,
                    nodes={node.name: self.nodes[node.name] for node in self._plan.control_planes},
                    rollout=self._rollout,
                    secrets=self._inputs.secrets,
                    needs=[*needs, self.endpoint],
                ),
                opts=self._child,
            )
            return control_plane.kubeconfig, control_plane.provider
        own = self._inputs.kubeconfig
        if own is None:
            return None, None
        return own, kubernetes_provider(self._name, own, parent=self, needs=needs)

    def _make_add_ons(self, provider: kubernetes.Provider, access: pulumi.Output[str]) -> AddOns:
        # Kubernetes' SDK is a quarter of all imports. A run that reaches no cluster omits it.
        from components.add_ons.inside_kubernetes import (  # noqa: PLC0415
            AddOnsArgs,
            make_add_ons,
        )

        args = AddOnsArgs(
            inputs=self._inputs,
            provider=provider,
            kubeconfig=access,
            network=self.network,
            nodes=self.nodes,
            role=self._role,
            endpoint=self.endpoint,
        )
        return make_add_ons(self._name, args, parent=self)
