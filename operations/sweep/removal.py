"""Deletes leftovers in order, and repeats until none is left or none can be deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from operations.sweep.cloud import Api, CloudError
from operations.sweep.leftovers import Leftover

_STILL = 90.0
"""Seconds without progress before giving up."""
_PAUSE = 1.5
_HOPELESS = ("Forbidden", "NoPermission", "OperationDenied.DeletionProtection")

Listing = Callable[[], Sequence[Leftover]]


def remove(
    api: Api,
    leftovers: Sequence[Leftover],
    listing: Listing,
    *,
    say: Callable[[str], None] = lambda _: None,
    still: float = _STILL,
) -> Mapping[Leftover, str]:
    """Delete only these leftovers; return those that stay, with the cloud's reason.

    Most deletions end some time after their call, and a resource can go only after those that
    depend on it: a refused deletion is tried again as long as anything else goes.

    Args:
        api: The cloud.
        leftovers: What was shown and agreed to.
        listing: Lists the leftovers again; only what the cloud still has is deleted.
        say: Gets the kind and id of each that is gone.
        still: Seconds without progress before giving up.
    """
    agreed = {(item.kind, item.id) for item in leftovers}
    left = list(leftovers)
    moved = time.monotonic()
    while True:
        reasons: dict[Leftover, str] = {}
        for item in left:
            try:
                _DELETIONS[item.kind](api, item)
            except CloudError as error:
                if not _is_gone(error):
                    reasons[item] = str(error)
        now = [item for item in listing() if (item.kind, item.id) in agreed]
        here = {(item.kind, item.id) for item in now}
        gone = [item for item in left if (item.kind, item.id) not in here]
        for item in gone:
            say(f"{item.kind} {item.id}")
            moved = time.monotonic()
        left = now
        if not left:
            return {}
        stuck = [item for item in left if reasons.get(item, "").partition(": ")[2]]
        hopeless = len(stuck) == len(left) and all(
            reasons[item].partition(": ")[2].startswith(_HOPELESS) for item in left
        )
        if hopeless or time.monotonic() - moved > still:
            return {item: reasons.get(item, "its deletion does not end") for item in left}
        time.sleep(min(_PAUSE, still))


def _is_gone(error: CloudError) -> bool:
    return "NotFound" in error.code or "NotExist" in error.code


def _role_attachment(api: Api, item: Leftover) -> None:
    machine, _, role = item.id.partition(":")
    api.call("ecs", "DetachInstanceRamRole", RamRoleName=role, InstanceIds=f'["{machine}"]')


def _snat_entry(api: Api, item: Leftover) -> None:
    api.call("vpc", "DeleteSnatEntry", SnatTableId=item.of, SnatEntryId=item.id)


def _eip_association(api: Api, item: Leftover) -> None:
    kind, _, target = item.bound.partition(" ")
    api.call(
        "vpc",
        "UnassociateEipAddress",
        AllocationId=item.id,
        InstanceId=target,
        InstanceType=kind,
    )


def _eip(api: Api, item: Leftover) -> None:
    if item.bound:
        _eip_association(api, item)
    api.call("vpc", "ReleaseEipAddress", AllocationId=item.id)


def _listener(api: Api, item: Leftover) -> None:
    balancer, protocol, port = item.id.split(":")
    api.call(
        "slb",
        "DeleteLoadBalancerListener",
        LoadBalancerId=balancer,
        ListenerPort=port,
        ListenerProtocol=protocol,
    )


def _backend_server(api: Api, item: Leftover) -> None:
    _, machine, port = item.id.split(":")
    api.call(
        "slb",
        "RemoveVServerGroupBackendServers",
        VServerGroupId=item.of,
        BackendServers=json.dumps([{"ServerId": machine, "Port": port}]),
    )


def _access_entry(api: Api, item: Leftover) -> None:
    api.call(
        "slb",
        "RemoveAccessControlListEntry",
        AclId=item.of,
        AclEntrys=json.dumps([{"entry": item.name}]),
    )


def _load_balancer(api: Api, item: Leftover) -> None:
    """Lift the protection that the former cloud controller set, and delete the load balancer."""
    api.call(
        "slb", "SetLoadBalancerDeleteProtection", LoadBalancerId=item.id, DeleteProtection="off"
    )
    api.call(
        "slb",
        "SetLoadBalancerModificationProtection",
        LoadBalancerId=item.id,
        ModificationProtectionStatus="NonProtection",
    )
    api.call("slb", "DeleteLoadBalancer", LoadBalancerId=item.id)


def _network_load_balancer(api: Api, item: Leftover) -> None:
    api.call(
        "nlb",
        "UpdateLoadBalancerProtection",
        LoadBalancerId=item.id,
        DeletionProtectionEnabled=False,
        ModificationProtectionStatus="NonProtection",
    )
    api.call("nlb", "DeleteLoadBalancer", LoadBalancerId=item.id)


def _ipv6_bandwidth(api: Api, item: Leftover) -> None:
    api.call(
        "vpc",
        "DeleteIpv6InternetBandwidth",
        Ipv6InternetBandwidthId=item.id,
        Ipv6AddressId=item.of,
    )


def _cidr_block(api: Api, item: Leftover) -> None:
    api.call("vpc", "UnassociateVpcCidrBlock", VpcId=item.of, SecondaryCidrBlock=item.name)


def _policy_attachment(api: Api, item: Leftover) -> None:
    api.call(
        "ram",
        "DetachPolicyFromRole",
        RoleName=item.name,
        PolicyName=item.name,
        PolicyType="Custom",
    )


def _by_id(product: str, action: str, key: str, **more: object) -> Callable[[Api, Leftover], None]:
    def delete(api: Api, item: Leftover) -> None:
        api.call(product, action, **{key: item.id}, **more)

    return delete


_DELETIONS: Mapping[str, Callable[[Api, Leftover], None]] = {
    "role attachment": _role_attachment,
    "SNAT entry": _snat_entry,
    "EIP association": _eip_association,
    "backend server": _backend_server,
    "access entry": _access_entry,
    "listener": _listener,
    "server group": _by_id("slb", "DeleteVServerGroup", "VServerGroupId"),
    "IPv6 bandwidth": _ipv6_bandwidth,
    "instance": _by_id("ecs", "DeleteInstance", "InstanceId", Force=True),
    "disk": _by_id("ecs", "DeleteDisk", "DiskId"),
    "snapshot policy": _by_id("ecs", "DeleteAutoSnapshotPolicy", "autoSnapshotPolicyId"),
    "network interface": _by_id("ecs", "DeleteNetworkInterface", "NetworkInterfaceId"),
    "load balancer": _load_balancer,
    "access control list": _by_id("slb", "DeleteAccessControlList", "AclId"),
    "network load balancer": _network_load_balancer,
    "NLB server group": _by_id("nlb", "DeleteServerGroup", "ServerGroupId"),
    "EIP": _eip,
    "NAT gateway": _by_id("vpc", "DeleteNatGateway", "NatGatewayId", Force=True),
    "IPv6 gateway": _by_id("vpc", "DeleteIpv6Gateway", "Ipv6GatewayId"),
    "CIDR reservation": _by_id("vpc", "DeleteVSwitchCidrReservation", "VSwitchCidrReservationId"),
    "security group": _by_id("ecs", "DeleteSecurityGroup", "SecurityGroupId"),
    "vSwitch": _by_id("vpc", "DeleteVSwitch", "VSwitchId"),
    "CIDR block": _cidr_block,
    "policy attachment": _policy_attachment,
    "policy": _by_id("ram", "DeletePolicy", "PolicyName", CascadingDelete=True),
    "role": _by_id("ram", "DeleteRole", "RoleName"),
    "VPC": _by_id("vpc", "DeleteVpc", "VpcId"),
}


def order() -> Sequence[str]:
    """Return the kinds in the order of their deletion."""
    return tuple(_DELETIONS)
