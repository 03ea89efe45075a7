"""Turns the manifests of `planning`, which are plain data, into Pulumi's typed resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.rbac import v1 as rbac

from planning.cel import API_VERSION

_KINDS: Mapping[str, Callable[..., pulumi.CustomResource]] = {
    "ClusterRole": rbac.ClusterRole,
    "ClusterRoleBinding": rbac.ClusterRoleBinding,
    "DaemonSet": apps.DaemonSet,
    "Deployment": apps.Deployment,
    "Role": rbac.Role,
    "RoleBinding": rbac.RoleBinding,
    "Service": core.Service,
    "ServiceAccount": core.ServiceAccount,
}


def from_manifest(
    name: str, manifest: Mapping[str, object], opts: pulumi.ResourceOptions
) -> pulumi.CustomResource:
    """Register the object that a manifest describes, under the logical name `name`.

    Errors: `NotImplementedError` for a kind that no manifest of this project has.
    """
    kind = str(manifest["kind"])
    make = _KINDS.get(kind)
    if manifest["apiVersion"] == API_VERSION:
        # The SDK has no class for the mutating policy's stable version.
        make = partial(CustomResource, api_version=API_VERSION, kind=kind)
    if make is None:
        raise NotImplementedError(f"no resource class for a manifest of kind {kind}")
    fields = {
        _snake(field): value
        for field, value in manifest.items()
        if field not in {"apiVersion", "kind"}
    }
    return make(name, **fields, opts=opts)


def from_manifests(  # noqa: PLR0913 - the options of a child, one by one
    prefix: str,
    manifests: Iterable[Mapping[str, object]],
    *,
    parent: pulumi.Resource,
    provider: pulumi.ProviderResource,
    needs: Sequence[pulumi.Resource] = (),
    ends_with: pulumi.Resource | None,
) -> None:
    """Register objects one after the other, under `<prefix>-<kind>`.

    Each depends on the one before it, and the first on `needs`.
    """
    for manifest in manifests:
        options = pulumi.ResourceOptions(
            parent=parent, provider=provider, depends_on=needs, deleted_with=ends_with
        )
        needs = [from_manifest(f"{prefix}-{manifest['kind']}", manifest, options)]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
