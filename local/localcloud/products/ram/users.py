"""Users and their access keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.lookup import Lookup
from localcloud.requests import hostility, paging
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from . import identities
from .entities import AccessKey, User

_MOST_KEYS = 2
_LONGEST_TEXT: Final = 128


find: Final = Lookup(User, "user", "EntityNotExist.User")
_key: Final = Lookup(AccessKey, "access key", "EntityNotExist.User.AccessKey")


def _shown(user: User) -> dict[str, object]:
    return {
        "UserId": user.user_id,
        "UserName": user.name,
        "DisplayName": user.display_name,
        "Comments": user.comments,
        "MobilePhone": user.mobile,
        "Email": user.email,
        "CreateDate": moment(user.created),
    }


@dataclass(frozen=True, kw_only=True)
class CreateUser:
    """Parameters of CreateUser."""

    user_name: str
    display_name: str = ""
    comments: str = ""
    mobile_phone: str = ""
    email: str = ""


@action(writes=True)
def create_user(call: Call, request: CreateUser) -> Answer:
    """Create a RAM user."""
    identities.check_name(request.user_name, "UserName")
    identities.check_length(request.display_name, "DisplayName", _LONGEST_TEXT)
    identities.check_length(request.comments, "Comments", _LONGEST_TEXT)
    if request.email and "@" not in request.email:
        raise ApiError(
            "InvalidParameter.Email.Format", f"The Email {request.email[:80]!r} is no address."
        )
    if call.store.find(User, request.user_name) is not None:
        raise ApiError("EntityAlreadyExists.User", f"{request.user_name!r} exists already.", 409)
    user = call.store.put(
        User(
            name=request.user_name,
            user_id=identities.number_id(),
            display_name=request.display_name,
            comments=request.comments,
            mobile=request.mobile_phone,
            email=request.email,
            created=call.now,
            updated=call.now,
        )
    )
    return {"User": _shown(user)}


@dataclass(frozen=True, kw_only=True)
class GetUser:
    """Parameters of GetUser."""

    user_name: str


@action()
def get_user(call: Call, request: GetUser) -> Answer:
    """Return one user."""
    user = find(call, request.user_name)
    return {
        "User": {
            **_shown(user),
            "UpdateDate": moment(user.updated),
            "LastLoginDate": "",
        }
    }


@dataclass(frozen=True, kw_only=True)
class ListUsers:
    """Parameters of ListUsers."""

    marker: str | None = None
    max_items: int | None = None


@action()
def list_users(call: Call, request: ListUsers) -> Answer:
    """List all users."""
    rows = [{**_shown(u), "UpdateDate": moment(u.updated)} for u in call.store.all(User)]
    return paging.marker_answer("Users", "User", hostility.shuffled(call.cloud, rows), request)


@dataclass(frozen=True, kw_only=True)
class UpdateUser:
    """Parameters of UpdateUser."""

    user_name: str
    new_user_name: str | None = None
    new_display_name: str | None = None
    new_comments: str | None = None
    new_mobile_phone: str | None = None
    new_email: str | None = None


@action(writes=True)
def update_user(call: Call, request: UpdateUser) -> Answer:
    """Change a user in place. The name can change too."""
    user = find(call, request.user_name)
    named = {
        "display_name": request.new_display_name,
        "comments": request.new_comments,
        "mobile": request.new_mobile_phone,
        "email": request.new_email,
    }
    changes: dict[str, object] = {n: v for n, v in named.items() if v is not None}
    changes["updated"] = call.now
    if request.new_user_name and request.new_user_name != user.name:
        identities.check_name(request.new_user_name, "NewUserName")
        if call.store.find(User, request.new_user_name) is not None:
            raise ApiError("EntityAlreadyExists.User", "The new name is taken.", 409)
        for key in call.store.where(AccessKey, "user", user.name):
            call.store.change(key, user_name=request.new_user_name)
        call.store.remove(user)
        changes["name"] = request.new_user_name
    user = call.store.change(user, **changes)
    return {"User": {**_shown(user), "UpdateDate": moment(user.updated)}}


@dataclass(frozen=True, kw_only=True)
class DeleteUser:
    """Parameters of DeleteUser."""

    user_name: str


@action(writes=True)
def delete_user(call: Call, request: DeleteUser) -> Answer:
    """Delete a user that has no policies and no keys."""
    user = find(call, request.user_name)
    if user.policies:
        raise ApiError("DeleteConflict.User.Policy", f"{user.name!r} still has policies.", 409)
    if call.store.any(AccessKey, "user", user.name):
        raise ApiError("DeleteConflict.User.AccessKey", f"{user.name!r} still has keys.", 409)
    call.store.remove(user)
    return {}


@dataclass(frozen=True, kw_only=True)
class CreateAccessKey:
    """Parameters of CreateAccessKey."""

    user_name: str


@action(writes=True)
def create_access_key(call: Call, request: CreateAccessKey) -> Answer:
    """Create an access key. Only this answer contains its secret."""
    user = find(call, request.user_name)
    if call.store.size(AccessKey, "user", user.name) >= _MOST_KEYS:
        raise ApiError(
            "LimitExceeded.User.AccessKey", f"A user has at most {_MOST_KEYS} keys.", 409
        )
    key = call.store.put(
        AccessKey(
            id=identities.access_key_id(),
            secret=identities.secret(),
            user_name=user.name,
            active=True,
            created=call.now,
        )
    )
    return {
        "AccessKey": {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "Status": "Active",
            "CreateDate": moment(key.created),
        }
    }


@dataclass(frozen=True, kw_only=True)
class ListAccessKeys:
    """Parameters of ListAccessKeys."""

    user_name: str


@action()
def list_access_keys(call: Call, request: ListAccessKeys) -> Answer:
    """List a user's access keys, without their secrets."""
    user = find(call, request.user_name)
    return {
        "AccessKeys": {
            "AccessKey": [
                {
                    "AccessKeyId": k.id,
                    "Status": "Active" if k.active else "Inactive",
                    "CreateDate": moment(k.created),
                }
                for k in call.store.where(AccessKey, "user", user.name)
            ]
        }
    }


@dataclass(frozen=True, kw_only=True)
class UpdateAccessKey:
    """Parameters of UpdateAccessKey."""

    key_id: str = wire("UserAccessKeyId")
    status: str
    user_name: str | None = None


@action(writes=True)
def update_access_key(call: Call, request: UpdateAccessKey) -> Answer:
    """Turn an access key on or off."""
    if request.status not in {"Active", "Inactive"}:
        raise invalid("Status", request.status, "it must be Active or Inactive")
    call.store.change(_key(call, request.key_id), active=request.status == "Active")
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteAccessKey:
    """Parameters of DeleteAccessKey."""

    key_id: str = wire("UserAccessKeyId")
    user_name: str | None = None


@action(writes=True)
def delete_access_key(call: Call, request: DeleteAccessKey) -> Answer:
    """Delete an access key."""
    call.store.remove(_key(call, request.key_id))
    return {}


@dataclass(frozen=True, kw_only=True)
class ListGroupsForUser:
    """Parameters of ListGroupsForUser."""

    user_name: str


@action()
def list_groups_for_user(call: Call, request: ListGroupsForUser) -> Answer:
    """List a user's groups. The local cloud has none."""
    find(call, request.user_name)
    return {"Groups": {"Group": []}}


@dataclass(frozen=True, kw_only=True)
class DeleteLoginProfile:
    """Parameters of DeleteLoginProfile."""

    user_name: str


@action(writes=True)
def delete_login_profile(call: Call, request: DeleteLoginProfile) -> Answer:
    """Remove a user's console access. Users here have none, so this always fails."""
    find(call, request.user_name)
    raise ApiError("EntityNotExist.User.LoginProfile", "The user has no login profile.", 404)


@dataclass(frozen=True, kw_only=True)
class UnbindMFADevice:
    """Parameters of UnbindMFADevice."""

    user_name: str


@action(writes=True)
def unbind_mfa_device(call: Call, request: UnbindMFADevice) -> Answer:
    """Remove a user's second factor. Users here have none, so this always fails."""
    find(call, request.user_name)
    raise ApiError("EntityNotExist.User.MFADevice", "The user has no MFA device.", 404)
