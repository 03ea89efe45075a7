"""The provider's requests to other products, sent by their official SDKs."""

from __future__ import annotations

import pytest

from localcloud.products import resource_groups
from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


def test_every_product_has_an_endpoint_here(cloud: CloudThread, api: Api) -> None:
    answer = api.location("DescribeEndpoints", Id="cn-hangzhou", ServiceCode="ecs", Type="openAPI")
    (endpoint,) = answer["Endpoints"]["Endpoint"]
    assert endpoint["Endpoint"] == f"127.0.0.1:{cloud.port}"


def test_the_account_has_bought_nothing(api: Api) -> None:
    answer = api.bss("QueryAvailableInstances", ProductCode="ecs")
    assert answer["Data"]["InstanceList"] == []


def test_there_are_the_default_resource_group_and_two_others(api: Api) -> None:
    groups = api.groups("ListResourceGroups")["ResourceGroups"]["ResourceGroup"]
    assert [one["Id"] for one in groups] == [*resource_groups.ALL]
    one = {"ResourceGroupId": DEFAULT_RESOURCE_GROUP}
    (listed,) = api.groups("ListResourceGroups", Name="default")["ResourceGroups"]["ResourceGroup"]
    assert listed["Id"] == api.groups("GetResourceGroup", **one)["ResourceGroup"]["Id"]
    with refused("EntityNotExists.ResourceGroup"):
        api.groups("GetResourceGroup", ResourceGroupId="rg-none")
