"""Hands over a created object's fields, so that the preview of its first change is correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import pulumi

from components.api.api_access import UnusableKubeconfigError, api_client, request_errors
from config.facts.field_managers import CREATORS

if TYPE_CHECKING:
    import httpx

_ANSWER_WITHIN: Final = 10.0
_ATTEMPTS: Final = 5


def ownership_hook(
    name: str, path: str, kubeconfig: pulumi.Output[str]
) -> pulumi.ResourceHookBinding:
    """Return the hook that follows the creation of the object at `path` of the API server.

    Pulumi's provider creates objects by POST, as manager `pulumi-kubernetes`, and changes them by
    a server-side apply under a name of the resource's own. Before the first apply it gives that
    name what the creation owns, but not in a preview (fixCSAFieldManagers in await.go of
    pulumi-kubernetes 4.32.0). So a preview of the first change adds list items to the created ones,
    whereas the update replaces them. For example, a Service's port that keeps its name and gets
    another number or protocol is refused with `spec.ports[1].name: Duplicate value`. This hook
    hands the fields over right after the creation, so every later preview and update is correct.

    The hook never fails a run: without it, only that one preview is wrong.
    """

    async def after_create(args: pulumi.ResourceHookArgs) -> None:
        manager = (args.new_outputs or {}).get("__fieldManager")
        text = await kubeconfig.future()
        if not isinstance(manager, str) or not text:
            return
        try:
            async with api_client(text, within=_ANSWER_WITHIN) as client:
                await hand_over(client, path, manager)
        except (UnusableKubeconfigError, request_errors()) as error:
            pulumi.log.info(
                f"{args.name}: its fields still belong to the manager that created it ({error}). "
                "If the preview of the first change of a port is refused, run "
                "`pulumi up --skip-preview` for that change."
            )

    return pulumi.ResourceHookBinding(
        after_create=[pulumi.ResourceHook(f"{name}-is-owned", after_create)]
    )


async def hand_over(client: httpx.AsyncClient, path: str, manager: str) -> None:
    """Give `manager` the fields that the creation of the object at `path` owns, unless it has them.

    Raises `httpx.HTTPError` when the API server does not answer or refuses.
    """
    for _ in range(_ATTEMPTS):
        live = (await client.get(path)).raise_for_status().json()
        entries = owned_by(manager, live["metadata"].get("managedFields") or ())
        if entries is None:
            return
        patch = [
            {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": live["metadata"]["resourceVersion"],
            },
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        ]
        answer = await client.patch(
            path, json=patch, headers={"Content-Type": "application/json-patch+json"}
        )
        # The cloud controller writes to a new Service, too. Read it again after a conflict.
        if answer.status_code not in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
            answer.raise_for_status()
            return


def owned_by(
    manager: str, entries: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]] | None:
    """`metadata.managedFields` with the creation's fields applied by `manager`.

    None when nothing belongs to the creation, or `manager` has applied something already.
    """
    applied = any(_is(entry, (manager,), "Apply") for entry in entries)
    created = [entry for entry in entries if _is(entry, CREATORS, "Update")]
    if applied or len(created) != 1:
        return None
    return [
        {**entry, "manager": manager, "operation": "Apply"} if entry in created else entry
        for entry in entries
    ]


def _is(entry: Mapping[str, Any], managers: Sequence[str], operation: str) -> bool:
    return (
        entry.get("manager") in managers
        and entry.get("operation") == operation
        and not entry.get("subresource")
    )
