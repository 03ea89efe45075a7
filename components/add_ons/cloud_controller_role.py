"""The RAM role of the cloud controller, with the least policy that it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
from pulumi_alicloud import ram

from planning.cloud.cloud_controller import ram_policy, ram_trust_policy
from planning.model import ClusterPlan
from planning.names import controller_role_name


@dataclass(frozen=True, kw_only=True)
class CloudControllerRoleArgs:
    """The inputs of a `CloudControllerRole`."""

    plan: ClusterPlan


class CloudControllerRole(pulumi.ComponentResource):
    """A RAM role for control planes, with the least policy of the cloud controller.

    Owns: role, policy, and their attachment. RAM has no regions, so both carry the region's name.

    Never touches: the instances. Each control plane attaches the role itself some time after the
    role was created, because RAM is eventually consistent and the provider does not retry.
    """

    role_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: CloudControllerRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            "spiderpool-alicloud:cloud_controller_role:CloudControllerRole", name, {}, opts
        )
        plan = args.plan
        child = pulumi.ResourceOptions(parent=self)
        label = controller_role_name(name, plan.region)
        role = ram.Role(
            name,
            role_name=label,
            description=f"Cloud controller of the cluster {plan.name}",
            assume_role_policy_document=json.dumps(ram_trust_policy(), sort_keys=True),
            force=True,
            tags=dict(plan.tags),
            opts=child,
        )
        policy = ram.Policy(
            name,
            policy_name=label,
            description=f"What the cloud controller of the cluster {plan.name} may do",
            policy_document=json.dumps(ram_policy(), sort_keys=True),
            # RAM keeps five versions. The oldest non-default version is deleted to make room.
            rotate_strategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",
            force=True,
            tags=dict(plan.tags),
            opts=child,
        )
        attachment = ram.RolePolicyAttachment(
            name,
            role_name=role.role_name,
            policy_name=policy.policy_name,
            policy_type="Custom",
            opts=child,
        )
        # A node gets the role only once the policy is attached to it.
        self.role_name = pulumi.Output.all(role.role_name, attachment.id).apply(
            lambda names: str(names[0])
        )
        self.register_outputs({"role_name": self.role_name})
