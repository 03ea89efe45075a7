"""Spiderpool: its chart, and the objects that give each node's addresses to its pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from components.add_ons.admission import reached_hook
from components.machines.answers import ipv6_pool_ips, pool_ips, siblings
from components.machines.enis import NodeInterface
from components.machines.nodes import Node
from planning.model import ClusterPlan, IPPoolPlan
from planning.names import multus_config_name
from planning.nodes.secrets import ClusterSecrets
from planning.spiderpool.chart import (
    API_VERSION,
    NAMESPACE,
    chart_values,
    coordinator_spec,
    ip_pool_spec,
    multus_config_spec,
    webhook_certificates,
)
from planning.transitions.upgrades import spiderpool_problem, version_of

_INSTALL_WITHIN = 900
"""Seconds for the chart's Deployment and DaemonSet: images come over a NAT gateway."""
_EMPTIED_WITHIN = "20m"
"""A pool is deleted once its last address is free; the collector may need ten minutes for that."""

_ANY = IPv6Network("2001:db8::/64")
"""Any /64: the real one comes from the cloud, and here only the keys of a spec matter."""


@dataclass(frozen=True, kw_only=True)
class SpiderpoolArgs:
    """The inputs of `Spiderpool`."""

    plan: ClusterPlan
    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    """Used to wait for the webhooks before any object that they check is created."""
    secrets: pulumi.Output[ClusterSecrets]
    nodes: Mapping[str, Node]
    """All nodes, by name; pools are built from the addresses of their ENIs."""
    ipv6_ranges: Mapping[str, pulumi.Output[str]]
    """By vSwitch key: the /64 of each vSwitch with two stacks."""
    needs: Sequence[pulumi.Resource] = ()
    """What must run before the chart's pods: the cloud controller, which untaints the nodes."""
    ends_with: pulumi.Resource | None = None
    """A resource that is deleted only with the whole cluster; None for an existing cluster."""


class Spiderpool(pulumi.ComponentResource):
    """Spiderpool in `kube-system`, with one IP pool for each node and NIC.

    Owns: the Helm release without its hook Jobs, SpiderCoordinator `default`, one
    SpiderMultusConfig `ipvlan-<nic>` for each NIC name, one SpiderIPPool for each pool of the plan.

    Never touches: addresses on ENIs, objects that the chart creates. The hook Jobs are off: one
    creates a placeholder that refuses the real SpiderMultusConfig (spiderpool issue 2700), the
    other deletes every Spiderpool object, and neither tolerates taints.

    Deletion order: pools, SpiderMultusConfigs, release, because the controller must run to remove
    a pool's finalizer. When the whole cluster is destroyed, pools are deleted with it, because
    CoreDNS keeps its addresses to the end and a pool waits for its last address. The
    SpiderCoordinator is never deleted, because only the chart's hook removes its finalizer.

    Edits: pools shrink before their ENI does (`components.machines.addresses.address_guard`) and
    grow after it, because their `ips` are the ENI's outputs. A pool's subnet cannot change (the
    webhook answers `is not changeable`), so a new subnet replaces the pool; the old pool is deleted
    first, once no pod has an address of it. Everything else of a pool, the SpiderMultusConfigs and
    the SpiderCoordinator changes in place and does not affect running pods.

    Hooks: the version step is checked before an update of the release, in previews too. After the
    release's creation and each update, the run waits for the webhooks and then creates the objects
    that they check.

    Errors: `pulumi.RunError` from the nodes when an ENI holds other addresses than planned.
    """

    ip_pools: Mapping[str, Mapping[str, pulumi.Input[object]]]
    """The spec of each pool, by the pool's name."""

    def __init__(
        self, name: str, args: SpiderpoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:spiderpool:Spiderpool", name, {}, opts)
        self._name = name
        self._args = args
        release = self._install()
        coordinator = self._object(
            "default",
            kind="SpiderCoordinator",
            spec=coordinator_spec(args.plan),
            opts=self._after(release, retain_on_delete=True),
        )
        configs = [
            self._object(
                multus_config_name(nic),
                kind="SpiderMultusConfig",
                namespace=NAMESPACE,
                spec=multus_config_spec(args.plan, nic),
                opts=self._after(release),
            )
            for nic in args.plan.interface_names
        ]
        self.ip_pools = {
            pool.name: self._make_pool(pool, [release, coordinator, *configs])
            for pool in args.plan.ip_pools.values()
        }
        # The stack's outputs have the pools. Here they would be in the state a second time.
        self.register_outputs({})

    def _install(self) -> Release:
        plan = self._args.plan
        chart = plan.spiderpool.chart
        version = pulumi.ResourceHook(
            f"{self._name}-spiderpool-changes",
            _check_version,
            pulumi.ResourceHookOptions(on_dry_run=True),
        )
        reached = reached_hook(self._name, plan, self._args.kubeconfig)
        return Release(
            self._name,
            name="spiderpool",
            namespace=NAMESPACE,
            chart=chart.name,
            version=chart.version,
            repository_opts=(
                None if chart.repository is None else RepositoryOptsArgs(repo=chart.repository)
            ),
            values=self._values(),
            disable_webhooks=True,
            skip_crds=False,
            skip_await=False,
            timeout=_INSTALL_WITHIN,
            opts=self._after(
                *self._args.needs,
                hooks=pulumi.ResourceHookBinding(
                    before_update=[version], after_create=[reached], after_update=[reached]
                ),
            ),
        )

    def _values(self) -> dict[str, object]:
        """The chart's values; only the certificates are secret, and unknown without secrets."""
        values = chart_values(self._args.plan, secrets=None)
        controller = values["spiderpoolController"]
        if not isinstance(controller, dict):
            raise TypeError("spiderpoolController of the chart's values is not a map")
        certificates: pulumi.Output[dict[str, str]] = pulumi.Output.secret(
            self._args.secrets.apply(webhook_certificates)
        )
        tls = {**controller["tls"], "provided": certificates}
        return {**values, "spiderpoolController": {**controller, "tls": tls}}

    def _make_pool(
        self, pool: IPPoolPlan, needs: Sequence[pulumi.Resource]
    ) -> Mapping[str, pulumi.Input[object]]:
        nic = self._args.nodes[pool.node].interfaces[pool.interface]
        spec = self._ipv4_spec(pool, nic) if pool.twins == () else self._ipv6_spec(pool, nic)
        self._object(
            pool.name,
            kind="SpiderIPPool",
            spec=spec,
            opts=self._after(
                *needs,
                custom_timeouts=pulumi.CustomTimeouts(delete=_EMPTIED_WITHIN),
                deleted_with=self._args.ends_with,
                replaced_by=["spec.subnet"],
            ),
        )
        return spec

    def _ipv4_spec(
        self, pool: IPPoolPlan, nic: NodeInterface
    ) -> Mapping[str, pulumi.Input[object]]:
        others = siblings(self._args.plan, pool)
        ips = nic.pod_addresses.apply(lambda assigned: pool_ips(pool, assigned, others))
        # Only the addresses come from the cloud, so only they can be unknown in a preview.
        return {**ip_pool_spec(pool, ips=pool.ips), "ips": ips}

    def _ipv6_spec(
        self, pool: IPPoolPlan, nic: NodeInterface
    ) -> Mapping[str, pulumi.Input[object]]:
        if nic.twins is None:
            raise ValueError(f"{pool.name}: an IPv6 pool on a NIC without IPv6")
        spec = pulumi.Output.all(self._args.ipv6_ranges[pool.vswitch], nic.twins).apply(
            lambda values: ip_pool_spec(
                pool, ips=ipv6_pool_ips(pool, values[1]), ipv6_network=IPv6Network(values[0])
            )
        )
        # Every pool has the same keys. They do not depend on the cloud's answers.
        return {key: spec[key] for key in ip_pool_spec(pool, ips=(), ipv6_network=_ANY)}

    def _object(
        self,
        name: str,
        *,
        kind: str,
        spec: Mapping[str, object],
        opts: pulumi.ResourceOptions,
        namespace: str | None = None,
    ) -> CustomResource:
        metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
        return CustomResource(
            f"{self._name}-{name}",
            api_version=API_VERSION,
            kind=kind,
            metadata=metadata,
            spec=dict(spec),
            opts=opts,
        )

    def _after(
        self,
        *needs: pulumi.Resource,
        retain_on_delete: bool | None = None,
        deleted_with: pulumi.Resource | None = None,
        custom_timeouts: pulumi.CustomTimeouts | None = None,
        hooks: pulumi.ResourceHookBinding | None = None,
        replaced_by: Sequence[str] = (),
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            provider=self._args.provider,
            depends_on=list(needs),
            retain_on_delete=retain_on_delete,
            deleted_with=deleted_with,
            custom_timeouts=custom_timeouts,
            hooks=hooks,
            # Its successor has the same name.
            delete_before_replace=True if replaced_by else None,
            replace_on_changes=list(replaced_by) or None,
        )


def _check_version(args: pulumi.ResourceHookArgs) -> None:
    """Refuse a step of the chart's version that `planning.transitions.upgrades` does not allow."""
    before, after = ((inputs or {}).get("version") for inputs in (args.old_inputs, args.new_inputs))
    if not isinstance(before, str) or not isinstance(after, str):
        return
    problem = spiderpool_problem(version_of(before), version_of(after))
    if problem is not None:
        raise pulumi.RunError(str(problem))
