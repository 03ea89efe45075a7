"""The Alibaba Cloud Controller Manager, installed from the project's own manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core import v1 as core

from components.add_ons.manifests import from_manifest
from components.stack import AccessKey
from planning.cloud.cloud_controller import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    ACCESS_KEY_SECRET_NAME,
    NAMESPACE,
    SECRET_KEY,
    SECRET_NAME,
    cloud_config,
    manifests,
)
from planning.model import ClusterPlan


@dataclass(frozen=True, kw_only=True)
class CloudControllerArgs:
    """The inputs of a `CloudController`."""

    plan: ClusterPlan
    provider: kubernetes.Provider
    vpc_id: pulumi.Input[str]
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key."""
    access_key: pulumi.Output[AccessKey] | None = None
    """Set only with `credentials: access-key`. Otherwise the control planes have a RAM role."""
    needs: Sequence[pulumi.Resource] = ()
    """Resources that must outlive the controller: it cannot clean up without its RAM policy."""


class CloudController(pulumi.ComponentResource):
    """The cloud controller in `kube-system`, on control planes.

    Owns: the ServiceAccount, its RBAC, the Secret with the configuration, the Secret with the
    AccessKey if the stack has one, and the Deployment.

    Never touches: load balancers. The controller creates one for each LoadBalancer Service, and
    deletes it with the Service, so Services are deleted before this component.

    The run waits for the Deployment: until it runs, every node has the `uninitialized` taint.

    Edits: a changed configuration or AccessKey replaces its Secret (Pulumi's provider takes a
    Secret's data for immutable) and then restarts the controller, whose pods carry a checksum of
    both. Load balancers do not change meanwhile. All names, selectors and role references are
    constants, so nothing else is ever replaced. `_tolerations` in
    planning/cloud/cloud_controller.py describes the loss of a control plane.
    """

    def __init__(
        self, name: str, args: CloudControllerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:cloud_controller:CloudController", name, {}, opts)
        self._name = name
        self._args = args
        identity = [self._make_configuration()]
        if args.access_key is not None:
            identity.append(self._make_credentials(args.access_key))
        rest = manifests(args.plan)
        pods = {key for key, manifest in rest.items() if manifest["kind"] == "Deployment"}
        objects: list[pulumi.Resource] = [
            *identity,
            *(self._make(key, rest[key]) for key in sorted(rest.keys() - pods)),
        ]
        # The controller's rights exist before it starts and until it has stopped.
        for key in sorted(pods):
            self._make(key, self._restarted_by_key(rest[key]), after=objects)
        self.register_outputs({})

    def _make_configuration(self) -> core.Secret:
        plan = self._args.plan
        text = pulumi.Output.all(
            vpc_id=self._args.vpc_id, vswitch_ids=dict(self._args.vswitch_ids)
        ).apply(
            lambda ids: cloud_config(plan, vpc_id=ids["vpc_id"], vswitch_ids=ids["vswitch_ids"])
        )
        return self._make_secret(SECRET_NAME, {SECRET_KEY: text})

    def _make_credentials(self, access_key: pulumi.Output[AccessKey]) -> core.Secret:
        return self._make_secret(
            ACCESS_KEY_SECRET_NAME,
            {
                ACCESS_KEY_ID: access_key.apply(lambda pair: pair.id),
                ACCESS_KEY_SECRET: access_key.apply(lambda pair: pair.secret),
            },
        )

    def _restarted_by_key(self, deployment: Mapping[str, object]) -> Mapping[str, object]:
        """Add a digest of the AccessKey's id to the pods, which read the key only when they start.

        An AccessKey's secret never changes under the same id (RAM makes a new pair), so the id is
        enough, and its digest reveals nothing.
        """
        access_key = self._args.access_key
        if access_key is None:
            return deployment
        digest = pulumi.Output.unsecret(
            access_key.apply(lambda pair: sha256(pair.id.encode()).hexdigest())
        )
        return _with_pod_annotation(deployment, "checksum/access-key", digest)

    def _make_secret(self, name: str, data: Mapping[str, pulumi.Output[str]]) -> core.Secret:
        return core.Secret(
            f"{self._name}-{name}",
            metadata={"name": name, "namespace": NAMESPACE},
            string_data=dict(data),
            opts=self._after(*self._args.needs),
        )

    def _make(
        self, key: str, manifest: Mapping[str, object], after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.Resource:
        return from_manifest(
            f"{self._name}-{key}", manifest, opts=self._after(*self._args.needs, *after)
        )

    def _after(self, *needs: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, provider=self._args.provider, depends_on=list(needs)
        )


def _with_pod_annotation(
    deployment: Mapping[str, object], key: str, value: pulumi.Output[str]
) -> Mapping[str, object]:
    spec = _mapping(deployment, "spec")
    template = _mapping(spec, "template")
    metadata = _mapping(template, "metadata")
    annotations = {**_mapping(metadata, "annotations"), key: value}
    return {
        **deployment,
        "spec": {
            **spec,
            "template": {**template, "metadata": {**metadata, "annotations": annotations}},
        },
    }


def _mapping(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = document[key]
    if not isinstance(inner, Mapping):
        raise TypeError(f"{key} of a manifest is not a mapping")
    return inner
