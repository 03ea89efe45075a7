"""Access control lists of CLB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from localcloud.products import resource_groups
from localcloud.products.lookup import Lookup
from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP
from localcloud.requests import hostility, paging, tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from .entities import AccessControlList, LoadBalancer
from .load_balancers import slb_moment
from .tagging import TAG_CODES

_MOST_ENTRIES: Final = 300
_MOST_AT_ONCE: Final = 50
_MOST_LISTS: Final = 50
"""Of an account in a region
(https://www.alibabacloud.com/help/doc-detail/70015.htm)."""
_LARGEST_PAGE: Final = 50
MOST_OF_A_LISTENER: Final = 3
"""Lists that a listener uses
(https://www.alibabacloud.com/help/en/slb/classic-load-balancer/user-guide/overview-3)."""


find: Final = Lookup(AccessControlList, "Acl", "AclNotExist", 400)


def ids(text: str) -> tuple[str, ...]:
    """The ids of the access control lists in a listener's AclId.

    Several ids are separated by commas. The provider sends its `acl_ids` in this form (v1.285.0).
    """
    return tuple(one for one in text.split(",") if one)


@dataclass(frozen=True, kw_only=True)
class CreateAccessControlList:
    """Parameters of CreateAccessControlList."""

    acl_name: str
    region_id: str | None = None
    address_ip_version: str = wire("AddressIPVersion", default="ipv4")
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_access_control_list(call: Call, request: CreateAccessControlList) -> Answer:
    """Create an empty access control list."""
    if request.address_ip_version not in {"ipv4", "ipv6"}:
        raise invalid("AddressIPVersion", request.address_ip_version, "it must be ipv4 or ipv6")
    resource_groups.require(request.resource_group_id, "InvalidResourceGroupId.NotFound")
    if call.store.count(AccessControlList) >= _MOST_LISTS:
        raise ApiError("AclNumberOverLimit", f"At most {_MOST_LISTS} lists in a region.")
    _check_name(call, request.acl_name)
    acl = call.store.put(
        AccessControlList(
            id=call.new_id("acl"),
            name=request.acl_name,
            ip_version=request.address_ip_version,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {"AclId": acl.id}


def _check_name(call: Call, name: str) -> None:
    """Raise if a list has the name: names are unique in a region (DescribeAccessControlLists)."""
    if any(acl.name == name for acl in call.store.all(AccessControlList)):
        raise ApiError("AclNameExist", f"The name {name[:80]!r} already exists.")


@dataclass(frozen=True, kw_only=True)
class DescribeAccessControlLists:
    """Parameters of DescribeAccessControlLists."""

    region_id: str | None = None
    acl_name: str | None = None
    address_ip_version: str | None = wire("AddressIPVersion", default=None)
    resource_group_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None
    tag: tuple[TagParameter, ...] = ()


def _shown(acl: AccessControlList) -> dict[str, object]:
    return {
        "AclId": acl.id,
        "AclName": acl.name,
        "AddressIPVersion": acl.ip_version,
        "CreateTime": slb_moment(acl.created),
        "ResourceGroupId": acl.resource_group_id,
        "Tags": tags.ecs(acl.tags),
    }


@action()
def describe_access_control_lists(call: Call, request: DescribeAccessControlLists) -> Answer:
    """List access control lists by filter. A name matches any list whose name contains it."""
    acls = [
        a
        for a in call.store.all(AccessControlList)
        if (request.acl_name or "") in a.name
        and request.address_ip_version in {None, "", a.ip_version}
        and request.resource_group_id in {None, "", a.resource_group_id}
        and tags.match(a.tags, request.tag)
    ]
    page = paging.number_answer("Acls", "Acl", acls, request, _shown, most=_LARGEST_PAGE)
    return {**page, "Count": len(acls)}


@dataclass(frozen=True, kw_only=True)
class DescribeAccessControlListAttribute:
    """Parameters of DescribeAccessControlListAttribute."""

    acl_id: str
    region_id: str | None = None
    acl_entry_comment: str | None = None
    page: int | None = None
    page_size: int | None = None


@action()
def describe_access_control_list_attribute(
    call: Call, request: DescribeAccessControlListAttribute
) -> Answer:
    """Describe a page of a list's entries, and the listeners that use it.

    A page has 10 entries by default and 50 at most
    (https://www.alibabacloud.com/help/en/slb/classic-load-balancer/developer-reference/api-slb-2014-05-15-describeaccesscontrollistattribute).
    """
    acl = find(call, request.acl_id)
    comment = request.acl_entry_comment
    entries = [e for e in acl.entries if not comment or e[1] == comment]
    part, _, _ = paging.page_by_number(
        hostility.shuffled(call.cloud, entries),
        request.page,
        request.page_size,
        most=_LARGEST_PAGE,
    )
    users = [
        {
            "LoadBalancerId": b.id,
            "ListenerPort": x.port,
            "Protocol": x.protocol,
            "AclType": x.setting("AclType"),
        }
        for b in call.store.all(LoadBalancer)
        for x in b.listeners
        if acl.id in ids(x.setting("AclId"))
    ]
    return {
        **_shown(acl),
        "AclEntrys": {
            "AclEntry": [{"AclEntryIP": block, "AclEntryComment": text} for block, text in part]
        },
        "RelatedListeners": {"RelatedListener": users},
        "TotalAclEntry": len(entries),
    }


@dataclass(frozen=True, kw_only=True)
class SetAccessControlListAttribute:
    """Parameters of SetAccessControlListAttribute."""

    acl_id: str
    acl_name: str
    region_id: str | None = None


@action(writes=True)
def set_access_control_list_attribute(call: Call, request: SetAccessControlListAttribute) -> Answer:
    """Rename a list."""
    acl = find(call, request.acl_id)
    if acl.name != request.acl_name:
        _check_name(call, request.acl_name)
    call.store.change(acl, name=request.acl_name)
    return {}


@dataclass(frozen=True, kw_only=True)
class EntryParameter:
    """An entry of a list: one item of the JSON array AclEntrys."""

    entry: str = wire("entry")
    comment: str = wire("comment", default="")


@dataclass(frozen=True, kw_only=True)
class AddAccessControlListEntry:
    """Parameters of AddAccessControlListEntry."""

    acl_id: str
    acl_entrys: tuple[EntryParameter, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemoveAccessControlListEntry:
    """Parameters of RemoveAccessControlListEntry."""

    acl_id: str
    acl_entrys: tuple[EntryParameter, ...]
    region_id: str | None = None


def _block(acl: AccessControlList, text: str) -> str:
    try:
        block = ip_network(text)
    except ValueError:
        raise ApiError(
            "AclEntryIllegal", f"The entry {text[:60]!r} is neither an address nor a CIDR block."
        ) from None
    if f"ipv{block.version}" != acl.ip_version:
        raise ApiError(
            "IllegalEntry", f"The entry {text[:60]!r} is not {acl.ip_version} like its list."
        )
    return str(block)


def _check_ready(call: Call, acl: AccessControlList) -> None:
    if hostility.works_on_entries(call.cloud, acl.changed, call.now):
        raise ApiError("AclEntryProcessing", f"The entries of {acl.id} are being changed.")


def _few(entries: tuple[EntryParameter, ...]) -> None:
    if len(entries) > _MOST_AT_ONCE:
        raise invalid("AclEntrys", len(entries), f"a request has at most {_MOST_AT_ONCE} entries")


@action(writes=True)
def add_access_control_list_entry(call: Call, request: AddAccessControlListEntry) -> Answer:
    """Add entries to a list. An entry that the list has is refused.

    The page contradicts itself: its error table has the refusal, and the text of AclEntrys reads
    "the IP entry is not added". A client that survives the refusal survives both.
    """
    acl = find(call, request.acl_id)
    _few(request.acl_entrys)
    _check_ready(call, acl)
    entries = dict(acl.entries)
    added = {_block(acl, e.entry): e.comment for e in request.acl_entrys}
    if present := sorted(added.keys() & entries.keys()):
        raise ApiError(
            "InvalidParam.AclEntryExists",
            f"The specified aclEntry {present[0]} already exists in the acl.",
        )
    entries |= added
    if len(entries) > _MOST_ENTRIES:
        raise ApiError("AclEntryExceedLimit", f"At most {_MOST_ENTRIES} entries in a list.")
    for balancer in call.store.all(LoadBalancer):
        for listener in balancer.listeners:
            used = ids(listener.setting("AclId"))
            if acl.id in used:
                others = [find(call, other) for other in used if other != acl.id]
                check_differ([frozenset(entries), *(frozenset(dict(o.entries)) for o in others)])
    call.store.change(acl, entries=tuple(entries.items()), changed=call.now)
    return {}


@action(writes=True)
def remove_access_control_list_entry(call: Call, request: RemoveAccessControlListEntry) -> Answer:
    """Remove entries from a list. An unknown entry is not an error."""
    acl = find(call, request.acl_id)
    _few(request.acl_entrys)
    _check_ready(call, acl)
    if not acl.entries:
        raise ApiError("AclEntryEmpty", f"The Acl {acl.id} has no entry.")
    gone = {_block(acl, e.entry) for e in request.acl_entrys}
    left = tuple(e for e in acl.entries if e[0] not in gone)
    call.store.change(acl, entries=left, changed=call.now)
    return {}


def check_lists(call: Call, text: str) -> None:
    """Raise unless a listener may use the lists of an AclId together.

    It uses at most three, and no two of them have the same entry (same page as
    MOST_OF_A_LISTENER). The page has no codes.
    """
    lists = [find(call, one) for one in ids(text)]
    if len(lists) > MOST_OF_A_LISTENER:
        raise invalid("AclId", text, f"a listener uses at most {MOST_OF_A_LISTENER} lists")
    check_differ([frozenset(dict(acl.entries)) for acl in lists])


def check_differ(lists: Sequence[frozenset[str]]) -> None:
    """Raise if two lists of one listener have the same entry."""
    for place, entries in enumerate(lists):
        for other in lists[place + 1 :]:
            for block in sorted(entries & other):
                raise invalid("AclId", block, "the lists of a listener have different entries")


@dataclass(frozen=True, kw_only=True)
class DeleteAccessControlList:
    """Parameters of DeleteAccessControlList."""

    acl_id: str
    region_id: str | None = None


@action(writes=True)
def delete_access_control_list(call: Call, request: DeleteAccessControlList) -> Answer:
    """Delete a list that is not used by a listener."""
    acl = find(call, request.acl_id)
    if any(
        acl.id in ids(x.setting("AclId")) for b in call.store.all(LoadBalancer) for x in b.listeners
    ):
        raise ApiError(
            "OperationFailed.AclBindedWithVip", f"The Acl {acl.id} is used by a listener."
        )
    call.store.remove(acl)
    return {}
