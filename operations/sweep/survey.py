"""The cloud at one moment, and the signs by which a resource in it belongs to the stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from config.facts.tags import TAG_CLUSTER, TAG_CONTROLLER
from operations.sweep.cloud import Answer, Api, tags_of
from operations.sweep.owned_names import OwnedNames
from operations.sweep.state import StackState

BY_TAG = f"tag {TAG_CLUSTER}"
BY_CONTROLLER = f"tag {TAG_CONTROLLER}"
BY_NAME = "name"
BY_PARENT = "part of ours"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The cloud at one moment; every list is requested once."""

    api: Api
    owned: OwnedNames
    state: StackState
    _lists: dict[tuple[str, ...], list[Answer]] = field(default_factory=dict)

    def every(self, product: str, action: str, *path: str, **parameters: object) -> list[Answer]:
        """The items of all pages, requested once; `path` leads to them in an answer."""
        key = (product, action, *(f"{k}={v}" for k, v in sorted(parameters.items())))
        if key not in self._lists:
            self._lists[key] = self.api.every(product, action, *path, **parameters)
        return self._lists[key]

    @cached_property
    def vpcs(self) -> frozenset[str]:
        """Ids of the stack's VPCs: adopted, in the state, or tagged."""
        tagged = (str(v["VpcId"]) for v in self.list_vpcs() if self.tagged(v))
        adopted = () if self.owned.vpc_id is None else (self.owned.vpc_id,)
        return frozenset({*adopted, *self.state.vpcs, *tagged})

    def list_vpcs(self) -> list[Answer]:
        """All VPCs of the region."""
        return self.every("vpc", "DescribeVpcs", "Vpcs", "Vpc")

    def tagged(self, item: Answer) -> bool:
        """Whether both of the stack's tags are there; one alone may be a copy by hand."""
        return self.owned.tags.items() <= tags_of(item).items()

    def sign(self, item: Answer, *, id_: str, name: str, names: Sequence[str] = ()) -> str | None:
        """Return the sign by which a thing is a leftover; None if it is not one."""
        if id_ in self.state.words:
            return None
        if self.tagged(item):
            return BY_TAG
        if self.of_controller(item):
            return BY_CONTROLLER
        inside = str(item.get("VpcId") or "") in self.vpcs
        return BY_NAME if inside and name in names and not tags_of(item) else None

    def of_controller(self, item: Answer) -> bool:
        """Whether the cloud controller made it, and no machine is left on which it could work."""
        has_tag = tags_of(item).get(TAG_CONTROLLER) == self.owned.cluster
        return has_tag and not self.state.has_machines

    def is_ours(self, id_: str) -> bool:
        """Whether the state knows it, or a look at machines and gateways shows our tags on it."""
        if id_ in self.state.words:
            return True
        around = [
            *((str(n["NatGatewayId"]), n) for n in list_nats(self)),
            *((str(b["LoadBalancerId"]), b) for b in list_balancers(self)),
            *((str(i["InstanceId"]), i) for i in _machines(self)),
        ]
        return any(id_ == other and self.tagged(item) for other, item in around)


def _machines(survey: Survey) -> list[Answer]:
    return survey.every("ecs", "DescribeInstances", "Instances", "Instance")


def list_nats(survey: Survey) -> list[Answer]:
    """All NAT gateways of the region."""
    return survey.every("vpc", "DescribeNatGateways", "NatGateways", "NatGateway")


def list_balancers(survey: Survey) -> list[Answer]:
    """All CLBs of the region."""
    return survey.every("slb", "DescribeLoadBalancers", "LoadBalancers", "LoadBalancer")


def list_access_lists(survey: Survey) -> list[Answer]:
    """All access control lists of the region."""
    return survey.every("slb", "DescribeAccessControlLists", "Acls", "Acl")


def list_eips(survey: Survey) -> list[Answer]:
    """All EIPs of the region."""
    return survey.every("vpc", "DescribeEipAddresses", "EipAddresses", "EipAddress")
