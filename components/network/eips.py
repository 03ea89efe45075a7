"""Options that every binding of an EIP has."""

from __future__ import annotations

import pulumi


def binding_options(parent: pulumi.Resource) -> pulumi.ResourceOptions:
    """Options of an `ecs.EipAssociation`.

    An EIP is bound once at a time, so the old binding goes first. `vpcId` is for bare IP addresses
    only, but the provider writes down whatever the API answers, and would then replace the binding.
    """
    return pulumi.ResourceOptions(
        parent=parent, delete_before_replace=True, ignore_changes=["vpcId"]
    )
