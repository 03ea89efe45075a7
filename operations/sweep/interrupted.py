"""Creations of Kubernetes objects that a killed run began: which objects exist and are ours.

Both Kubernetes plugins create an object by POST, so an object whose creation was cut off stops
every later `up` ("already exists"). Such an object is taken into the state and not removed: pods
may run on it by now, and deleting a Namespace or an address pool would delete everything in it
(docs/decisions/recover-inside-kubernetes.md). Pure functions on the state as `pulumi stack export`
prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.facts.field_managers import CREATORS, OWN_PREFIX

Object = Mapping[str, Any]

RELEASE: Final = "kubernetes:helm.sh/v3:Release"
_KUBERNETES: Final = "kubernetes:"


@dataclass(frozen=True, kw_only=True)
class Creation:
    """The pending creation of one object or release."""

    resource: Object
    """As the state has it: type, urn, inputs, parent, provider. Its secrets are encrypted."""

    @property
    def is_release(self) -> bool:
        """Whether it is a Helm release."""
        return bool(self.resource["type"] == RELEASE)

    @property
    def inputs(self) -> Object:
        """What the program asked for."""
        inputs: Object = self.resource.get("inputs") or {}
        return inputs

    @property
    def api_version(self) -> str:
        """For example `apps/v1`."""
        return str(self.inputs.get("apiVersion", ""))

    @property
    def kind(self) -> str:
        """For example `Deployment`."""
        return "Release" if self.is_release else str(self.inputs.get("kind", ""))

    @property
    def namespace(self) -> str:
        """Empty for what has none."""
        return str(self._metadata.get("namespace") or "")

    @property
    def name(self) -> str:
        """Its name in the cluster."""
        return str(self._metadata.get("name") or "")

    @property
    def identity(self) -> str:
        """`namespace/name`, or the name alone: the id that both plugins give the resource."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def title(self) -> str:
        """For example `Service default/web`."""
        return f"{self.kind} {self.identity}"

    @property
    def _metadata(self) -> Object:
        metadata: Object = self.inputs if self.is_release else self.inputs.get("metadata") or {}
        return metadata


def interrupted_creations(deployment: Object) -> tuple[Creation, ...]:
    """Return the creations in the pending operations that may have left an object.

    Patch resources are left out: they are applied, and applying them again does the same.
    """
    creations = (
        Creation(resource=operation["resource"])
        for operation in deployment.get("pending_operations") or ()
        if operation.get("type") == "creating"
        and str(operation["resource"].get("type", "")).startswith(_KUBERNETES)
        and not str(operation["resource"]["type"]).endswith("Patch")
    )
    return tuple(creation for creation in creations if creation.name)


def releases(deployment: Object) -> tuple[Creation, ...]:
    """Return the Helm releases that the state has, with the inputs of the last run."""
    return tuple(
        Creation(resource=resource)
        for resource in deployment.get("resources") or ()
        if resource.get("type") == RELEASE and not resource.get("delete")
    )


def why_not_ours(creation: Creation, live: Object) -> str | None:
    """Why the object of that name is not the one that the interrupted run created; None if it is.

    It is ours when Pulumi's provider created it, which the API server records for each field, and
    when it has every label and annotation that the program gave it.
    """
    metadata = live.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return "it is being deleted"
    managers = _managers(live)
    if not any(name in CREATORS or name.startswith(OWN_PREFIX) for name in managers):
        by = ", ".join(sorted(set(managers))) or "nobody that the API server recorded"
        return f"it was created by {by}, and not by Pulumi"
    requested: Object = creation.inputs.get("metadata") or {}
    for part in ("labels", "annotations"):
        actual = metadata.get(part) or {}
        for key, value in (requested.get(part) or {}).items():
            if isinstance(value, str) and actual.get(key) != value:
                return f"it does not have {part[:-1]} {key} as this stack writes it"
    return None


def _managers(live: Object) -> list[str]:
    metadata = live.get("metadata") or {}
    return [str(entry.get("manager")) for entry in metadata.get("managedFields") or ()]


def adopted(creation: Creation, live: Object, *, field_manager: str) -> Object:
    """Return the resource as the state has it after a successful creation.

    The live values are left out but for the status: `up` reads the cluster first, and a live value
    could be one that the inputs have encrypted.

    Args:
        creation: of an object.
        live: the object as the API server has it, with its managed fields.
        field_manager: the name under which the provider applies it from now on, where the API
            server has none yet.
    """
    own = next((name for name in _managers(live) if name.startswith(OWN_PREFIX)), field_manager)
    status = {"status": live["status"]} if live.get("status") else {}
    return {
        **creation.resource,
        "custom": True,
        "id": creation.identity,
        "outputs": {
            **creation.inputs,
            **status,
            "__inputs": creation.inputs,
            "__initialApiVersion": creation.api_version,
            "__fieldManager": own,
        },
    }


def adopted_release(creation: Creation) -> Object:
    """Return a deployed release as the state has it after a successful installation.

    `__inputs` is left out: the official plugin expects an encrypted value there, and fails on any
    other (`parseCheckpointRelease` in helm_release.go of pulumi-kubernetes). Where there is none,
    both plugins complete the state from the live release at the next refresh.
    """
    return {
        **creation.resource,
        "custom": True,
        "id": creation.identity,
        "outputs": dict(creation.inputs),
    }


def has_place(creation: Creation, deployment: Object) -> bool:
    """Whether the state can take the object: no live resource has its URN yet.

    A replacement that deletes first keeps the deleted resource until the new one is there.
    """
    return all(
        resource.get("pendingReplacement") or resource.get("delete")
        for resource in deployment.get("resources") or ()
        if resource.get("urn") == creation.resource["urn"]
    )


def settled(deployment: Object, resources: Sequence[Object]) -> dict[str, Any]:
    """Return the state without pending operations and with these resources.

    A resource takes the place of the one that it replaces, or goes to the end, after everything
    that it depends on.
    """
    coming = {resource["urn"]: resource for resource in resources}
    kept = [
        coming.pop(resource["urn"])
        if resource.get("pendingReplacement") and resource["urn"] in coming
        else resource
        for resource in deployment.get("resources") or ()
    ]
    return {**deployment, "resources": [*kept, *coming.values()], "pending_operations": []}
