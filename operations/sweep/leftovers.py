"""What belongs to the stack in the cloud and is not in its state, in the order of deletion."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from config.facts.resource_types import EIP, INSTANCE, LOAD_BALANCER, SERVER_ATTACHMENT
from config.facts.tags import TAG_CLUSTER, TAG_CONTROLLER
from operations.sweep.cloud import Answer, Api, CloudError, tags_of
from operations.sweep.state import StackState
from planning.model import ClusterPlan
from planning.names import (
    api_endpoint_name,
    controller_role_name,
    is_access_list_name,
    nat_eip_name,
    own_tags,
    vswitch_name,
)
from planning.nodes.endpoint import admitted

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
    """The id of the resource that it is a part of, where its deletion needs that id."""
    bound: str = ""
    """What an EIP is bound to: kind and id, or nothing."""

    def as_document(self) -> dict[str, str]:
        """Return the leftover as JSON-ready data."""
        return {"kind": self.kind, "id": self.id, "name": self.name, "sign": self.sign}


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


def leftovers(api: Api, owned: OwnedNames, state: StackState) -> list[Leftover]:
    """List everything of this stack that the state does not know.

    A resource belongs to the stack by one of three signs: the stack's own tags; the cloud
    controller's tag with the cluster's name, once no machine is left on which that controller could
    work; or, for a resource that has no tags, or none yet, the exact name that the program gives,
    inside the stack's own VPC if the resource belongs to a VPC. A kind that the account may not
    list, or that the region does not have, is an error: a sweep that skipped it silently would seem
    complete.
    """
    survey = _Survey(api=api, owned=owned, state=state)
    return [leftover for listing in _LISTINGS for leftover in listing(survey)]


@dataclass(frozen=True, kw_only=True)
class _Survey:
    """The cloud at one moment; every list is requested once."""

    api: Api
    owned: OwnedNames
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
        adopted = () if self.owned.vpc_id is None else (self.owned.vpc_id,)
        return frozenset({*adopted, *self.state.vpcs, *tagged})

    def list_vpcs(self) -> list[Answer]:
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
        has_tag = tags_of(item).get(TAG_CONTROLLER) == self.owned.cluster
        return has_tag and not self.state.has_machines

    def is_ours(self, id_: str) -> bool:
        """Whether the state knows it, or a look at machines and gateways shows our tags on it."""
        if id_ in self.state.words:
            return True
        around = [
            *((str(n["NatGatewayId"]), n) for n in _nats(self)),
            *((str(b["LoadBalancerId"]), b) for b in _balancers(self)),
            *((str(i["InstanceId"]), i) for i in _machines(self)),
        ]
        return any(id_ == other and self.tagged(item) for other, item in around)


def _machines(survey: _Survey) -> list[Answer]:
    return survey.every("ecs", "DescribeInstances", "Instances", "Instance")


def _nats(survey: _Survey) -> list[Answer]:
    return survey.every("vpc", "DescribeNatGateways", "NatGateways", "NatGateway")


def _balancers(survey: _Survey) -> list[Answer]:
    return survey.every("slb", "DescribeLoadBalancers", "LoadBalancers", "LoadBalancer")


def _access_control_lists(survey: _Survey) -> list[Answer]:
    return survey.every("slb", "DescribeAccessControlLists", "Acls", "Acl")


def _eips(survey: _Survey) -> list[Answer]:
    return survey.every("vpc", "DescribeEipAddresses", "EipAddresses", "EipAddress")


def _role_attachments(survey: _Survey) -> Iterator[Leftover]:
    """A role on a machine in the state, where the state lacks the attachment."""
    try:
        attachments = survey.every(
            "ecs",
            "DescribeInstanceRamRole",
            "InstanceRamRoleSets",
            "InstanceRamRoleSet",
            RamRoleName=survey.owned.role,
        )
    except CloudError as error:
        if "NotExist" not in error.code and "NotFound" not in error.code:
            raise
        return
    for item in attachments:
        machine = str(item.get("InstanceId", ""))
        id_ = f"{machine}:{survey.owned.role}"
        in_state = survey.state.has("alicloud:ecs/ramRoleAttachment:RamRoleAttachment", id_)
        if machine in survey.state.words and not in_state:
            yield Leftover(kind="role attachment", id=id_, sign=BY_NAME, of=machine)


def _snat_entries(survey: _Survey) -> Iterator[Leftover]:
    for nat in _nats(survey):
        nat_id = str(nat["NatGatewayId"])
        if nat_id not in survey.state.words and nat_id != survey.owned.nat_id:
            continue
        tables = nat.get("SnatTableIds") or {}
        for table in tables.get("SnatTableId") or ():
            entries = survey.every(
                "vpc",
                "DescribeSnatTableEntries",
                "SnatTableEntries",
                "SnatTableEntry",
                SnatTableId=table,
            )
            for entry in entries:
                id_, name = str(entry["SnatEntryId"]), str(entry.get("SnatEntryName", ""))
                if id_ not in survey.state.words and name in survey.owned.vswitches:
                    yield Leftover(kind="SNAT entry", id=id_, name=name, sign=BY_NAME, of=table)


def _eip_associations(survey: _Survey) -> Iterator[Leftover]:
    """An EIP of ours that is bound to a resource of ours by a binding that the state lacks."""
    for eip in _eips(survey):
        id_, target = str(eip["AllocationId"]), str(eip.get("InstanceId") or "")
        mine = survey.state.has(EIP, id_) or id_ == survey.owned.eip_id
        in_state = survey.state.has("alicloud:ecs/eipAssociation:EipAssociation", f"{id_}:{target}")
        if mine and target and not in_state and survey.is_ours(target):
            yield Leftover(
                kind="EIP association",
                id=id_,
                name=str(eip.get("IpAddress", "")),
                sign=BY_PARENT,
                bound=f"{eip.get('InstanceType', '')} {target}",
            )


def _balancers_of_state(survey: _Survey) -> Iterator[str]:
    for balancer in _balancers(survey):
        id_ = str(balancer["LoadBalancerId"])
        if survey.state.has(LOAD_BALANCER, id_):
            yield id_


def _server_groups(survey: _Survey) -> Iterator[Leftover]:
    """Only those of the API server's own load balancer; those of others are deleted with them."""
    for id_ in _balancers_of_state(survey):
        for item in survey.every(
            "slb", "DescribeLoadBalancerListeners", "Listeners", **{"LoadBalancerId.1": id_}
        ):
            listener = f"{id_}:{item.get('ListenerProtocol')}:{item.get('ListenerPort')}"
            if not survey.state.has("alicloud:slb/listener:Listener", listener):
                yield Leftover(kind="listener", id=listener, sign=BY_PARENT, of=id_)
        for group in survey.every(
            "slb", "DescribeVServerGroups", "VServerGroups", "VServerGroup", LoadBalancerId=id_
        ):
            group_id, name = str(group["VServerGroupId"]), str(group.get("VServerGroupName", ""))
            if group_id not in survey.state.words and is_access_list_name(
                survey.owned.cluster, name
            ):
                yield Leftover(kind="server group", id=group_id, name=name, sign=BY_PARENT, of=id_)


def _backend_servers(survey: _Survey) -> Iterator[Leftover]:
    """A machine in the state that is in the API's server group, where the state lacks that."""
    for group in _groups_of_state(survey):
        answer = survey.api.call("slb", "DescribeVServerGroupAttribute", VServerGroupId=group)
        for server in (answer.get("BackendServers") or {}).get("BackendServer") or ():
            machine = str(server.get("ServerId", ""))
            id_ = f"{group}:{machine}:{server.get('Port')}"
            if survey.state.has(INSTANCE, machine) and not survey.state.has(SERVER_ATTACHMENT, id_):
                yield Leftover(kind="backend server", id=id_, sign=BY_PARENT, of=group)


def _groups_of_state(survey: _Survey) -> Iterator[str]:
    for id_ in _balancers_of_state(survey):
        for item in survey.every(
            "slb", "DescribeVServerGroups", "VServerGroups", "VServerGroup", LoadBalancerId=id_
        ):
            group = str(item["VServerGroupId"])
            if survey.state.has("alicloud:slb/serverGroup:ServerGroup", group):
                yield group


def _access_entries(survey: _Survey) -> Iterator[Leftover]:
    """An entry that the plan, or a creation that was cut off, adds to a list in the state.

    Other entries are somebody's own, and stop no run.
    """
    ours = survey.owned.admitted | survey.state.unfinished(_ENTRY, "entry")
    for item in _access_control_lists(survey):
        acl = str(item["AclId"])
        if not survey.state.has("alicloud:slb/acl:Acl", acl):
            continue
        for block in _entries_of(survey.api, acl):
            id_ = f"{acl}:{block}"
            if block in ours and not survey.state.has(_ENTRY, id_):
                yield Leftover(kind="access entry", id=id_, name=block, sign=BY_NAME, of=acl)


def _entries_of(api: Api, acl: str) -> list[str]:
    entries: list[str] = []
    for page in itertools.count(1):
        answer = api.call(
            "slb",
            "DescribeAccessControlListAttribute",
            AclId=acl,
            Page=page,
            PageSize=_ENTRIES_A_PAGE,
        )
        part = (answer.get("AclEntrys") or {}).get("AclEntry") or ()
        entries += [str(entry.get("AclEntryIP", "")) for entry in part]
        if not part or len(entries) >= int(answer.get("TotalAclEntry") or 0):
            break
    return entries


def _access_lists(survey: _Survey) -> Iterator[Leftover]:
    """A list is tagged after its creation, so an untagged, empty one with our name is ours, too."""
    for acl in _access_control_lists(survey):
        id_, name = str(acl["AclId"]), str(acl.get("AclName") or "")
        sign = survey.sign(acl, id_=id_, name=name)
        ours = is_access_list_name(survey.owned.cluster, name)
        if sign is None and ours and id_ not in survey.state.words:
            is_unfinished = not tags_of(acl) and not _entries_of(survey.api, id_)
            sign = BY_NAME if is_unfinished else None
        if sign is not None:
            yield Leftover(kind="access control list", id=id_, name=name, sign=sign)


def _ipv6_bandwidths(survey: _Survey) -> Iterator[Leftover]:
    """Public bandwidth of an address on an ENI in the state; any other is deleted with its ENI."""
    vswitches = survey.state.of_type("alicloud:vpc/switch:Switch")
    for vpc_id in sorted(survey.vpcs):
        for item in survey.every(
            "vpc", "DescribeIpv6Addresses", "Ipv6Addresses", "Ipv6Address", VpcId=vpc_id
        ):
            bandwidth = item.get("Ipv6InternetBandwidth") or {}
            id_ = str(bandwidth.get("Ipv6InternetBandwidthId") or "")
            inside = str(item.get("VSwitchId", "")) in vswitches
            if id_ and inside and id_ not in survey.state.words:
                yield Leftover(
                    kind="IPv6 bandwidth",
                    id=id_,
                    name=str(item.get("Ipv6Address", "")),
                    sign=BY_PARENT,
                    of=str(item.get("Ipv6AddressId", "")),
                )


@dataclass(frozen=True, kw_only=True)
class _TaggedKind:
    """A kind that has tags: all of it is listed, and each item is checked."""

    kind: str
    product: str
    action: str
    path: tuple[str, ...]
    """Keys that lead to the items of an answer."""
    id_key: str
    name_key: str
    names: Callable[[OwnedNames], Sequence[str]] = lambda _: ()
    """Exact names by which an untagged one is recognised inside the stack's VPC."""

    def __call__(self, survey: _Survey) -> Iterator[Leftover]:
        for item in survey.every(self.product, self.action, *self.path):
            id_, name = str(item[self.id_key]), str(item.get(self.name_key) or "")
            sign = survey.sign(item, id_=id_, name=name, names=self.names(survey.owned))
            if sign is not None:
                yield Leftover(kind=self.kind, id=id_, name=name, sign=sign)


def _disks(survey: _Survey) -> Iterator[Leftover]:
    """Data disks. A system disk has its instance's tags, too, and goes with it."""
    for disk in survey.every("ecs", "DescribeDisks", "Disks", "Disk", DiskType="data"):
        id_ = str(disk["DiskId"])
        if id_ not in survey.state.words and survey.tagged(disk):
            yield Leftover(kind="disk", id=id_, name=str(disk.get("DiskName") or ""), sign=BY_TAG)


def _addresses(survey: _Survey) -> Iterator[Leftover]:
    """An EIP is tagged after its creation, so a free, untagged one with our name is ours, too."""
    for eip in _eips(survey):
        id_, name = str(eip["AllocationId"]), str(eip.get("Name") or "")
        target = str(eip.get("InstanceId") or "")
        sign = survey.sign(eip, id_=id_, name=name)
        if sign is None and id_ not in survey.state.words and id_ != survey.owned.eip_id:
            unfinished = name in survey.owned.eips and not tags_of(eip) and not target
            sign = BY_NAME if unfinished else None
        if sign is not None:
            bound = f"{eip.get('InstanceType', '')} {target}" if target else ""
            yield Leftover(kind="EIP", id=id_, name=name, sign=sign, bound=bound)


def _reservations(survey: _Survey) -> Iterator[Leftover]:
    for vpc_id in sorted(survey.vpcs):
        for item in survey.every(
            "vpc", "ListVSwitchCidrReservations", "VSwitchCidrReservations", VpcId=vpc_id
        ):
            id_ = str(item["VSwitchCidrReservationId"])
            name = str(item.get("VSwitchCidrReservationName") or "")
            if id_ not in survey.state.words and name in survey.owned.vswitches:
                yield Leftover(
                    kind="CIDR reservation",
                    id=id_,
                    name=name,
                    sign=BY_NAME,
                    of=str(item.get("VSwitchId", "")),
                )


def _cidr_blocks(survey: _Survey) -> Iterator[Leftover]:
    """A range that the plan adds to the VPC, on a VPC that the state knows."""
    for vpc in survey.list_vpcs():
        vpc_id = str(vpc["VpcId"])
        if vpc_id not in survey.state.vpcs:
            continue
        for cidr in (vpc.get("SecondaryCidrBlocks") or {}).get("SecondaryCidrBlock") or ():
            id_ = f"{vpc_id}:{cidr}"
            in_state = survey.state.has("alicloud:vpc/ipv4CidrBlock:Ipv4CidrBlock", id_)
            if not in_state and cidr in survey.owned.secondary_cidrs:
                yield Leftover(kind="CIDR block", id=id_, name=str(cidr), sign=BY_NAME, of=vpc_id)


def _ram(survey: _Survey) -> Iterator[Leftover]:
    """Role, policy and their attachment have no region, so their names contain it."""
    name, state = survey.owned.role, survey.state
    has_role = state.has("alicloud:ram/role:Role", name)
    has_policy = state.has("alicloud:ram/policy:Policy", name)
    role = _asked(survey.api, "GetRole", RoleName=name)
    if role:
        attached = survey.api.call("ram", "ListPoliciesForRole", RoleName=name)
        for item in (attached.get("Policies") or {}).get("Policy") or ():
            id_ = f"role:{name}:Custom:{name}"
            in_state = state.has("alicloud:ram/rolePolicyAttachment:RolePolicyAttachment", id_)
            is_own = item.get("PolicyName") == name and item.get("PolicyType") == "Custom"
            if is_own and not in_state:
                yield Leftover(kind="policy attachment", id=id_, name=name, sign=BY_NAME)
    if not has_policy and _asked(survey.api, "GetPolicy", PolicyName=name, PolicyType="Custom"):
        yield Leftover(kind="policy", id=name, name=name, sign=BY_NAME)
    if not has_role and role:
        yield Leftover(kind="role", id=name, name=name, sign=BY_NAME)


def _asked(api: Api, action: str, **parameters: object) -> Answer:
    """The answer, or an empty one when the resource does not exist."""
    try:
        return api.call("ram", action, **parameters)
    except CloudError as error:
        if error.code.startswith("EntityNotExist"):
            return {}
        raise


def _vpcs(survey: _Survey) -> Iterator[Leftover]:
    """By tag only: a VPC of the same name could belong to somebody else."""
    for vpc in survey.list_vpcs():
        id_ = str(vpc["VpcId"])
        if id_ not in survey.state.words and id_ != survey.owned.vpc_id and survey.tagged(vpc):
            yield Leftover(kind="VPC", id=id_, name=str(vpc.get("VpcName") or ""), sign=BY_TAG)


_ENTRY = "alicloud:slb/aclEntryAttachment:AclEntryAttachment"
_ENTRIES_A_PAGE = 50
"""The most that DescribeAccessControlListAttribute answers at once; without it, ten."""

_LISTINGS: tuple[Callable[[_Survey], Iterator[Leftover]], ...] = (
    _role_attachments,
    _snat_entries,
    _eip_associations,
    _backend_servers,
    _access_entries,
    _server_groups,
    _ipv6_bandwidths,
    _TaggedKind(
        kind="instance",
        product="ecs",
        action="DescribeInstances",
        path=("Instances", "Instance"),
        id_key="InstanceId",
        name_key="InstanceName",
    ),
    _disks,
    _TaggedKind(
        kind="snapshot policy",
        product="ecs",
        action="DescribeAutoSnapshotPolicyEx",
        path=("AutoSnapshotPolicies", "AutoSnapshotPolicy"),
        id_key="AutoSnapshotPolicyId",
        name_key="AutoSnapshotPolicyName",
    ),
    _TaggedKind(
        kind="network interface",
        product="ecs",
        action="DescribeNetworkInterfaces",
        path=("NetworkInterfaceSets", "NetworkInterfaceSet"),
        id_key="NetworkInterfaceId",
        name_key="NetworkInterfaceName",
    ),
    _TaggedKind(
        kind="load balancer",
        product="slb",
        action="DescribeLoadBalancers",
        path=("LoadBalancers", "LoadBalancer"),
        id_key="LoadBalancerId",
        name_key="LoadBalancerName",
        names=lambda owned: (owned.api,),
    ),
    _access_lists,
    _TaggedKind(
        kind="network load balancer",
        product="nlb",
        action="ListLoadBalancers",
        path=("LoadBalancers",),
        id_key="LoadBalancerId",
        name_key="LoadBalancerName",
    ),
    _TaggedKind(
        kind="NLB server group",
        product="nlb",
        action="ListServerGroups",
        path=("ServerGroups",),
        id_key="ServerGroupId",
        name_key="ServerGroupName",
    ),
    _addresses,
    _TaggedKind(
        kind="NAT gateway",
        product="vpc",
        action="DescribeNatGateways",
        path=("NatGateways", "NatGateway"),
        id_key="NatGatewayId",
        name_key="Name",
        names=lambda owned: (owned.cluster,),
    ),
    _TaggedKind(
        kind="IPv6 gateway",
        product="vpc",
        action="DescribeIpv6Gateways",
        path=("Ipv6Gateways", "Ipv6Gateway"),
        id_key="Ipv6GatewayId",
        name_key="Name",
        names=lambda owned: (owned.cluster,),
    ),
    _reservations,
    _TaggedKind(
        kind="security group",
        product="ecs",
        action="DescribeSecurityGroups",
        path=("SecurityGroups", "SecurityGroup"),
        id_key="SecurityGroupId",
        name_key="SecurityGroupName",
    ),
    _TaggedKind(
        kind="vSwitch",
        product="vpc",
        action="DescribeVSwitches",
        path=("VSwitches", "VSwitch"),
        id_key="VSwitchId",
        name_key="VSwitchName",
        names=lambda owned: tuple(owned.vswitches),
    ),
    _cidr_blocks,
    _ram,
    _vpcs,
)
"""The kinds that are listed, in the order in which they can be deleted."""
