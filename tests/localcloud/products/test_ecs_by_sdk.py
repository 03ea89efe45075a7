"""ECS by the official SDK."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
ZONE = "cn-hangzhou-h"
IMAGE = "ubuntu_24_04_x64_20G_alibase_20260916.vhd"
TRUST = (
    '{"Version":"1","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow",'
    '"Principal":{"Service":["ecs.aliyuncs.com"]}}]}'
)


def settled(condition: Callable[[], bool], cloud: CloudThread | None = None) -> None:
    """Wait until `condition` holds, at most 20 seconds; of the clock of `cloud` if there is one."""
    until = time.monotonic() + 20
    for _ in range(80 if cloud else 1000):
        if condition():
            return
        if cloud is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        else:
            cloud.pass_time(0.25)
    raise AssertionError("it does not settle")


class Place:
    """A VPC with a vSwitch and a security group; `cloud` is one with delays, which pass at once."""

    def __init__(self, api: Api, *, ipv6: bool = False, cloud: CloudThread | None = None) -> None:
        self.api = api
        self._cloud = cloud
        self.vpc = api.vpc("CreateVpc", CidrBlock="172.31.0.0/16", EnableIpv6=ipv6)["VpcId"]
        # A cloud with delays refuses a vSwitch while the VPC is Pending, and an ENI or an
        # instance while the vSwitch is.
        self.settled(
            lambda: self._status("DescribeVpcs", "Vpcs", "Vpc", VpcId=self.vpc) == "Available"
        )
        more = {"Ipv6CidrBlock": 1} if ipv6 else {}
        self.vswitch = api.vpc(
            "CreateVSwitch", VpcId=self.vpc, CidrBlock="172.31.192.0/20", ZoneId=ZONE, **more
        )["VSwitchId"]
        self.settled(
            lambda: (
                self._status("DescribeVSwitches", "VSwitches", "VSwitch", VSwitchId=self.vswitch)
                == "Available"
            )
        )
        self.group = api.ecs("CreateSecurityGroup", VpcId=self.vpc, SecurityGroupName="members")[
            "SecurityGroupId"
        ]

    def settled(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds."""
        settled(condition, self._cloud)

    def _status(self, action: str, outer: str, inner: str, **query: object) -> str:
        (described,) = self.api.vpc(action, **query)[outer][inner]
        return str(described["Status"])

    def eni(self, **more: object) -> dict[str, Any]:
        parameters = {"VSwitchId": self.vswitch, "SecurityGroupIds": [self.group], **more}
        return self.api.ecs("CreateNetworkInterface", **parameters)

    def shown(self, eni_id: str) -> dict[str, Any]:
        (shown,) = self.api.ecs("DescribeNetworkInterfaces", NetworkInterfaceId=[eni_id])[
            "NetworkInterfaceSets"
        ]["NetworkInterfaceSet"]
        return dict(shown)

    def run(self, *enis: str, kind: str = "ecs.g7.large", **more: object) -> str:
        nics = [
            {
                "NetworkInterfaceId": eni,
                "InstanceType": "Secondary" if number else "Primary",
            }
            for number, eni in enumerate(enis)
        ]
        where = (
            {"NetworkInterface": nics}
            if nics
            else {"VSwitchId": self.vswitch, "SecurityGroupIds": [self.group]}
        )
        answer = self.api.ecs(
            "RunInstances", **{"InstanceType": kind, "ImageId": IMAGE, **where, **more}
        )
        (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
        return str(instance_id)

    def instance(self, instance_id: str) -> dict[str, Any]:
        (shown,) = self.api.ecs("DescribeInstances", InstanceIds=f'["{instance_id}"]')["Instances"][
            "Instance"
        ]
        return dict(shown)


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def secondary(shown: dict[str, Any]) -> list[str]:
    return [
        s["PrivateIpAddress"] for s in shown["PrivateIpSets"]["PrivateIpSet"] if not s["Primary"]
    ]


def test_an_eni_has_the_requested_addresses(place: Place) -> None:
    eni = place.eni(
        PrimaryIpAddress="172.31.199.183",
        PrivateIpAddress=["172.31.199.185", "172.31.199.186"],
        NetworkInterfaceName="eth0",
        DeleteOnRelease=False,
        Tag=[{"Key": "a", "Value": "b"}],
    )
    shown = place.shown(eni["NetworkInterfaceId"])
    assert shown["PrivateIpAddress"] == "172.31.199.183"
    assert secondary(shown) == ["172.31.199.185", "172.31.199.186"]
    assert (shown["Status"], shown["Type"], shown["DeleteOnRelease"]) == (
        "Available",
        "Secondary",
        False,
    )
    assert shown["MacAddress"] == eni["MacAddress"]
    for name in ("Ipv6Sets", "Ipv4PrefixSets", "SecurityGroupIds", "PrivateIpSets"):
        assert name in shown


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("172.31.192.0", "InvalidVSwitchId.IpInvalid"),
        ("172.31.207.253", "InvalidVSwitchId.IpInvalid"),
        ("172.31.207.255", "InvalidVSwitchId.IpInvalid"),
        ("172.31.1.1", "InvalidVSwitchId.IpInvalid"),
        ("not-an-ip", "InvalidIp.Address"),
    ],
)
def test_an_address_that_cannot_be_is_refused(place: Place, address: str, code: str) -> None:
    with refused(code):
        place.eni(PrimaryIpAddress=address)


def test_an_address_belongs_to_one_eni_only(place: Place) -> None:
    first = place.eni(PrimaryIpAddress="172.31.199.183")
    with refused("InvalidPrivateIpAddress.Duplicated"):
        place.eni(PrivateIpAddress=["172.31.199.183"])
    place.api.ecs("DeleteNetworkInterface", NetworkInterfaceId=first["NetworkInterfaceId"])
    place.eni(PrivateIpAddress=["172.31.199.183"])


def test_a_refused_creation_leaves_nothing(place: Place) -> None:
    with refused("InvalidVSwitchId.IpInvalid"):
        place.eni(PrivateIpAddress=["172.31.199.185", "172.31.192.0"])
    listed = place.api.ecs("DescribeNetworkInterfaces")
    assert listed["TotalCount"] == 0
    place.eni(PrivateIpAddress=["172.31.199.185"])


def test_ten_explicit_addresses_is_the_most_at_creation(place: Place) -> None:
    eleven = [f"172.31.199.{n}" for n in range(100, 111)]
    with refused("MaxEniPrivateIpsCountExceeded"):
        place.eni(PrivateIpAddress=eleven)
    eni = place.eni(PrivateIpAddress=eleven[:10])
    place.api.ecs(
        "AssignPrivateIpAddresses",
        NetworkInterfaceId=eni["NetworkInterfaceId"],
        PrivateIpAddress=eleven[10:],
    )
    assert len(secondary(place.shown(eni["NetworkInterfaceId"]))) == 11


def test_forty_nine_by_count_is_the_most_at_creation(place: Place) -> None:
    with refused("InvalidParameter"):
        place.eni(SecondaryPrivateIpAddressCount=50)
    eni = place.eni(SecondaryPrivateIpAddressCount=49)
    assert len(set(secondary(place.shown(eni["NetworkInterfaceId"])))) == 49


def test_addresses_are_assigned_and_taken_all_or_none(place: Place) -> None:
    eni = place.eni(PrivateIpAddress=["172.31.199.185"])["NetworkInterfaceId"]
    with refused("InvalidIp.IpAssigned"):
        place.api.ecs(
            "AssignPrivateIpAddresses",
            NetworkInterfaceId=eni,
            PrivateIpAddress=["172.31.199.186", "172.31.199.185"],
        )
    assert secondary(place.shown(eni)) == ["172.31.199.185"]
    answer = place.api.ecs(
        "AssignPrivateIpAddresses", NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2
    )
    assert len(answer["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"]) == 2
    place.api.ecs(
        "UnassignPrivateIpAddresses", NetworkInterfaceId=eni, PrivateIpAddress=["172.31.199.185"]
    )
    assert "172.31.199.185" not in secondary(place.shown(eni))
    with refused("InvalidIp.IpUnassigned"):
        place.api.ecs(
            "UnassignPrivateIpAddresses",
            NetworkInterfaceId=eni,
            PrivateIpAddress=["172.31.199.185"],
        )


def test_prefixes_come_from_a_reservation(place: Place) -> None:
    eni = place.eni()["NetworkInterfaceId"]
    with refused("InvalidOperation.VSwitchCidrReservationNotExist"):
        place.api.ecs("AssignPrivateIpAddresses", NetworkInterfaceId=eni, Ipv4PrefixCount=1)
    reservation = place.api.vpc(
        "CreateVSwitchCidrReservation",
        VSwitchId=place.vswitch,
        VSwitchCidrReservationCidr="172.31.200.0/24",
    )["VSwitchCidrReservationId"]
    place.api.ecs("AssignPrivateIpAddresses", NetworkInterfaceId=eni, Ipv4PrefixCount=2)
    shown = place.shown(eni)["Ipv4PrefixSets"]["Ipv4PrefixSet"]
    assert [p["Ipv4Prefix"] for p in shown] == ["172.31.200.0/28", "172.31.200.16/28"]
    with refused("InvalidVSwitchId.IpInvalid"):
        place.eni(PrimaryIpAddress="172.31.200.100")
    with refused("DependencyViolation.IpPrefix"):
        place.api.vpc("DeleteVSwitchCidrReservation", VSwitchCidrReservationId=reservation)
    place.api.ecs(
        "UnassignPrivateIpAddresses", NetworkInterfaceId=eni, Ipv4Prefix=["172.31.200.0/28"]
    )
    assert len(place.shown(eni)["Ipv4PrefixSets"]["Ipv4PrefixSet"]) == 1


def test_ipv6_addresses_of_an_eni_are_the_vpcs(api: Api) -> None:
    place = Place(api, ipv6=True)
    eni = place.eni(Ipv6AddressCount=1)["NetworkInterfaceId"]
    added = api.ecs("AssignIpv6Addresses", NetworkInterfaceId=eni, Ipv6AddressCount=2)
    assert len(added["Ipv6Sets"]["Ipv6Address"]) == 2
    listed = api.vpc("DescribeIpv6Addresses", AssociatedInstanceId=eni)["Ipv6Addresses"]
    assert {a["AssociatedInstanceType"] for a in listed["Ipv6Address"]} == {"NetworkInterface"}
    instance_id = place.run(eni)
    listed = api.vpc("DescribeIpv6Addresses", AssociatedInstanceId=instance_id)["Ipv6Addresses"]
    assert {a["AssociatedInstanceType"] for a in listed["Ipv6Address"]} == {"EcsInstance"}
    api.ecs(
        "UnassignIpv6Addresses",
        NetworkInterfaceId=eni,
        Ipv6Address=added["Ipv6Sets"]["Ipv6Address"],
    )
    assert len(place.shown(eni)["Ipv6Sets"]["Ipv6Set"]) == 1


def test_an_instance_runs_on_the_requested_enis(place: Place) -> None:
    user_data = base64.b64encode(b"#cloud-config\n").decode()
    eth0 = place.eni(PrimaryIpAddress="172.31.199.183", DeleteOnRelease=False)
    eth1 = place.eni(PrimaryIpAddress="172.31.199.184", DeleteOnRelease=True)
    instance_id = place.run(
        eth0["NetworkInterfaceId"],
        eth1["NetworkInterfaceId"],
        UserData=user_data,
        InstanceName="master",
        HostName="master",
        HttpTokens="required",
        SystemDisk={"Category": "cloud_essd", "Size": "40"},
        DataDisk=[{"Category": "cloud_essd", "Size": 30}],
    )
    shown = place.instance(instance_id)
    assert (shown["Status"], shown["HostName"]) == ("Running", "master")
    nics = shown["NetworkInterfaces"]["NetworkInterface"]
    assert [n["Type"] for n in nics] == ["Primary", "Secondary"]
    assert shown["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["172.31.199.183"]
    assert shown["SecurityGroupIds"]["SecurityGroupId"] == [place.group]
    assert place.api.ecs("DescribeUserData", InstanceId=instance_id)["UserData"] == user_data
    disks = place.api.ecs("DescribeDisks", InstanceId=instance_id)["Disks"]["Disk"]
    assert [(d["Type"], d["Size"]) for d in disks] == [("system", 40), ("data", 30)]
    with refused("InvalidOperation.InvalidEniState"):
        place.api.ecs("DeleteNetworkInterface", NetworkInterfaceId=eth0["NetworkInterfaceId"])
    place.api.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
    left = place.api.ecs("DescribeNetworkInterfaces")["NetworkInterfaceSets"]
    assert [
        (e["NetworkInterfaceId"], e["Status"], e["Type"]) for e in left["NetworkInterfaceSet"]
    ] == [(eth0["NetworkInterfaceId"], "Available", "Secondary")]


def test_an_instance_with_a_vswitch_creates_its_own_primary_eni(place: Place) -> None:
    instance_id = place.run(PrivateIpAddress="172.31.200.1")
    assert place.instance(instance_id)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == [
        "172.31.200.1"
    ]
    place.api.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
    assert place.api.ecs("DescribeNetworkInterfaces")["TotalCount"] == 0


def test_an_instance_type_limits_enis(place: Place) -> None:
    enis = [place.eni()["NetworkInterfaceId"] for _ in range(4)]
    with refused("InvalidParameter.EniNumExceededWithLaunchEcs"):
        place.run(*enis)
    instance_id = place.run(*enis[:3])
    with refused("EniPerInstanceLimitExceeded"):
        place.api.ecs("AttachNetworkInterface", NetworkInterfaceId=enis[3], InstanceId=instance_id)


def test_an_instance_type_limits_the_addresses_of_an_eni(place: Place) -> None:
    eni = place.eni(SecondaryPrivateIpAddressCount=6)["NetworkInterfaceId"]
    with refused("InvalidOperation.Ipv4CountExceeded"):
        place.run(eni)
    fits = place.eni(SecondaryPrivateIpAddressCount=5)["NetworkInterfaceId"]
    place.run(fits)
    with refused("InvalidOperation.Ipv4CountExceeded"):
        place.api.ecs(
            "AssignPrivateIpAddresses", NetworkInterfaceId=fits, SecondaryPrivateIpAddressCount=1
        )


def test_enis_attach_and_detach(place: Place) -> None:
    instance_id = place.run()
    eni = place.eni()["NetworkInterfaceId"]
    both = {"NetworkInterfaceId": eni, "InstanceId": instance_id}
    place.api.ecs("AttachNetworkInterface", **both)
    assert place.shown(eni)["Attachment"]["InstanceId"] == instance_id
    one = place.api.ecs("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=eni)
    assert (one["Status"], one["InstanceId"]) == ("InUse", instance_id)
    with refused("InvalidOperation.InvalidEniState"):
        place.api.ecs("AttachNetworkInterface", **both)
    place.api.ecs("DetachNetworkInterface", **both)
    assert place.shown(eni)["Status"] == "Available"
    primary = place.instance(instance_id)["NetworkInterfaces"]["NetworkInterface"][0]
    with refused("InvalidOperation.DetachPrimaryEniNotAllowed"):
        place.api.ecs(
            "DetachNetworkInterface",
            NetworkInterfaceId=primary["NetworkInterfaceId"],
            InstanceId=instance_id,
        )


def test_an_eni_changes_in_place(place: Place) -> None:
    eni = place.eni()["NetworkInterfaceId"]
    other = place.api.ecs("CreateSecurityGroup", VpcId=place.vpc)["SecurityGroupId"]
    place.api.ecs(
        "ModifyNetworkInterfaceAttribute",
        NetworkInterfaceId=eni,
        NetworkInterfaceName="renamed",
        SecurityGroupId=[other],
    )
    place.api.ecs("JoinSecurityGroup", NetworkInterfaceId=eni, SecurityGroupId=place.group)
    assert place.shown(eni)["SecurityGroupIds"]["SecurityGroupId"] == [other, place.group]
    place.api.ecs("LeaveSecurityGroup", NetworkInterfaceId=eni, SecurityGroupId=other)
    with refused("InstanceLastSecurityGroup"):
        place.api.ecs("LeaveSecurityGroup", NetworkInterfaceId=eni, SecurityGroupId=place.group)


def test_an_instance_stops_starts_and_boots_again(place: Place) -> None:
    instance_id = place.run()
    with refused("IncorrectInstanceStatus"):
        place.api.ecs("StartInstance", InstanceId=instance_id)
    place.api.ecs("StopInstance", InstanceId=instance_id)
    assert place.instance(instance_id)["Status"] == "Stopped"
    place.api.ecs("ModifyInstanceSpec", InstanceId=instance_id, InstanceType="ecs.g7.xlarge")
    place.api.ecs("StartInstance", InstanceId=instance_id)
    place.api.ecs("RebootInstance", InstanceId=instance_id)
    place.api.ecs("StopInstances", InstanceId=[instance_id])
    with refused("IncorrectInstanceStatus"):
        place.api.ecs("RebootInstance", InstanceId=instance_id)
    place.api.ecs("StartInstances", InstanceId=[instance_id])
    place.api.ecs("RebootInstances", InstanceId=[instance_id])
    (status,) = place.api.ecs("DescribeInstanceStatus", InstanceId=[instance_id])[
        "InstanceStatuses"
    ]["InstanceStatus"]
    assert status["Status"] == "Running"
    assert place.instance(instance_id)["InstanceType"] == "ecs.g7.xlarge"
    place.api.ecs("DeleteInstances", InstanceId=[instance_id], Force=True)


def test_a_type_that_does_not_fit_the_enis_is_refused(place: Place) -> None:
    enis = [place.eni()["NetworkInterfaceId"] for _ in range(3)]
    instance_id = place.run(*enis)
    place.api.ecs("StopInstance", InstanceId=instance_id)
    with refused("InvalidOperation.EniCountExceeded"):
        place.api.ecs("ModifyInstanceSpec", InstanceId=instance_id, InstanceType="ecs.g6.large")
    assert place.instance(instance_id)["InstanceType"] == "ecs.g7.large"


def test_instances_go_through_their_states(start_cloud: Callable[..., CloudThread]) -> None:
    cloud = start_cloud(delay_scale=0.05)
    api = Api(cloud.config())
    import time  # noqa: PLC0415

    vpc_id = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    time.sleep(0.2)
    vswitch = api.vpc("CreateVSwitch", VpcId=vpc_id, CidrBlock="10.0.0.0/24", ZoneId=ZONE)
    group = api.ecs("CreateSecurityGroup", VpcId=vpc_id)["SecurityGroupId"]
    time.sleep(0.1)
    answer = api.ecs(
        "RunInstances",
        InstanceType="ecs.g7.large",
        ImageId=IMAGE,
        VSwitchId=vswitch["VSwitchId"],
        SecurityGroupId=group,
    )
    (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
    seen = []
    until = time.monotonic() + 10
    while "Running" not in seen and time.monotonic() < until:
        shown = api.ecs("DescribeInstances", InstanceIds=f'["{instance_id}"]')
        status = shown["Instances"]["Instance"][0]["Status"]
        if status not in seen:
            seen.append(status)
    assert seen == ["Pending", "Starting", "Running"]


def test_an_instance_changes_in_place(place: Place) -> None:
    instance_id = place.run()
    new = base64.b64encode(b"#!/bin/sh\n").decode()
    place.api.ecs("StopInstance", InstanceId=instance_id)
    place.api.ecs(
        "ModifyInstanceAttribute", InstanceId=instance_id, UserData=new, InstanceName="renamed"
    )
    place.api.ecs(
        "ModifyInstanceMetadataOptions",
        InstanceId=instance_id,
        HttpEndpoint="enabled",
        HttpTokens="required",
    )
    shown = place.instance(instance_id)
    assert (shown["InstanceName"], shown["MetadataOptions"]["HttpTokens"]) == (
        "renamed",
        "required",
    )
    assert place.api.ecs("DescribeUserData", InstanceId=instance_id)["UserData"] == new
    attributes = place.api.ecs("DescribeInstanceAttribute", InstanceId=instance_id)
    assert attributes["InstanceId"] == instance_id
    one = f'["{instance_id}"]'
    (kept,) = place.api.ecs("DescribeInstanceMaintenanceAttributes", InstanceId=[instance_id])[
        "MaintenanceAttributes"
    ]["MaintenanceAttribute"]
    assert kept["InstanceId"] == instance_id
    (pool,) = place.api.ecs("DescribeInstanceAttachmentAttributes", InstanceIds=one)["Instances"][
        "Instance"
    ]
    assert pool["InstanceId"] == instance_id
    renew = place.api.ecs("DescribeInstanceAutoRenewAttribute", InstanceId=instance_id)
    assert renew["InstanceRenewAttributes"]["InstanceRenewAttribute"] == []


def test_a_protected_instance_stays(place: Place) -> None:
    instance_id = place.run(DeletionProtection=True)
    with refused("InvalidOperation.DeletionProtection"):
        place.api.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
    place.api.ecs("ModifyInstanceAttribute", InstanceId=instance_id, DeletionProtection=False)
    place.api.ecs("DeleteInstance", InstanceId=instance_id, Force=True)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"InstanceType": "ecs.none.large"}, "InvalidInstanceType.ValueNotSupported"),
        ({"ImageId": "none"}, "InvalidImageId.NotFound"),
        ({"UserData": "not base64!"}, "InvalidUserData.Base64FormatInvalid"),
        (
            {"UserData": base64.b64encode(b"x" * (32 * 1024 + 1)).decode()},
            "InvalidUserData.SizeExceeded",
        ),
        ({"RamRoleName": "none"}, "InvalidRamRole.NotFound"),
        ({"KeyPairName": "none"}, "InvalidKeyPairName.NotFound"),
        ({"ZoneId": "cn-hangzhou-b"}, "InvalidParameter.Mismatch"),
        ({"Amount": 0}, "InvalidParam.Amount"),
    ],
)
def test_an_instance_that_cannot_be_is_refused_whole(
    place: Place, wrong: dict[str, Any], code: str
) -> None:
    with refused(code):
        place.run(**wrong)
    assert place.api.ecs("DescribeInstances")["TotalCount"] == 0
    assert place.api.ecs("DescribeNetworkInterfaces")["TotalCount"] == 0


def test_an_instance_has_one_ram_role(place: Place) -> None:
    instance_id = place.run()
    one = f'["{instance_id}"]'
    with refused("InvalidRamRole.NotFound"):
        place.api.ecs("AttachInstanceRamRole", InstanceIds=one, RamRoleName="r")
    place.api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    place.api.ecs("AttachInstanceRamRole", InstanceIds=one, RamRoleName="r")
    (attached,) = place.api.ecs("DescribeInstanceRamRole", InstanceIds=one)["InstanceRamRoleSets"][
        "InstanceRamRoleSet"
    ]
    assert attached["RamRoleName"] == "r"
    with refused("DeleteConflict.Role.Instance"):
        place.api.ram("DeleteRole", RoleName="r")
    place.api.ecs("DetachInstanceRamRole", InstanceIds=one, RamRoleName="r")
    place.api.ram("DeleteRole", RoleName="r")


def test_an_instance_with_another_role_is_a_failure_in_the_answer(place: Place) -> None:
    first, second = place.run(), place.run()
    for role in ("r", "other"):
        place.api.ram("CreateRole", RoleName=role, AssumeRolePolicyDocument=TRUST)
    place.api.ecs("AttachInstanceRamRole", InstanceIds=f'["{first}"]', RamRoleName="r")
    answer = place.api.ecs(
        "AttachInstanceRamRole", InstanceIds=f'["{first}", "{second}"]', RamRoleName="other"
    )
    results = answer["AttachInstanceRamRoleResults"]["AttachInstanceRamRoleResult"]
    assert (answer["TotalCount"], answer["FailCount"]) == (2, 1)
    assert [(r["InstanceId"], r["Success"]) for r in results] == [(first, False), (second, True)]


def test_an_eip_is_shown_on_its_instance_and_freed_with_it(place: Place) -> None:
    instance_id = place.run()
    eip = place.api.vpc("AllocateEipAddress")
    place.api.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=instance_id)
    assert place.instance(instance_id)["EipAddress"]["IpAddress"] == eip["EipAddress"]
    place.api.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
    (shown,) = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert (shown["Status"], shown["InstanceId"]) == ("Available", "")


def test_a_console_is_empty_until_the_machine_speaks(place: Place) -> None:
    instance_id = place.run()
    assert place.api.ecs("GetInstanceConsoleOutput", InstanceId=instance_id)["ConsoleOutput"] == ""


def rules(place: Place, **more: object) -> list[dict[str, Any]]:
    group = place.api.ecs("DescribeSecurityGroupAttribute", SecurityGroupId=place.group, **more)
    return list(group["Permissions"]["Permission"])


def test_rules_are_authorized_once_and_revoked(place: Place) -> None:
    rule = {
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "SourceCidrIp": "10.0.0.0/8",
        "Policy": "accept",
        "Priority": "1",
    }
    for _ in range(2):
        place.api.ecs("AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=[rule])
    (shown,) = rules(place)
    assert (shown["IpProtocol"], shown["Policy"], shown["Priority"], shown["Direction"]) == (
        "TCP",
        "Accept",
        "1",
        "ingress",
    )
    place.api.ecs(
        "ModifySecurityGroupRule",
        SecurityGroupId=place.group,
        SecurityGroupRuleId=shown["SecurityGroupRuleId"],
        Description="ssh",
    )
    assert rules(place)[0]["Description"] == "ssh"
    place.api.ecs("RevokeSecurityGroup", SecurityGroupId=place.group, Permissions=[rule])
    assert rules(place) == []


def test_egress_rules_are_apart(place: Place) -> None:
    rule = {"IpProtocol": "all", "PortRange": "-1/-1", "Ipv6DestCidrIp": "0:0::/0"}
    place.api.ecs("AuthorizeSecurityGroupEgress", SecurityGroupId=place.group, Permissions=[rule])
    (shown,) = rules(place, Direction="egress")
    assert shown["Ipv6DestCidrIp"] == "::/0"
    assert rules(place, Direction="ingress") == []
    place.api.ecs(
        "ModifySecurityGroupEgressRule",
        SecurityGroupId=place.group,
        SecurityGroupRuleId=shown["SecurityGroupRuleId"],
        Description="out",
    )
    place.api.ecs(
        "RevokeSecurityGroupEgress",
        SecurityGroupId=place.group,
        SecurityGroupRuleId=[shown["SecurityGroupRuleId"]],
    )
    assert rules(place) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PortRange": "-1/-1"}, "InvalidPortRange.Malformed"),
        ({"PortRange": "0/70000"}, "InvalidPortRange.Malformed"),
        ({"IpProtocol": "xyz"}, "InvalidIpProtocol.ValueNotSupported"),
        ({"SourceCidrIp": "10.0.0.0/99"}, "InvalidSourceCidrIp.Malformed"),
        ({"Priority": "500"}, "InvalidPriority.ValueNotSupported"),
        ({"Policy": "maybe"}, "InvalidPolicy.Malformed"),
        ({"SourceCidrIp": "", "SourceGroupId": "sg-none"}, "InvalidSourceGroupId.NotFound"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(place: Place, change: dict[str, Any], code: str) -> None:
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "10.0.0.0/8", **change}
    with refused(code):
        place.api.ecs("AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=[rule])


def test_a_security_group_in_use_cannot_be_deleted(place: Place) -> None:
    eni = place.eni()["NetworkInterfaceId"]
    with refused("DependencyViolation"):
        place.api.ecs("DeleteSecurityGroup", SecurityGroupId=place.group)
    place.api.ecs("DeleteNetworkInterface", NetworkInterfaceId=eni)
    other = place.api.ecs("CreateSecurityGroup", VpcId=place.vpc)["SecurityGroupId"]
    rule = {"IpProtocol": "all", "PortRange": "-1/-1", "SourceGroupId": place.group}
    place.api.ecs("AuthorizeSecurityGroup", SecurityGroupId=other, Permissions=[rule])
    with refused("DependencyViolation"):
        place.api.ecs("DeleteSecurityGroup", SecurityGroupId=place.group)
    place.api.ecs("DeleteSecurityGroup", SecurityGroupId=other)
    place.api.ecs(
        "ModifySecurityGroupAttribute", SecurityGroupId=place.group, SecurityGroupName="renamed"
    )
    place.api.ecs(
        "ModifySecurityGroupPolicy", SecurityGroupId=place.group, InnerAccessPolicy="Drop"
    )
    place.api.ecs(
        "JoinResourceGroup",
        ResourceGroupId="rg-other",
        ResourceId=place.group,
        ResourceType="securitygroup",
    )
    (shown,) = place.api.ecs("DescribeSecurityGroups", SecurityGroupId=place.group)[
        "SecurityGroups"
    ]["SecurityGroup"]
    assert (shown["SecurityGroupName"], shown["ResourceGroupId"]) == ("renamed", "rg-other")
    place.api.ecs("DeleteSecurityGroup", SecurityGroupId=place.group)


def test_key_pairs_are_imported_created_and_deleted(place: Place) -> None:
    place.api.ecs("ImportKeyPair", KeyPairName="aa", PublicKeyBody="ssh-ed25519 AAAA x")
    key_pair = place.api.ecs("CreateKeyPair", KeyPairName="bb")
    assert "PRIVATE KEY" in key_pair["PrivateKeyBody"]
    with refused("KeyPair.AlreadyExist"):
        place.api.ecs("CreateKeyPair", KeyPairName="bb")
    instance_id = place.run(KeyPairName="aa")
    with refused("InvalidParameter.KeypairAlreadyAttachedInstance"):
        place.api.ecs("DeleteKeyPairs", KeyPairNames='["aa"]')
    place.api.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
    place.api.ecs("DeleteKeyPairs", KeyPairNames='["aa", "bb", "none"]')
    assert place.api.ecs("DescribeKeyPairs")["TotalCount"] == 0


def test_tags_of_ecs_resources(place: Place) -> None:
    eni = place.eni()["NetworkInterfaceId"]
    what = {"ResourceType": "eni", "ResourceId": [eni]}
    place.api.ecs("TagResources", Tag=[{"Key": "a", "Value": "1"}], **what)
    rows = place.api.ecs("ListTagResources", **what)["TagResources"]["TagResource"]
    assert [(r["TagKey"], r["TagValue"]) for r in rows] == [("a", "1")]
    place.api.ecs("UntagResources", All=True, **what)
    assert place.shown(eni)["Tags"] == {"Tag": []}
    with refused("InvalidTagKey.Malformed"):
        place.api.ecs("TagResources", Tag=[{"Key": "acs:x", "Value": "1"}], **what)


def test_what_can_be_rented(api: Api) -> None:
    (large,) = api.ecs("DescribeInstanceTypes", InstanceTypes=["ecs.g7.large"])["InstanceTypes"][
        "InstanceType"
    ]
    assert (large["EniQuantity"], large["EniPrivateIpAddressQuantity"]) == (3, 6)
    zones = api.ecs("DescribeZones")["Zones"]["Zone"]
    assert zones[0]["ZoneId"] == "cn-hangzhou-a"
    assert zones[0]["AvailableInstanceTypes"]["InstanceTypes"]
    stock = api.ecs("DescribeAvailableResource", DestinationResource="InstanceType", ZoneId=ZONE)[
        "AvailableZones"
    ]["AvailableZone"]
    assert [z["ZoneId"] for z in stock] == [ZONE]
    images = api.ecs("DescribeImages", ImageOwnerAlias="system")["Images"]["Image"]
    assert IMAGE in {i["ImageId"] for i in images}
    fits = api.ecs("DescribeImageSupportInstanceTypes", ImageId=IMAGE)["InstanceTypes"]
    assert fits["InstanceType"]
    assert api.ecs("DescribeRegions")["Regions"]["Region"][0]["RegionId"] == "cn-hangzhou"


def test_enis_are_listed_by_token(place: Place) -> None:
    for _ in range(12):
        place.eni()
    first = place.api.ecs("DescribeNetworkInterfaces", MaxResults=10)
    rest = place.api.ecs("DescribeNetworkInterfaces", MaxResults=10, NextToken=first["NextToken"])
    ids = [
        e["NetworkInterfaceId"]
        for answer in (first, rest)
        for e in answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    ]
    assert (len(set(ids)), rest["NextToken"]) == (12, "")


def test_another_region_is_not_here(api: Api) -> None:
    with refused("InvalidRegionId.NotFound"):
        api.ecs("DescribeInstances", RegionId="eu-central-1")
