"""The answers to the engine's requests about a resource, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.errors import ProviderError

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.objects.changes import Change
    from toolchain.kubernetes_provider.protocol.wire import Object


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Completed inputs, and what is wrong with them: (property, sentence)."""

    inputs: Object
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changes, and whether the old resource is deleted before the new one is created."""

    changes: tuple[Change, ...]
    delete_before_replace: bool = False


@dataclass(frozen=True, kw_only=True)
class LiveResource:
    """A resource as the cluster has it. With an empty id it is gone."""

    resource_id: str
    state: Object = field(default_factory=dict)
    inputs: Object = field(default_factory=dict)


GONE: Final = LiveResource(resource_id="")


class InitFailedError(ProviderError):
    """The resource exists but is not right: the engine keeps it in state with the reasons."""

    def __init__(self, message: str, *, resource: LiveResource, reasons: tuple[str, ...]) -> None:
        super().__init__(message)
        self.resource = resource
        self.reasons = reasons
