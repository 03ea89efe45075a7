"""What Kubernetes objects and Helm releases have in common, and the session that they work in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from toolchain.kubernetes_provider.errors import UnreachableError
from toolchain.kubernetes_provider.protocol import answers

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.cluster.api_server import Cluster
    from toolchain.kubernetes_provider.cluster.discovery import Discovery
    from toolchain.kubernetes_provider.protocol import asks
    from toolchain.kubernetes_provider.protocol.engine_log import EngineLog
    from toolchain.kubernetes_provider.protocol.wire import Object
    from toolchain.kubernetes_provider.settings import Settings


class Resources(Protocol):
    """The life of one kind of resource."""

    def check(self, subject: asks.Subject, ask: asks.Check) -> answers.Checked:
        """Complete and judge the inputs."""
        ...

    def diff(self, subject: asks.Subject, ask: asks.Diff) -> answers.Difference:
        """Tell what an update would change."""
        ...

    def create(self, subject: asks.Subject, ask: asks.Create) -> answers.LiveResource:
        """Create the resource, or, in a preview, return what it would become."""
        ...

    def read(self, subject: asks.Subject, ask: asks.Read) -> answers.LiveResource:
        """Return the resource as it is."""
        ...

    def update(self, subject: asks.Subject, ask: asks.Update) -> Object:
        """Change the resource; return its new state."""
        ...

    def delete(self, subject: asks.Subject, ask: asks.Delete) -> None:
        """Delete the resource."""
        ...


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An API server that answered."""

    cluster: Cluster
    discovery: Discovery


@dataclass(frozen=True, kw_only=True)
class Session:
    """The result of Configure. Without a connection ``unreachable`` has the reason."""

    settings: Settings
    log: EngineLog
    connection: Connection | None
    unreachable: str = ""
    namespace: str = "default"

    def connected(self) -> Connection:
        """Return the connection; raise UnreachableError without one."""
        if self.connection is None:
            raise UnreachableError(
                f"The configured Kubernetes cluster is unreachable. {self.unreachable}"
            )
        return self.connection

    def read_unreachable(
        self,
        subject: asks.Subject,
        ask: asks.Read,
        *,
        refusal: str,
        when_dropped: str | None = None,
    ) -> answers.LiveResource:
        """The answer to Read without a cluster, as the settings have it.

        Args:
            subject: the resource.
            ask: its last known state.
            refusal: the message of the UnreachableError, where the settings allow no answer.
            when_dropped: what the engine's log gets where the resource counts as gone.
        """
        self.log.warning(
            subject.urn, f"The configured Kubernetes cluster is unreachable. {self.unreachable}"
        )
        if self.settings.delete_unreachable:
            if when_dropped is not None:
                self.log.info(subject.urn, when_dropped)
            return answers.GONE
        if self.settings.skip_update_unreachable:
            return answers.LiveResource(
                resource_id=ask.resource_id, state=ask.state, inputs=ask.inputs
            )
        raise UnreachableError(refusal)
