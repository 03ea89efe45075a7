"""Roles and the policies attached to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.ecs.entities import Instance
from localcloud.products.lookup import Lookup
from localcloud.requests import hostility, paging, tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from . import identities, service_roles
from .entities import Role
from .tagging import TAG_CODES

_SHORTEST_SESSION = 3600
_LONGEST_SESSION = 43200
_MOST_ROLES = 1000


find: Final = Lookup(Role, "role", "EntityNotExist.Role")


def shown(call: Call, role: Role) -> dict[str, object]:
    """A role as GetRole shows it."""
    return {
        "RoleId": role.role_id,
        "RoleName": role.name,
        "Arn": identities.role_arn(call.cloud.account_id, role.name),
        "Description": role.description,
        "AssumeRolePolicyDocument": role.trust,
        "MaxSessionDuration": role.max_session,
        "CreateDate": moment(role.created),
        "UpdateDate": moment(role.updated),
    }


def _check_session(seconds: int) -> None:
    if not _SHORTEST_SESSION <= seconds <= _LONGEST_SESSION:
        raise ApiError(
            "InvalidParameter.MaxSessionDuration",
            f"MaxSessionDuration {seconds} must be {_SHORTEST_SESSION} to {_LONGEST_SESSION}.",
        )


def _check_trust(document: str) -> None:
    identities.check_document(document, "MalformedPolicyDocument", trust=True)


@dataclass(frozen=True, kw_only=True)
class CreateRole:
    """Parameters of CreateRole; Tag is a JSON array."""

    role_name: str
    assume_role_policy_document: str
    description: str = ""
    max_session_duration: int = 3600
    allow_console_login: bool | None = None
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_role(call: Call, request: CreateRole) -> Answer:
    """Create a role with its trust policy."""
    identities.check_name(request.role_name, "RoleName")
    identities.check_length(request.description, "Description", identities.LONGEST_DESCRIPTION)
    if call.store.find(Role, request.role_name) is not None:
        raise ApiError(
            "EntityAlreadyExists.Role", f"The role {request.role_name!r} already exists.", 409
        )
    if call.store.count(Role) >= _MOST_ROLES:
        raise ApiError(
            "LimitExceeded.Role", f"The account has {_MOST_ROLES} roles, the most it may have.", 409
        )
    _check_session(request.max_session_duration)
    _check_trust(request.assume_role_policy_document)
    role = call.store.put(
        Role(
            name=request.role_name,
            role_id=identities.number_id(),
            description=request.description,
            trust=request.assume_role_policy_document,
            max_session=request.max_session_duration,
            created=call.now,
            updated=call.now,
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    answer = shown(call, role)
    answer.pop("UpdateDate")
    return {"Role": answer}


@dataclass(frozen=True, kw_only=True)
class GetRole:
    """Parameters of GetRole."""

    role_name: str
    language: str | None = None


@action()
def get_role(call: Call, request: GetRole) -> Answer:
    """Return one role."""
    return {"Role": shown(call, find(call, request.role_name))}


@dataclass(frozen=True, kw_only=True)
class ListRoles:
    """Parameters of ListRoles."""

    marker: str | None = None
    max_items: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def list_roles(call: Call, request: ListRoles) -> Answer:
    """List roles by tag."""
    roles = []
    for role in call.store.all(Role):
        if tags.match(role.tags, request.tag):
            row = {**shown(call, role), "Tags": tags.ecs(role.tags)}
            row.pop("AssumeRolePolicyDocument")
            roles.append(row)
    return paging.marker_answer("Roles", "Role", hostility.shuffled(call.cloud, roles), request)


@dataclass(frozen=True, kw_only=True)
class UpdateRole:
    """Parameters of UpdateRole."""

    role_name: str
    new_assume_role_policy_document: str | None = None
    new_description: str | None = None
    new_max_session_duration: int | None = None


@action(writes=True)
def update_role(call: Call, request: UpdateRole) -> Answer:
    """Change a role in place."""
    role = find(call, request.role_name)
    if request.new_assume_role_policy_document:
        _check_trust(request.new_assume_role_policy_document)
    if request.new_max_session_duration is not None:
        _check_session(request.new_max_session_duration)
    role = call.store.change(
        role,
        trust=request.new_assume_role_policy_document or role.trust,
        description=(
            role.description if request.new_description is None else request.new_description
        ),
        max_session=request.new_max_session_duration or role.max_session,
        updated=call.now,
    )
    return {"Role": shown(call, role)}


@dataclass(frozen=True, kw_only=True)
class DeleteRole:
    """Parameters of DeleteRole."""

    role_name: str


@action(writes=True)
def delete_role(call: Call, request: DeleteRole) -> Answer:
    """Delete a role that has no policy and is not used by an instance."""
    role = find(call, request.role_name)
    if service_roles.is_linked(role.name):
        raise ApiError(
            "NoPermission", f"{role.name} is a service-linked role: its service deletes it.", 403
        )
    if role.policies:
        raise ApiError(
            "DeleteConflict.Role.Policy", f"The role {role.name!r} still has policies.", 409
        )
    if call.store.any(Instance, "role", role.name):
        raise ApiError(
            "DeleteConflict.Role.Instance", f"An instance still has the role {role.name!r}.", 409
        )
    call.store.remove(role)
    return {}
