"""The hostile mode, and the rules of instances that no recorded behaviour shows alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.commands import with_seed
from localcloud.control_api.machines_view import MachinesView
from localcloud.requests import hostility
from localcloud.settings import Cloud
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import IMAGE, Place, settled
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
StartCloud = Callable[..., CloudThread]
NETWORK = IPv4Network("10.0.0.0/26")
ASSIGNABLE = frozenset(list(NETWORK)[1:-3])


@given(seed=st.integers(0, 50), claimed=st.integers(0, 60))
def test_a_hostile_choice_comes_to_every_assignable_address_once(seed: int, claimed: int) -> None:
    order = list(hostility.addresses(Cloud(hostile=seed), NETWORK, claimed, ()))
    assert len(order) == len(ASSIGNABLE)
    assert set(order) == ASSIGNABLE


def test_an_even_seed_chooses_from_the_bottom() -> None:
    order = hostility.addresses(Cloud(hostile=4), NETWORK, 0, ())
    assert next(order) == IPv4Address("10.0.0.1")


def test_a_friendly_cloud_keeps_its_own_order() -> None:
    usual = [IPv4Address("10.0.0.9")]
    assert list(hostility.addresses(Cloud(), NETWORK, 0, usual)) == usual
    assert hostility.shuffled(Cloud(), [3, 1, 2]) == [3, 1, 2]


def test_an_eni_gets_the_lowest_address_of_a_hostile_cloud(start_cloud: StartCloud) -> None:
    place = Place(Api(start_cloud(hostile=2).config()))
    assert place.eni()["PrivateIpAddress"] == "172.31.192.1"


def test_answers_come_in_another_order_and_their_pages_fit_together(
    start_cloud: StartCloud,
) -> None:
    place = Place(Api(start_cloud(hostile=3).config()))
    enis = [place.eni()["NetworkInterfaceId"] for _ in range(12)]

    def page(**more: object) -> tuple[list[str], str]:
        answer = place.api.ecs("DescribeNetworkInterfaces", MaxResults=10, **more)
        rows = answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]
        return [r["NetworkInterfaceId"] for r in rows], answer["NextToken"]

    first, token = page()
    rest, _ = page(NextToken=token)
    assert sorted(first + rest) == sorted(enis)
    assert first + rest != enis


def test_lists_of_vpc_and_ram_come_in_another_order(start_cloud: StartCloud) -> None:
    api = Api(start_cloud(hostile=3).config())
    vpcs = [api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"] for _ in range(8)]
    users = [api.ram("CreateUser", UserName=f"u{n}")["User"]["UserName"] for n in range(8)]
    listed_vpcs = [v["VpcId"] for v in api.vpc("DescribeVpcs")["Vpcs"]["Vpc"]]
    listed_users = [u["UserName"] for u in api.ram("ListUsers")["Users"]["User"]]
    assert (sorted(listed_vpcs), sorted(listed_users)) == (sorted(vpcs), sorted(users))
    assert listed_vpcs not in (vpcs, vpcs[::-1])
    assert listed_users not in (users, users[::-1])


@pytest.mark.parametrize(
    ("arguments", "completed"),
    [
        (["start", "--hostile"], ["start", "--hostile=7"]),
        (["start", "--hostile", "--strict"], ["start", "--hostile=7", "--strict"]),
        (["start", "--hostile", "3"], ["start", "--hostile", "3"]),
        (["start", "--hostile=3"], ["start", "--hostile=3"]),
        (["start"], ["start"]),
        ([], []),
    ],
)
def test_a_seed_is_chosen_where_none_is_written(arguments: list[str], completed: list[str]) -> None:
    assert with_seed(arguments, lambda: 7) == completed


def test_write_calls_are_throttled_for_the_rest_of_a_minute() -> None:
    throttle, cloud = hostility.Throttle(), Cloud(hostile=1)
    calls = [
        throttle.exceeded(cloud, "Ecs", "RunInstances", 60.0)
        for _ in range(hostility.CALLS_A_MINUTE + 1)
    ]
    assert calls == [False] * hostility.CALLS_A_MINUTE + [True]
    assert not throttle.exceeded(cloud, "Ecs", "StartInstance", 60.0)
    assert not throttle.exceeded(cloud, "Ecs", "RunInstances", 120.0)
    assert not throttle.exceeded(cloud, "Vpc", "CreateVpc", 60.0)


def test_a_throttled_call_has_the_code_of_its_page(
    start_cloud: StartCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(start_cloud(hostile=1).config())
    monkeypatch.setattr(hostility, "CALLS_A_MINUTE", 0)
    with refused("Throttling"):
        api.ecs("CreateNetworkInterface", VSwitchId="vsw-none", SecurityGroupId="sg-none")
    with refused("Throttling.User"):
        api.ecs("CreateKeyPair", KeyPairName="key")
    api.ecs("DescribeKeyPairs")


def test_a_subscription_instance_is_deleted_only_after_it_is_paid_afterwards(api: Api) -> None:
    place = Place(api)
    instance = place.run(InstanceChargeType="PrePaid", Period=1)
    with refused("ChargeTypeViolation"):
        api.ecs("DeleteInstance", InstanceId=instance, Force=True, TerminateSubscription=True)
    with refused("InvalidChargeType.ValueNotSupported"):
        api.ecs("ModifyInstanceAttribute", InstanceId=instance, DeletionProtection=True)
    api.ecs(
        "ModifyInstanceChargeType", InstanceIds=f'["{instance}"]', InstanceChargeType="PostPaid"
    )
    api.ecs("DeleteInstance", InstanceId=instance, Force=True)


def test_the_machines_learn_of_a_new_system_disk(cloud: CloudThread, api: Api) -> None:
    place = Place(api)
    instance = place.run()

    def system_disk() -> str:
        view = cloud.call(lambda: MachinesView(cloud.inside.store, cloud.cloud).now())
        (shown,) = view["instances"]
        return str(shown["system_disk"])

    before = system_disk()
    api.ecs("StopInstance", InstanceId=instance)
    new_disk = api.ecs("ReplaceSystemDisk", InstanceId=instance, ImageId=IMAGE)["DiskId"]
    assert (before.startswith("d-"), system_disk()) == (True, new_disk)
    assert before != new_disk


@pytest.mark.parametrize(
    ("disk", "code"),
    [
        ({"Category": "cloud_essd", "PerformanceLevel": "PL2", "Size": "40"}, "LessThanMinSize"),
        ({"Category": "cloud_essd", "Size": "2049"}, "MoreThanMaxSize"),
        ({"Category": "cloud_essd", "Size": "10"}, "LessThanImageSize"),
    ],
)
def test_a_system_disk_has_bounds(api: Api, disk: dict[str, str], code: str) -> None:
    place = Place(api)
    with refused(f"InvalidSystemDiskSize.{code}"):
        place.run(SystemDisk=disk)


def test_an_entry_disk_is_for_the_families_u1_and_e_only(api: Api) -> None:
    place = Place(api)
    disk = {"Category": "cloud_essd_entry"}
    with refused("InvalidDiskCategory.NotSupported"):
        place.run(SystemDisk=disk)
    place.run(kind="ecs.u1-c1m2.large", SystemDisk=disk)


def test_a_rule_written_twice_is_one_and_goes_at_once(api: Api) -> None:
    place = Place(api)
    rule = {"IpProtocol": "TCP", "PortRange": "22/22", "SourceCidrIp": "10.0.0.0/8"}
    for text in ("one", "two"):
        api.ecs(
            "AuthorizeSecurityGroup",
            SecurityGroupId=place.group,
            Permissions=[{**rule, "Description": text}],
        )

    def rules() -> list[str]:
        shown = api.ecs("DescribeSecurityGroupAttribute", SecurityGroupId=place.group)
        return [r["Description"] for r in shown["Permissions"]["Permission"]]

    assert rules() == ["one"]
    api.ecs("RevokeSecurityGroup", SecurityGroupId=place.group, Permissions=[rule])
    assert rules() == []


def statuses_until_gone(
    describe: Callable[[], list[str]], *, within_seconds: float = 20.0
) -> set[str]:
    """The statuses that a polling client sees until nothing is listed."""
    seen: set[str] = set()
    until = time.monotonic() + within_seconds
    while status := describe():
        seen |= set(status)
        assert time.monotonic() < until
        time.sleep(0.02)
    return seen


@given(seed=st.integers(0, 500), longest=st.floats(0.1, 100))
def test_a_deletion_takes_a_while_that_is_bounded(seed: int, longest: float) -> None:
    seconds = hostility.deletion_seconds(Cloud(hostile=seed), longest, "Vpc", "name")
    assert longest / 4 <= seconds <= longest
    assert seconds == hostility.deletion_seconds(Cloud(hostile=seed), longest, "Vpc", "name")


def test_deletions_are_seen_and_end(
    start_cloud: StartCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a busy machine to see each state, short enough to wait for.
    monkeypatch.setattr(hostility, "deletion_seconds", lambda *_: 50.0)
    place = Place(Api(start_cloud(hostile=1, delay_scale=0.03).config()))
    api, vpc = place.api, place.vpc

    def vswitches() -> list[str]:
        listed = api.vpc("DescribeVSwitches", VpcId=vpc)["VSwitches"]["VSwitch"]
        return [v["Status"] for v in listed]

    settled(lambda: vswitches() == ["Available"])
    nat = api.vpc("CreateNatGateway", VpcId=vpc, VSwitchId=place.vswitch, NatType="Enhanced")
    instance = place.run(place.eni()["NetworkInterfaceId"])

    def gateway() -> list[str]:
        listed = api.vpc("DescribeNatGateways", NatGatewayId=nat["NatGatewayId"])
        return [n["Status"] for n in listed["NatGateways"]["NatGateway"]]

    def instances() -> list[str]:
        listed = api.ecs("DescribeInstances", InstanceIds=f'["{instance}"]')
        return [i["Status"] for i in listed["Instances"]["Instance"]]

    def vpcs() -> list[str]:
        return [v["Status"] for v in api.vpc("DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]]

    settled(lambda: (gateway(), instances()) == (["Available"], ["Running"]))
    api.ecs("DeleteInstance", InstanceId=instance, Force=True)
    api.vpc("DeleteNatGateway", NatGatewayId=nat["NatGatewayId"], Force=True)
    assert (instances(), gateway()) == (["Stopping"], ["Deleting"])
    with refused("IncorrectInstanceStatus"):
        api.ecs("StartInstance", InstanceId=instance)
    with refused("IncorrectStatus.NatGateway"):
        api.vpc("DeleteNatGateway", NatGatewayId=nat["NatGatewayId"])
    assert statuses_until_gone(instances) <= {"Stopping"}
    assert statuses_until_gone(gateway) <= {"Deleting"}
    api.ecs("DeleteSecurityGroup", SecurityGroupId=place.group)
    api.vpc("DeleteVSwitch", VSwitchId=place.vswitch)
    with refused("DependencyViolation.VSwitch"):
        api.vpc("DeleteVpc", VpcId=vpc)
    assert statuses_until_gone(vswitches) <= {"Pending"}
    api.vpc("DeleteVpc", VpcId=vpc)
    with refused("IncorrectVpcStatus"):
        api.vpc("DeleteVpc", VpcId=vpc)
    assert statuses_until_gone(vpcs) <= {"Pending"}


def test_an_eni_is_free_by_the_time_of_the_deletion_not_of_the_next_call(
    start_cloud: StartCloud,
) -> None:
    place = Place(Api(start_cloud(hostile=1, delay_scale=0.02).config()))
    eni = place.eni(DeleteOnRelease=False)["NetworkInterfaceId"]
    instance = place.run(eni)
    settled(lambda: place.instance(instance)["Status"] == "Running")
    place.api.ecs("DeleteInstance", InstanceId=instance, Force=True)
    time.sleep((10 + 2) * 0.02 + 0.1)
    assert place.shown(eni)["Status"] == "Available"


def test_a_vswitch_that_is_used_again_while_it_leaves_stays(
    start_cloud: StartCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostility, "deletion_seconds", lambda *_: 50.0)
    place = Place(Api(start_cloud(hostile=1, delay_scale=0.03).config()))

    def vswitches() -> list[str]:
        listed = place.api.vpc("DescribeVSwitches", VpcId=place.vpc)
        return [v["Status"] for v in listed["VSwitches"]["VSwitch"]]

    settled(lambda: vswitches() == ["Available"])
    place.api.vpc("DeleteVSwitch", VSwitchId=place.vswitch)
    place.eni()
    settled(lambda: vswitches() == ["Available"])


def test_a_friendly_cloud_deletes_at_once(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    api.vpc("DeleteVpc", VpcId=vpc)
    assert api.vpc("DescribeVpcs", VpcId=vpc)["TotalCount"] == 0


def test_a_change_of_tags_is_seen_late_and_is_seen(start_cloud: StartCloud) -> None:
    late = ("NetworkInterface", "late")
    slow = (
        seed
        for seed in range(100)
        if not hostility.shows_tags(Cloud(hostile=seed, delay_scale=1), 0, 9.0, *late)
    )
    place = Place(Api(start_cloud(hostile=next(slow), delay_scale=0.2).config()))
    eni = place.eni(NetworkInterfaceName="late")["NetworkInterfaceId"]
    tag = {"Key": "a", "Value": "1"}

    def tags() -> list[dict[str, str]]:
        return list(place.shown(eni)["Tags"]["Tag"])

    place.api.ecs("TagResources", ResourceType="eni", ResourceId=[eni], Tag=[tag])
    assert tags() == []
    settled(lambda: tags() == [{"TagKey": "a", "TagValue": "1"}])


def test_tags_of_a_creation_are_seen_at_once(start_cloud: StartCloud) -> None:
    place = Place(Api(start_cloud(hostile=1, delay_scale=0.1).config()))
    eni = place.eni(Tag=[{"Key": "a", "Value": "1"}])["NetworkInterfaceId"]
    assert place.shown(eni)["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "1"}]
