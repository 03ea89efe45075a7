"""Service-linked roles. A product needs its role in the account and creates it at its first use.

The role is absent in an account that never used the product. To create it, the product needs the
caller's right `ram:CreateServiceLinkedRole`; without that right, the first use is refused. (Pages
CreateNatGateway and CreateLoadBalancer of NLB, "service-linked role"; RAM, "Service-linked roles".)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from localcloud.access import policies
from localcloud.access.resources import role as role_resource
from localcloud.requests.actions import Call
from localcloud.wire.errors import ApiError

from . import identities
from .entities import Role

_SESSION_SECONDS: Final = 3600


@dataclass(frozen=True)
class ServiceRole:
    """A role and the service that assumes it."""

    name: str
    service: str


NAT: Final = ServiceRole("AliyunServiceRoleForNatgw", "nat.aliyuncs.com")
NLB: Final = ServiceRole("AliyunServiceRoleForNlb", "nlb.aliyuncs.com")
ALL: Final = (NAT, NLB)


def ensure(call: Call, linked: ServiceRole, *, code: str) -> None:
    """Create the role if it does not exist, in the transaction of the call that needs it.

    Raises:
        ApiError: the caller may not create the role. The product has its own code for this.
    """
    if call.store.find(Role, linked.name) is not None:
        return
    asked = policies.Asked(
        action="ram:CreateServiceLinkedRole",
        resources=[role_resource(call.cloud, linked.name)],
        context={"ram:servicename": linked.service},
    )
    if not call.principal.may(asked):
        raise ApiError(
            code,
            f"The service-linked role {linked.name} does not exist, and {call.principal.arn} may "
            "not create it: it needs ram:CreateServiceLinkedRole.",
        )
    create(call, linked)


def create(call: Call, linked: ServiceRole) -> Role:
    """Create the role in the account."""
    trust = {
        "Version": "1",
        "Statement": [
            {
                "Action": "sts:AssumeRole",
                "Effect": "Allow",
                "Principal": {"Service": [linked.service]},
            }
        ],
    }
    return call.store.put(
        Role(
            name=linked.name,
            role_id=identities.number_id(),
            description="",
            trust=json.dumps(trust),
            max_session=_SESSION_SECONDS,
            created=call.now,
            updated=call.now,
        )
    )


def is_linked(name: str) -> bool:
    """Whether a role is created by its service."""
    return any(role.name == name for role in ALL)
