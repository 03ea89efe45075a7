"""Static public addresses, which belong to an instance and its bandwidth.

An EIP, by contrast, is a resource of its own. The rules are on the pages AllocatePublicIpAddress,
RunInstances and ModifyInstanceNetworkSpec (2025-12).
"""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products import statuses
from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import Instance
from localcloud.products.ecs.instance.instances import RUNNING, STOPPED
from localcloud.products.vpc import eips
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError


def assign(call: Call, instance: Instance) -> Instance:
    """Give an instance a static public address unless it already has one."""
    if instance.public_ip:
        return instance
    return call.store.change(instance, public_ip=eips.free_address(call))


@dataclass(frozen=True, kw_only=True)
class AllocatePublicIpAddress:
    """Parameters of AllocatePublicIpAddress.

    "Only users in the whitelist" can name an IpAddress.
    """

    instance_id: str
    ip_address: str | None = None
    vlan_id: str | None = None


@action(writes=True)
def allocate_public_ip_address(call: Call, request: AllocatePublicIpAddress) -> Answer:
    """Give an instance with bandwidth a static public address, or return the one it already has."""
    instance = existing.instance(call, request.instance_id)
    statuses.require(call, instance, RUNNING, STOPPED, code="IncorrectInstanceStatus", status=403)
    if instance.internet_bandwidth_out <= 0:
        raise ApiError(
            "AllocateIpInvalidInstanceBandwidth",
            f"{instance.id} has no outbound bandwidth; set InternetMaxBandwidthOut first.",
        )
    return {"IpAddress": assign(call, instance).public_ip}
