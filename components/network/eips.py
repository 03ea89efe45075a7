"""Options that every binding of an EIP has."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi


def binding_options(
    parent: pulumi.Resource,
    *,
    depends_on: Sequence[pulumi.Resource] = (),
    aliases: Sequence[pulumi.Alias] = (),
) -> pulumi.ResourceOptions:
    """Options of an `ecs.EipAssociation`.

    An EIP is bound once at a time, so the old binding goes first. `vpcId` is for bare IP addresses
    only, but the provider writes down whatever the API answers, and would then replace the binding.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(depends_on),
        aliases=list(aliases),
        delete_before_replace=True,
        ignore_changes=["vpcId"],
    )
