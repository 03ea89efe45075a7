"""Temporary credentials of roles, for AssumeRole and for the metadata service."""

from __future__ import annotations

import json
import secrets

from localcloud.access import conditions
from localcloud.access.conditions import Context
from localcloud.products.ram import identities
from localcloud.products.ram.entities import Role, Session
from localcloud.state.store import Store

REFRESH_BEFORE = 30 * 60
LIFETIME = 6 * 3600


def _trusts(trust: str, kind: str, who: str, context: Context) -> bool:
    """Whether the trust policy's statements trust `who`.

    A Deny overrides any Allow. A statement counts only if its conditions hold.
    """
    statements = json.loads(trust).get("Statement") or []
    trusted = False
    for statement in [statements] if isinstance(statements, dict) else statements:
        named = (statement.get("Principal") or {}).get(kind) or []
        if who not in ([named] if isinstance(named, str) else named):
            continue
        condition = statement.get("Condition")
        if condition and not conditions.hold(condition, context):
            continue
        if statement.get("Effect") == "Deny":
            return False
        trusted = True
    return trusted


def trusts_service(role: Role, service: str) -> bool:
    """Whether a service, for example `ecs.aliyuncs.com`, may assume a role."""
    return _trusts(role.trust, "Service", service, {})


def trusts_account(role: Role, account_id: str, context: Context) -> bool:
    """Whether the users of an account may assume a role."""
    return _trusts(role.trust, "RAM", f"acs:ram::{account_id}:root", context)


def open_session(  # noqa: PLR0913  # the parts of a session
    store: Store,
    role: Role,
    *,
    name: str,
    now: float,
    seconds: int,
    instance_id: str = "",
    policy: str = "",
) -> Session:
    """Create a session and remove those that have expired. The caller has opened a transaction."""
    for old in list(store.all(Session)):
        if old.expires < now:
            store.remove(old)
    return store.put(
        Session(
            id=identities.access_key_id("STS.N"),
            secret=identities.secret(),
            token=secrets.token_urlsafe(96),
            role_name=role.name,
            session_name=name,
            instance_id=instance_id,
            policy=policy,
            expires=now + seconds,
        )
    )
