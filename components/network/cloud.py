"""The Alibaba Cloud provider, always explicit: nothing falls back to what the shell happens to say.

Region, account and endpoints come from the plan. Credentials come from the environment
(`ALICLOUD_ACCESS_KEY`, `ALICLOUD_SECRET_KEY`, or the other ways that the provider documents), with
one exception: a plan with a `cloud_endpoint` talks to a local cloud and uses that cloud's published
root key pair, so that real credentials never travel to it.
"""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud

from planning.model import ClusterPlan

LOCAL_ACCESS_KEY = "localcloud"
LOCAL_SECRET_KEY = "localcloud-secret-not-real"  # noqa: S105 - published, opens nothing real


def cloud_provider(
    name: str,
    plan: ClusterPlan,
    *,
    parent: pulumi.Resource,
    accepted: pulumi.Output[None] | None = None,
) -> alicloud.Provider:
    """Make the provider that every Alibaba Cloud resource of `plan` uses.

    `accepted` is known once the edit may be made; the provider, and with it everything that it
    makes, waits for it. A dependency would not do: one on a component means its children.

    `account_type` is always given: without it the provider asks the billing API at each start.
    A local endpoint is set for every product that the program touches, because an unset one is
    looked up in the public location service.
    """
    opts = pulumi.ResourceOptions(parent=parent)
    region: pulumi.Input[str] = plan.region
    if accepted is not None:
        region = accepted.apply(lambda _: plan.region)
    endpoint = plan.cloud_endpoint
    if endpoint is None:
        return alicloud.Provider(
            name,
            region=region,
            account_type=plan.account_type,
            account_id=plan.account_id,
            opts=opts,
        )
    return alicloud.Provider(
        name,
        region=region,
        account_type=plan.account_type,
        account_id=plan.account_id,
        protocol="HTTPS",
        access_key=LOCAL_ACCESS_KEY,
        secret_key=pulumi.Output.secret(LOCAL_SECRET_KEY),
        endpoints=[
            alicloud.ProviderEndpointArgs(
                ecs=endpoint,
                vpc=endpoint,
                slb=endpoint,
                nlb=endpoint,
                ram=endpoint,
                sts=endpoint,
                bssopenapi=endpoint,
                location=endpoint,
                tag=endpoint,
                resourcemanager=endpoint,
            )
        ],
        opts=opts,
    )
