"""RAM as the other services see it. In hostile mode, changes in RAM reach them late."""

from __future__ import annotations

from localcloud.requests import hostility
from localcloud.requests.actions import Call
from localcloud.settings import Cloud
from localcloud.state.store import Store

from .entities import PolicyHolder, Role
from .policies import document_of


def is_spreading(call: Call, role: Role) -> bool:
    """Whether a role is so new that the other services do not see it yet."""
    return not hostility.has_spread(call.cloud, role.created, call.now, "role", role.name)


def documents_of(store: Store, cloud: Cloud, holder: PolicyHolder, now: float) -> tuple[str, ...]:
    """The documents of those attached policies that the other services already enforce."""
    spread = (
        attachment
        for attachment in holder.policies
        if hostility.has_spread(cloud, attachment.at, now, "policy", holder.name, attachment.name)
    )
    documents = (document_of(store, attachment) for attachment in spread)
    return tuple(document for document in documents if document)
