"""The policy that decides who may change this program's annotations of Nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.apiextensions import CustomResource

from planning.nodes.annotation_guard import API_VERSION, manifests


@dataclass(frozen=True, kw_only=True)
class AnnotationGuardArgs:
    """The inputs of an `AnnotationGuard`."""

    provider: kubernetes.Provider
    ends_with: pulumi.Resource
    """A resource that is deleted only with the whole cluster."""


class AnnotationGuard(pulumi.ComponentResource):
    """A policy for the annotations that a node's unit applies as root.

    Owns: a ValidatingAdmissionPolicy and its binding.
    """

    def __init__(
        self, name: str, args: AnnotationGuardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:annotation_guard:AnnotationGuard", name, {}, opts)
        needs: list[pulumi.Resource] = []
        for manifest in manifests():
            metadata = manifest["metadata"]
            if not isinstance(metadata, Mapping):
                raise TypeError("the metadata of a manifest is not an object")
            resource = CustomResource(
                f"{name}-annotations-{manifest['kind']}",
                api_version=API_VERSION,
                kind=str(manifest["kind"]),
                metadata=dict(metadata),
                spec=manifest["spec"],
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=args.provider,
                    depends_on=needs,
                    deleted_with=args.ends_with,
                ),
            )
            needs = [resource]
        self.register_outputs({})
