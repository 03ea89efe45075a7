"""What the engine asks about one resource, in plain data, and how it is answered.

``Subject`` names the resource. Property bags keep their secret and unknown marks. ``Resources``
is what Kubernetes objects and Helm releases have in common.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from toolchain.kubernetes_provider.errors import ProviderError, UnreachableError

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.changes import Change
    from toolchain.kubernetes_provider.cluster import Cluster
    from toolchain.kubernetes_provider.discovery import Discovery
    from toolchain.kubernetes_provider.engine_log import EngineLog
    from toolchain.kubernetes_provider.settings import Settings
    from toolchain.kubernetes_provider.wire import Object

RELEASE_TYPE: Final = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One resource: its URN, its type token, and its name in the program."""

    urn: str
    token: str
    name: str

    @classmethod
    def of(cls, *, urn: str, token: str, name: str) -> Subject:
        """Return the subject; what an engine leaves out is read from the URN."""
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
        """The kind of the token, "Patch" at its end taken off."""
        return self.token.rpartition(":")[2].removesuffix("Patch")

    @property
    def is_patch(self) -> bool:
        """Whether the resource owns some fields of an object that is not its own."""
        return self.token.endswith("Patch")


@dataclass(frozen=True, kw_only=True)
class CheckAsk:
    """Inputs to complete. ``proposed_name`` is the engine's own, when autonaming says so."""

    old: Object
    new: Object
    seed: bytes = b""
    proposed_name: str = ""
    naming_disabled: bool = False

    def unique_name(self, prefix: str) -> str:
        """Return the prefix with eight characters that the seed decides."""
        return f"{prefix}-{hashlib.sha256(self.seed).hexdigest()[:8]}"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Completed inputs, and what is wrong with them: (property, sentence)."""

    inputs: Object
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class DiffAsk:
    """State and inputs as they were, inputs as they are wanted."""

    state: Object
    old_inputs: Object
    new: Object
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changes, and whether the old must go before the new can come."""

    changes: tuple[Change, ...]
    delete_before_replace: bool = False


@dataclass(frozen=True, kw_only=True)
class CreateAsk:
    """Checked inputs to make real; ``timeout`` in seconds, 0 for the default."""

    inputs: Object
    preview: bool
    timeout: float = 0


@dataclass(frozen=True, kw_only=True)
class UpdateAsk:
    """Checked inputs that replace older ones in place."""

    state: Object
    old_inputs: Object
    inputs: Object
    preview: bool
    timeout: float = 0
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReadAsk:
    """A resource to look up: by id alone (import), or with state (refresh)."""

    resource_id: str
    state: Object
    inputs: Object


@dataclass(frozen=True, kw_only=True)
class DeleteAsk:
    """A resource to take away."""

    resource_id: str
    state: Object
    old_inputs: Object
    timeout: float = 0


@dataclass(frozen=True, kw_only=True)
class Found:
    """A resource as it is. An empty id says that it is gone."""

    resource_id: str
    state: Object = field(default_factory=dict)
    inputs: Object = field(default_factory=dict)


GONE: Final = Found(resource_id="")


class InitFailedError(ProviderError):
    """The resource exists but is not right: the engine keeps it in state with the reasons."""

    def __init__(self, message: str, *, found: Found, reasons: tuple[str, ...]) -> None:
        super().__init__(message)
        self.found = found
        self.reasons = reasons


class Resources(Protocol):
    """The life of one kind of resource."""

    def check(self, subject: Subject, ask: CheckAsk) -> Checked:
        """Complete and judge the inputs."""
        ...

    def diff(self, subject: Subject, ask: DiffAsk) -> Difference:
        """Tell what an update would change."""
        ...

    def create(self, subject: Subject, ask: CreateAsk) -> Found:
        """Make the resource (or, in a preview, say what it would become)."""
        ...

    def read(self, subject: Subject, ask: ReadAsk) -> Found:
        """Return the resource as it is."""
        ...

    def update(self, subject: Subject, ask: UpdateAsk) -> Object:
        """Change the resource; return its new state."""
        ...

    def delete(self, subject: Subject, ask: DeleteAsk) -> None:
        """Take the resource away."""
        ...


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An API server that answered."""

    cluster: Cluster
    discovery: Discovery


@dataclass(frozen=True, kw_only=True)
class Session:
    """What Configure found out. Without a connection ``unreachable`` says why."""

    settings: Settings
    log: EngineLog
    connection: Connection | None
    unreachable: str = ""
    namespace: str = "default"

    def connected(self) -> Connection:
        """Return the connection; raise UnreachableError without one."""
        if self.connection is None:
            raise UnreachableError(
                f"the configured Kubernetes cluster is unreachable: {self.unreachable}"
            )
        return self.connection
