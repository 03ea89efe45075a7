"""The API server's address. It exists before any node, because certificates contain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_alicloud import ecs, slb

from config.facts.ports import API_SERVER
from config.facts.tags import TAG_CONTROLLER
from planning.model import ClusterPlan
from planning.names import api_endpoint_name
from planning.nodes.access_lists import access_lists
from planning.nodes.endpoint import private_address


@dataclass(frozen=True, kw_only=True)
class EndpointArgs:
    """The inputs of an `Endpoint`."""

    plan: ClusterPlan
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key."""


class Endpoint(pulumi.ComponentResource):
    """The address of the API server.

    Owns: an EIP, if the endpoint is public. With several control planes also an intranet CLB with a
    TCP listener on 6443 and its server group, and access control lists for the listener.

    Never touches: the control planes. `ControlPlane` associates the EIP with the only control plane
    or with the CLB, and adds several control planes to the server group, once they exist.

    Units: bandwidth in Mbit/s. A CLB cannot check HTTPS, so its health check is TCP. The cloud
    controller's own tag keeps Services from taking over this CLB (`planning.names`).
    """

    private_address: pulumi.Output[str]
    """Inside the VPC: the one control plane's eth0, or the CLB's address."""
    public_address: pulumi.Output[str] | None
    allocation_id: pulumi.Output[str] | None
    """Allocation id of the EIP; None if the endpoint is private."""
    server_group_id: pulumi.Output[str] | None
    """Where control planes are added; None with only one."""
    balancer_id: pulumi.Output[str] | None
    """The CLB, once it listens; None with only one control plane."""

    def __init__(
        self, name: str, args: EndpointArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:endpoint:Endpoint", name, {}, opts)
        plan = args.plan
        self._name = api_endpoint_name(name)
        self._args = args
        self._precious = pulumi.ResourceOptions(parent=self, protect=plan.protect)

        eip = self._make_eip() if plan.public_endpoint else None
        self.allocation_id = None if eip is None else eip.id
        self.public_address = None if eip is None else eip.ip_address
        first, *others = plan.control_planes
        if others:
            self._make_load_balancer()
        else:
            self.private_address = pulumi.Output.from_input(private_address(first))
            self.server_group_id = self.balancer_id = None
        self.register_outputs(
            {"private_address": self.private_address, "public_address": self.public_address}
        )

    @property
    def address(self) -> pulumi.Output[str]:
        """The address for kubeconfigs: the public one if there is one, else the private one."""
        return self.private_address if self.public_address is None else self.public_address

    @property
    def url(self) -> pulumi.Output[str]:
        """`https://<address>:6443`."""
        return pulumi.Output.format("https://{0}:{1}", self.address, API_SERVER)

    def _make_eip(self) -> ecs.EipAddress:
        plan = self._args.plan
        return ecs.EipAddress(
            self._name,
            address_name=self._name,
            bandwidth=str(plan.kubernetes.endpoint.bandwidth),
            internet_charge_type="PayByTraffic",
            payment_type="PayAsYouGo",
            resource_group_id=plan.resource_group,
            tags=dict(plan.tags),
            opts=self._precious,
        )

    def _make_load_balancer(self) -> None:
        plan = self._args.plan
        child = pulumi.ResourceOptions(parent=self)
        balancer = slb.ApplicationLoadBalancer(
            self._name,
            load_balancer_name=self._name,
            address_type="intranet",
            vswitch_id=self._args.vswitch_ids[_balancer_vswitch(plan)],
            payment_type="PayAsYouGo",
            instance_charge_type="PayByCLCU",
            delete_protection="on" if plan.protect else "off",
            resource_group_id=plan.resource_group,
            tags={**plan.tags, TAG_CONTROLLER: plan.name},
            # It never moves to another vSwitch: its address is in every worker's /etc/hosts.
            opts=pulumi.ResourceOptions(
                parent=self, protect=plan.protect, ignore_changes=["vswitchId"]
            ),
        )
        group = slb.ServerGroup(
            self._name,
            name=self._name,
            load_balancer_id=balancer.id,
            tags=dict(plan.tags),
            opts=child,
        )
        lists, entries = self._make_access_lists()
        listener = slb.Listener(
            self._name,
            load_balancer_id=balancer.id,
            protocol="tcp",
            frontend_port=API_SERVER,
            bandwidth=-1,
            scheduler="wrr",
            server_group_id=group.id,
            health_check="on",
            health_check_type="tcp",
            health_check_connect_port=API_SERVER,
            acl_status="on" if lists else "off",
            acl_type="white" if lists else None,
            acl_ids=[each.id for each in lists] or None,
            # The list has its entries before the listener uses it: "If a whitelist is configured
            # but no IP address is added to the whitelist, the listener forwards all requests"
            # (https://www.alibabacloud.com/help/doc-detail/86001.html).
            opts=pulumi.ResourceOptions(parent=self, depends_on=entries),
        )
        self.private_address, self.server_group_id = balancer.address, group.id
        self.balancer_id = pulumi.Output.all(balancer.id, listener.id).apply(
            lambda ids: str(ids[0])
        )

    def _make_access_lists(self) -> tuple[list[slb.Acl], list[slb.AclEntryAttachment]]:
        plan = self._args.plan
        child = pulumi.ResourceOptions(parent=self)
        lists: list[slb.Acl] = []
        entries: list[slb.AclEntryAttachment] = []
        for list_name, networks in access_lists(plan).items():
            access = slb.Acl(
                list_name,
                name=list_name,
                ip_version="ipv4",
                resource_group_id=plan.resource_group,
                tags=dict(plan.tags),
                opts=child,
            )
            lists.append(access)
            before: list[pulumi.Resource] = []
            # A list refuses a change of its entries while it works on another one
            # (AclEntryProcessing). The provider repeats it with growing pauses, and gives up after
            # five minutes.
            for name, cidr in networks.items():
                entry = slb.AclEntryAttachment(
                    f"{list_name}-{name}",
                    acl_id=access.id,
                    entry=str(cidr),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=before),
                )
                entries.append(entry)
                before = [entry]
        return lists, entries


def _balancer_vswitch(plan: ClusterPlan) -> str:
    key = plan.network.api_vswitch
    if key is None:
        raise ValueError("the plan has several control planes but no vSwitch for their balancer")
    return key
