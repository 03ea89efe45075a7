"""Who Kubernetes records as the creator of an object, where Pulumi's provider created it."""

from __future__ import annotations

from typing import Final

CREATORS: Final = ("pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes")
"""Names under which Pulumi's provider creates objects (fixCSAFieldManagers and patchForce in
await.go of pulumi-kubernetes)."""
OWN_PREFIX: Final = "pulumi-kubernetes-"
"""Begins the name under which the provider applies one resource (fieldManagerName in provider.go
of pulumi-kubernetes: the prefix and eight hexadecimal digits)."""
