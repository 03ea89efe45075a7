"""The clusters that are measured, and the same cloud resources as plain data for the peers.

A node has two NICs, eth1 in a vSwitch below a secondary CIDR. One node is a control plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from planning.cloud.security import inner_access_policy, security_rules
from planning.model import ClusterPlan
from planning.names import vswitch_name

Mode = Literal["existing", "create"]
"""`existing`: network and machines only. `create`: with endpoint, user-data and roll-out, too."""

CLUSTER: Final = "bench"
_POD_ADDRESSES: Final = 5
"""Of each NIC, the same at every size, so that a node costs the same everywhere."""
_ENDPOINT: Final = "127.0.0.1:18443"
"""Of the local cloud; nothing is asked there."""
_VPC: Final = "172.16.0.0/12"
_SECONDARY: Final = "10.240.0.0/15"
_ZONE: Final = "cn-hangzhou-i"
_SUBNETS: Final = {"primary": "172.16.0.0/16", "secondary": "10.240.0.0/16"}


def document(nodes: int, mode: Mode, *, inside: bool = False) -> dict[str, Any]:
    """A stack file's `cluster` with `nodes` nodes.

    `inside`: with Spiderpool, its pools and the cloud controller.
    """
    nics = {
        "eth0": {"subnet": "primary", "podAddresses": _POD_ADDRESSES},
        "eth1": {"subnet": "secondary", "podAddresses": _POD_ADDRESSES},
    }
    pool = {"instanceType": "ecs.g7.xlarge", "interfaces": nics}
    kubernetes: dict[str, Any] = {"serviceCidr": "192.168.0.0/18", "podCidr": "192.168.64.0/18"}
    if mode == "existing":
        names = ["masters-0", *(f"workers-{ordinal}" for ordinal in range(nodes - 1))]
        kubernetes |= {"mode": "existing", "nodeNames": {name: name for name in names}}
    return {
        "profile": "local",
        "name": CLUSTER,
        "region": "cn-hangzhou",
        "cloud": {"endpoint": _ENDPOINT},
        "network": {
            "vpc": {"cidr": _VPC, "secondaryCidrs": [_SECONDARY]},
            "subnets": {
                name: {"zones": {_ZONE: {"cidr": cidr}}} for name, cidr in _SUBNETS.items()
            },
            "nat": {"enabled": False},
            "ipv6": {"gateway": False},
        },
        "nodePools": {
            "masters": {"role": "control-plane", "count": 1, "firstBlock": 1, **pool},
            "workers": {"count": nodes - 1, "firstBlock": 2, **pool},
        },
        "kubernetes": kubernetes,
        "cloudController": {"enabled": inside},
        "spiderpool": {"enabled": inside},
    }


@dataclass(frozen=True, kw_only=True)
class Eni:
    """One NIC's addresses."""

    vswitch: str
    primary: str
    pods: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine."""

    enis: dict[str, Eni]
    instance_type: str
    image: str
    disk_category: str
    disk_size: int


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """The cloud resources of a plan, as a peer's program creates them."""

    region: str
    endpoint: str
    tags: dict[str, str]
    vpc_cidr: str
    secondary_cidrs: tuple[str, ...]
    vswitches: dict[str, dict[str, str]]
    """By key: `name`, `zone`, `cidr`."""
    inner_access_policy: str | None
    rules: dict[str, dict[str, str | int]]
    """By name: the arguments of a security group rule."""
    machines: dict[str, Machine]


def cloud_of(plan: ClusterPlan) -> Cloud:
    """The cloud resources of a plan in the mode `existing`."""
    assert plan.cloud_endpoint is not None
    assert plan.network.vpc.cidr is not None
    return Cloud(
        region=plan.region,
        endpoint=plan.cloud_endpoint,
        tags=dict(plan.tags),
        vpc_cidr=str(plan.network.vpc.cidr),
        secondary_cidrs=tuple(str(cidr) for cidr in plan.network.vpc.secondary_cidrs),
        vswitches={
            key: {
                "name": vswitch_name(plan.name, key),
                "zone": vswitch.zone,
                "cidr": str(vswitch.cidr),
            }
            for key, vswitch in plan.network.vswitches.items()
        },
        inner_access_policy=inner_access_policy(plan),
        rules={
            name: {
                "type": rule.direction,
                "ip_protocol": rule.protocol,
                "port_range": rule.port_range,
                "cidr_ip": str(rule.cidr),
                "priority": rule.priority,
            }
            for name, rule in security_rules(plan).items()
        },
        machines={
            name: Machine(
                enis={
                    nic: Eni(
                        vswitch=interface.vswitch,
                        primary=str(interface.primary),
                        pods=tuple(str(address) for address in interface.pods.planned),
                    )
                    for nic, interface in node.interfaces.items()
                },
                instance_type=node.instance_type,
                image=node.image,
                disk_category=node.disk.category,
                disk_size=node.disk.size,
            )
            for name, node in plan.nodes.items()
        },
    )
