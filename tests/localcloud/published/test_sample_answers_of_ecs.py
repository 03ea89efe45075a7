"""What the vendor's sample answers of ECS show and few tests need."""

from __future__ import annotations

import json

import pytest

from tests.localcloud.products.test_ecs_by_sdk import IMAGE, TRUST, Place
from tests.localcloud.sdk_api import Api

pytestmark = pytest.mark.unit
TAG = [{"Key": "a", "Value": "b"}]
SHOWN = [{"TagKey": "a", "TagValue": "b"}]


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def test_an_eni_shows_its_prefixes_ipv6_addresses_and_tags(api: Api) -> None:
    place = Place(api, ipv6=True)
    block = "172.31.200.0/24"
    api.vpc(
        "CreateVSwitchCidrReservation", VSwitchId=place.vswitch, VSwitchCidrReservationCidr=block
    )
    eni = place.eni(Ipv4PrefixCount=1, Ipv6AddressCount=1, Tag=TAG)["NetworkInterfaceId"]
    shown = api.ecs("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=eni)
    assert shown["Ipv4PrefixSets"]["Ipv4PrefixSet"] == [{"Ipv4Prefix": "172.31.200.0/28"}]
    (address,) = shown["Ipv6Sets"]["Ipv6Set"]
    assert shown["Tags"]["Tag"] == SHOWN
    (nic,) = place.instance(place.run(eni))["NetworkInterfaces"]["NetworkInterface"]
    assert nic["Ipv6Sets"]["Ipv6Set"] == [address]
    assert nic["Ipv4PrefixSets"] == shown["Ipv4PrefixSets"]


@pytest.mark.parametrize("secondary", [False, True])
def test_an_eni_shows_at_which_address_its_eip_is(place: Place, *, secondary: bool) -> None:
    api = place.api
    eni = place.eni(PrimaryIpAddress="172.31.193.1", PrivateIpAddress=["172.31.193.2"])
    eip = api.vpc("AllocateEipAddress")
    api.vpc(
        "AssociateEipAddress",
        AllocationId=eip["AllocationId"],
        InstanceId=eni["NetworkInterfaceId"],
        InstanceType="NetworkInterface",
        **({"PrivateIpAddress": "172.31.193.2"} if secondary else {}),
    )
    public = {"AllocationId": eip["AllocationId"], "PublicIpAddress": eip["EipAddress"]}
    listed = place.shown(eni["NetworkInterfaceId"])
    shown = api.ecs(
        "DescribeNetworkInterfaceAttribute", NetworkInterfaceId=eni["NetworkInterfaceId"]
    )
    assert shown["AssociatedPublicIp"] == listed["AssociatedPublicIp"] == public
    at = [a.get("AssociatedPublicIp") for a in shown["PrivateIpSets"]["PrivateIpSet"]]
    assert at == ([None, public] if secondary else [public, None])
    assert listed["PrivateIpSets"] == shown["PrivateIpSets"]


def test_an_instance_shows_the_bandwidth_of_its_eip(place: Place) -> None:
    instance = place.run()
    eip = place.api.vpc("AllocateEipAddress", Bandwidth="7")["AllocationId"]
    place.api.vpc("AssociateEipAddress", AllocationId=eip, InstanceId=instance)
    shown = place.api.ecs("DescribeInstanceAttribute", InstanceId=instance)
    assert shown["EipAddress"]["Bandwidth"] == 7


def test_a_key_pair_shows_all_but_its_private_key(api: Api) -> None:
    created = api.ecs("CreateKeyPair", KeyPairName="admin", Tag=TAG)
    (shown,) = api.ecs("DescribeKeyPairs")["KeyPairs"]["KeyPair"]
    assert shown["KeyPairFingerPrint"] == created["KeyPairFingerPrint"]
    assert shown["Tags"]["Tag"] == SHOWN
    assert "PrivateKeyBody" not in shown


def test_an_image_lists_instance_types_with_their_size(api: Api) -> None:
    listed = api.ecs("DescribeImageSupportInstanceTypes", ImageId=IMAGE)["InstanceTypes"]
    sizes = {
        k["InstanceTypeId"]: (k["CpuCoreCount"], k["MemorySize"]) for k in listed["InstanceType"]
    }
    assert sizes["ecs.g7.large"] == (2, 8)


@pytest.mark.parametrize(("kind", "largest"), [("SystemDisk", 2048), ("DataDisk", 65536)])
def test_a_zone_shows_how_large_a_disk_can_be(api: Api, kind: str, largest: int) -> None:
    """The sizes are those by which RunInstances refuses."""
    zone, *_ = api.ecs("DescribeAvailableResource", DestinationResource=kind)["AvailableZones"][
        "AvailableZone"
    ]
    (offer,) = zone["AvailableResources"]["AvailableResource"]
    (essd,) = [
        d for d in offer["SupportedResources"]["SupportedResource"] if d["Value"] == "cloud_essd"
    ]
    assert (essd["Min"], essd["Max"], essd["Unit"]) == (1, largest, "GiB")


def test_a_security_group_counts_rules_that_name_another_group(place: Place) -> None:
    ecs, group = place.api.ecs, place.group
    other = ecs("CreateSecurityGroup", VpcId=place.vpc, SecurityGroupName="other")[
        "SecurityGroupId"
    ]
    for source in ({"SourceGroupId": other}, {"SourceCidrIp": "10.0.0.0/8"}):
        permission = {"IpProtocol": "tcp", "PortRange": "22/22", **source}
        ecs("AuthorizeSecurityGroup", SecurityGroupId=group, Permissions=[permission])
    (shown,) = ecs("DescribeSecurityGroups", SecurityGroupId=group)["SecurityGroups"][
        "SecurityGroup"
    ]
    assert (shown["RuleCount"], shown["GroupToGroupRuleCount"]) == (2, 1)


def test_a_role_that_was_detached_is_in_the_answer(place: Place) -> None:
    place.api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    with_role, without = place.run(RamRoleName="r"), place.run()
    answer = place.api.ecs("DetachInstanceRamRole", InstanceIds=json.dumps([with_role, without]))
    results = answer["DetachInstanceRamRoleResults"]["DetachInstanceRamRoleResult"]
    assert [r["InstanceRamRoleSets"]["InstanceRamRoleSet"] for r in results] == [
        [{"InstanceId": with_role, "RamRoleName": "r"}],
        [],
    ]


def test_a_long_list_of_tags_goes_on_by_token(api: Api) -> None:
    tag = [{"Key": f"key-{n}", "Value": "v"} for n in range(20)]
    for number in range(51):
        api.ecs(
            "ImportKeyPair", KeyPairName=f"k{number}", PublicKeyBody="ssh-ed25519 AAAA x", Tag=tag
        )
    tagged = {"ResourceType": "keypair", "Tag": tag[:1]}
    first = api.ecs("ListTagResources", **tagged)
    rest = api.ecs("ListTagResources", NextToken=first["NextToken"], **tagged)
    rows = [len(page["TagResources"]["TagResource"]) for page in (first, rest)]
    assert rows == [1000, 20]
