"""Shrinks pools before their ENI: no address leaves an ENI while a pod has it or may get it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import pulumi

from components.api.api_access import UnusableKubeconfigError
from components.api.pool_api import (
    ANSWER_WITHIN,
    Pool,
    PoolApi,
    PoolError,
    RefusedError,
    pool_api,
    shrunk,
)
from components.machines.addresses.leaving_addresses import Leaving, leaving
from components.machines.draining import SECONDS, drain_seconds
from config.ranges import Address

_PREVIEW_WITHIN: Final = 3.0
"""Seconds that a preview waits for an answer: a preview must end without a cluster, too."""
_ATTEMPTS: Final = 10
"""Attempts at one change: each allocation of another pod changes the pool's revision."""
_PAUSE: Final = 0.2
"""Seconds between two attempts."""


class AddressesInUseError(Exception):
    """The addresses cannot leave, and no pool was changed."""


class AddressGuard:
    """Checks every change of an ENI that takes addresses away, before the cloud is asked.

    Order in a run: first `before_update` of the ENI checks that no pod has the leaving addresses
    and removes them from the pools. Then the ENI is updated. The pools' resources follow, because
    they use the ENI's outputs: a pool that shrinks has no change left, and a pool that grows does
    so last. The hook leaves a pool that loses its last address with empty `ips`, and the pool is
    deleted at the end of the run.

    When the ENI's update fails, its pools stay small, which is safe. The next `pulumi up` finishes
    the change or reverts it, depending on the stack file, because it first reads the ENI and the
    pools (`refresh: always` in Pulumi.yaml).

    The hook does not see an ENI that is replaced or deleted: the engine calls `before_update` for
    updates alone, and a `before_delete` hook would make a plain `pulumi destroy` fail without
    `--run-program`. In these cases the machine and its pods are removed together with the ENI.

    Previews ask the cluster, too, for at most three seconds. Without an answer they report that the
    check did not take place.

    `kubeconfig` may be unknown in a preview. Errors: `pulumi.RunError` names each pod with its
    address, or reports why the cluster could not be asked.
    """

    def __init__(self, name: str, *, kubeconfig: pulumi.Output[str]) -> None:
        self._kubeconfig = kubeconfig
        self.hooks = _before_update(f"{name}-addresses-leave", self._check)
        """Hooks for an ENI whose node keeps its pods."""
        self.hooks_after_drain = _before_update(
            f"{name}-worker-addresses-leave", self._check_after_drain
        )
        """Hooks for an ENI whose node a roll-out may drain first. Their preview warns instead of
        refusing, because it cannot know which pods will have left by then."""

    def after_kubeconfig(self, value: str) -> pulumi.Output[str]:
        """Resolve to `value` once the kubeconfig is known, in a preview at once.

        Each guarded ENI has an input that waits for this. A hook that waited itself would occupy
        one of the engine's slots, which the kubeconfig's own resources need. No dependency is
        recorded.
        """

        async def wait() -> str:
            if not pulumi.runtime.is_dry_run():
                await self._kubeconfig.future()
            return value

        return pulumi.Output.from_input(wait())

    async def _check_after_drain(self, args: pulumi.ResourceHookArgs) -> None:
        await self._check(args, drained=True)

    async def _check(self, args: pulumi.ResourceHookArgs, *, drained: bool = False) -> None:
        change = leaving(args.old_inputs or {}, args.old_outputs or {}, args.new_inputs or {})
        if not change.addresses:
            return
        preview = pulumi.runtime.is_dry_run()
        if not preview and drain_seconds() == 0:
            pulumi.log.warn(
                f"{args.name}: {_listed(change.addresses)} leave the ENI. The cluster was not "
                f"asked which pods have them, because {SECONDS} is 0."
            )
            return
        try:
            await self._act(args.name, change, preview=preview)
        except AddressesInUseError as error:
            if preview and drained:
                pulumi.log.warn(f"{error} A roll-out that drains the node first frees them, too.")
                return
            raise pulumi.RunError(str(error)) from error
        except (PoolError, UnusableKubeconfigError) as error:
            if preview:
                pulumi.log.info(
                    f"{args.name}: {_listed(change.addresses)} leave the ENI. The cluster could "
                    f"not be asked whether pods have them: {error}. `pulumi up` asks, and refuses "
                    "if one does."
                )
                return
            raise pulumi.RunError(_not_checked(args.name, change, error)) from error

    async def _act(self, eni: str, change: Leaving, *, preview: bool) -> None:
        kubeconfig = await self._kubeconfig.future()
        if not kubeconfig:
            raise PoolError("the kubeconfig is not known yet")
        within = _PREVIEW_WITHIN if preview else ANSWER_WITHIN
        async with pool_api(kubeconfig, within=within) as api:
            if preview:
                await refuse_if_used(api, eni, change)
            else:
                await release(api, eni, change)


def _before_update(
    name: str, check: Callable[[pulumi.ResourceHookArgs], Awaitable[None]]
) -> pulumi.ResourceHookBinding:
    hook = pulumi.ResourceHook(name, check, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceHookBinding(before_update=[hook])


async def refuse_if_used(api: PoolApi, eni: str, change: Leaving) -> Mapping[str, Pool]:
    """The pools that give leaving addresses to pods, by name.

    Raises `AddressesInUseError` when a pod has one of them, or when such a pool is not ours to
    change, and `PoolError` when the API server does not answer.
    """
    pools = {pool.name: pool for pool in await api.pools()}
    holders = {
        address: pod
        for pool in pools.values()
        for address, pod in pool.holders.items()
        if address in change.addresses
    }
    if holders:
        raise AddressesInUseError(_in_use(eni, change, holders))
    giving = {
        name: pool
        for name, pool in pools.items()
        if not pool.ending and pool.among(change.addresses)
    }
    foreign = [pool for pool in giving.values() if not pool.by_pulumi]
    if foreign:
        raise AddressesInUseError(_foreign(eni, change, foreign))
    return giving


async def release(api: PoolApi, eni: str, change: Leaving) -> None:
    """Remove the leaving addresses from every pool that gives them to pods, or from none.

    Raises as `refuse_if_used` does, after it has restored what it removed.
    """
    originals: dict[str, Pool] = {}
    try:
        await _shrink(api, eni, change, originals)
    except (PoolError, AddressesInUseError):
        await _put_back(api, originals)
        raise


async def _shrink(api: PoolApi, eni: str, change: Leaving, originals: dict[str, Pool]) -> None:
    """Shrink each pool, and store its previous state in `originals`."""
    refusal: PoolError | None = None
    for _ in range(_ATTEMPTS):
        # In the last round no pool gives the addresses, and no pod has one.
        giving = await refuse_if_used(api, eni, change)
        if not giving:
            return
        refusal = None
        for name, pool in giving.items():
            try:
                await api.set_ips(pool, shrunk(pool, change.addresses))
            except RefusedError as error:
                # Another pod may have taken one of the addresses in the meantime: read again.
                refusal = error
            else:
                originals.setdefault(name, pool)
        if refusal is not None:
            await asyncio.sleep(_PAUSE)
    raise refusal or PoolError(f"{', '.join(giving)} still gives the addresses away")


async def _put_back(api: PoolApi, originals: Mapping[str, Pool]) -> None:
    try:
        for pool in await api.pools():
            if pool.name in originals:
                await api.set_ips(pool, originals[pool.name].ips)
    except PoolError as error:
        pulumi.log.warn(
            f"{', '.join(originals)} could not get back the addresses that were removed: {error}. "
            "The next `pulumi up` gives them back."
        )


def _in_use(eni: str, change: Leaving, holders: Mapping[Address, str]) -> str:
    pods = ", ".join(f"{pod} ({address})" for address, pod in sorted(holders.items(), key=_order))
    ips = _listed(holders)
    reason = (
        "When a count is lowered the cloud chooses which addresses leave, so pods must not have "
        "any of them."
        if change.cloud_chooses
        else "These pods would be unreachable afterwards."
    )
    return (
        f"{eni}: addresses that leave the ENI belong to pods: {pods}. {reason} Neither the ENI nor "
        "a pool was changed. Keep these addresses in the stack file, or free them: create a "
        f"SpiderReservedIP with the ips {ips}, so that no other pod gets them, delete the pods, "
        "run `pulumi up` again, and delete the SpiderReservedIP."
    )


def _foreign(eni: str, change: Leaving, pools: Sequence[Pool]) -> str:
    parts = ", ".join(
        f"{pool.name} ({_listed(pool.among(change.addresses))})"
        for pool in sorted(pools, key=lambda pool: pool.name)
    )
    return (
        f"{eni}: addresses that leave the ENI are in pools that this program does not manage: "
        f"{parts}. A pod that got one could not be reached. Take them out of these pools "
        "(`kubectl edit spiderippool`), and run `pulumi up` again."
    )


def _not_checked(eni: str, change: Leaving, error: Exception) -> str:
    return (
        f"{eni}: {_listed(change.addresses)} leave the ENI, but the pools that give them to pods "
        f"could not be checked and shrunk first: {error}. A pod that has such an address could "
        "not be reached afterwards, so the ENI was not changed. Check that the API server answers "
        "(`kubectl get spiderippools`), and run `pulumi up` again. For a cluster that does not "
        f"exist any more, {SECONDS}=0 continues without a check."
    )


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(map(str, sorted(addresses, key=_numeric)))


def _order(item: tuple[Address, str]) -> tuple[int, int]:
    return _numeric(item[0])


def _numeric(address: Address) -> tuple[int, int]:
    return address.version, int(address)
