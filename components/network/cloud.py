"""The Alibaba Cloud provider, always explicit: no resource uses a default from the environment.

Region, account and endpoints come from the plan. Credentials come from the environment
(`ALICLOUD_ACCESS_KEY`, `ALICLOUD_SECRET_KEY`, or the other ways that the provider documents), with
one exception: a plan with a `cloud_endpoint` uses a local cloud with its published root key pair,
so that real credentials are never sent to it.
"""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud

from config.profiles import LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY
from planning.model import ClusterPlan


def cloud_provider(
    name: str,
    plan: ClusterPlan,
    *,
    parent: pulumi.Resource,
    accepted: pulumi.Output[None] | None = None,
) -> alicloud.Provider:
    """Create the provider that every Alibaba Cloud resource of `plan` uses.

    `accepted` resolves once the edit is accepted; the provider, and with it each of its resources,
    waits for it. A `depends_on` would not wait: on a component it means the component's children.

    `account_type` is always set: without it the provider asks the billing API at each start. The
    local endpoint is set for every product that the program uses, because the provider looks an
    unset one up in the public location service.
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
