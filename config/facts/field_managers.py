"""The field managers that Kubernetes records for objects of Pulumi's provider."""

from __future__ import annotations

from typing import Final

CREATORS: Final = ("pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes")
"""Names under which Pulumi's provider creates objects (fixCSAFieldManagers and patchForce in
await.go of pulumi-kubernetes)."""
OWN_PREFIX: Final = "pulumi-kubernetes-"
"""Prefix of the name under which the provider applies one resource. Eight hexadecimal digits follow
it (fieldManagerName in provider.go of pulumi-kubernetes)."""
