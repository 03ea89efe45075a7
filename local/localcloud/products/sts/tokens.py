"""GetCallerIdentity and AssumeRole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from localcloud.products.ram import identities, spreading
from localcloud.products.ram.entities import Role
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.wire.errors import ApiError

from . import sessions

_SHORTEST: Final = 900
_LONGEST_POLICY: Final = 2048
_ROLE_ARN: Final = re.compile(r"acs:ram::\d+:role/[A-Za-z0-9.@_/-]+")
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9.@_-]{2,64}")


@dataclass(frozen=True, kw_only=True)
class GetCallerIdentity:
    """Parameters of GetCallerIdentity, which has none."""

    region_id: str | None = None


@action()
def get_caller_identity(call: Call, _request: GetCallerIdentity) -> Answer:
    """Return the identity of the caller."""
    who = call.principal
    answer: dict[str, object] = {
        "AccountId": call.cloud.account_id,
        "Arn": who.arn,
        "IdentityType": who.kind,
        "PrincipalId": who.identity,
    }
    if who.user_id:
        answer["UserId"] = who.user_id
    if who.role_id:
        answer["RoleId"] = who.role_id
    return answer


@dataclass(frozen=True, kw_only=True)
class AssumeRole:
    """Parameters of AssumeRole."""

    role_arn: str
    role_session_name: str
    duration_seconds: int = 3600
    policy: str = ""
    external_id: str | None = None
    source_identity: str | None = None
    region_id: str | None = None


@action(writes=True)
def assume_role(call: Call, request: AssumeRole) -> Answer:
    """Return temporary credentials of a role that trusts the account."""
    if call.principal.kind == "Account":
        raise ApiError("NoPermission", "Roles may not be assumed by root accounts.", 403)
    if not _ROLE_ARN.fullmatch(request.role_arn):
        raise ApiError(
            "InvalidParameter.RoleArn",
            f"The RoleArn {request.role_arn[:80]!r} is not valid: it must be like "
            "acs:ram::<account>:role/<name>.",
        )
    if not _SESSION_NAME.fullmatch(request.role_session_name):
        raise ApiError(
            "InvalidParameter.RoleSessionName",
            "The RoleSessionName must be 2 to 64 letters, digits, '.', '@', '-' or '_'.",
        )
    prefix = f"acs:ram::{call.cloud.account_id}:role/"
    role_name = request.role_arn.removeprefix(prefix).lower()
    role = next((r for r in call.store.all(Role) if r.name.lower() == role_name), None)
    unseen = role is None or spreading.is_spreading(call, role)
    if not request.role_arn.startswith(prefix) or role is None or unseen:
        raise ApiError("EntityNotExist.Role", f"The role {request.role_arn!r} does not exist.", 404)
    context = {"sts:externalid": request.external_id} if request.external_id else {}
    if not sessions.trusts_account(role, call.cloud.account_id, context):
        raise ApiError("NoPermission", f"The role {role.name!r} does not trust this account.", 403)
    if not _SHORTEST <= request.duration_seconds <= role.max_session:
        raise ApiError(
            "InvalidParameter.DurationSeconds",
            f"DurationSeconds {request.duration_seconds} must be {_SHORTEST} to "
            f"{role.max_session}, the role's MaxSessionDuration.",
        )
    if len(request.policy) > _LONGEST_POLICY:
        raise ApiError(
            "InvalidParameter.PolicySize",
            f"The Policy has {len(request.policy)} characters, {_LONGEST_POLICY} at most.",
        )
    if request.policy:
        identities.check_document(request.policy, "InvalidParameter.PolicyGrammar")
    session = sessions.open_session(
        call.store,
        role,
        name=request.role_session_name,
        now=call.now,
        seconds=request.duration_seconds,
        policy=request.policy,
    )
    return {
        "AssumedRoleUser": {
            "Arn": f"acs:ram::{call.cloud.account_id}:role/{role_name}/{session.session_name}",
            "AssumedRoleId": f"{role.role_id}:{session.session_name}",
        },
        "Credentials": {
            "AccessKeyId": session.id,
            "AccessKeySecret": session.secret,
            "SecurityToken": session.token,
            "Expiration": moment(session.expires),
        },
        **({"SourceIdentity": request.source_identity} if request.source_identity else {}),
    }
