"""The guide's sample apps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.add_ons.manifests import from_manifest
from planning.cloud.sample_apps import manifests
from planning.model import ClusterPlan


@dataclass(frozen=True, kw_only=True)
class SampleAppsArgs:
    """The inputs of `SampleApps`."""

    plan: ClusterPlan
    provider: kubernetes.Provider
    needs: Sequence[pulumi.Resource] = ()
    """Resources that the pods need to start and to stop: Spiderpool with its pools."""


class SampleApps(pulumi.ComponentResource):
    """Two DaemonSets, one on each NIC, and a ClusterIP service, in namespace `default`.

    Owns: these three objects. They are deleted before the IP pools, because a pool waits for its
    last address. The run waits for DaemonSets: a pod that gets no address fails the update.
    """

    def __init__(
        self, name: str, args: SampleAppsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:sample_apps:SampleApps", name, {}, opts)
        for key, manifest in manifests(args.plan).items():
            from_manifest(
                f"{name}-{key}",
                manifest,
                opts=pulumi.ResourceOptions(
                    parent=self, provider=args.provider, depends_on=list(args.needs)
                ),
            )
        self.register_outputs({})
