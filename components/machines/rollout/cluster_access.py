"""Opens the cluster's API during a run, whose kubeconfig may become known only later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from components.api.cluster_api import ClusterApi, ClusterError, cluster_api
from components.api.pool_api import PoolApi, pool_api

ASK_EVERY: Final = 2.0
"""Seconds between two questions of a wait."""
GLANCE: Final = 3.0
"""Seconds for an API server that may not exist yet."""
_PATIENCE: Final = 60.0
"""Seconds for a connection, while the EIP moves or the load balancer notices a stopped backend."""


class ClusterAccess:
    """The API of the cluster that this run deploys.

    `kubeconfig` waits for the cluster's kubeconfig; None if it stays unknown, as in a preview.
    """

    def __init__(self, kubeconfig: Callable[[], Awaitable[str | None]]) -> None:
        self._kubeconfig = kubeconfig

    async def wait_for_kubeconfig(self) -> None:
        """Wait for the kubeconfig."""
        await self._kubeconfig()

    @asynccontextmanager
    async def api(
        self, *, within: float | None = None, kubeconfig: str | None = None
    ) -> AsyncIterator[ClusterApi]:
        """The API server: nodes, pods and evictions.

        Args:
            within: seconds for each request; by default a connection has `_PATIENCE`.
            kubeconfig: takes the place of this run's.

        Raises:
            ClusterError: the kubeconfig is unknown, or the API server does not answer.
        """
        text = kubeconfig or await self._kubeconfig()
        if not text:
            raise ClusterError("The API server's address is not known.")
        opened = (
            cluster_api(text, patience=_PATIENCE)
            if within is None
            else cluster_api(text, within=within)
        )
        async with opened as api:
            yield api

    @asynccontextmanager
    async def pools(self) -> AsyncIterator[PoolApi]:
        """Spiderpool's pools. Raises `ClusterError` if the API server does not answer."""
        async with pool_api(await self._kubeconfig() or "") as pools:
            yield pools
