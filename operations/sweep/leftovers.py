"""What belongs to the stack in the cloud and is not in its state, in the order of deletion."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from config.facts.resource_types import EIP, INSTANCE, LOAD_BALANCER, SERVER_ATTACHMENT
from operations.sweep.cloud import Answer, Api, CloudError, tags_of
from operations.sweep.owned_names import OwnedNames
from operations.sweep.state import StackState
from operations.sweep.survey import (
    BY_NAME,
    BY_PARENT,
    BY_TAG,
    Survey,
    list_access_lists,
    list_balancers,
    list_eips,
    list_nats,
)
from planning.names import (
    is_access_list_name,
)


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


def leftovers(api: Api, owned: OwnedNames, state: StackState) -> list[Leftover]:
    """List everything of this stack that the state does not know.

    A resource belongs to the stack by one of three signs: the stack's own tags; the cloud
    controller's tag with the cluster's name, once no machine is left on which that controller could
    work; or, for a resource that has no tags, or none yet, the exact name that the program gives,
    inside the stack's own VPC if the resource belongs to a VPC. A kind that the account may not
    list, or that the region does not have, is an error: a sweep that skipped it silently would seem
    complete.
    """
    survey = Survey(api=api, owned=owned, state=state)
    return [leftover for listing in _LISTINGS for leftover in listing(survey)]


def _role_attachments(survey: Survey) -> Iterator[Leftover]:
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


def _snat_entries(survey: Survey) -> Iterator[Leftover]:
    for nat in list_nats(survey):
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


def _eip_associations(survey: Survey) -> Iterator[Leftover]:
    """An EIP of ours that is bound to a resource of ours by a binding that the state lacks."""
    for eip in list_eips(survey):
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


def _balancers_of_state(survey: Survey) -> Iterator[str]:
    for balancer in list_balancers(survey):
        id_ = str(balancer["LoadBalancerId"])
        if survey.state.has(LOAD_BALANCER, id_):
            yield id_


def _server_groups(survey: Survey) -> Iterator[Leftover]:
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


def _backend_servers(survey: Survey) -> Iterator[Leftover]:
    """A machine in the state that is in the API's server group, where the state lacks that."""
    for group in _groups_of_state(survey):
        answer = survey.api.call("slb", "DescribeVServerGroupAttribute", VServerGroupId=group)
        for server in (answer.get("BackendServers") or {}).get("BackendServer") or ():
            machine = str(server.get("ServerId", ""))
            id_ = f"{group}:{machine}:{server.get('Port')}"
            if survey.state.has(INSTANCE, machine) and not survey.state.has(SERVER_ATTACHMENT, id_):
                yield Leftover(kind="backend server", id=id_, sign=BY_PARENT, of=group)


def _groups_of_state(survey: Survey) -> Iterator[str]:
    for id_ in _balancers_of_state(survey):
        for item in survey.every(
            "slb", "DescribeVServerGroups", "VServerGroups", "VServerGroup", LoadBalancerId=id_
        ):
            group = str(item["VServerGroupId"])
            if survey.state.has("alicloud:slb/serverGroup:ServerGroup", group):
                yield group


def _access_entries(survey: Survey) -> Iterator[Leftover]:
    """An entry that the plan, or a creation that was cut off, adds to a list in the state.

    Other entries are somebody's own, and stop no run.
    """
    ours = survey.owned.admitted | survey.state.unfinished(_ENTRY, "entry")
    for item in list_access_lists(survey):
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


def _access_lists(survey: Survey) -> Iterator[Leftover]:
    """A list is tagged after its creation, so an untagged, empty one with our name is ours, too."""
    for acl in list_access_lists(survey):
        id_, name = str(acl["AclId"]), str(acl.get("AclName") or "")
        sign = survey.sign(acl, id_=id_, name=name)
        ours = is_access_list_name(survey.owned.cluster, name)
        if sign is None and ours and id_ not in survey.state.words:
            is_unfinished = not tags_of(acl) and not _entries_of(survey.api, id_)
            sign = BY_NAME if is_unfinished else None
        if sign is not None:
            yield Leftover(kind="access control list", id=id_, name=name, sign=sign)


def _ipv6_bandwidths(survey: Survey) -> Iterator[Leftover]:
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

    def __call__(self, survey: Survey) -> Iterator[Leftover]:
        for item in survey.every(self.product, self.action, *self.path):
            id_, name = str(item[self.id_key]), str(item.get(self.name_key) or "")
            sign = survey.sign(item, id_=id_, name=name, names=self.names(survey.owned))
            if sign is not None:
                yield Leftover(kind=self.kind, id=id_, name=name, sign=sign)


def _disks(survey: Survey) -> Iterator[Leftover]:
    """Data disks. A system disk has its instance's tags, too, and goes with it."""
    for disk in survey.every("ecs", "DescribeDisks", "Disks", "Disk", DiskType="data"):
        id_ = str(disk["DiskId"])
        if id_ not in survey.state.words and survey.tagged(disk):
            yield Leftover(kind="disk", id=id_, name=str(disk.get("DiskName") or ""), sign=BY_TAG)


def _addresses(survey: Survey) -> Iterator[Leftover]:
    """An EIP is tagged after its creation, so a free, untagged one with our name is ours, too."""
    for eip in list_eips(survey):
        id_, name = str(eip["AllocationId"]), str(eip.get("Name") or "")
        target = str(eip.get("InstanceId") or "")
        sign = survey.sign(eip, id_=id_, name=name)
        if sign is None and id_ not in survey.state.words and id_ != survey.owned.eip_id:
            unfinished = name in survey.owned.eips and not tags_of(eip) and not target
            sign = BY_NAME if unfinished else None
        if sign is not None:
            bound = f"{eip.get('InstanceType', '')} {target}" if target else ""
            yield Leftover(kind="EIP", id=id_, name=name, sign=sign, bound=bound)


def _reservations(survey: Survey) -> Iterator[Leftover]:
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


def _cidr_blocks(survey: Survey) -> Iterator[Leftover]:
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


def _ram(survey: Survey) -> Iterator[Leftover]:
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


def _vpcs(survey: Survey) -> Iterator[Leftover]:
    """By tag only: a VPC of the same name could belong to somebody else."""
    for vpc in survey.list_vpcs():
        id_ = str(vpc["VpcId"])
        if id_ not in survey.state.words and id_ != survey.owned.vpc_id and survey.tagged(vpc):
            yield Leftover(kind="VPC", id=id_, name=str(vpc.get("VpcName") or ""), sign=BY_TAG)


_ENTRY = "alicloud:slb/aclEntryAttachment:AclEntryAttachment"
_ENTRIES_A_PAGE = 50
"""The most that DescribeAccessControlListAttribute answers at once; without it, ten."""
_LISTINGS: tuple[Callable[[Survey], Iterator[Leftover]], ...] = (
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
