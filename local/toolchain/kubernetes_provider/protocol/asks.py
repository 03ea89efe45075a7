"""The engine's requests about one resource, as plain data.

``Subject`` names the resource. Property bags keep their secret and unknown marks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.protocol.wire import Object

RELEASE_TYPE: Final = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One resource: its URN, its type token, and its name in the program."""

    urn: str
    token: str
    name: str

    @classmethod
    def of(cls, *, urn: str, token: str, name: str) -> Subject:
        """Return the subject; fields that an engine leaves out are read from the URN."""
        parts = urn.split("::")
        return cls(
            urn=urn,
            token=token or (parts[2].rpartition("$")[2] if len(parts) > 2 else ""),  # noqa: PLR2004
            name=name or parts[-1],
        )

    @property
    def api_version(self) -> str:
        """The apiVersion of the token: "v1" for "kubernetes:core/v1:Secret"."""
        return self.token.split(":")[1].removeprefix("core/")

    @property
    def kind(self) -> str:
        """The kind of the token, without the suffix "Patch"."""
        return self.token.rpartition(":")[2].removesuffix("Patch")

    @property
    def is_patch(self) -> bool:
        """Whether the resource owns only some fields of an object that something else created."""
        return self.token.endswith("Patch")


@dataclass(frozen=True, kw_only=True)
class Check:
    """Inputs to complete. ``proposed_name`` comes from the engine when autonaming is configured."""

    old: Object
    new: Object
    seed: bytes = b""
    proposed_name: str = ""
    naming_disabled: bool = False

    def unique_name(self, prefix: str) -> str:
        """Return the prefix with eight characters that the seed decides."""
        return f"{prefix}-{hashlib.sha256(self.seed).hexdigest()[:8]}"


@dataclass(frozen=True, kw_only=True)
class Diff:
    """State and inputs of the last update, and the new inputs."""

    state: Object
    old_inputs: Object
    new: Object
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Create:
    """Checked inputs to create a resource from; ``timeout`` in seconds, 0 for the default."""

    inputs: Object
    preview: bool
    timeout: float = 0


@dataclass(frozen=True, kw_only=True)
class Update:
    """Checked inputs that replace older ones in place."""

    state: Object
    old_inputs: Object
    inputs: Object
    preview: bool
    timeout: float = 0
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Read:
    """A resource to look up: by id alone (import), or with state (refresh)."""

    resource_id: str
    state: Object
    inputs: Object


@dataclass(frozen=True, kw_only=True)
class Delete:
    """A resource to delete."""

    resource_id: str
    state: Object
    old_inputs: Object
    timeout: float = 0
