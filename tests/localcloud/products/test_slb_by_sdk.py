"""CLB by the official SDK."""

from __future__ import annotations

import json

import pytest

from localcloud.daemons import ask
from localcloud.machines.control import LoadBalancer
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.sdk_api import Api, refused
from tests.localcloud.self_signed import self_signed

pytestmark = pytest.mark.unit


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def intranet(place: Place, **more: object) -> str:
    answer = place.api.slb(
        "CreateLoadBalancer",
        AddressType="intranet",
        VSwitchId=place.vswitch,
        LoadBalancerName="api",
        **more,
    )
    return str(answer["LoadBalancerId"])


def test_an_intranet_clb_holds_an_address_of_its_vswitch(place: Place) -> None:
    clb = intranet(place, Address="172.31.200.1")
    shown = place.api.slb("DescribeLoadBalancerAttribute", LoadBalancerId=clb)
    assert (shown["Address"], shown["VpcId"], shown["LoadBalancerStatus"]) == (
        "172.31.200.1",
        place.vpc,
        "active",
    )
    with refused("InvalidPrivateIpAddress.Duplicated"):
        place.eni(PrimaryIpAddress="172.31.200.1")
    with refused("DependencyViolation"):
        place.api.vpc("DeleteVSwitch", VSwitchId=place.vswitch)
    place.api.slb("DeleteLoadBalancer", LoadBalancerId=clb)
    with refused("InvalidLoadBalancerId.NotFound"):
        place.api.slb("DescribeLoadBalancerAttribute", LoadBalancerId=clb)
    place.eni(PrimaryIpAddress="172.31.200.1")


def test_an_internet_clb_has_an_address_that_no_eip_gets(api: Api) -> None:
    clb = api.slb("CreateLoadBalancer", AddressType="internet")
    assert clb["Address"] == "127.66.0.1"
    assert api.vpc("AllocateEipAddress")["EipAddress"] == "127.66.0.2"


def test_the_machines_view_has_an_internet_clb_in_the_vpc_of_its_backends(
    place: Place, cloud: CloudThread
) -> None:
    clb = place.api.slb("CreateLoadBalancer", AddressType="internet")
    one = {"LoadBalancerId": clb["LoadBalancerId"]}
    for protocol, port in (("TCP", 999), ("HTTP", 80)):
        place.api.slb(
            f"CreateLoadBalancer{protocol}Listener",
            ListenerPort=port,
            BackendServerPort=30080,
            Bandwidth=-1,
            **({"HealthCheck": "off", "StickySession": "off"} if protocol == "HTTP" else {}),
            **one,
        )
        place.api.slb("StartLoadBalancerListener", ListenerPort=port, **one)
    assert ask(cloud.places, "GET", "/machines")["load_balancers"] == []
    backend = json.dumps([{"ServerId": place.run()}])
    place.api.slb("AddBackendServers", BackendServers=backend, **one)
    [raw] = ask(cloud.places, "GET", "/machines")["load_balancers"]
    shown = LoadBalancer.read(raw)
    assert (shown.address, shown.vpc_id, shown.internet) == (clb["Address"], place.vpc, True)
    listeners = [(x.port, x.http, [b.port for b in x.backends]) for x in shown.listeners]
    assert sorted(listeners) == [(80, True, [30080]), (999, False, [30080])]


@pytest.mark.parametrize(
    ("lists", "sources"),
    [
        ((("10.1.0.0/16",), ("10.2.0.0/16", "10.3.0.0/16")), {f"10.{n}.0.0/16" for n in (1, 2, 3)}),
        (((), ()), {"0.0.0.0/0"}),
    ],
    ids=["entries", "no entries"],
)
def test_a_listener_admits_what_any_of_its_access_control_lists_has(
    place: Place, cloud: CloudThread, lists: tuple[tuple[str, ...], ...], sources: set[str]
) -> None:
    slb = place.api.slb
    ids = [slb("CreateAccessControlList", AclName=f"n{n}")["AclId"] for n in range(len(lists))]
    for acl, blocks in zip(ids, lists, strict=True):
        if blocks:
            entries = json.dumps([{"entry": block} for block in blocks])
            slb("AddAccessControlListEntry", AclId=acl, AclEntrys=entries)
    one = {"LoadBalancerId": intranet(place), "ListenerPort": 999}
    access = {"AclStatus": "on", "AclType": "white", "AclId": ",".join(ids)}
    slb("CreateLoadBalancerTCPListener", BackendServerPort=80, Bandwidth=-1, **access, **one)
    slb("StartLoadBalancerListener", **one)
    backend = json.dumps([{"ServerId": place.run()}])
    slb("AddBackendServers", BackendServers=backend, LoadBalancerId=one["LoadBalancerId"])
    [balancer] = ask(cloud.places, "GET", "/machines")["load_balancers"]
    assert {rule["source"] for rule in balancer["listeners"][0]["ingress"]} == sources


def test_an_eip_can_be_on_an_intranet_clb(place: Place) -> None:
    clb = intranet(place)
    eip = place.api.vpc("AllocateEipAddress")["AllocationId"]
    both = {"AllocationId": eip, "InstanceId": clb, "InstanceType": "SlbInstance"}
    place.api.vpc("AssociateEipAddress", **both)
    place.api.slb("DeleteLoadBalancer", LoadBalancerId=clb)
    (shown,) = place.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert shown["InstanceId"] == ""


def test_a_clb_changes_in_place_and_is_listed_by_tag(place: Place) -> None:
    clb = intranet(place, Tag=[{"Key": "kubernetes.do.not.delete", "Value": "a1"}])
    one = {"LoadBalancerId": clb}
    slb = place.api.slb
    slb("SetLoadBalancerName", LoadBalancerName="b", **one)
    slb("SetLoadBalancerStatus", LoadBalancerStatus="inactive", **one)
    slb("SetLoadBalancerDeleteProtection", DeleteProtection="on", **one)
    slb(
        "SetLoadBalancerModificationProtection",
        ModificationProtectionStatus="ConsoleProtection",
        **one,
    )
    slb("ModifyLoadBalancerInternetSpec", InternetChargeType="paybybandwidth", **one)
    slb("ModifyLoadBalancerInstanceSpec", LoadBalancerSpec="slb.s1.small", **one)
    slb("ModifyLoadBalancerInstanceChargeType", InstanceChargeType="PayBySpec", **one)
    tags = json.dumps([{"TagKey": "kubernetes.do.not.delete", "TagValue": "a1"}])
    (shown,) = slb("DescribeLoadBalancers", Tags=tags)["LoadBalancers"]["LoadBalancer"]
    assert (shown["LoadBalancerName"], shown["LoadBalancerStatus"]) == ("b", "inactive")
    assert (shown["DeleteProtection"], shown["InstanceChargeType"]) == ("on", "PayBySpec")
    with refused("OperationDenied.DeleteProtectionIsOn"):
        slb("DeleteLoadBalancer", **one)
    what = {"ResourceType": "instance", "ResourceId": [clb]}
    slb("TagResources", Tag=[{"Key": "x", "Value": "1"}], **what)
    slb("UntagResources", TagKey=["x"], **what)
    assert len(slb("ListTagResources", **what)["TagResources"]["TagResource"]) == 1


def servers(*items: dict[str, object]) -> str:
    return json.dumps(items)


def test_default_servers_come_and_go_with_their_instance(place: Place) -> None:
    clb, instance = intranet(place), place.run()
    one = {"LoadBalancerId": clb}
    slb = place.api.slb
    with refused("ObtainIpFail"):
        slb("AddBackendServers", BackendServers=servers({"ServerId": "i-none"}), **one)
    slb("AddBackendServers", BackendServers=servers({"ServerId": instance, "Weight": "50"}), **one)
    slb("SetBackendServers", BackendServers=servers({"ServerId": instance, "Weight": 60}), **one)
    shown = slb("DescribeLoadBalancerAttribute", **one)["BackendServers"]["BackendServer"]
    assert [(s["ServerId"], s["Weight"]) for s in shown] == [(instance, 60)]
    slb("RemoveBackendServers", BackendServers=servers({"ServerId": instance}), **one)
    slb("AddBackendServers", BackendServers=servers({"ServerId": instance}), **one)
    place.api.ecs("DeleteInstance", InstanceId=instance, Force=True)
    assert slb("DescribeLoadBalancerAttribute", **one)["BackendServers"]["BackendServer"] == []


def test_a_vserver_group_holds_instances_and_pod_addresses_by_port(place: Place) -> None:
    clb, instance = intranet(place), place.run()
    eni = place.eni(PrivateIpAddress=["172.31.199.185"])["NetworkInterfaceId"]
    slb = place.api.slb
    group = slb(
        "CreateVServerGroup",
        LoadBalancerId=clb,
        VServerGroupName="k8s",
        BackendServers=servers({"ServerId": instance, "Port": 6443, "Weight": 100}),
    )["VServerGroupId"]
    one = {"VServerGroupId": group}
    pod = {"ServerId": eni, "Port": 80, "Type": "eni", "ServerIp": "172.31.199.185"}
    slb("AddVServerGroupBackendServers", BackendServers=servers(pod), **one)
    with refused("ObtainIpFail"):
        slb(
            "AddVServerGroupBackendServers",
            BackendServers=servers({**pod, "ServerIp": "172.31.199.9"}),
            **one,
        )
    slb(
        "SetVServerGroupAttribute",
        VServerGroupName="renamed",
        BackendServers=servers({**pod, "Weight": 7}),
        **one,
    )
    shown = slb("DescribeVServerGroupAttribute", **one)
    assert shown["VServerGroupName"] == "renamed"
    assert [
        (s["ServerId"], s["Port"], s["Weight"], s["ServerIp"])
        for s in shown["BackendServers"]["BackendServer"]
    ] == [
        (
            instance,
            6443,
            100,
            place.instance(instance)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0],
        ),
        (eni, 80, 7, "172.31.199.185"),
    ]
    slb(
        "ModifyVServerGroupBackendServers",
        OldBackendServers=servers(pod),
        NewBackendServers=servers({**pod, "Port": 81}),
        **one,
    )
    slb("RemoveVServerGroupBackendServers", BackendServers=servers({**pod, "Port": 81}), **one)
    (listed,) = slb("DescribeVServerGroups", LoadBalancerId=clb)["VServerGroups"]["VServerGroup"]
    assert listed["ServerCount"] == 1
    slb("DeleteVServerGroup", **one)


def test_backend_servers_are_read_as_the_cloud_controller_writes_them(place: Place) -> None:
    """Its names are in camel case (v2.14.0); names of a JSON string count in any case."""
    slb = place.api.slb
    eni = place.eni(PrivateIpAddress=["172.31.199.185"])["NetworkInterfaceId"]
    group = slb("CreateVServerGroup", LoadBalancerId=intranet(place))["VServerGroupId"]
    one = {"VServerGroupId": group}
    pod = {"serverId": eni, "serverIp": "172.31.199.185", "weight": 40, "port": 80, "type": "eni"}
    slb("AddVServerGroupBackendServers", BackendServers=servers(pod), **one)
    (shown,) = slb("DescribeVServerGroupAttribute", **one)["BackendServers"]["BackendServer"]
    assert {name: shown[name[0].upper() + name[1:]] for name in pod} == pod
    slb("RemoveVServerGroupBackendServers", BackendServers=servers(pod), **one)
    assert slb("DescribeVServerGroupAttribute", **one)["BackendServers"]["BackendServer"] == []


def test_a_tcp_listener_is_created_started_changed_and_deleted(place: Place) -> None:
    clb = intranet(place)
    slb = place.api.slb
    group = slb("CreateVServerGroup", LoadBalancerId=clb)["VServerGroupId"]
    one = {"LoadBalancerId": clb, "ListenerPort": 6443}
    with refused("MissingParameter"):
        slb("CreateLoadBalancerTCPListener", Bandwidth=-1, **one)
    slb("CreateLoadBalancerTCPListener", Bandwidth=-1, VServerGroupId=group, **one)
    with refused("ListenerAlreadyExists"):
        slb("CreateLoadBalancerTCPListener", Bandwidth=-1, VServerGroupId=group, **one)
    assert slb("DescribeLoadBalancerTCPListenerAttribute", **one)["Status"] == "stopped"
    slb("StartLoadBalancerListener", **one)
    slb("SetLoadBalancerTCPListenerAttribute", EstablishedTimeout=500, Description="d", **one)
    shown = slb("DescribeLoadBalancerTCPListenerAttribute", **one)
    assert (shown["Status"], shown["EstablishedTimeout"], shown["VServerGroupId"]) == (
        "running",
        500,
        group,
    )
    (listed,) = slb("DescribeLoadBalancerListeners", LoadBalancerId=[clb])["Listeners"]
    assert listed["TCPListenerConfig"]["EstablishedTimeout"] == 500
    with refused("RspoolVipExist"):
        slb("DeleteVServerGroup", VServerGroupId=group)
    slb("StopLoadBalancerListener", **one)
    slb("DeleteLoadBalancerListener", **one)
    with refused("ListenerNotFound"):
        slb("DescribeLoadBalancerTCPListenerAttribute", **one)


def test_listeners_of_other_protocols(place: Place) -> None:
    pem, key = self_signed("a.example")
    certificate = place.api.slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey=key)[
        "ServerCertificateId"
    ]
    clb = intranet(place)
    slb = place.api.slb
    one = {"LoadBalancerId": clb, "BackendServerPort": 80, "Bandwidth": -1}
    slb("CreateLoadBalancerUDPListener", ListenerPort=53, **one)
    slb(
        "CreateLoadBalancerHTTPListener",
        ListenerPort=80,
        HealthCheck="off",
        StickySession="off",
        **one,
    )
    with refused("MissingParam.ServerCertificates"):
        slb(
            "CreateLoadBalancerHTTPSListener",
            ListenerPort=443,
            HealthCheck="off",
            StickySession="off",
            **one,
        )
    slb(
        "CreateLoadBalancerHTTPSListener",
        ListenerPort=443,
        HealthCheck="off",
        StickySession="off",
        ServerCertificateId=certificate,
        **one,
    )
    where = {"LoadBalancerId": clb}
    slb("SetLoadBalancerUDPListenerAttribute", ListenerPort=53, Description="dns", **where)
    slb("SetLoadBalancerHTTPListenerAttribute", ListenerPort=80, Gzip="off", **where)
    slb("SetLoadBalancerHTTPSListenerAttribute", ListenerPort=443, EnableHttp2="off", **where)
    udp = slb("DescribeLoadBalancerUDPListenerAttribute", ListenerPort=53, **where)
    http = slb("DescribeLoadBalancerHTTPListenerAttribute", ListenerPort=80, **where)
    https = slb("DescribeLoadBalancerHTTPSListenerAttribute", ListenerPort=443, **where)
    assert (udp["Description"], http["Gzip"], https["EnableHttp2"]) == ("dns", "off", "off")
    assert slb("DescribeLoadBalancerListeners", LoadBalancerId=[clb])["TotalCount"] == 3
