"""SpiderIPPools in memory, behind a webhook that lets no used address go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from components.api.pool_api import Pool, PoolApi, PoolError, RefusedError


def a_pool(name: str, *ips: str, by_pulumi: bool = True, ending: bool = False, **pods: str) -> Pool:
    """`pods`: pod name in `default` → its address, with underscores for dots."""
    return Pool(
        name=name,
        ips=ips,
        holders={
            ip_address(text.replace("_", ".")): f"default/{pod}" for pod, text in pods.items()
        },
        revision="1",
        by_pulumi=by_pulumi,
        ending=ending,
    )


@dataclass
class FakePools(PoolApi):
    """Pools in memory, behind a webhook that lets no used address go."""

    pools_by_name: dict[str, Pool]
    before_write: Callable[[FakePools], None] = lambda _: None
    """Runs once, before the first write: what other clients do meanwhile."""
    away: str = ""
    """Why the API server does not answer."""
    written: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    async def pools(self) -> Sequence[Pool]:
        if self.away:
            raise PoolError(self.away)
        return list(self.pools_by_name.values())

    async def set_ips(self, pool: Pool, ips: Sequence[str]) -> Pool:
        meanwhile, self.before_write = self.before_write, lambda _: None
        meanwhile(self)
        live = self.pools_by_name[pool.name]
        if live.revision != pool.revision:
            raise RefusedError("HTTP 409: the object has been modified")
        after = replace(live, ips=tuple(ips), revision=f"{int(live.revision) + 1}")
        used = [a for a in live.holders if not after.among([a])]
        if used:
            raise RefusedError(f"HTTP 403: remove an IP address {used[0]} that is being used")
        self.pools_by_name[pool.name] = after
        self.written.append((pool.name, after.ips))
        return after
