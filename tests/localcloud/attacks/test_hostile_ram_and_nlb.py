"""The hostile mode of RAM, STS and NLB."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.requests import hostility
from localcloud.settings import Cloud
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import Place, settled
from tests.localcloud.products.test_nlb_by_sdk import Balanced
from tests.localcloud.products.test_ram_and_sts_by_sdk import ACCOUNT, ECS
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
StartCloud = Callable[..., CloudThread]
WHEN = 1_700_000_000.0


@given(seed=st.integers(0, 1000), scale=st.floats(0, 1))
def test_a_change_of_ram_reaches_the_others_within_its_bound(seed: int, scale: float) -> None:
    cloud = Cloud(hostile=seed, delay_scale=scale)
    later = WHEN + hostility.SPREAD_SECONDS * scale + 0.001
    assert hostility.has_spread(cloud, WHEN, later, "role", "r")


def test_in_a_friendly_cloud_a_change_of_ram_is_everywhere_at_once() -> None:
    assert hostility.has_spread(Cloud(delay_scale=1), WHEN, WHEN, "role", "r")


@given(seed=st.integers(0, 1000))
def test_an_nlb_is_never_faster_than_usual_nor_slower_than_its_bound(seed: int) -> None:
    seconds = hostility.slowed(Cloud(hostile=seed), 5.0, "create", "web")
    assert 5.0 <= seconds <= 5.0 * hostility.SLOWEST
    assert seconds == hostility.slowed(Cloud(hostile=seed), 5.0, "create", "web")


def role(api: Api, name: str, trust: str) -> None:
    api.ram("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)


def late_seed(*about: str) -> int:
    """A seed by which this change takes more than half of its bound."""
    cloud = (Cloud(hostile=seed, delay_scale=1.0) for seed in range(100))
    half = WHEN + hostility.SPREAD_SECONDS / 2
    return next(c.hostile or 0 for c in cloud if not hostility.has_spread(c, WHEN, half, *about))


def test_ecs_does_not_see_a_new_role_at_once(start_cloud: StartCloud) -> None:
    friendly = start_cloud()
    instance = Place(Api(friendly.config())).run()
    friendly.close()
    cloud = start_cloud(hostile=late_seed("role", "r"), delay_scale=1.0)
    api = Api(cloud.config())
    one = {"InstanceIds": f'["{instance}"]', "RamRoleName": "r"}
    role(api, "r", ECS)
    assert api.ram("GetRole", RoleName="r")["Role"]["RoleName"] == "r"
    with refused("InvalidRamRole.NotFound"):
        api.ecs("AttachInstanceRamRole", **one)
    cloud.pass_time(hostility.SPREAD_SECONDS)
    api.ecs("AttachInstanceRamRole", **one)


def test_sts_does_not_see_a_new_role_at_once(start_cloud: StartCloud) -> None:
    cloud = start_cloud(hostile=late_seed("role", "r"), delay_scale=1.0)
    api = Api(cloud.config())
    user = api.ram("CreateUser", UserName="u")["User"]["UserName"]
    key = api.ram("CreateAccessKey", UserName=user)["AccessKey"]
    api.ram(
        "AttachPolicyToUser", PolicyType="System", PolicyName="AdministratorAccess", UserName="u"
    )
    cloud.pass_time(hostility.SPREAD_SECONDS)
    sender = Api(cloud.config(key["AccessKeyId"], key["AccessKeySecret"]))
    role(api, "r", ACCOUNT)
    arn = api.ram("GetRole", RoleName="r")["Role"]["Arn"]
    named = {"RoleArn": arn, "RoleSessionName": "session"}
    with refused("EntityNotExist.Role"):
        sender.sts("AssumeRole", **named)
    cloud.pass_time(hostility.SPREAD_SECONDS)
    assert sender.sts("AssumeRole", **named)["Credentials"]["SecurityToken"]


def test_a_policy_that_was_just_attached_allows_nothing_yet(start_cloud: StartCloud) -> None:
    seed = late_seed("policy", "u", "AliyunVPCFullAccess")
    cloud = start_cloud(hostile=seed, delay_scale=1.0)
    api = Api(cloud.config())
    api.ram("CreateUser", UserName="u")
    key = api.ram("CreateAccessKey", UserName="u")["AccessKey"]
    sender = Api(cloud.config(key["AccessKeyId"], key["AccessKeySecret"]))
    api.ram(
        "AttachPolicyToUser", PolicyType="System", PolicyName="AliyunVPCFullAccess", UserName="u"
    )
    with refused("Forbidden.RAM"):
        sender.vpc("DescribeVpcs")
    cloud.pass_time(hostility.SPREAD_SECONDS)
    sender.vpc("DescribeVpcs")


def test_an_nlb_takes_its_time_and_its_lists_come_in_another_order(
    start_cloud: StartCloud,
) -> None:
    friendly = start_cloud()
    place = Balanced(Api(friendly.config()))
    friendly.close()
    cloud = start_cloud(hostile=3, delay_scale=1.0)
    place.api = Api(cloud.config())
    ids = [place.nlb(LoadBalancerName=f"web-{n}") for n in range(12)]
    assert place.shown_nlb(ids[-1])["LoadBalancerStatus"] == "Provisioning"
    listed = [b["LoadBalancerId"] for b in place.api.nlb("ListLoadBalancers")["LoadBalancers"]]
    assert sorted(listed) == sorted(ids)
    assert listed != ids
    settled(lambda: place.shown_nlb(ids[0])["LoadBalancerStatus"] == "Active", cloud)
    job = place.api.nlb("DeleteLoadBalancer", LoadBalancerId=ids[0])["JobId"]
    assert place.shown_nlb(ids[0])["LoadBalancerStatus"] == "Deleting"
    settled(lambda: place.api.nlb("GetJobStatus", JobId=job)["Status"] == "Succeeded", cloud)
    with refused("ResourceNotFound.loadBalancer"):
        place.shown_nlb(ids[0])
