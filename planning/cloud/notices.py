"""Notices that a user should read before `pulumi up`, although the plan is valid."""

from __future__ import annotations

from collections.abc import Iterator

from config.facts.address_counting import missing_for_counting
from config.facts.regions import keeps_primary_eni
from config.model import TaintConfig
from config.rules.cluster.kubernetes import NEW_CLUSTERS
from planning.cloud.load_balancers import ADDRESSES, balancer_count, gateways
from planning.model import ClusterPlan, NodePlan
from planning.names import CONTROL_PLANE


def notices(plan: ClusterPlan) -> Iterator[str]:
    """The notices, one or more whole sentences each."""
    yield from _end_of_life(plan)
    yield from _gateways_among_nodes(plan)
    yield from _subscriptions(plan)
    yield from _without_dns(plan)
    yield from _dns_without_addresses(plan)
    reason = missing_for_counting(plan.kubernetes, plan.spiderpool)
    if reason is not None and plan.spiderpool.enabled:
        remedy = (
            " Give that cluster's kubelets the plan's maxPods."
            if plan.kubernetes.mode == "existing"
            else ""
        )
        yield (
            f"The scheduler does not count pod addresses: {reason}. Pods that choose no network "
            "use eth0, and a pod without a free address waits on its node (docs/capacity.md)."
            f"{remedy}"
        )
    if not keeps_primary_eni(plan.region) and plan.nodes:
        yield (
            f"In {plan.region} the cloud deletes an instance's primary ENI together with the "
            "instance, or is not known to keep it. A machine that is replaced gets a new ENI for "
            "eth0 with the same pinned addresses and another MAC; addresses of `mode: count` "
            "change then."
        )
    if plan.cloud_endpoint is None and balancer_count(plan, "NLB"):
        yield (
            "The first NLB of an account needs the service-linked role AliyunServiceRoleForNlb. "
            "Where it is missing, create it once: aliyun resourcemanager CreateServiceLinkedRole "
            "--ServiceName nlb.aliyuncs.com."
        )


def _end_of_life(plan: ClusterPlan) -> Iterator[str]:
    major, minor, _ = plan.kubernetes.version.split(".")
    if plan.kubernetes.mode == "kubeadm" and int(minor) not in NEW_CLUSTERS:
        yield (
            f"Kubernetes {major}.{minor} has reached its end of life: it gets no security fixes, "
            "and new clusters with it are refused. Upgrade a cluster that runs it one minor "
            "at a time (docs/runbooks/upgrade.md)."
        )


def _subscriptions(plan: ClusterPlan) -> Iterator[str]:
    """DeleteInstance takes a subscription machine before its term ends only with force."""
    pools = {
        node.pool
        for node in plan.nodes.values()
        if node.charge_type == "PrePaid" and not node.force_delete
    }
    for pool in sorted(pools):
        yield (
            f"nodePools.{pool}: the cloud does not delete a subscription machine "
            "(`chargeType: PrePaid`) before its term ends. An edit that removes or replaces a "
            "machine of this pool is refused, and `pulumi destroy` fails. To allow both, write "
            "forceDelete: true in the pool and run `pulumi up` first; what is left of the "
            "subscription is lost then."
        )


def _without_dns(plan: ClusterPlan) -> Iterator[str]:
    """CoreDNS tolerates two taints (kubeadm, `cmd/kubeadm/app/phases/addons/dns/manifests.go`)."""
    if plan.kubernetes.mode != "kubeadm" or not plan.nodes:
        return
    if not any(map(_takes_dns, plan.nodes.values())):
        yield (
            "CoreDNS does not start: every node has a taint that it does not tolerate, and pods "
            "resolve no name without it. Leave one pool without such a taint, or give the "
            "Deployment coredns in kube-system a toleration."
        )


def _dns_without_addresses(plan: ClusterPlan) -> Iterator[str]:
    """CoreDNS is created by kubeadm, before the policies by which pods ask for addresses."""
    if plan.kubernetes.mode != "kubeadm" or not plan.spiderpool.enabled:
        return
    pools = {
        node.pool
        for node in plan.nodes.values()
        if _takes_dns(node) and not any(nic.pods.count for nic in node.interfaces.values())
    }
    for pool in sorted(pools):
        yield (
            f"nodePools.{pool}: no NIC of its nodes has pod addresses. In a new cluster the "
            "scheduler may put CoreDNS on one of them before pods ask for addresses, and there it "
            "never starts. Give the pool a taint, for example `taints: [{key: dedicated, value: "
            f"{pool}, effect: NoSchedule}}]`, or delete the pods of CoreDNS once after the first "
            "`pulumi up`."
        )


def _takes_dns(node: NodePlan) -> bool:
    return not any(map(_keeps_dns_away, node.taints))


def _keeps_dns_away(taint: TaintConfig) -> bool:
    tolerated = taint.key == "CriticalAddonsOnly" or (
        taint.key == CONTROL_PLANE and taint.effect == "NoSchedule"
    )
    return taint.effect != "PreferNoSchedule" and not tolerated


def _gateways_among_nodes(plan: ClusterPlan) -> Iterator[str]:
    occupied = {nic.vswitch for node in plan.nodes.values() for nic in node.interfaces.values()}
    for gateway in gateways(plan):
        for key in gateway.vswitches:
            if key in occupied:
                count = ADDRESSES[gateway.kind]
                yield (
                    f"{gateway.path}: the {gateway.kind} takes {count} "
                    f"address{'es' if count > 1 else ''} of {key} that the cloud chooses. Nodes "
                    "are in this vSwitch, and a block that is planned later may need one of them: "
                    "`pulumi up` would fail then. A new stack should name a subnet without nodes."
                )
