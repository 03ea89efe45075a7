"""Custom policies, their versions, and their attachments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any, Final

from localcloud.products.lookup import Lookup
from localcloud.requests import hostility, paging, tags
from localcloud.requests.actions import Action, Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.state.store import Store
from localcloud.wire.errors import ApiError

from . import identities, roles, users
from .entities import CUSTOM, SYSTEM, Attachment, Policy, PolicyVersion, Role, User
from .tagging import TAG_CODES

_MOST_VERSIONS = 5
_VERSION: Final = re.compile(r"v[0-9]+")


find: Final = Lookup(Policy, "policy", "EntityNotExist.Policy")


def document_of(store: Store, attachment: Attachment) -> str | None:
    """The document that an attachment grants."""
    if attachment.kind == SYSTEM:
        return identities.SYSTEM_POLICIES.get(attachment.name)
    policy = store.find(Policy, attachment.name)
    return policy.document if policy else None


def _attached(call: Call, kind: str, name: str) -> tuple[list[Role], list[User]]:
    key = f"{kind}/{name}"
    return call.store.where(Role, "policy", key), call.store.where(User, "policy", key)


def _check_there(call: Call, kind: str, name: str) -> None:
    if kind not in {SYSTEM, CUSTOM}:
        # GetPolicy's error codes: https://help.aliyun.com/en/ram/developer-reference/api-ram-2015-05-01-getpolicy
        raise ApiError("InvalidParameter.PolicyType", 'The parameter - "PolicyType" is incorrect.')
    there = (
        name in identities.SYSTEM_POLICIES
        if kind == SYSTEM
        else call.store.find(Policy, name) is not None
    )
    if not there:
        raise ApiError("EntityNotExist.Policy", f"The policy {name!r} does not exist.", 404)


def _version_shown(policy: Policy, version: PolicyVersion) -> dict[str, object]:
    return {
        "VersionId": version.id,
        "IsDefaultVersion": version.id == policy.default_version,
        "PolicyDocument": version.document,
        "CreateDate": moment(version.created),
    }


@dataclass(frozen=True, kw_only=True)
class CreatePolicy:
    """Parameters of CreatePolicy; Tag is a JSON array."""

    policy_name: str
    policy_document: str
    description: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_policy(call: Call, request: CreatePolicy) -> Answer:
    """Create a custom policy with the version v1."""
    identities.check_name(request.policy_name, "PolicyName", identities.LONGEST_POLICY_NAME)
    identities.check_length(request.description, "Description", identities.LONGEST_DESCRIPTION)
    identities.check_document(request.policy_document, "MalformedPolicyDocument")
    if call.store.find(Policy, request.policy_name) is not None:
        raise ApiError(
            "EntityAlreadyExists.Policy", f"The policy {request.policy_name!r} exists.", 409
        )
    policy = call.store.put(
        Policy(
            name=request.policy_name,
            description=request.description,
            versions=(PolicyVersion(id="v1", document=request.policy_document, created=call.now),),
            default_version="v1",
            next_version=2,
            created=call.now,
            updated=call.now,
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {
        "Policy": {
            "PolicyName": policy.name,
            "PolicyType": CUSTOM,
            "Description": policy.description,
            "DefaultVersion": "v1",
            "CreateDate": moment(policy.created),
        }
    }


@dataclass(frozen=True, kw_only=True)
class GetPolicy:
    """Parameters of GetPolicy."""

    policy_name: str
    policy_type: str = CUSTOM


def _attachments(call: Call, kind: str, name: str) -> int:
    return sum(len(holders) for holders in _attached(call, kind, name))


@action()
def get_policy(call: Call, request: GetPolicy) -> Answer:
    """Return a policy with its default version."""
    _check_there(call, request.policy_type, request.policy_name)
    if request.policy_type == SYSTEM:
        document = identities.SYSTEM_POLICIES[request.policy_name]
        policy = Policy(
            name=request.policy_name,
            description="",
            versions=(PolicyVersion(id="v1", document=document, created=0),),
            default_version="v1",
            next_version=2,
            created=0,
            updated=0,
        )
    else:
        policy = find(call, request.policy_name)
    default = next(v for v in policy.versions if v.id == policy.default_version)
    return {
        "Policy": {
            "PolicyName": policy.name,
            "PolicyType": request.policy_type,
            "Description": policy.description,
            "DefaultVersion": policy.default_version,
            "PolicyDocument": default.document,
            "AttachmentCount": _attachments(call, request.policy_type, policy.name),
            "CreateDate": moment(policy.created),
            "UpdateDate": moment(policy.updated),
        },
        "DefaultPolicyVersion": _version_shown(policy, default),
    }


@dataclass(frozen=True, kw_only=True)
class ListPolicies:
    """Parameters of ListPolicies."""

    policy_type: str | None = None
    marker: str | None = None
    max_items: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def list_policies(call: Call, request: ListPolicies) -> Answer:
    """List policies by type."""
    rows = []
    if request.policy_type in {None, "", CUSTOM}:
        rows += [
            {
                "PolicyName": p.name,
                "PolicyType": CUSTOM,
                "Description": p.description,
                "DefaultVersion": p.default_version,
                "AttachmentCount": _attachments(call, CUSTOM, p.name),
                "CreateDate": moment(p.created),
                "UpdateDate": moment(p.updated),
                "Tags": tags.ecs(p.tags),
            }
            for p in call.store.all(Policy)
            if tags.match(p.tags, request.tag)
        ]
    if request.policy_type in {None, "", SYSTEM} and not request.tag:
        rows += [
            {
                "PolicyName": name,
                "PolicyType": SYSTEM,
                "Description": "",
                "DefaultVersion": "v1",
                "AttachmentCount": _attachments(call, SYSTEM, name),
                "CreateDate": moment(0),
                "UpdateDate": moment(0),
                "Tags": tags.ecs(()),
            }
            for name in identities.SYSTEM_POLICIES
        ]
    return paging.marker_answer("Policies", "Policy", hostility.shuffled(call.cloud, rows), request)


@dataclass(frozen=True, kw_only=True)
class CreatePolicyVersion:
    """Parameters of CreatePolicyVersion."""

    policy_name: str
    policy_document: str
    set_as_default: bool = False
    rotate_strategy: str = "None"


@action(writes=True)
def create_policy_version(call: Call, request: CreatePolicyVersion) -> Answer:
    """Add a version to a policy. A rotate strategy deletes the oldest non-default version."""
    policy = find(call, request.policy_name)
    identities.check_document(request.policy_document, "MalformedPolicyDocument")
    versions = list(policy.versions)
    if len(versions) >= _MOST_VERSIONS:
        if request.rotate_strategy != "DeleteOldestNonDefaultVersionWhenLimitExceeded":
            raise ApiError(
                "LimitExceeded.Policy.Version",
                f"The policy has {_MOST_VERSIONS} versions; delete one first.",
                409,
            )
        oldest = next(v for v in versions if v.id != policy.default_version)
        versions.remove(oldest)
    version = PolicyVersion(
        id=f"v{policy.next_version}", document=request.policy_document, created=call.now
    )
    policy = call.store.change(
        policy,
        versions=(*versions, version),
        next_version=policy.next_version + 1,
        default_version=version.id if request.set_as_default else policy.default_version,
        updated=call.now,
    )
    return {"PolicyVersion": _version_shown(policy, version)}


@dataclass(frozen=True, kw_only=True)
class GetPolicyVersion:
    """Parameters of GetPolicyVersion."""

    policy_name: str
    version_id: str
    policy_type: str = CUSTOM


def _version(policy: Policy, version_id: str) -> PolicyVersion:
    if not _VERSION.fullmatch(version_id):
        raise ApiError(
            "InvalidParameter.VersionId.Format",
            f"The VersionId {version_id[:40]!r} must be a v and a number.",
        )
    for version in policy.versions:
        if version.id == version_id:
            return version
    raise ApiError(
        "EntityNotExist.Policy.Version", f"The version {version_id!r} does not exist.", 404
    )


@action()
def get_policy_version(call: Call, request: GetPolicyVersion) -> Answer:
    """Return one version of a custom policy."""
    policy = find(call, request.policy_name)
    return {"PolicyVersion": _version_shown(policy, _version(policy, request.version_id))}


@dataclass(frozen=True, kw_only=True)
class ListPolicyVersions:
    """Parameters of ListPolicyVersions."""

    policy_name: str
    policy_type: str = CUSTOM


@action()
def list_policy_versions(call: Call, request: ListPolicyVersions) -> Answer:
    """List the versions of a custom policy."""
    policy = find(call, request.policy_name)
    return {
        "PolicyVersions": {"PolicyVersion": [_version_shown(policy, v) for v in policy.versions]}
    }


@dataclass(frozen=True, kw_only=True)
class SetDefaultPolicyVersion:
    """Parameters of SetDefaultPolicyVersion."""

    policy_name: str
    version_id: str


@action(writes=True)
def set_default_policy_version(call: Call, request: SetDefaultPolicyVersion) -> Answer:
    """Make another version the default."""
    policy = find(call, request.policy_name)
    _version(policy, request.version_id)
    call.store.change(policy, default_version=request.version_id, updated=call.now)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeletePolicyVersion:
    """Parameters of DeletePolicyVersion."""

    policy_name: str
    version_id: str


@action(writes=True)
def delete_policy_version(call: Call, request: DeletePolicyVersion) -> Answer:
    """Delete a version that is not the default one."""
    policy = find(call, request.policy_name)
    version = _version(policy, request.version_id)
    if version.id == policy.default_version:
        raise ApiError(
            "DeleteConflict.Policy.Version.Default", "The default version cannot be deleted.", 409
        )
    call.store.change(policy, versions=tuple(v for v in policy.versions if v is not version))
    return {}


@dataclass(frozen=True, kw_only=True)
class UpdatePolicyDescription:
    """Parameters of UpdatePolicyDescription."""

    policy_name: str
    new_description: str = ""


@action(writes=True)
def update_policy_description(call: Call, request: UpdatePolicyDescription) -> Answer:
    """Change the description of a policy."""
    policy = find(call, request.policy_name)
    policy = call.store.change(policy, description=request.new_description, updated=call.now)
    return {
        "Policy": {
            "PolicyName": policy.name,
            "PolicyType": CUSTOM,
            "Description": policy.description,
            "DefaultVersion": policy.default_version,
            "CreateDate": moment(policy.created),
            "UpdateDate": moment(policy.updated),
        }
    }


@dataclass(frozen=True, kw_only=True)
class DeletePolicy:
    """Parameters of DeletePolicy."""

    policy_name: str
    cascading_delete: bool = False


@action(writes=True)
def delete_policy(call: Call, request: DeletePolicy) -> Answer:
    """Delete a custom policy.

    Without a cascade, the policy must be attached to nothing and have only one version.
    """
    policy = find(call, request.policy_name)
    roles_with, users_with = _attached(call, CUSTOM, policy.name)
    if not request.cascading_delete:
        if users_with:
            raise ApiError(
                "DeleteConflict.Policy.User", f"{policy.name!r} is attached to a user.", 409
            )
        if roles_with:
            raise ApiError(
                "DeleteConflict.Policy.Role", f"{policy.name!r} is attached to a role.", 409
            )
        if len(policy.versions) > 1:
            raise ApiError(
                "DeleteConflict.Policy.Version", f"{policy.name!r} has further versions.", 409
            )
    holders: list[Role | User] = [*roles_with, *users_with]
    for holder in holders:
        call.store.change(holder, policies=_without(holder.policies, CUSTOM, policy.name))
    call.store.remove(policy)
    return {}


def _without(attachments: tuple[Attachment, ...], kind: str, name: str) -> tuple[Attachment, ...]:
    return tuple(a for a in attachments if (a.kind, a.name) != (kind, name))


@dataclass(frozen=True)
class _Holder:
    """A kind of policy holder: roles or users."""

    what: str
    find: Callable[[Call, str], Any]
    most: int


_HOLDERS: Final = (
    _Holder("Role", roles.find, most=20),
    _Holder("User", users.find, most=20),
)


def _named(request: Any, holder: _Holder) -> str:  # noqa: ANN401  # one of the generated types
    return str(getattr(request, f"{holder.what.lower()}_name"))


def _attach(call: Call, request: Any, by: _Holder) -> Answer:  # noqa: ANN401  # generated
    holder = by.find(call, _named(request, by))
    kind, name = request.policy_type, request.policy_name
    _check_there(call, kind, name)
    if any((a.kind, a.name) == (kind, name) for a in holder.policies):
        raise ApiError(
            f"EntityAlreadyExists.{by.what}.Policy", f"{holder.name!r} already has {name!r}.", 409
        )
    if sum(a.kind == kind for a in holder.policies) >= by.most:
        raise ApiError(
            f"LimitExceeded.{by.what}.Policy",
            f"{holder.name!r} has {by.most} {kind} policies, the most it may have.",
            409,
        )
    added = Attachment(kind=kind, name=name, at=call.now)
    call.store.change(holder, policies=(*holder.policies, added))
    return {}


def _detach(call: Call, request: Any, by: _Holder) -> Answer:  # noqa: ANN401  # generated
    holder = by.find(call, _named(request, by))
    kind, name = request.policy_type, request.policy_name
    if not any((a.kind, a.name) == (kind, name) for a in holder.policies):
        raise ApiError(
            f"EntityNotExist.{by.what}.Policy", f"{holder.name!r} does not have {name!r}.", 404
        )
    call.store.change(holder, policies=_without(holder.policies, kind, name))
    return {}


def _list(call: Call, request: Any, by: _Holder) -> Answer:  # noqa: ANN401  # generated
    rows = []
    for attachment in by.find(call, _named(request, by)).policies:
        policy = call.store.find(Policy, attachment.name)
        custom = policy if attachment.kind == CUSTOM else None
        rows.append(
            {
                "PolicyName": attachment.name,
                "PolicyType": attachment.kind,
                "Description": custom.description if custom else "",
                "DefaultVersion": custom.default_version if custom else "v1",
                "AttachDate": moment(attachment.at),
            }
        )
    return {"Policies": {"Policy": rows}}


def _of_holder(by: _Holder) -> tuple[Action, ...]:
    """The actions that attach, detach and list policies of one kind of holder.

    For roles and users they differ only in the name of a parameter.
    """
    name = f"{by.what.lower()}_name"
    listed = _request(f"ListPoliciesFor{by.what}", name)
    policy = ("policy_type", "policy_name")
    return (
        _action(f"AttachPolicyTo{by.what}", _attach, by, *policy, name),
        _action(f"DetachPolicyFrom{by.what}", _detach, by, *policy, name),
        Action(name=listed.__name__, request=listed, run=_bound(_list, by), writes=False),
    )


def _request(name: str, *fields: str) -> type[Any]:
    """A request type whose fields are all mandatory strings."""
    return make_dataclass(name, [(field, str) for field in fields], frozen=True, kw_only=True)


def _action(name: str, run: _Run, by: _Holder, *fields: str) -> Action:
    return Action(name=name, request=_request(name, *fields), run=_bound(run, by), writes=True)


_Run = Callable[[Call, Any, _Holder], Answer]


def _bound(run: _Run, by: _Holder) -> Callable[[Call, Any], Answer]:
    return lambda call, request: run(call, request, by)


OF_HOLDERS: Final = tuple(built for by in _HOLDERS for built in _of_holder(by))


@dataclass(frozen=True, kw_only=True)
class ListEntitiesForPolicy:
    """Parameters of ListEntitiesForPolicy."""

    policy_name: str
    policy_type: str = CUSTOM


@action()
def list_entities_for_policy(call: Call, request: ListEntitiesForPolicy) -> Answer:
    """List the roles and users that have a policy."""
    _check_there(call, request.policy_type, request.policy_name)
    kind, name = request.policy_type, request.policy_name
    roles_with, users_with = _attached(call, kind, name)

    def since(holder: Role | User) -> str:
        return moment(next(a.at for a in holder.policies if (a.kind, a.name) == (kind, name)))

    return {
        "Groups": {"Group": []},
        "Roles": {
            "Role": [
                {
                    "RoleId": r.role_id,
                    "RoleName": r.name,
                    "Arn": identities.role_arn(call.cloud.account_id, r.name),
                    "Description": r.description,
                    "AttachDate": since(r),
                }
                for r in roles_with
            ]
        },
        "Users": {
            "User": [
                {
                    "UserId": u.user_id,
                    "UserName": u.name,
                    "DisplayName": u.display_name,
                    "AttachDate": since(u),
                }
                for u in users_with
            ]
        },
    }
