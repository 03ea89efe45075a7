"""What is ours in the cloud and unknown to the state, in an order in which it can be deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from config.facts.tags import TAG_CLUSTER, TAG_CONTROLLER, TAG_PROFILE
from operations.sweep.cloud import Answer, Api, CloudError
from operations.sweep.state import StackState
from planning.model import ClusterPlan

BY_TAG = f"tag {TAG_CLUSTER}"
BY_CONTROLLER = f"tag {TAG_CONTROLLER}"
BY_NAME = "name"
BY_PARENT = "part of ours"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing that is in the cloud and not in the state."""

    kind: str
    id: str
    name: str = ""
    sign: str
    """How it is known to be ours: one of the `BY_…` texts."""
    of: str = ""
    """The id of what it is a part of, where deleting it takes that."""
    bound: str = ""
    """What an EIP is bound to: kind and id, or nothing."""

    def as_document(self) -> dict[str, str]:
        """For machines."""
        return {"kind": self.kind, "id": self.id, "name": self.name, "sign": self.sign}


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What the plan calls its own: tags, exact names, adopted ids."""

    name: str
    tags: Mapping[str, str]
    role: str
    vpc_id: str | None
    nat_id: str | None
    eip_id: str | None
    secondary_cidrs: frozenset[str]
    vswitches: frozenset[str]
    """Names of vSwitches, of their SNAT entries and of their CIDR reservations."""
    eips: frozenset[str]

    @classmethod
    def of(cls, plan: ClusterPlan) -> Ours:
        """Names are those that `components` gives; an adopted VPC gets no CIDR from us."""
        vpc = plan.network.vpc
        return cls(
            name=plan.name,
            tags={TAG_CLUSTER: plan.name, TAG_PROFILE: plan.profile.value},
            role=f"{plan.name}-{plan.region}-ccm",
            vpc_id=vpc.id,
            nat_id=plan.network.nat.id,
            eip_id=plan.network.nat.eip_id,
            secondary_cidrs=frozenset(
                str(cidr) for cidr in (vpc.secondary_cidrs if vpc.id is None else ())
            ),
            vswitches=frozenset(f"{plan.name}-{key}" for key in plan.network.vswitches),
            eips=frozenset({f"{plan.name}-nat", f"{plan.name}-api"}),
        )


def leftovers(api: Api, ours: Ours, state: StackState) -> list[Leftover]:
    """List everything of this stack that the state does not know.

    Three signs make a thing ours: the stack's own tags; the cloud controller's tag with the
    cluster's name, once no machine is left on which that controller could work; or, for what has no
    tags or not yet, the exact name that the program gives, inside the stack's own VPC where there
    is one around it. A kind that the account may not list, or that the region does not have, is an
    error: a sweep that is silent about it would be believed.
    """
    look = _Look(api=api, ours=ours, state=state)
    return [found for listing in _LISTINGS for found in listing(look)]


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One look at the cloud; every list is asked for once."""

    api: Api
    ours: Ours
    state: StackState
    _lists: dict[tuple[str, ...], list[Answer]] = field(default_factory=dict)

    def every(self, product: str, action: str, *path: str, **parameters: object) -> list[Answer]:
        key = (product, action, *(f"{k}={v}" for k, v in sorted(parameters.items())))
        if key not in self._lists:
            self._lists[key] = self.api.every(product, action, *path, **parameters)
        return self._lists[key]

    @cached_property
    def vpcs(self) -> frozenset[str]:
        """Ids of the stack's VPCs: adopted, in the state, or tagged."""
        tagged = (str(v["VpcId"]) for v in self.list_vpcs() if self.tagged(v))
        adopted = () if self.ours.vpc_id is None else (self.ours.vpc_id,)
        return frozenset({*adopted, *self.state.vpcs, *tagged})

    def list_vpcs(self) -> list[Answer]:
        return self.every("vpc", "DescribeVpcs", "Vpcs", "Vpc")

    def tagged(self, item: Answer) -> bool:
        """Whether both of the stack's tags are there; one alone may be a copy by hand."""
        return self.ours.tags.items() <= _tags(item).items()

    def sign(self, item: Answer, *, id_: str, name: str, names: Sequence[str] = ()) -> str | None:
        """Say why a thing is a leftover, or None."""
        if id_ in self.state.words:
            return None
        if self.tagged(item):
            return BY_TAG
        if self.of_controller(item):
            return BY_CONTROLLER
        inside = str(item.get("VpcId") or "") in self.vpcs
        return BY_NAME if inside and name in names and not _tags(item) else None

    def of_controller(self, item: Answer) -> bool:
        made = _tags(item).get(TAG_CONTROLLER) == self.ours.name
        return made and not self.state.has_machines

    def is_ours(self, id_: str) -> bool:
        """Whether the state knows it, or a look at machines and gateways shows our tags on it."""
        if id_ in self.state.words:
            return True
        around = [
            *((str(n["NatGatewayId"]), n) for n in _nats(self)),
            *((str(b["LoadBalancerId"]), b) for b in _balancers(self)),
            *((str(i["InstanceId"]), i) for i in _machines(self)),
        ]
        return any(id_ == known and self.tagged(item) for known, item in around)


def _machines(look: _Look) -> list[Answer]:
    return look.every("ecs", "DescribeInstances", "Instances", "Instance")


def _nats(look: _Look) -> list[Answer]:
    return look.every("vpc", "DescribeNatGateways", "NatGateways", "NatGateway")


def _balancers(look: _Look) -> list[Answer]:
    return look.every("slb", "DescribeLoadBalancers", "LoadBalancers", "LoadBalancer")


def _eips(look: _Look) -> list[Answer]:
    return look.every("vpc", "DescribeEipAddresses", "EipAddresses", "EipAddress")


def _role_attachments(look: _Look) -> Iterator[Leftover]:
    """A role on a machine that the state knows, without the attachment that the state should."""
    try:
        held = look.every(
            *("ecs", "DescribeInstanceRamRole", "InstanceRamRoleSets", "InstanceRamRoleSet"),
            RamRoleName=look.ours.role,
        )
    except CloudError as error:
        if "NotExist" not in error.code and "NotFound" not in error.code:
            raise
        return
    for item in held:
        machine = str(item.get("InstanceId", ""))
        id_ = f"{machine}:{look.ours.role}"
        known = look.state.has("alicloud:ecs/ramRoleAttachment:RamRoleAttachment", id_)
        if machine in look.state.words and not known:
            yield Leftover(kind="role attachment", id=id_, sign=BY_NAME, of=machine)


def _snat_entries(look: _Look) -> Iterator[Leftover]:
    for nat in _nats(look):
        nat_id = str(nat["NatGatewayId"])
        if nat_id not in look.state.words and nat_id != look.ours.nat_id:
            continue
        tables = nat.get("SnatTableIds") or {}
        for table in tables.get("SnatTableId") or ():
            entries = look.every(
                *("vpc", "DescribeSnatTableEntries", "SnatTableEntries", "SnatTableEntry"),
                SnatTableId=table,
            )
            for entry in entries:
                id_, name = str(entry["SnatEntryId"]), str(entry.get("SnatEntryName", ""))
                if id_ not in look.state.words and name in look.ours.vswitches:
                    yield Leftover(kind="SNAT entry", id=id_, name=name, sign=BY_NAME, of=table)


def _eip_associations(look: _Look) -> Iterator[Leftover]:
    """An EIP of ours, bound to a thing of ours, and the state does not know of the binding."""
    for eip in _eips(look):
        id_, target = str(eip["AllocationId"]), str(eip.get("InstanceId") or "")
        mine = look.state.has("alicloud:ecs/eipAddress:EipAddress", id_) or id_ == look.ours.eip_id
        known = look.state.has("alicloud:ecs/eipAssociation:EipAssociation", f"{id_}:{target}")
        if mine and target and not known and look.is_ours(target):
            yield Leftover(
                kind="EIP association",
                id=id_,
                name=str(eip.get("IpAddress", "")),
                sign=BY_PARENT,
                bound=f"{eip.get('InstanceType', '')} {target}",
            )


def _server_groups(look: _Look) -> Iterator[Leftover]:
    """Of the API server's own load balancer only; another one's go with it."""
    for balancer in _balancers(look):
        id_ = str(balancer["LoadBalancerId"])
        if not look.state.has(_BALANCER, id_):
            continue
        for item in look.every(
            *("slb", "DescribeLoadBalancerListeners", "Listeners"), **{"LoadBalancerId.1": id_}
        ):
            listener = f"{id_}:{item.get('ListenerProtocol')}:{item.get('ListenerPort')}"
            if not look.state.has("alicloud:slb/listener:Listener", listener):
                yield Leftover(kind="listener", id=listener, sign=BY_PARENT, of=id_)
        for group in look.every(
            *("slb", "DescribeVServerGroups", "VServerGroups", "VServerGroup"), LoadBalancerId=id_
        ):
            group_id, name = str(group["VServerGroupId"]), str(group.get("VServerGroupName", ""))
            if group_id not in look.state.words and name == f"{look.ours.name}-api":
                yield Leftover(kind="server group", id=group_id, name=name, sign=BY_PARENT, of=id_)


def _ipv6_bandwidths(look: _Look) -> Iterator[Leftover]:
    """Public bandwidth of an address on an ENI that the state knows; another one's go with it."""
    vswitches = look.state.of_type("alicloud:vpc/switch:Switch")
    for vpc_id in sorted(look.vpcs):
        for item in look.every(
            *("vpc", "DescribeIpv6Addresses", "Ipv6Addresses", "Ipv6Address"), VpcId=vpc_id
        ):
            held = item.get("Ipv6InternetBandwidth") or {}
            id_ = str(held.get("Ipv6InternetBandwidthId") or "")
            inside = str(item.get("VSwitchId", "")) in vswitches
            if id_ and inside and id_ not in look.state.words:
                yield Leftover(
                    kind="IPv6 bandwidth",
                    id=id_,
                    name=str(item.get("Ipv6Address", "")),
                    sign=BY_PARENT,
                    of=str(item.get("Ipv6AddressId", "")),
                )


def _listed(  # noqa: PLR0913 - one row of a table
    kind: str,
    product: str,
    action: str,
    path: tuple[str, ...],
    *,
    id_key: str,
    name_key: str,
    names: Callable[[Ours], Sequence[str]] = lambda _: (),
) -> Callable[[_Look], Iterator[Leftover]]:
    """A kind that has tags: all of it is listed, and judged one by one."""

    def listing(look: _Look) -> Iterator[Leftover]:
        for item in look.every(product, action, *path):
            id_, name = str(item[id_key]), str(item.get(name_key) or "")
            sign = look.sign(item, id_=id_, name=name, names=names(look.ours))
            if sign is not None:
                yield Leftover(kind=kind, id=id_, name=name, sign=sign)

    return listing


def _addresses(look: _Look) -> Iterator[Leftover]:
    """An EIP gets its tags after it was made: free, untagged and with our name, it is ours too."""
    for eip in _eips(look):
        id_, name = str(eip["AllocationId"]), str(eip.get("Name") or "")
        target = str(eip.get("InstanceId") or "")
        sign = look.sign(eip, id_=id_, name=name)
        if sign is None and id_ not in look.state.words and id_ != look.ours.eip_id:
            unfinished = name in look.ours.eips and not _tags(eip) and not target
            sign = BY_NAME if unfinished else None
        if sign is not None:
            bound = f"{eip.get('InstanceType', '')} {target}" if target else ""
            yield Leftover(kind="EIP", id=id_, name=name, sign=sign, bound=bound)


def _reservations(look: _Look) -> Iterator[Leftover]:
    for vpc_id in sorted(look.vpcs):
        for item in look.every(
            "vpc", "ListVSwitchCidrReservations", "VSwitchCidrReservations", VpcId=vpc_id
        ):
            id_ = str(item["VSwitchCidrReservationId"])
            name = str(item.get("VSwitchCidrReservationName") or "")
            if id_ not in look.state.words and name in look.ours.vswitches:
                yield Leftover(
                    kind="CIDR reservation",
                    id=id_,
                    name=name,
                    sign=BY_NAME,
                    of=str(item.get("VSwitchId", "")),
                )


def _cidr_blocks(look: _Look) -> Iterator[Leftover]:
    """A range that the plan adds to the VPC, on a VPC that the state knows."""
    for vpc in look.list_vpcs():
        vpc_id = str(vpc["VpcId"])
        if vpc_id not in look.state.vpcs:
            continue
        for cidr in (vpc.get("SecondaryCidrBlocks") or {}).get("SecondaryCidrBlock") or ():
            id_ = f"{vpc_id}:{cidr}"
            known = look.state.has("alicloud:vpc/ipv4CidrBlock:Ipv4CidrBlock", id_)
            if not known and cidr in look.ours.secondary_cidrs:
                yield Leftover(kind="CIDR block", id=id_, name=str(cidr), sign=BY_NAME, of=vpc_id)


def _ram(look: _Look) -> Iterator[Leftover]:
    """Role, policy and their attachment have no region: their names have it instead."""
    name, state = look.ours.role, look.state
    has_role = state.has("alicloud:ram/role:Role", name)
    has_policy = state.has("alicloud:ram/policy:Policy", name)
    role = _asked(look.api, "GetRole", RoleName=name)
    if role:
        attached = look.api.call("ram", "ListPoliciesForRole", RoleName=name)
        for item in (attached.get("Policies") or {}).get("Policy") or ():
            id_ = f"role:{name}:Custom:{name}"
            known = state.has("alicloud:ram/rolePolicyAttachment:RolePolicyAttachment", id_)
            ours = item.get("PolicyName") == name and item.get("PolicyType") == "Custom"
            if ours and not known:
                yield Leftover(kind="policy attachment", id=id_, name=name, sign=BY_NAME)
    if not has_policy and _asked(look.api, "GetPolicy", PolicyName=name, PolicyType="Custom"):
        yield Leftover(kind="policy", id=name, name=name, sign=BY_NAME)
    if not has_role and role:
        yield Leftover(kind="role", id=name, name=name, sign=BY_NAME)


def _asked(api: Api, action: str, **parameters: object) -> Answer:
    """The answer, or nothing where there is nothing of that name."""
    try:
        return api.call("ram", action, **parameters)
    except CloudError as error:
        if error.code.startswith("EntityNotExist"):
            return {}
        raise


def _vpcs(look: _Look) -> Iterator[Leftover]:
    """By tag only: nothing is around a VPC that would tell ours from another of that name."""
    for vpc in look.list_vpcs():
        id_ = str(vpc["VpcId"])
        if id_ not in look.state.words and id_ != look.ours.vpc_id and look.tagged(vpc):
            yield Leftover(kind="VPC", id=id_, name=str(vpc.get("VpcName") or ""), sign=BY_TAG)


def _tags(item: Answer) -> dict[str, str]:
    """Tags in both spellings and both shapes that the products have."""
    held = item.get("Tags") or ()
    pairs = held.get("Tag") or () if isinstance(held, Mapping) else held
    return {
        str(p.get("TagKey") or p.get("Key")): str(p.get("TagValue") or p.get("Value") or "")
        for p in pairs
    }


_BALANCER = "alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer"

_LISTINGS: tuple[Callable[[_Look], Iterator[Leftover]], ...] = (
    _role_attachments,
    _snat_entries,
    _eip_associations,
    _server_groups,
    _ipv6_bandwidths,
    _listed(
        *("instance", "ecs", "DescribeInstances", ("Instances", "Instance")),
        id_key="InstanceId",
        name_key="InstanceName",
    ),
    _listed(
        *("network interface", "ecs", "DescribeNetworkInterfaces"),
        ("NetworkInterfaceSets", "NetworkInterfaceSet"),
        id_key="NetworkInterfaceId",
        name_key="NetworkInterfaceName",
    ),
    _listed(
        *("load balancer", "slb", "DescribeLoadBalancers", ("LoadBalancers", "LoadBalancer")),
        id_key="LoadBalancerId",
        name_key="LoadBalancerName",
        names=lambda ours: (f"{ours.name}-api",),
    ),
    _listed(
        *("access control list", "slb", "DescribeAccessControlLists", ("Acls", "Acl")),
        id_key="AclId",
        name_key="AclName",
    ),
    _listed(
        *("network load balancer", "nlb", "ListLoadBalancers", ("LoadBalancers",)),
        id_key="LoadBalancerId",
        name_key="LoadBalancerName",
    ),
    _listed(
        *("NLB server group", "nlb", "ListServerGroups", ("ServerGroups",)),
        id_key="ServerGroupId",
        name_key="ServerGroupName",
    ),
    _addresses,
    _listed(
        *("NAT gateway", "vpc", "DescribeNatGateways", ("NatGateways", "NatGateway")),
        id_key="NatGatewayId",
        name_key="Name",
        names=lambda ours: (ours.name,),
    ),
    _listed(
        *("IPv6 gateway", "vpc", "DescribeIpv6Gateways", ("Ipv6Gateways", "Ipv6Gateway")),
        id_key="Ipv6GatewayId",
        name_key="Name",
        names=lambda ours: (ours.name,),
    ),
    _reservations,
    _listed(
        *("security group", "ecs", "DescribeSecurityGroups", ("SecurityGroups", "SecurityGroup")),
        id_key="SecurityGroupId",
        name_key="SecurityGroupName",
    ),
    _listed(
        *("vSwitch", "vpc", "DescribeVSwitches", ("VSwitches", "VSwitch")),
        id_key="VSwitchId",
        name_key="VSwitchName",
        names=lambda ours: tuple(ours.vswitches),
    ),
    _cidr_blocks,
    _ram,
    _vpcs,
)
"""What is listed, in the order in which it can be deleted."""
