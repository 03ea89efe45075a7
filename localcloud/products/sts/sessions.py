"""Temporary credentials of roles, for AssumeRole and for the metadata service."""

from __future__ import annotations

import json
import secrets

from localcloud.products.ram import identities
from localcloud.products.ram.entities import Role, Session
from localcloud.state.store import Store

REFRESH_BEFORE = 30 * 60
LIFETIME = 6 * 3600


def _principals(trust: str, kind: str) -> set[str]:
    statements = json.loads(trust).get("Statement") or []
    found: set[str] = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") != "Allow":
            continue
        named = (statement.get("Principal") or {}).get(kind) or []
        found.update([named] if isinstance(named, str) else named)
    return found


def trusts_service(role: Role, service: str) -> bool:
    """Whether a role may be assumed by a service, such as `ecs.aliyuncs.com`."""
    return service in _principals(role.trust, "Service")


def trusts_account(role: Role, account_id: str) -> bool:
    """Whether a role may be assumed by an account's users."""
    return f"acs:ram::{account_id}:root" in _principals(role.trust, "RAM")


def open_session(  # noqa: PLR0913  # a session is these
    store: Store,
    role: Role,
    *,
    name: str,
    now: float,
    seconds: int,
    instance_id: str = "",
    policy: str = "",
) -> Session:
    """A new session; sessions that ended are forgotten. Within a transaction."""
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
