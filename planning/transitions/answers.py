"""What an edit of each key of the configuration does to a stack that is deployed.

`check_edit` follows this table, and docs/transitions.md is written from it. A test compares it with
the model, so that every key has an answer.

"ForceNew" in a reason is a term of the provider's schema (terraform-provider-alicloud v1.285.0,
`alicloud/resource_alicloud_*.go`): a change of that attribute replaces the resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What happens, as docs/transitions.md words it."""

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
    only where a control plane is treated differently.
    """

    worker: Kind
    control_plane: Kind
    reason: str
    remedy: str = ""


def _answer(
    kind: Kind, reason: str, *, control_plane: Kind | None = None, remedy: str = ""
) -> Answer:
    return Answer(worker=kind, control_plane=control_plane or kind, reason=reason, remedy=remedy)


_NEW_CLUSTER: Final = "To change it, create a new stack."
_NEW_SUBNET: Final = (
    "Add a zone or a subnet with the range that is needed, replace the nodes by a new pool there, "
    "and remove the old one afterwards."
)
# `vswitch_id` is ForceNew in alicloud_nat_gateway and in alicloud_slb_load_balancer.
_NAT_STAYS: Final = (
    "The cloud cannot move a NAT gateway to another vSwitch; the provider would delete it first."
)
BALANCER_STAYS: Final = "A load balancer in another vSwitch has another address."
_NAT_ANEW: Final = (
    "Write network.nat.enabled: false and run `pulumi up`, then write the new value with "
    "enabled: true; nodes have no internet access in between. The API servers' load balancer, "
    "with several control planes, never moves."
)
_CERTIFICATES: Final = (
    "To add a name to a running cluster, add it under certSANs in the ConfigMap kubeadm-config, "
    "and re-issue each control plane's certificate as in steps 2 and 3 of "
    "docs/runbooks/endpoint-name.md."
)
_DISK: Final = "ForceNew of the instance: a system disk is created with its machine."
_LEVEL: Final = (
    "ModifyDiskSpec, online. Refused back to PL0, and if it would lower a subscription disk."
)
_ETCD_DISK: Final = (
    "several control planes get new machines, one at a time, and the only one is never replaced "
    "(docs/runbooks/etcd-disk.md)."
)
_MACHINE: Final = "The machine is created from it."
_ADDRESS: Final = "ForceNew of the ENI, and an instance keeps the ENIs that it was created with."
_VSWITCH: Final = (
    f"{_ADDRESS} Its pools give addresses of the other vSwitch from the end of the run on; refused "
    "where that would leave no worker that does."
)
_TYPE: Final = (
    "ECS changes only the type of a stopped machine (ModifyInstanceSpec). If a node needs more pod "
    "addresses than its old type takes, add them in a second edit. Refused for preemptible "
    "machines, and for a type of another architecture, unless the edit makes a new machine."
)
_ONCE: Final = "Refused if one that is removed in the same edit"
_LABELS: Final = "The node's own unit writes them to its Node and to the kubelet's arguments."
_LIMITS: Final = "Only the check of the stack file reads it."
_POOL_ADDRESSES: Final = (
    "Pools shrink before ENIs and grow after them; an address that a pod holds is not taken away."
)

ANSWERS: Final[Mapping[str, Answer]] = {
    "profile": _answer(
        Kind.IN_PLACE,
        "It is a tag. The defaults that it changes have answers under their own keys.",
    ),
    "name": _answer(
        Kind.REFUSED,
        "Every resource is named after it, and all would be re-created.",
        remedy=_NEW_CLUSTER,
    ),
    "region": _answer(
        Kind.REFUSED, "Nothing in the cloud moves from one region to another.", remedy=_NEW_CLUSTER
    ),
    "cloud.accountType": _answer(Kind.IN_PLACE, "Only the provider reads it."),
    "cloud.accountId": _answer(
        Kind.REFUSED,
        "What is deployed belongs to the account that created it; writing its id for the first "
        "time changes nothing.",
        remedy=_NEW_CLUSTER,
    ),
    "cloud.endpoint": _answer(
        Kind.IN_PLACE,
        "It is the local cloud's address; a stack never moves from the local cloud to a real "
        "one, or back.",
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
        "Pulumi's and the cloud's locks are switched in place. "
        "Resources that the last run protected can only be removed in a later edit.",
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
        Kind.CREATED,
        "A range is added or removed; the check of the stack file refuses to remove one that has a "
        "vSwitch.",
    ),
    "network.subnets.*": _answer(
        Kind.CREATED, "Its vSwitches are created or removed; nothing else changes."
    ),
    "network.subnets.*.zones.*": _answer(
        Kind.CREATED,
        f"One vSwitch is created or removed; nothing else changes. {_ONCE} overlaps its range.",
    ),
    "network.subnets.*.zones.*.cidr": _answer(
        Kind.REFUSED,
        "ForceNew of the vSwitch, and everything in it would be replaced too.",
        remedy=_NEW_SUBNET,
    ),
    "network.subnets.*.zones.*.vswitchId": _answer(
        Kind.REFUSED,
        "An ENI never leaves its vSwitch (ForceNew of vswitch_id).",
        remedy=_NEW_SUBNET,
    ),
    "network.subnets.*.zones.*.ipv6Index": _answer(
        Kind.REFUSED,
        "Every IPv6 address in the vSwitch would change. A first index is set in place.",
    ),
    "network.subnets.*.zones.*.prefixReservation": _answer(
        Kind.REFUSED,
        "ForceNew of the reservation, and ENIs hold prefixes of it. A first reservation is created "
        "in place.",
        remedy=_NEW_SUBNET,
    ),
    "network.subnets.*.egress": _answer(
        Kind.CREATED, "An SNAT entry for each vSwitch is created or removed."
    ),
    "network.nat.enabled": _answer(
        Kind.CREATED,
        "The gateway, its EIP and its SNAT entries are created or removed; a new EIP has a new "
        "public address.",
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
    "network.nat.bandwidth": _answer(Kind.IN_PLACE, "The EIP's bandwidth changes."),
    "network.nat.internetChargeType": _answer(
        Kind.REFUSED, "ForceNew of the EIP, which SNAT entries hold.", remedy=_NAT_ANEW
    ),
    "network.nat.deletionProtection": _answer(
        Kind.IN_PLACE, "The gateway's deletion protection is switched."
    ),
    "network.ipv6.enabled": _answer(
        Kind.ROLLS,
        "vSwitches and ENIs get IPv6 in place, and machines boot with it. It cannot be switched "
        "off, because pods and routes hold IPv6 addresses.",
        remedy=_NEW_CLUSTER,
    ),
    "network.ipv6.gateway": _answer(Kind.CREATED, "The gateway is created or removed."),
    "network.ipv6.egress": _answer(
        Kind.CREATED, "The public bandwidth of each pod's address is created or removed."
    ),
    "network.ipv6.bandwidth": _answer(Kind.IN_PLACE, "The bandwidth of each address changes."),
    "network.securityGroup.type": _answer(
        Kind.REFUSED,
        "ForceNew of the security group (security_group_type). An instance cannot be in groups of "
        "both types, so its NICs cannot move one by one.",
        remedy=_NEW_CLUSTER,
    ),
    "network.ingress.*": _answer(
        Kind.CREATED,
        f"One security rule is created or removed. {_ONCE} or changed admits the same.",
    ),
    "network.ingress.*.protocol": _answer(Kind.REMADE, "ForceNew of a security rule."),
    "network.ingress.*.ports": _answer(Kind.REMADE, "ForceNew of a security rule."),
    "network.ingress.*.source": _answer(Kind.REMADE, "ForceNew of a security rule."),
    "network.ingress.*.description": _answer(Kind.IN_PLACE, "Only people read it."),
    "nodePools.*": _answer(
        Kind.NODES,
        "Its nodes join or leave. A renamed pool has other nodes, and their blocks must be free.",
    ),
    "nodePools.*.role": _answer(
        Kind.REFUSED,
        "A worker never becomes a control plane, or a control plane a worker.",
        remedy="Add a pool with the other role and remove this one afterwards.",
    ),
    "nodePools.*.count": _answer(
        Kind.NODES,
        "Workers come or go, the last ones first; they are drained before.",
        control_plane=Kind.NODES,
    ),
    "nodePools.*.nodes.*": _answer(
        Kind.NODES,
        "One node joins or leaves. Control planes do so one at a time, while every member of "
        "etcd is healthy. A renamed control plane is refused.",
    ),
    "nodePools.*.nodes.*.zone": _answer(Kind.ROLLS, _VSWITCH),
    "nodePools.*.nodes.*.ordinal": _answer(
        Kind.ROLLS, f"{_ADDRESS} Refused if another node has the new block."
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
        Kind.ROLLS, "Explicit addresses replace the node's block, or the block replaces them."
    ),
    "nodePools.*.nodes.*.interfaces.*.address": _answer(Kind.ROLLS, _ADDRESS),
    "nodePools.*.nodes.*.interfaces.*.podAddresses": _answer(Kind.ADDRESSES, _POOL_ADDRESSES),
    "nodePools.*.zones": _answer(
        Kind.ROLLS, f"{_VSWITCH} Only nodes that move to another zone are replaced."
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
        f"stack file refuses it for workers. If the disk is added or removed, {_ETCD_DISK}",
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
        "policy is created and removed in place too; snapshots stay until they expire.",
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
        Kind.ROLLS, "A machine keeps the NICs that it was created with; the other NIC's ENI stays."
    ),
    "nodePools.*.interfaces.*.subnet": _answer(Kind.ROLLS, f"{_VSWITCH} All addresses change."),
    "nodePools.*.interfaces.*.mode": _answer(
        Kind.REFUSED,
        "An ENI keeps the addresses of its first mode: the provider does not remove addresses that "
        "the configuration no longer names.",
        remedy="Add a pool with the other mode and remove this one afterwards.",
    ),
    "nodePools.*.interfaces.*.podAddresses": _answer(
        Kind.ADDRESSES,
        f"{_POOL_ADDRESSES} 0 removes all of them, and the pool. In mode count a smaller number is "
        "refused, including 0. The kubelet's maxPods follows on the running node.",
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
        "The only control plane's deletion protection is switched. The check of the stack file "
        "refuses it for all other nodes, because the cloud would refuse to replace or remove them.",
        control_plane=Kind.IN_PLACE,
    ),
    "nodePools.*.ramRole": _answer(
        Kind.IN_PLACE, "The role is detached and the other one attached."
    ),
    "kubernetes.mode": _answer(
        Kind.REFUSED,
        "This program cannot take over a cluster that it did not build, or hand one over.",
        remedy=_NEW_CLUSTER,
    ),
    "kubernetes.version": _answer(
        Kind.VERSION,
        "One minor at a time, never a downgrade: control planes first, one at a time, then "
        "workers. The only control plane is upgraded on its machine (docs/runbooks/upgrade.md).",
    ),
    "kubernetes.serviceCidr": _answer(
        Kind.REFUSED,
        "Every Service has an address of it, and certificates name its first address.",
        remedy=_NEW_CLUSTER,
    ),
    "kubernetes.podCidr": _answer(
        Kind.REFUSED,
        "kubeadm has written it into the running control plane and into kube-proxy.",
        remedy=_NEW_CLUSTER,
    ),
    "kubernetes.endpoint.public": _answer(
        Kind.REFUSED,
        "The API servers' certificates do not name the new address. Removing the address is done "
        "in place.",
        remedy="Reach the API server from inside the VPC, or create a new stack.",
    ),
    "kubernetes.endpoint.allowedCidrs": _answer(
        Kind.CREATED,
        "Security rules or access list entries are created or removed. Refused where one list "
        "would have more than ten entries until the end of the run.",
    ),
    "kubernetes.endpoint.bandwidth": _answer(Kind.IN_PLACE, "The EIP's bandwidth changes."),
    "kubernetes.endpoint.certSans": _answer(
        Kind.REFUSED,
        "kubeadm has written the names into the API servers' certificates and into its ConfigMap, "
        "from which control planes that join take them.",
        remedy=_CERTIFICATES,
    ),
    "kubernetes.mirrors": _answer(
        Kind.NEW_ONLY,
        "A machine keeps the package sources and image mirrors that it booted with. Spiderpool's "
        "images come from the new registry at once.",
    ),
    "kubernetes.kubelet": _answer(
        Kind.RUNNING, "The node's own unit restarts the kubelet, not the pods."
    ),
    "kubernetes.metadataForPods": _answer(
        Kind.RUNNING,
        "The node's own unit loads the rules, which also apply to running pods. The pods' route to "
        "the host changes only for pods that are created afterwards.",
    ),
    "kubernetes.nodeNames": _answer(
        Kind.REMADE, "The other Node is patched, and its pools serve that Node."
    ),
    "spiderpool.enabled": _answer(
        Kind.CREATED, "Release and pools come, or go once no pod holds an address."
    ),
    "spiderpool.chart.repository": _answer(Kind.IN_PLACE, "The release is upgraded from there."),
    "spiderpool.chart.name": _answer(Kind.IN_PLACE, "The release is upgraded from there."),
    "spiderpool.chart.version": _answer(
        Kind.VERSION, "One version of the table at a time, never a downgrade."
    ),
    "spiderpool.values": _answer(Kind.IN_PLACE, "The release is upgraded."),
    "pods.countAddresses": _answer(
        Kind.RUNNING,
        "The policies are created or removed, and `maxPods` follows. Refused while a node cannot "
        "advertise its addresses.",
    ),
    "pods.defaultNetwork": _answer(
        Kind.IN_PLACE,
        "It applies to pods that are created afterwards; running pods keep their network.",
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
        Kind.CREATED,
        "The controller, its role and every service of the stack are created or removed.",
    ),
    "cloudController.version": _answer(Kind.IN_PLACE, "The Deployment is rolled."),
    "cloudController.image": _answer(Kind.IN_PLACE, "The Deployment is rolled."),
    "cloudController.credentials": _answer(
        Kind.IN_PLACE, "The Deployment is rolled; the RAM role is created or removed."
    ),
    "cloudController.featureGates": _answer(Kind.IN_PLACE, "The Deployment is rolled."),
    "cloudController.backendType": _answer(Kind.IN_PLACE, "The controller moves backends over."),
    "namespaces.*": _answer(
        Kind.CREATED,
        "The namespace is created, unless it exists; one that leaves the stack file stays in the "
        "cluster with everything in it.",
    ),
    "namespaces.*.create": _answer(
        Kind.CREATED,
        "true creates it, or takes over one that exists. With false it stays and no longer "
        "belongs to this stack.",
    ),
    "services.*": _answer(
        Kind.CREATED,
        f"One Service and its load balancer are created or removed. {_ONCE} has its port of the "
        "same adopted load balancer.",
    ),
    "services.*.namespace": _answer(
        Kind.NEW_ADDRESS, "A Service cannot move: another one is created there."
    ),
    "services.*.selector": _answer(Kind.IN_PLACE, "The Service is patched."),
    "services.*.ports.*": _answer(Kind.IN_PLACE, "A listener is created or removed."),
    "services.*.ports.*.port": _answer(Kind.IN_PLACE, "The listener is created on the new port."),
    "services.*.ports.*.targetPort": _answer(Kind.IN_PLACE, "The Service is patched."),
    "services.*.ports.*.protocol": _answer(
        Kind.IN_PLACE, "The listener is created with the new protocol."
    ),
    "services.*.externalTrafficPolicy": _answer(Kind.IN_PLACE, "The Service is patched."),
    "services.*.loadBalancer": _answer(
        Kind.NEW_ADDRESS, "A load balancer never becomes another kind."
    ),
    "services.*.addressType": _answer(
        Kind.NEW_ADDRESS,
        "A CLB is created again. An NLB changes it in place and keeps its DNS name.",
    ),
    "services.*.subnet": _answer(
        Kind.REFUSED,
        BALANCER_STAYS,
        remedy="Add a service under another name, and remove this one afterwards.",
    ),
    "services.*.zones": _answer(
        Kind.IN_PLACE, "An NLB takes zones in place (UpdateLoadBalancerZones)."
    ),
    "services.*.backendType": _answer(Kind.IN_PLACE, "The controller moves backends over."),
    "services.*.ipv6": _answer(Kind.NEW_ADDRESS, "A load balancer keeps its IP version."),
    "services.*.certificateId": _answer(Kind.IN_PLACE, "The listener changes."),
    "services.*.id": _answer(Kind.NEW_ADDRESS, "Another load balancer has another address."),
    "services.*.overrideListeners": _answer(Kind.IN_PLACE, "The Service's annotation changes."),
    "services.*.deletionProtection": _answer(
        Kind.IN_PLACE, "The load balancer's deletion protection is switched."
    ),
    "services.*.wait": _answer(Kind.IN_PLACE, "It sets only what an update waits for."),
    "services.*.annotations": _answer(
        Kind.IN_PLACE, "The controller applies those that it can change."
    ),
    "sampleApps.enabled": _answer(
        Kind.CREATED, "The DaemonSets and the service are created or removed."
    ),
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
