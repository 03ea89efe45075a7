"""NLB by the official SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from localcloud.daemons import ask
from localcloud.machines.control import LoadBalancer
from localcloud.machines.network.load_balancers import is_admitted, is_checked
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import ZONE, Place, settled
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
OTHER_ZONE = "cn-hangzhou-i"


class Balanced(Place):
    """A place with a vSwitch in a second zone."""

    def __init__(self, api: Api, *, ipv6: bool = False) -> None:
        super().__init__(api, ipv6=ipv6)
        more = {"Ipv6CidrBlock": 2} if ipv6 else {}
        self.other = api.vpc(
            "CreateVSwitch",
            VpcId=self.vpc,
            CidrBlock="172.31.0.0/24",
            ZoneId=OTHER_ZONE,
            **more,
        )["VSwitchId"]

    def zones(self, **first: object) -> list[dict[str, object]]:
        return [
            {"ZoneId": ZONE, "VSwitchId": self.vswitch, **first},
            {"ZoneId": OTHER_ZONE, "VSwitchId": self.other},
        ]

    def nlb(self, **more: object) -> str:
        usual = {"AddressType": "Intranet", "VpcId": self.vpc, "ZoneMappings": self.zones()}
        return str(self.api.nlb("CreateLoadBalancer", **{**usual, **more})["LoadbalancerId"])

    def shown_nlb(self, nlb: str) -> dict[str, Any]:
        return self.api.nlb("GetLoadBalancerAttribute", LoadBalancerId=nlb)

    def server_group(self, **more: object) -> str:
        usual = {"ServerGroupName": "web", "VpcId": self.vpc, **more}
        return str(self.api.nlb("CreateServerGroup", **usual)["ServerGroupId"])

    def add(self, group: str, *servers: dict[str, object]) -> dict[str, Any]:
        return self.api.nlb("AddServersToServerGroup", ServerGroupId=group, Servers=list(servers))

    def servers(self, group: str) -> list[dict[str, Any]]:
        answer = self.api.nlb("ListServerGroupServers", ServerGroupId=group)
        return list(answer["Servers"])

    def listener(self, nlb: str, group: str, **more: object) -> str:
        usual = {
            "LoadBalancerId": nlb,
            "ServerGroupId": group,
            "ListenerProtocol": "TCP",
            "ListenerPort": 80,
        }
        return str(self.api.nlb("CreateListener", **{**usual, **more})["ListenerId"])


@pytest.fixture
def place(api: Api) -> Balanced:
    return Balanced(api)


def address(zone: dict[str, Any]) -> dict[str, Any]:
    (one,) = zone["LoadBalancerAddresses"]
    return dict(one)


def test_an_nlb_has_a_name_in_the_dns_and_an_address_in_each_zone(place: Balanced) -> None:
    nlb = place.nlb(
        LoadBalancerName="a-1", ZoneMappings=place.zones(PrivateIPv4Address="172.31.200.9")
    )
    shown = place.shown_nlb(nlb)
    assert shown["DNSName"] == f"{nlb}.cn-hangzhou.nlb.aliyuncsslb.com"
    assert (shown["LoadBalancerStatus"], shown["AddressIpVersion"]) == ("Active", "Ipv4")
    first, second = shown["ZoneMappings"]
    assert (first["ZoneId"], address(first)["PrivateIPv4Address"]) == (ZONE, "172.31.200.9")
    assert address(second)["PrivateIPv4Address"].startswith("172.31.0.")
    assert address(first)["PublicIPv4Address"] == ""


def test_the_addresses_of_an_nlb_are_no_eni_s_until_it_is_deleted(place: Balanced) -> None:
    nlb = place.nlb(ZoneMappings=place.zones(PrivateIPv4Address="172.31.200.9"))
    with refused("InvalidPrivateIpAddress.Duplicated"):
        place.eni(PrimaryIpAddress="172.31.200.9")
    with refused("ResourceInUse.IP"):
        place.nlb(ZoneMappings=place.zones(PrivateIPv4Address="172.31.200.9"))
    with refused("DependencyViolation"):
        place.api.vpc("DeleteVSwitch", VSwitchId=place.other)
    place.api.nlb("DeleteLoadBalancer", LoadBalancerId=nlb)
    with refused("ResourceNotFound.loadBalancer"):
        place.shown_nlb(nlb)
    place.eni(PrimaryIpAddress="172.31.200.9")
    place.api.vpc("DeleteVSwitch", VSwitchId=place.other)


@pytest.mark.parametrize(
    ("zones", "code"),
    [
        (lambda p: p.zones()[:1], "InvalidZones"),
        (lambda p: [p.zones()[0], p.zones()[0]], "OperationFailed.DuplicateZones."),
        (lambda p: p.zones(VSwitchId=p.other), "Mismatch.ZoneIdAndVswitchId"),
        (lambda p: p.zones(VSwitchId="vsw-none"), "ResourceNotFound.VSwitch"),
        (lambda p: p.zones(PrivateIPv4Address="10.0.0.1"), "IllegalParam.PrivateIPv4Address"),
    ],
)
def test_zone_mappings_that_cannot_be(
    place: Balanced, zones: Callable[[Balanced], object], code: str
) -> None:
    with refused(code):
        place.nlb(ZoneMappings=zones(place))
    assert place.api.nlb("ListLoadBalancers")["LoadBalancers"] == []


def test_a_vswitch_of_another_vpc_is_refused(place: Balanced) -> None:
    other = Place(place.api)
    with refused("ResourceNotFound.VSwitch"):
        place.nlb(ZoneMappings=place.zones(VSwitchId=other.vswitch))
    with refused("ResourceNotFound.Vpc"):
        place.nlb(VpcId="vpc-none")


def test_an_internet_nlb_has_eips_its_own_or_those_of_the_request(place: Balanced) -> None:
    eip = place.api.vpc("AllocateEipAddress")
    nlb = place.nlb(
        AddressType="Internet", ZoneMappings=place.zones(AllocationId=eip["AllocationId"])
    )
    first, second = (address(z) for z in place.shown_nlb(nlb)["ZoneMappings"])
    assert first["PublicIPv4Address"] == eip["EipAddress"]
    eips = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert {(e["AllocationId"], e["ServiceManaged"], e["InstanceId"]) for e in eips} == {
        (eip["AllocationId"], 0, first["EniId"]),
        (second["AllocationId"], 1, second["EniId"]),
    }
    with refused("ResourceAlreadyAssociated.AllocationId"):
        place.nlb(
            AddressType="Internet", ZoneMappings=place.zones(AllocationId=eip["AllocationId"])
        )
    with refused("OperationDenied"):
        place.api.vpc("UnassociateEipAddress", AllocationId=second["AllocationId"])
    place.api.nlb("DeleteLoadBalancer", LoadBalancerId=nlb)
    (left,) = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert (left["AllocationId"], left["Status"]) == (eip["AllocationId"], "Available")


def test_an_nlb_becomes_public_and_private_again(place: Balanced) -> None:
    nlb = place.nlb()
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    place.api.nlb(
        "UpdateLoadBalancerAddressTypeConfig",
        LoadBalancerId=nlb,
        AddressType="Internet",
        ZoneMappings=place.zones(AllocationId=eip),
    )
    shown = place.shown_nlb(nlb)
    assert shown["AddressType"] == "Internet"
    assert address(shown["ZoneMappings"][0])["AllocationId"] == eip
    place.api.nlb("UpdateLoadBalancerAddressTypeConfig", LoadBalancerId=nlb, AddressType="Intranet")
    (left,) = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert (left["AllocationId"], left["Status"]) == (eip, "Available")


def test_a_dual_stack_nlb_has_ipv6_addresses(api: Api) -> None:
    place = Balanced(api, ipv6=True)
    nlb = place.nlb(AddressIpVersion="DualStack")
    shown = place.shown_nlb(nlb)
    assert (shown["AddressIpVersion"], shown["Ipv6AddressType"]) == ("DualStack", "Intranet")
    assert all(":" in address(z)["Ipv6Address"] for z in shown["ZoneMappings"])
    with refused("ResourceNotFound.Ipv6Gateway"):
        api.nlb("EnableLoadBalancerIpv6Internet", LoadBalancerId=nlb)
    api.vpc("CreateIpv6Gateway", VpcId=place.vpc)
    api.nlb("EnableLoadBalancerIpv6Internet", LoadBalancerId=nlb)
    assert place.shown_nlb(nlb)["Ipv6AddressType"] == "Internet"
    api.nlb("DisableLoadBalancerIpv6Internet", LoadBalancerId=nlb)
    assert place.shown_nlb(nlb)["Ipv6AddressType"] == "Intranet"
    api.nlb("DeleteLoadBalancer", LoadBalancerId=nlb)
    api.vpc("DeleteVSwitch", VSwitchId=place.other)


def test_dual_stack_needs_vswitches_with_ipv6(place: Balanced) -> None:
    with refused("OperationFailed.vSwitchNotSupportIpv6"):
        place.nlb(AddressIpVersion="DualStack")


def test_zones_are_exchanged_and_those_that_stay_keep_their_address(place: Balanced) -> None:
    nlb = place.nlb()
    before = {z["ZoneId"]: address(z) for z in place.shown_nlb(nlb)["ZoneMappings"]}
    third = place.api.vpc(
        "CreateVSwitch", VpcId=place.vpc, CidrBlock="172.31.1.0/24", ZoneId="cn-hangzhou-j"
    )["VSwitchId"]
    new = [place.zones()[0], {"ZoneId": "cn-hangzhou-j", "VSwitchId": third}]
    place.api.nlb("UpdateLoadBalancerZones", LoadBalancerId=nlb, ZoneMappings=new)
    after = {z["ZoneId"]: address(z) for z in place.shown_nlb(nlb)["ZoneMappings"]}
    assert set(after) == {ZONE, "cn-hangzhou-j"}
    assert after[ZONE] == before[ZONE]
    place.api.vpc("DeleteVSwitch", VSwitchId=place.other)


def test_a_protected_nlb_is_not_deleted(place: Balanced) -> None:
    nlb = place.nlb(DeletionProtectionConfig={"Enabled": True, "Reason": "kept"})
    one = {"LoadBalancerId": nlb}
    with refused("OperationDenied.DeletionProtectionEnabled"):
        place.api.nlb("DeleteLoadBalancer", **one)
    place.api.nlb(
        "UpdateLoadBalancerProtection",
        DeletionProtectionEnabled=False,
        ModificationProtectionStatus="ConsoleProtection",
        ModificationProtectionReason="ours",
        **one,
    )
    shown = place.shown_nlb(nlb)
    assert shown["DeletionProtectionConfig"]["Enabled"] is False
    assert shown["ModificationProtectionConfig"]["Status"] == "ConsoleProtection"
    place.api.nlb("DeleteLoadBalancer", **one)


def test_the_same_client_token_makes_one_nlb(place: Balanced) -> None:
    assert place.nlb(ClientToken="t1") == place.nlb(ClientToken="t1")
    assert place.api.nlb("ListLoadBalancers")["TotalCount"] == 1


def test_nlbs_are_listed_by_tag_name_and_address_and_come_in_pages(place: Balanced) -> None:
    tag = {"Key": "kubernetes.do.not.delete", "Value": "a1"}
    ids = [
        place.nlb(LoadBalancerName="a1", Tag=[tag]),
        place.nlb(LoadBalancerName="a2"),
        place.nlb(LoadBalancerName="a3"),
    ]

    def listed(**filters: object) -> list[str]:
        answer = place.api.nlb("ListLoadBalancers", **filters)
        return [b["LoadBalancerId"] for b in answer["LoadBalancers"]]

    assert listed(Tag=[tag]) == ids[:1]
    assert listed(LoadBalancerNames=["a2"]) == ids[1:2]
    assert listed(LoadBalancerIds=ids[1:]) == ids[1:]
    assert listed(AddressType="Internet") == []
    assert listed(VpcIds=[place.vpc], ZoneId=OTHER_ZONE, LoadBalancerStatus="Active") == ids
    name = place.shown_nlb(ids[2])["DNSName"]
    assert listed(DNSName=name) == ids[2:]
    page = place.api.nlb("ListLoadBalancers", MaxResults=2)
    assert (page["TotalCount"], page["MaxResults"]) == (3, 2)
    assert listed(MaxResults=2, NextToken=page["NextToken"]) == ids[2:]


def test_attributes_and_bandwidth_packages(place: Balanced) -> None:
    nlb = place.nlb(AddressType="Internet")
    one = {"LoadBalancerId": nlb}
    place.api.nlb(
        "UpdateLoadBalancerAttribute", LoadBalancerName="b1", CrossZoneEnabled=False, Cps=9, **one
    )
    place.api.nlb("AttachCommonBandwidthPackageToLoadBalancer", BandwidthPackageId="cbwp-1", **one)
    shown = place.shown_nlb(nlb)
    assert (shown["LoadBalancerName"], shown["CrossZoneEnabled"]) == ("b1", False)
    assert (shown["Cps"], shown["BandwidthPackageId"]) == (9, "cbwp-1")
    place.api.nlb(
        "DetachCommonBandwidthPackageFromLoadBalancer", BandwidthPackageId="cbwp-1", **one
    )
    assert place.shown_nlb(nlb)["BandwidthPackageId"] == ""


def test_a_security_group_of_an_nlb_cannot_be_deleted(place: Balanced) -> None:
    nlb = place.nlb()
    both = {"LoadBalancerId": nlb, "SecurityGroupIds": [place.group]}
    place.api.nlb("LoadBalancerJoinSecurityGroup", **both)
    assert place.shown_nlb(nlb)["SecurityGroupIds"] == [place.group]
    with refused("DependencyViolation"):
        place.api.ecs("DeleteSecurityGroup", SecurityGroupId=place.group)
    place.api.nlb("LoadBalancerLeaveSecurityGroup", **both)
    with refused("ResourceNotFound.SecurityGroup"):
        place.api.nlb("LoadBalancerLeaveSecurityGroup", **both)
    place.api.ecs("DeleteSecurityGroup", SecurityGroupId=place.group)


def test_a_server_group_holds_instances_and_pod_addresses(place: Balanced) -> None:
    eth0 = place.eni()["NetworkInterfaceId"]
    eth1 = place.eni(PrivateIpAddress=["172.31.199.185"])["NetworkInterfaceId"]
    instance = place.run(eth0, eth1)
    group = place.server_group()
    ecs = {"ServerId": instance, "ServerType": "Ecs", "Port": 30080}
    pod = {"ServerId": eth1, "ServerType": "Eni", "ServerIp": "172.31.199.185", "Port": 80}
    answer = place.add(group, ecs, {**pod, "Weight": 7, "Description": "k8s"})
    assert place.api.nlb("GetJobStatus", JobId=answer["JobId"]) == {"Status": "Succeeded"}
    assert [
        (s["ServerId"], s["ServerIp"], s["Port"], s["Weight"], s["Status"], s["ZoneId"])
        for s in place.servers(group)
    ] == [
        (instance, place.shown(eth0)["PrivateIpAddress"], 30080, 100, "Available", ZONE),
        (eth1, "172.31.199.185", 80, 7, "Available", ZONE),
    ]
    with refused("ResourceAlreadyExist.Server"):
        place.add(group, pod)
    with refused("DuplicatedParam.Server"):
        place.add(group, {**pod, "Port": 81}, {**pod, "Port": 81})
    one = {"ServerGroupId": group}
    place.api.nlb("UpdateServerGroupServersAttribute", Servers=[{**pod, "Weight": 9}], **one)
    assert place.servers(group)[1]["Weight"] == 9
    place.api.nlb("RemoveServersFromServerGroup", Servers=[pod], **one)
    assert [s["ServerId"] for s in place.servers(group)] == [instance]
    with refused("ResourceNotFound.BackendServer"):
        place.api.nlb("RemoveServersFromServerGroup", Servers=[pod], **one)
    place.api.ecs("DeleteInstance", InstanceId=instance, Force=True)
    assert place.servers(group) == []


def test_servers_that_do_not_fit_their_group(place: Balanced) -> None:
    eth1 = place.eni()["NetworkInterfaceId"]
    group, addresses = place.server_group(), place.server_group(ServerGroupType="Ip")
    eni = {"ServerId": eth1, "ServerType": "Eni", "Port": 80}
    with refused("IncorrectStatus.Eni"):
        place.add(group, eni)
    place.run(place.eni()["NetworkInterfaceId"], eth1)
    with refused("IllegalParam.IP"):
        place.add(group, {**eni, "ServerIp": "172.31.199.77"})
    with refused("ResourceNotFound.Ecs"):
        place.add(group, {"ServerId": "i-none", "ServerType": "Ecs", "Port": 80})
    with refused("ResourceNotFound.Eni"):
        place.add(group, {**eni, "ServerId": "eni-none"})
    with refused("IllegalParam.RSPortConflictWithServerGroup"):
        place.add(group, {**eni, "Port": 0})
    with refused("IllegalParam"):
        place.add(group, {**eni, "Weight": 101})
    with refused("Mismatch.ServerType"):
        place.add(addresses, eni)
    ip = {"ServerId": "10.1.2.3", "ServerType": "Ip", "Port": 80}
    with refused("Mismatch.ServerType"):
        place.add(group, ip)
    with refused("OperationDenied.ServerGroupNotSupportIpv6"):
        place.add(addresses, {**ip, "ServerId": "2001:db8::1"})
    with refused("IllegalParam.IP"):
        place.add(addresses, {**ip, "ServerId": "8.8.8.8"})
    place.add(addresses, ip)
    assert [s["ServerIp"] for s in place.servers(addresses)] == ["10.1.2.3"]
    elsewhere = Place(place.api).run()
    with refused("Mismatch.VpcId"):
        place.add(group, {"ServerId": elsewhere, "ServerType": "Ecs", "Port": 80})


def test_a_pod_s_ipv6_address_needs_a_dual_stack_group(api: Api) -> None:
    place = Balanced(api, ipv6=True)
    eth1 = place.eni(Ipv6AddressCount=1)["NetworkInterfaceId"]
    place.run(place.eni()["NetworkInterfaceId"], eth1)
    (ipv6,) = place.shown(eth1)["Ipv6Sets"]["Ipv6Set"]
    pod = {
        "ServerId": eth1,
        "ServerType": "Eni",
        "ServerIp": ipv6["Ipv6Address"],
        "Port": 80,
    }
    with refused("OperationDenied.ServerGroupNotSupportIpv6"):
        place.add(place.server_group(), pod)
    group = place.server_group(AddressIPVersion="DualStack")
    place.add(group, pod)
    assert place.servers(group)[0]["ServerIp"] == ipv6["Ipv6Address"]


def test_a_server_group_changes_in_place_and_is_deleted_when_unused(place: Balanced) -> None:
    group = place.server_group(
        HealthCheckConfig={"HealthCheckType": "HTTP", "HealthCheckUrl": "/up"},
        Tag=[{"Key": "a", "Value": "b"}],
    )
    place.api.nlb(
        "UpdateServerGroupAttribute",
        ServerGroupId=group,
        ServerGroupName="renamed",
        Scheduler="rr",
        ConnectionDrainEnabled=True,
        ConnectionDrainTimeout=30,
        PreserveClientIpEnabled=False,
        HealthCheckConfig={"HealthCheckInterval": 9, "HealthCheckEnabled": False},
    )
    (shown,) = place.api.nlb("ListServerGroups", ServerGroupIds=[group])["ServerGroups"]
    assert (shown["ServerGroupName"], shown["Scheduler"]) == ("renamed", "Rr")
    assert (shown["ConnectionDrainTimeout"], shown["PreserveClientIpEnabled"]) == (30, False)
    check = shown["HealthCheck"]
    assert (check["HealthCheckEnabled"], check["HealthCheckInterval"]) == (False, 9)
    assert (check["HealthCheckUrl"], check["HealthCheckHttpCode"]) == ("/up", ["http_2xx"])
    assert place.api.nlb("ListServerGroups", Tag=[{"Key": "a"}])["TotalCount"] == 1
    assert place.api.nlb("ListServerGroups", ServerGroupNames=["web"])["ServerGroups"] == []
    place.api.nlb("DeleteServerGroup", ServerGroupId=group)
    with refused("ResourceNotFound.serverGroup"):
        place.servers(group)


def test_a_new_listener_runs_and_stops_and_starts(place: Balanced) -> None:
    nlb, group = place.nlb(), place.server_group()
    listener = place.listener(nlb, group, ListenerDescription="k8s/80/web", Cps=100)
    one = {"ListenerId": listener}
    shown = place.api.nlb("GetListenerAttribute", **one)
    assert listener.endswith("@80")
    assert (shown["ListenerStatus"], shown["IdleTimeout"], shown["Cps"]) == ("Running", 900, 100)
    assert "StartPort" not in shown
    with refused("IncorrectStatus.listener"):
        place.api.nlb("StartListener", **one)
    place.api.nlb("StopListener", **one)
    place.api.nlb("UpdateListenerAttribute", IdleTimeout=60, ListenerDescription="b", **one)
    (listed,) = place.api.nlb("ListListeners", LoadBalancerIds=[nlb])["Listeners"]
    assert (listed["ListenerStatus"], listed["IdleTimeout"]) == ("Stopped", 60)
    place.api.nlb("StartListener", **one)
    (used,) = place.api.nlb("ListServerGroups", VpcId=place.vpc)["ServerGroups"]
    assert used["RelatedLoadBalancerIds"] == [nlb]
    with refused("ResourceInUse.ServerGroup"):
        place.api.nlb("DeleteServerGroup", ServerGroupId=group)
    place.api.nlb("DeleteListener", **one)
    with refused("ResourceNotFound.listener"):
        place.api.nlb("GetListenerAttribute", **one)
    place.api.nlb("DeleteServerGroup", ServerGroupId=group)


def test_ports_protocols_and_groups_of_listeners_must_go_together(place: Balanced) -> None:
    nlb, group = place.nlb(), place.server_group()
    dns = place.server_group(Protocol="UDP")
    everything = place.server_group(Protocol="TCP_UDP", AnyPortEnabled=True)
    place.listener(nlb, group)
    with refused("Conflict.Port"):
        place.listener(nlb, group)
    with refused("Mismatch.Protocol"):
        place.listener(nlb, group, ListenerPort=53, ListenerProtocol="UDP")
    place.listener(nlb, dns, ListenerPort=80, ListenerProtocol="UDP")
    with refused("IllegalParam.PreserveClientIpSwitch"):
        place.listener(nlb, group, ListenerPort=443, ListenerProtocol="TCPSSL")
    secure = place.server_group(PreserveClientIpEnabled=False)
    with refused("MissingParam.Certificate"):
        place.listener(nlb, secure, ListenerPort=443, ListenerProtocol="TCPSSL")
    with refused("IllegalParam.NonAnyPortListenerConflictWithAnyPortServerGroup"):
        place.listener(nlb, everything, ListenerPort=81)
    with refused("Conflict.Port"):
        place.listener(nlb, everything, ListenerPort=0, StartPort=70, EndPort=90)
    ranged = place.listener(nlb, everything, ListenerPort=0, StartPort=8000, EndPort=8100)
    shown = place.api.nlb("GetListenerAttribute", ListenerId=ranged)
    assert (shown["StartPort"], shown["EndPort"]) == ("8000", "8100")
    with refused("IllegalParam.IdleTimeout"):
        place.listener(nlb, group, ListenerPort=82, IdleTimeout=901)
    place.api.nlb("DeleteLoadBalancer", LoadBalancerId=nlb)
    assert place.api.nlb("ListListeners")["Listeners"] == []


def test_an_nlb_has_at_most_fifty_listeners(place: Balanced) -> None:
    nlb, group = place.nlb(), place.server_group()
    listeners = [place.listener(nlb, group, ListenerPort=port) for port in range(1, 51)]
    with refused("QuotaExceeded.QuotaInsufficient"):
        place.listener(nlb, group, ListenerPort=51)
    place.api.nlb("DeleteListener", ListenerId=listeners[0])
    place.listener(nlb, group, ListenerPort=51)


def test_a_new_tcpssl_listener_takes_a_group_of_its_own_protocol(place: Balanced) -> None:
    """The cloud controller v2.14.0 creates it like this, without PreserveClientIpEnabled."""
    group = place.server_group(Protocol="TCPSSL")
    port = {"ListenerPort": 443, "ListenerProtocol": "TCPSSL", "CertificateIds": ["c1"]}
    listener = place.listener(place.nlb(), group, **port)
    assert place.api.nlb("GetListenerAttribute", ListenerId=listener)["ServerGroupId"] == group


def test_a_tcpssl_listener_has_additional_certificates(place: Balanced) -> None:
    group = place.server_group(PreserveClientIpEnabled=False)
    listener = place.listener(
        place.nlb(), group, ListenerPort=443, ListenerProtocol="TCPSSL", CertificateIds=["c1"]
    )
    both = {"ListenerId": listener, "AdditionalCertificateIds": ["c2", "c3"]}
    place.api.nlb("AssociateAdditionalCertificatesWithListener", **both)
    with refused("ResourceAlreadyAssociated.Certificate"):
        place.api.nlb("AssociateAdditionalCertificatesWithListener", **both)
    listed = place.api.nlb("ListListenerCertificates", ListenerId=listener)
    assert listed["CertificateIds"] == ["c1", "c2", "c3"]
    assert [c["IsDefault"] for c in listed["Certificates"]] == [True, False, False]
    place.api.nlb("DisassociateAdditionalCertificatesWithListener", **both)
    with refused("ResourceNotAssociated.Certificate"):
        place.api.nlb("DisassociateAdditionalCertificatesWithListener", **both)


def unhealthy(place: Balanced, listener: str) -> list[str]:
    answer = place.api.nlb("GetListenerHealthStatus", ListenerId=listener)
    (status,) = answer["ListenerHealthStatus"]
    return [s["ServerId"] for s in status["ServerGroupInfos"][0]["NonNormalServers"]]


def from_the_nlb(port: int) -> list[dict[str, str]]:
    """A rule for each vSwitch that the NLB is in."""
    return [
        {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": cidr}
        for cidr in ("172.31.192.0/20", "172.31.0.0/24")
    ]


def test_a_server_whose_machine_is_stopped_is_unhealthy(place: Balanced) -> None:
    instance, group = place.run(), place.server_group()
    place.api.ecs(
        "AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=from_the_nlb(80)
    )
    place.add(group, {"ServerId": instance, "ServerType": "Ecs", "Port": 80})
    listener = place.listener(place.nlb(), group)
    assert unhealthy(place, listener) == []
    place.api.ecs("StopInstance", InstanceId=instance)
    assert unhealthy(place, listener) == [instance]


def test_a_server_is_unhealthy_without_a_rule_for_each_vswitch_of_the_nlb(place: Balanced) -> None:
    """Health checks come from the NLB's own addresses, and security groups judge them."""
    instance, group = place.run(), place.server_group()
    place.add(group, {"ServerId": instance, "ServerType": "Ecs", "Port": 80})
    listener = place.listener(place.nlb(), group)
    assert unhealthy(place, listener) == [instance]
    rules = from_the_nlb(80)
    place.api.ecs("AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=rules[:1])
    assert unhealthy(place, listener) == [instance]
    place.api.ecs("AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=rules[1:])
    assert unhealthy(place, listener) == []
    place.api.ecs("RevokeSecurityGroup", SecurityGroupId=place.group, Permissions=rules[:1])
    assert unhealthy(place, listener) == [instance]


def test_a_check_of_another_port_needs_a_rule_for_that_port(place: Balanced) -> None:
    instance = place.run()
    group = place.server_group(HealthCheckConfig={"HealthCheckConnectPort": 8081})
    place.add(group, {"ServerId": instance, "ServerType": "Ecs", "Port": 80})
    listener = place.listener(place.nlb(), group)
    place.api.ecs(
        "AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=from_the_nlb(80)
    )
    assert unhealthy(place, listener) == [instance]
    place.api.ecs(
        "AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=from_the_nlb(8081)
    )
    assert unhealthy(place, listener) == []


def test_the_machines_view_has_an_nlb_in_each_zone_with_the_rules_before_its_backends(
    place: Balanced, cloud: CloudThread
) -> None:
    instance, group = place.run(), place.server_group()
    place.api.ecs(
        "AuthorizeSecurityGroup", SecurityGroupId=place.group, Permissions=from_the_nlb(80)
    )
    place.add(group, {"ServerId": instance, "ServerType": "Ecs", "Port": 80})
    nlb = place.nlb()
    place.listener(nlb, group)
    view = ask(cloud.places, "GET", "/machines")
    zones = [LoadBalancer.read(b) for b in view["load_balancers"]]
    shown = [address(z) for z in place.shown_nlb(nlb)["ZoneMappings"]]
    assert [z.address for z in zones] == [s["PrivateIPv4Address"] for s in shown]
    assert [z.listeners[0].sources for z in zones] == [
        tuple(s["Ipv4LocalAddresses"]) for s in shown
    ]
    (backend,) = zones[0].listeners[0].backends
    assert (backend.instance_id, backend.check_port) == (instance, 80)
    assert is_checked(zones[0].listeners[0], backend)
    assert not is_admitted(zones[0].listeners[0], backend, "10.1.2.3")
    assert is_admitted(zones[0].listeners[0], backend, "172.31.0.9")


def test_tags_of_nlb_resources(place: Balanced) -> None:
    nlb, group = place.nlb(), place.server_group()
    listener = place.listener(nlb, group)
    for kind, resource in (("loadbalancer", nlb), ("servergroup", group), ("listener", listener)):
        what = {"ResourceType": kind, "ResourceId": [resource]}
        place.api.nlb("TagResources", Tag=[{"Key": "x", "Value": "1"}], **what)
        (row,) = place.api.nlb("ListTagResources", **what)["TagResources"]
        assert (row["ResourceId"], row["TagKey"], row["TagValue"]) == (resource, "x", "1")
        place.api.nlb("UntagResources", TagKey=["x"], **what)
        assert place.api.nlb("ListTagResources", **what)["TagResources"] == []


def test_where_nlb_is(api: Api) -> None:
    assert [r["RegionId"] for r in api.nlb("DescribeRegions")["Regions"]] == ["cn-hangzhou"]
    assert {"ZoneId": ZONE, "LocalName": ZONE} in api.nlb("DescribeZones")["Zones"]


def test_an_unknown_job_answers_not_found(api: Api) -> None:
    with refused("ResourceNotFound.JobId"):
        api.nlb("GetJobStatus", JobId="none")


def test_with_delays_everything_takes_its_states(start_cloud: Callable[..., CloudThread]) -> None:
    at_once = start_cloud()
    place = Balanced(Api(at_once.config()))
    at_once.close()
    cloud = start_cloud(delay_scale=1.0)
    api = place.api = Api(cloud.config())
    nlb, group = place.nlb(), place.server_group()
    one = {"LoadBalancerId": nlb}
    assert place.shown_nlb(nlb)["LoadBalancerStatus"] == "Provisioning"
    with refused("IncorrectStatus.loadbalancer"):
        api.nlb("DeleteLoadBalancer", **one)
    settled(lambda: place.shown_nlb(nlb)["LoadBalancerStatus"] == "Active", cloud)
    job = api.nlb("UpdateLoadBalancerAttribute", LoadBalancerName="b1", **one)["JobId"]
    assert api.nlb("GetJobStatus", JobId=job)["Status"] == "Processing"
    with refused("Conflict.Lock"):
        api.nlb("UpdateLoadBalancerAttribute", LoadBalancerName="b2", **one)
    settled(lambda: api.nlb("GetJobStatus", JobId=job)["Status"] == "Succeeded", cloud)
    assert api.nlb("ListAsynJobs", JobIds=[job, "none"]) == {
        "Jobs": [{"Id": job, "Status": "Succeeded"}],
        "TotalCount": "1",
    }
    server = {"ServerId": place.run(), "ServerType": "Ecs", "Port": 80}
    place.add(group, server)
    assert place.servers(group)[0]["Status"] == "Adding"
    with refused("IncorrectStatus.serverGroup"):
        place.add(group, {**server, "Port": 81})
    settled(lambda: place.servers(group)[0]["Status"] == "Available", cloud)
    listener = place.listener(nlb, group)
    with refused("IncorrectStatus.listener"):
        api.nlb("DeleteListener", ListenerId=listener)
    api.nlb("DeleteLoadBalancer", **one)
    assert place.shown_nlb(nlb)["LoadBalancerStatus"] == "Deleting"
    with refused("DependencyViolation"):
        api.vpc("DeleteVSwitch", VSwitchId=place.other)
    settled(lambda: api.nlb("ListLoadBalancers")["LoadBalancers"] == [], cloud)
    with refused("ResourceNotFound.loadBalancer"):
        place.shown_nlb(nlb)
    api.vpc("DeleteVSwitch", VSwitchId=place.other)
    assert api.nlb("ListListeners")["Listeners"] == []
