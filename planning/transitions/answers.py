"""What an edit of each key of the configuration does to a stack that is deployed.

The table is data: `check_edit` follows it, docs/transitions.md is written from it, and a test
compares it with the model, so that no key is without an answer.

"ForceNew" in a reason is the schema of the released provider (terraform-provider-alicloud v1.285.0,
`alicloud/resource_alicloud_*.go`): such an attribute replaces its resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What happens, in the words of the page."""

    NOTHING = "nothing changes"
    IN_PLACE = "in place"
    CREATED = "created or removed"
    REMADE = "re-created"
    NEW_ADDRESS = "re-created, with another address"
    NEW_ONLY = "for new machines only"
    RUNNING = "in place, on the running node"
    RESTART = "in place, with a restart"
    ROLLS = "new machines"
    ADDRESSES = "addresses come and go"
    NODES = "nodes come and go"
    VERSION = "in steps"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an edit of one key does.

    `reason` says why, and what the answer depends on. `remedy` goes with a refusal: what to do
    instead, besides restoring the previous value. `control_plane` differs from `worker`
    only where a control plane is another case.
    """

    worker: Kind
    control_plane: Kind
    reason: str
    remedy: str = ""


def _answer(
    kind: Kind, reason: str, *, control_plane: Kind | None = None, remedy: str = ""
) -> Answer:
    return Answer(worker=kind, control_plane=control_plane or kind, reason=reason, remedy=remedy)


_NEW_CLUSTER: Final = "For another one, make a new stack."
_NEW_SUBNET: Final = (
    "Add a zone or a subnet with the range that is needed, move nodes there by a pool of their "
    "own, and take the old one out afterwards."
)
# `vswitch_id` is ForceNew in alicloud_nat_gateway and in alicloud_slb_load_balancer.
_NAT_STAYS: Final = (
    "The cloud cannot move a NAT gateway to another vSwitch; the provider would delete it first."
)
BALANCER_STAYS: Final = "A load balancer in another vSwitch has another address."
_NAT_ANEW: Final = (
    "Write network.nat.enabled: false and run `pulumi up`, then write the new value with enabled: "
    "true; nodes have no way out in between. The API servers' load balancer, with several control "
    "planes, never moves."
)
_CERTIFICATES: Final = (
    "To add a name to a cluster that runs: add it under certSANs in the ConfigMap kubeadm-config, "
    "and re-issue each control plane's certificate (docs/runbooks/endpoint-name.md, steps 2 and "
    "3, do that for another name)."
)
_DISK: Final = "ForceNew of the instance: a system disk is made with its machine."
_LEVEL: Final = (
    "ModifyDiskSpec, online. Refused back to PL0, and where it would lower a subscription disk."
)
_ETCD_DISK: Final = (
    "several control planes get new machines, one at a time, and the only one is never replaced "
    "(docs/runbooks/etcd-disk.md)."
)
_MACHINE: Final = "The machine is made from it."
_ADDRESS: Final = "ForceNew of the ENI, and an instance keeps the ENIs that it was made with."
_VSWITCH: Final = (
    f"{_ADDRESS} Its pools give addresses of the other vSwitch from the end of the run on; refused "
    "where that would leave no worker that does."
)
_TYPE: Final = (
    "ECS changes the type of a stopped machine only (ModifyInstanceSpec). More pod addresses than "
    "the type of before takes need an edit of their own afterwards. Refused for preemptible "
    "machines, and for a type of another architecture, unless the edit makes a new machine."
)
_ONCE: Final = "Refused where one that goes in the same edit"
_LABELS: Final = "The node's own unit writes them to its Node and to the kubelet's arguments."
_LIMITS: Final = "Only the check of the stack file reads it."
_POOL_ADDRESSES: Final = (
    "Pools shrink before ENIs and grow after them; an address that a pod holds is not taken away."
)

ANSWERS: Final[Mapping[str, Answer]] = {
    "profile": _answer(
        Kind.IN_PLACE,
        "It is a tag; for a default that it changes, see that default's key.",
    ),
    "name": _answer(
        Kind.REFUSED,
        "Every resource is named after it, and all would be re-created.",
        remedy=_NEW_CLUSTER,
    ),
    "region": _answer(
        Kind.REFUSED, "Nothing in the cloud moves from one region to another.", remedy=_NEW_CLUSTER
    ),
    "cloud.accountType": _answer(Kind.IN_PLACE, "Only the provider's own setting."),
    "cloud.accountId": _answer(
        Kind.REFUSED,
        "What is deployed belongs to the account that made it; naming it for the first time "
        "changes nothing.",
        remedy=_NEW_CLUSTER,
    ),
    "cloud.endpoint": _answer(
        Kind.IN_PLACE,
        "Where the local cloud listens; a stack never goes from the local cloud to a real one, or "
        "back.",
        remedy=_NEW_CLUSTER,
    ),
    "cloud.unlistedRegion": _answer(Kind.NOTHING, _LIMITS),
    "resourceGroup": _answer(
        Kind.REFUSED,
        "ForceNew of ENIs, of the API servers' load balancer and of its access list: every machine "
        "would be replaced at once.",
        remedy=_NEW_CLUSTER,
    ),
    "tags": _answer(Kind.IN_PLACE, "Tags never replace anything."),
    "protect": _answer(
        Kind.IN_PLACE,
        "Pulumi's and the cloud's locks are switched in place. What the last run has protected is "
        "not removed: that is an edit of its own afterwards.",
    ),
    "network.vpc.id": _answer(
        Kind.REFUSED, "ForceNew of every vSwitch and security group.", remedy=_NEW_CLUSTER
    ),
    "network.vpc.cidr": _answer(
        Kind.REFUSED,
        "vSwitches and routes use it.",
        remedy="Add a range under network.vpc.secondaryCidrs.",
    ),
    "network.vpc.secondaryCidrs": _answer(
        Kind.CREATED, "A range comes or goes; one with a vSwitch in it is refused by the check."
    ),
    "network.subnets.*": _answer(Kind.CREATED, "Its vSwitches come or go; nothing else moves."),
    "network.subnets.*.zones.*": _answer(
        Kind.CREATED,
        f"One vSwitch comes or goes; nothing else moves. {_ONCE} has addresses of its range.",
    ),
    "network.subnets.*.zones.*.cidr": _answer(
        Kind.REFUSED,
        "ForceNew of the vSwitch, and everything in it would be replaced, too.",
        remedy=_NEW_SUBNET,
    ),
    "network.subnets.*.zones.*.vswitchId": _answer(
        Kind.REFUSED,
        "An ENI never leaves its vSwitch (ForceNew of vswitch_id).",
        remedy=_NEW_SUBNET,
    ),
    "network.subnets.*.zones.*.ipv6Index": _answer(
        Kind.REFUSED,
        "Every IPv6 address in the vSwitch would change; an index where there was none is set in "
        "place.",
    ),
    "network.subnets.*.zones.*.prefixReservation": _answer(
        Kind.REFUSED,
        "ForceNew of the reservation, and ENIs hold prefixes of it; one where there was none is "
        "made in place.",
        remedy=_NEW_SUBNET,
    ),
    "network.subnets.*.egress": _answer(
        Kind.CREATED, "An SNAT entry for each vSwitch comes or goes."
    ),
    "network.nat.enabled": _answer(
        Kind.CREATED, "Gateway, EIP and SNAT entries come or go, and the public address with them."
    ),
    "network.nat.id": _answer(
        Kind.REFUSED,
        "SNAT entries belong to one gateway (ForceNew of snat_table_id).",
        remedy=_NAT_ANEW,
    ),
    "network.nat.eipId": _answer(
        Kind.REFUSED,
        "SNAT entries hold the EIP, which cannot be unbound while they do.",
        remedy=_NAT_ANEW,
    ),
    "network.nat.eipAddress": _answer(
        Kind.NEW_ADDRESS,
        "SNAT entries take it in place (ModifySnatEntry); peers see another address.",
    ),
    "network.nat.subnet": _answer(Kind.REFUSED, _NAT_STAYS, remedy=_NAT_ANEW),
    "network.nat.zone": _answer(Kind.REFUSED, _NAT_STAYS, remedy=_NAT_ANEW),
    "network.nat.bandwidth": _answer(Kind.IN_PLACE, "Of the EIP."),
    "network.nat.internetChargeType": _answer(
        Kind.REFUSED, "ForceNew of the EIP, which SNAT entries hold.", remedy=_NAT_ANEW
    ),
    "network.nat.deletionProtection": _answer(Kind.IN_PLACE, "A switch of the gateway."),
    "network.ipv6.enabled": _answer(
        Kind.ROLLS,
        "vSwitches and ENIs get IPv6 in place, and machines boot with it; it is never switched off "
        "again, because pods and routes hold IPv6 addresses.",
        remedy=_NEW_CLUSTER,
    ),
    "network.ipv6.gateway": _answer(Kind.CREATED, "The gateway comes or goes."),
    "network.ipv6.egress": _answer(
        Kind.CREATED, "Public bandwidth of each pod's address comes or goes."
    ),
    "network.ipv6.bandwidth": _answer(Kind.IN_PLACE, "Of each address."),
    "network.securityGroup.type": _answer(
        Kind.REFUSED,
        "ForceNew of the security group (security_group_type), and an instance is never in groups "
        "of both types: its NICs cannot go over one by one.",
        remedy=_NEW_CLUSTER,
    ),
    "network.ingress.*": _answer(
        Kind.CREATED, f"One security rule comes or goes. {_ONCE} or changes admits the same."
    ),
    "network.ingress.*.protocol": _answer(Kind.REMADE, "ForceNew of a security rule."),
    "network.ingress.*.ports": _answer(Kind.REMADE, "ForceNew of a security rule."),
    "network.ingress.*.source": _answer(Kind.REMADE, "ForceNew of a security rule."),
    "network.ingress.*.description": _answer(Kind.IN_PLACE, "Text for people."),
    "nodePools.*": _answer(
        Kind.NODES,
        "Its nodes come or go. A pool under another name has other nodes, and their blocks must be "
        "free.",
    ),
    "nodePools.*.role": _answer(
        Kind.REFUSED,
        "A worker never becomes a control plane, nor the reverse.",
        remedy="Make a pool with the other role and take this one out afterwards.",
    ),
    "nodePools.*.count": _answer(
        Kind.NODES,
        "Workers come or go, the last ones first; they are drained before.",
        control_plane=Kind.NODES,
    ),
    "nodePools.*.nodes.*": _answer(
        Kind.NODES,
        "One node comes or goes. Control planes come and go one at a time, with etcd whole before "
        "and after; a renamed one is refused.",
    ),
    "nodePools.*.nodes.*.zone": _answer(Kind.ROLLS, _VSWITCH),
    "nodePools.*.nodes.*.ordinal": _answer(
        Kind.ROLLS, f"{_ADDRESS} Refused where another node has the new block."
    ),
    "nodePools.*.nodes.*.instanceType": _answer(Kind.RESTART, _TYPE),
    "nodePools.*.nodes.*.image": _answer(Kind.ROLLS, _MACHINE),
    "nodePools.*.nodes.*.disk.category": _answer(Kind.ROLLS, _DISK),
    "nodePools.*.nodes.*.disk.size": _answer(
        Kind.IN_PLACE, "A disk grows in place (ResizeDisk, online); it never shrinks."
    ),
    "nodePools.*.nodes.*.disk.performanceLevel": _answer(Kind.IN_PLACE, _LEVEL),
    "nodePools.*.nodes.*.disk.encrypted": _answer(Kind.ROLLS, _DISK),
    "nodePools.*.nodes.*.disk.kmsKeyId": _answer(Kind.ROLLS, _DISK),
    "nodePools.*.nodes.*.labels": _answer(Kind.RUNNING, _LABELS),
    "nodePools.*.nodes.*.interfaces.*": _answer(
        Kind.ROLLS, "Explicit addresses take the place of the node's block, or leave it again."
    ),
    "nodePools.*.nodes.*.interfaces.*.address": _answer(Kind.ROLLS, _ADDRESS),
    "nodePools.*.nodes.*.interfaces.*.podAddresses": _answer(Kind.ADDRESSES, _POOL_ADDRESSES),
    "nodePools.*.zones": _answer(
        Kind.ROLLS, f"{_VSWITCH} Only nodes whose turn is in another zone now are touched."
    ),
    "nodePools.*.instanceType": _answer(Kind.RESTART, _TYPE),
    "nodePools.*.image": _answer(Kind.ROLLS, _MACHINE),
    "nodePools.*.disk.category": _answer(Kind.ROLLS, _DISK),
    "nodePools.*.disk.size": _answer(
        Kind.IN_PLACE, "A disk grows in place (ResizeDisk, online); it never shrinks."
    ),
    "nodePools.*.disk.performanceLevel": _answer(Kind.IN_PLACE, _LEVEL),
    "nodePools.*.disk.encrypted": _answer(Kind.ROLLS, _DISK),
    "nodePools.*.disk.kmsKeyId": _answer(Kind.ROLLS, _DISK),
    "nodePools.*.etcdDisk.category": _answer(
        Kind.NOTHING,
        "ModifyDiskSpec, online, never to cloud_efficiency or cloud_essd_entry; the check of the "
        "stack file refuses it for workers. A disk where "
        f"there was none, or none where there was one: {_ETCD_DISK}",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.etcdDisk.size": _answer(
        Kind.NOTHING,
        "A disk grows in place (ResizeDisk, online), its file system at the next boot; it never "
        "shrinks. The check of the stack file refuses it for workers.",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.etcdDisk.performanceLevel": _answer(
        Kind.NOTHING,
        f"{_LEVEL} The check of the stack file refuses it for workers.",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.etcdDisk.snapshots.hours": _answer(
        Kind.NOTHING,
        "ModifyAutoSnapshotPolicyEx; the check of the stack file refuses it for workers. The whole "
        "policy comes and goes in place, too; snapshots stay until their time is over.",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.etcdDisk.snapshots.days": _answer(
        Kind.NOTHING,
        "ModifyAutoSnapshotPolicyEx, for snapshots that are taken from then on; the check of the "
        "stack file refuses it for workers.",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.keyPair": _answer(Kind.ROLLS, "cloud-init writes the key at the first boot."),
    "nodePools.*.labels": _answer(Kind.RUNNING, _LABELS),
    "nodePools.*.taints[]": _answer(Kind.RUNNING, _LABELS),
    "nodePools.*.taints[].key": _answer(Kind.RUNNING, _LABELS),
    "nodePools.*.taints[].value": _answer(Kind.RUNNING, _LABELS),
    "nodePools.*.taints[].effect": _answer(Kind.RUNNING, _LABELS),
    "nodePools.*.spot.strategy": _answer(
        Kind.ROLLS,
        "ForceNew of the instance; the check refuses it for control planes.",
        control_plane=Kind.NOTHING,
    ),
    "nodePools.*.spot.priceLimit": _answer(
        Kind.ROLLS,
        "ForceNew of the instance; the check refuses it for control planes.",
        control_plane=Kind.NOTHING,
    ),
    "nodePools.*.chargeType": _answer(
        Kind.IN_PLACE, "ModifyInstanceChargeType, while the node runs."
    ),
    "nodePools.*.forceDelete": _answer(
        Kind.IN_PLACE, "It only lets later edits remove machines of a subscription."
    ),
    "nodePools.*.interfaces.*": _answer(
        Kind.ROLLS, "A machine keeps the NICs that it was made with; the other NIC's ENI stays."
    ),
    "nodePools.*.interfaces.*.subnet": _answer(Kind.ROLLS, f"{_VSWITCH} All addresses change."),
    "nodePools.*.interfaces.*.mode": _answer(
        Kind.REFUSED,
        "An ENI that has addresses of one kind does not give them up for the other kind: the "
        "provider leaves what is not named as it is.",
        remedy="Make a pool with the other mode and take this one out afterwards.",
    ),
    "nodePools.*.interfaces.*.podAddresses": _answer(
        Kind.ADDRESSES,
        f"{_POOL_ADDRESSES} 0 takes all of them, and the pool. In mode count fewer than before "
        "are refused, and 0, too. The numbers are also in the kubelet's maxPods, which the running "
        "node takes.",
    ),
    "nodePools.*.firstBlock": _answer(
        Kind.ROLLS, f"{_ADDRESS} Refused where another node has one of the new addresses."
    ),
    "nodePools.*.blockSize": _answer(
        Kind.ROLLS, f"{_ADDRESS} Refused where another node has one of the new addresses."
    ),
    "nodePools.*.prefixBlockSize": _answer(
        Kind.ADDRESSES, f"Prefixes of the nodes move. {_POOL_ADDRESSES}"
    ),
    "nodePools.*.deletionProtection": _answer(
        Kind.NOTHING,
        "A switch of the instance, for an only control plane; the check refuses it for all others, "
        "because the cloud would refuse to replace or remove them.",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.ramRole": _answer(
        Kind.IN_PLACE, "The role is detached and the other one attached."
    ),
    "kubernetes.mode": _answer(
        Kind.REFUSED,
        "This program neither takes over a cluster that it did not build nor hands its own over.",
        remedy=_NEW_CLUSTER,
    ),
    "kubernetes.version": _answer(
        Kind.VERSION,
        "One minor at a time, never back: control planes first, one at a time, then workers. The "
        "only control plane is upgraded on its machine (docs/runbooks/upgrade.md).",
    ),
    "kubernetes.serviceCidr": _answer(
        Kind.REFUSED,
        "Every Service has an address of it, and certificates name the first.",
        remedy=_NEW_CLUSTER,
    ),
    "kubernetes.podCidr": _answer(
        Kind.REFUSED,
        "kubeadm has written it into the running control plane and into kube-proxy.",
        remedy=_NEW_CLUSTER,
    ),
    "kubernetes.endpoint.public": _answer(
        Kind.REFUSED,
        "The API servers' certificates do not name the new address; taking the address away is "
        "done in place.",
        remedy="Reach the API server from inside the VPC, or make a new stack.",
    ),
    "kubernetes.endpoint.allowedCidrs": _answer(
        Kind.CREATED,
        "Rules or list entries come and go. Refused where one list would have more than ten "
        "entries until the end of the run.",
    ),
    "kubernetes.endpoint.bandwidth": _answer(Kind.IN_PLACE, "Of the EIP."),
    "kubernetes.endpoint.certSans": _answer(
        Kind.REFUSED,
        "kubeadm has written the names into the API servers' certificates and into its ConfigMap, "
        "from which control planes that join take them.",
        remedy=_CERTIFICATES,
    ),
    "kubernetes.mirrors": _answer(
        Kind.NEW_ONLY,
        "A machine goes on with the package sources and image mirrors that it booted with. "
        "Spiderpool's images come from the other registry at once.",
    ),
    "kubernetes.kubelet": _answer(
        Kind.RUNNING, "The node's own unit restarts the kubelet, not the pods."
    ),
    "kubernetes.metadataForPods": _answer(
        Kind.RUNNING,
        "The node's own unit loads the rules, for pods that run too. Only pods that are created "
        "from then on also get the route to the host, or do without it.",
    ),
    "kubernetes.nodeNames": _answer(
        Kind.REMADE, "The other Node is patched, and pools serve that one."
    ),
    "spiderpool.enabled": _answer(
        Kind.CREATED, "Release and pools come, or go once no pod holds an address."
    ),
    "spiderpool.chart.repository": _answer(Kind.IN_PLACE, "The release is upgraded from there."),
    "spiderpool.chart.name": _answer(Kind.IN_PLACE, "The release is upgraded from there."),
    "spiderpool.chart.version": _answer(
        Kind.VERSION, "One version of the table at a time, never back."
    ),
    "spiderpool.values": _answer(Kind.IN_PLACE, "The release is upgraded."),
    "pods.countAddresses": _answer(
        Kind.RUNNING,
        "The policies come or go, and `maxPods` follows; refused while a node cannot advertise.",
    ),
    "pods.defaultNetwork": _answer(
        Kind.IN_PLACE, "Pods that are created from then on; pods that run keep their network."
    ),
    "spiderpool.installCni": _answer(Kind.IN_PLACE, "The release is upgraded."),
    "spiderpool.imageRegistry": _answer(Kind.IN_PLACE, "The release is upgraded."),
    "spiderpool.extraPools.*": _answer(Kind.ADDRESSES, _POOL_ADDRESSES),
    "spiderpool.extraPools.*.interface": _answer(Kind.ADDRESSES, _POOL_ADDRESSES),
    "spiderpool.extraPools.*.node": _answer(Kind.ADDRESSES, _POOL_ADDRESSES),
    "spiderpool.extraPools.*.addresses": _answer(Kind.ADDRESSES, _POOL_ADDRESSES),
    "spiderpool.extraPools.*.namespaces": _answer(
        Kind.IN_PLACE, "Pods that run keep their addresses."
    ),
    "spiderpool.extraPools.*.podLabels": _answer(
        Kind.IN_PLACE, "Pods that run keep their addresses."
    ),
    "cloudController.enabled": _answer(
        Kind.CREATED, "The controller, its role and every service of the stack come or go."
    ),
    "cloudController.version": _answer(Kind.IN_PLACE, "The DaemonSet is rolled."),
    "cloudController.image": _answer(Kind.IN_PLACE, "The DaemonSet is rolled."),
    "cloudController.credentials": _answer(
        Kind.IN_PLACE, "The DaemonSet is rolled; the RAM role comes or goes."
    ),
    "cloudController.featureGates": _answer(Kind.IN_PLACE, "The DaemonSet is rolled."),
    "cloudController.backendType": _answer(Kind.IN_PLACE, "The controller moves backends over."),
    "namespaces.*": _answer(
        Kind.CREATED,
        "The namespace is created, unless it exists; one that leaves the stack file stays in the "
        "cluster with everything in it.",
    ),
    "namespaces.*.create": _answer(
        Kind.CREATED,
        "true creates it, or takes over one that exists; with false it stays and is no longer "
        "this stack's.",
    ),
    "services.*": _answer(
        Kind.CREATED,
        f"One Service and its load balancer come or go. {_ONCE} has its port of the same adopted "
        "load balancer.",
    ),
    "services.*.namespace": _answer(
        Kind.NEW_ADDRESS, "A Service cannot move: another one is created there."
    ),
    "services.*.selector": _answer(Kind.IN_PLACE, "Of the Service."),
    "services.*.ports.*": _answer(Kind.IN_PLACE, "A listener comes or goes."),
    "services.*.ports.*.port": _answer(Kind.IN_PLACE, "The listener is made on the other port."),
    "services.*.ports.*.targetPort": _answer(Kind.IN_PLACE, "Of the Service."),
    "services.*.ports.*.protocol": _answer(
        Kind.IN_PLACE, "The listener is made with the other one."
    ),
    "services.*.externalTrafficPolicy": _answer(Kind.IN_PLACE, "Of the Service."),
    "services.*.loadBalancer": _answer(
        Kind.NEW_ADDRESS, "A load balancer never becomes another kind."
    ),
    "services.*.addressType": _answer(
        Kind.NEW_ADDRESS, "Of a CLB; an NLB changes it in place, and its name stays."
    ),
    "services.*.subnet": _answer(
        Kind.REFUSED,
        BALANCER_STAYS,
        remedy="Add a service under another name, and take this one out afterwards.",
    ),
    "services.*.zones": _answer(
        Kind.IN_PLACE, "An NLB takes zones in place (UpdateLoadBalancerZones)."
    ),
    "services.*.backendType": _answer(Kind.IN_PLACE, "The controller moves backends over."),
    "services.*.ipv6": _answer(Kind.NEW_ADDRESS, "A load balancer keeps its IP version."),
    "services.*.certificateId": _answer(Kind.IN_PLACE, "Of the listener."),
    "services.*.id": _answer(Kind.NEW_ADDRESS, "Another load balancer has another address."),
    "services.*.overrideListeners": _answer(Kind.IN_PLACE, "An annotation."),
    "services.*.deletionProtection": _answer(Kind.IN_PLACE, "A switch of the load balancer."),
    "services.*.wait": _answer(Kind.IN_PLACE, "It only sets what an update waits for."),
    "services.*.annotations": _answer(Kind.IN_PLACE, "The controller takes what it can change."),
    "sampleApps.enabled": _answer(Kind.CREATED, "DaemonSets and service come or go."),
    "sampleApps.registry": _answer(Kind.IN_PLACE, "The DaemonSets are rolled."),
    "sampleApps.clientImage": _answer(Kind.IN_PLACE, "The DaemonSet is rolled."),
    "sampleApps.serverImage": _answer(Kind.IN_PLACE, "The DaemonSet is rolled."),
    "sampleApps.tolerations[]": _answer(Kind.IN_PLACE, "The DaemonSets are rolled."),
    "sampleApps.tolerations[].key": _answer(Kind.IN_PLACE, "The DaemonSets are rolled."),
    "sampleApps.tolerations[].value": _answer(Kind.IN_PLACE, "The DaemonSets are rolled."),
    "sampleApps.tolerations[].effect": _answer(Kind.IN_PLACE, "The DaemonSets are rolled."),
    "instanceTypes.*": _answer(Kind.NOTHING, _LIMITS),
    "instanceTypes.*.enis": _answer(Kind.NOTHING, _LIMITS),
    "instanceTypes.*.ipv4PerEni": _answer(Kind.NOTHING, _LIMITS),
    "instanceTypes.*.ipv6PerEni": _answer(Kind.NOTHING, _LIMITS),
    "instanceTypes.*.secondEni": _answer(Kind.NOTHING, _LIMITS),
}
"""By pattern of the key (`planning.transitions.keys`)."""
