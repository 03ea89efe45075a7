"""The entities of RAM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from localcloud.requests.tags import Tags

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]

SYSTEM = "System"
CUSTOM = "Custom"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A policy attached to a role or user."""

    kind: str
    name: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Named:
    """An entity whose name is its id."""

    name: str
    created: float
    updated: float
    tags: Tags = ()

    @property
    def id(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class PolicyHolder(Named):
    """A role or a user, to which policies can be attached."""

    policies: tuple[Attachment, ...] = ()


def _attached(holder: PolicyHolder) -> set[str]:
    return {f"{a.kind}/{a.name}" for a in holder.policies}


@dataclass(frozen=True, kw_only=True)
class Role(PolicyHolder):
    """A role, which services or accounts can assume."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"policy": _attached, "role_id": lambda r: (r.role_id,)}
    )

    role_id: str
    description: str
    trust: str
    max_session: int


@dataclass(frozen=True, kw_only=True)
class PolicyVersion:
    """One version of a custom policy."""

    id: str
    document: str
    created: float


@dataclass(frozen=True, kw_only=True)
class Policy(Named):
    """A custom policy. It has at most five versions."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    description: str
    versions: tuple[PolicyVersion, ...]
    default_version: str
    next_version: int

    @property
    def document(self) -> str:
        """The document of the default version."""
        return next(v.document for v in self.versions if v.id == self.default_version)


@dataclass(frozen=True, kw_only=True)
class User(PolicyHolder):
    """A RAM user."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"policy": _attached, "user_id": lambda u: (u.user_id,)}
    )

    user_id: str
    display_name: str
    comments: str
    mobile: str
    email: str


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """A user's access key."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({"user": lambda k: (k.user_name,)})

    id: str
    secret: str
    user_name: str
    active: bool
    created: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """Temporary credentials of a role."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"role": lambda s: (s.role_name,), "instance": lambda s: (s.instance_id,)}
    )

    id: str
    secret: str
    token: str
    role_name: str
    session_name: str
    instance_id: str
    policy: str
    expires: float


KINDS: tuple[type[object], ...] = (Role, Policy, User, AccessKey, Session)
