"""Options of every EIP association."""

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

    An EIP has one association at a time, so the old one is deleted first. `vpcId` is an input for
    bare IP addresses only, but the provider stores the API's answer in it, and would then replace
    the association.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(depends_on),
        aliases=list(aliases),
        delete_before_replace=True,
        ignore_changes=["vpcId"],
    )
