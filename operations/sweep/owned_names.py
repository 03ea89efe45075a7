"""How a stack's resources are recognised in the cloud: tags, exact names, adopted ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planning.model import ClusterPlan
from planning.names import (
    api_endpoint_name,
    controller_role_name,
    nat_eip_name,
    own_tags,
    vswitch_name,
)
from planning.nodes.endpoint import admitted


@dataclass(frozen=True, kw_only=True)
class OwnedNames:
    """How a plan's resources are recognised in the cloud: tags, exact names, adopted ids."""

    cluster: str
    """Name of the VPC, the security group and the gateways, too."""
    tags: Mapping[str, str]
    role: str
    """Name of the cloud controller's RAM role and of its policy."""
    api: str
    """Name of everything of the API server's endpoint."""
    vpc_id: str | None
    nat_id: str | None
    eip_id: str | None
    secondary_cidrs: frozenset[str]
    vswitches: frozenset[str]
    """Names of vSwitches, of their SNAT entries and of their CIDR reservations."""
    eips: frozenset[str]
    admitted: frozenset[str]
    """The entries of the access control lists of the API server's load balancer."""

    @classmethod
    def of(cls, plan: ClusterPlan) -> OwnedNames:
        """The names that `components` gives; an adopted VPC gets no secondary CIDR."""
        vpc = plan.network.vpc
        return cls(
            cluster=plan.name,
            tags=own_tags(plan.name, plan.profile),
            role=controller_role_name(plan.name, plan.region),
            api=api_endpoint_name(plan.name),
            vpc_id=vpc.id,
            nat_id=plan.network.nat.id,
            eip_id=plan.network.nat.eip_id,
            secondary_cidrs=frozenset(
                str(cidr) for cidr in (vpc.secondary_cidrs if vpc.id is None else ())
            ),
            vswitches=frozenset(vswitch_name(plan.name, key) for key in plan.network.vswitches),
            eips=frozenset({nat_eip_name(plan.name), api_endpoint_name(plan.name)}),
            admitted=frozenset(str(cidr) for cidr in admitted(plan).values()),
        )
