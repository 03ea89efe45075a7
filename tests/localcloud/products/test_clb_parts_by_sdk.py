"""The parts of CLBs, by the official SDK: certificates, domains, rules, access lists, health."""

from __future__ import annotations

import json

import pytest

from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.products.test_slb_by_sdk import intranet, servers
from tests.localcloud.sdk_api import Api, refused
from tests.localcloud.self_signed import self_signed

pytestmark = pytest.mark.unit


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def uploaded(api: Api, name: str = "a.example") -> str:
    pem, key = self_signed(name)
    answer = api.slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey=key)
    return str(answer["ServerCertificateId"])


def https(place: Place, certificate_id: str, **more: object) -> str:
    clb = intranet(place)
    parameters = {
        "LoadBalancerId": clb,
        "ListenerPort": 443,
        "BackendServerPort": 80,
        "Bandwidth": -1,
        "HealthCheck": "off",
        "StickySession": "off",
        "ServerCertificateId": certificate_id,
        **more,
    }
    place.api.slb("CreateLoadBalancerHTTPSListener", **parameters)
    return clb


def test_a_server_certificate_shows_what_it_is_for_and_until_when(api: Api) -> None:
    pem, key = self_signed("a.example")
    answer = api.slb(
        "UploadServerCertificate",
        ServerCertificate=pem,
        PrivateKey=key,
        ServerCertificateName="web",
        Tag=[{"Key": "a", "Value": "b"}],
    )
    one = {"ServerCertificateId": answer["ServerCertificateId"]}
    assert (answer["CommonName"], answer["ExpireTime"]) == ("a.example", "2027-01-01T00:00:00Z")
    api.slb("SetServerCertificateName", ServerCertificateName="site", **one)
    (shown,) = api.slb("DescribeServerCertificates", **one)["ServerCertificates"][
        "ServerCertificate"
    ]
    assert shown["ServerCertificateName"] == "site"
    assert shown["SubjectAlternativeNames"] == {"SubjectAlternativeName": ["a.example"]}
    assert shown["ExpireTimeStamp"] == 1798761600000
    api.slb("DeleteServerCertificate", **one)
    assert api.slb("DescribeServerCertificates")["ServerCertificates"]["ServerCertificate"] == []
    with refused("ServerCertificateId.NotFound"):
        api.slb("DeleteServerCertificate", **one)


def test_a_certificate_needs_its_own_key(api: Api) -> None:
    (pem, _), (_, other) = self_signed("a.example"), self_signed("a.example")
    with refused("InvalidParameter"):
        api.slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey=other)
    with refused("InvalidParameter"):
        api.slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey="none")
    with refused("InvalidParameter"):
        api.slb("UploadServerCertificate", ServerCertificate="none", PrivateKey=other)


def test_a_listener_uses_certificates_that_are_there(place: Place) -> None:
    with refused("ResourceNotFound.Certificate"):
        https(place, "none")
    server = uploaded(place.api)
    authority = place.api.slb("UploadCACertificate", CACertificate=self_signed("a.example")[0])
    one = {"CACertificateId": authority["CACertificateId"]}
    clb = https(place, server, **one)
    for action, parameters in (
        ("DeleteServerCertificate", {"ServerCertificateId": server}),
        ("DeleteCACertificate", one),
    ):
        with refused("CertificateAndPrivateKeyIsRefered"):
            place.api.slb(action, **parameters)
    place.api.slb("SetCACertificateName", CACertificateName="clients", **one)
    (shown,) = place.api.slb("DescribeCACertificates", **one)["CACertificates"]["CACertificate"]
    assert shown["CACertificateName"] == "clients"
    place.api.slb("DeleteLoadBalancer", LoadBalancerId=clb)
    place.api.slb("DeleteCACertificate", **one)
    with refused("CACertificateId.NotFound"):
        place.api.slb("DeleteCACertificate", **one)


def test_a_listener_has_further_domains_that_go_with_it(place: Place) -> None:
    first, second = uploaded(place.api), uploaded(place.api, "b.example")
    where = {"LoadBalancerId": https(place, first), "ListenerPort": 443}
    slb = place.api.slb
    extension = slb("CreateDomainExtension", Domain="b.example", ServerCertificateId=first, **where)
    one = {"DomainExtensionId": extension["DomainExtensionId"]}
    with refused("InvalidParameter.Domain"):
        slb("CreateDomainExtension", Domain="b.example", ServerCertificateId=first, **where)
    slb("SetDomainExtensionAttribute", ServerCertificateId=second, **one)
    with refused("CertificateAndPrivateKeyIsRefered"):
        slb("DeleteServerCertificate", ServerCertificateId=second)
    (listed,) = slb("DescribeDomainExtensions", **where)["DomainExtensions"]["DomainExtension"]
    assert (listed["Domain"], listed["ServerCertificateId"]) == ("b.example", second)
    shown = slb("DescribeLoadBalancerHTTPSListenerAttribute", **where)
    assert [d["Domain"] for d in shown["DomainExtensions"]["DomainExtension"]] == ["b.example"]
    assert slb("DescribeDomainExtensionAttribute", **one)["ListenerPort"] == 443
    slb("DeleteDomainExtension", **one)
    again = slb("CreateDomainExtension", Domain="c.example", ServerCertificateId=second, **where)
    slb("DeleteLoadBalancerListener", **where)
    with refused("InvalidParameter.DomainExtensionId"):
        slb("DeleteDomainExtension", DomainExtensionId=again["DomainExtensionId"])
    slb("DeleteServerCertificate", ServerCertificateId=second)


def test_rules_lead_to_vserver_groups(place: Place) -> None:
    slb = place.api.slb
    where = {"LoadBalancerId": https(place, uploaded(place.api)), "ListenerPort": 443}
    clb = where["LoadBalancerId"]
    group = slb("CreateVServerGroup", LoadBalancerId=clb)["VServerGroupId"]
    rule = {"RuleName": "api", "Domain": "a.example", "Url": "/api", "VServerGroupId": group}
    created = slb("CreateRules", RuleList=json.dumps([rule]), **where)["Rules"]["Rule"]
    one = {"RuleId": created[0]["RuleId"]}
    with refused("DomainExist"):
        slb("CreateRules", RuleList=json.dumps([rule]), **where)
    with refused("ListenerNotFound"):
        slb("CreateRules", RuleList=json.dumps([rule]), **{**where, "ListenerPort": 80})
    slb("SetRule", RuleName="renamed", ListenerSync="off", Scheduler="rr", **one)
    (listed,) = slb("DescribeRules", **where)["Rules"]["Rule"]
    assert (listed["RuleName"], listed["Scheduler"], listed["Url"]) == ("renamed", "rr", "/api")
    assert (listed["HealthCheckTimeout"], listed["HealthCheckHttpCode"]) == (5, "http_2xx")
    shown = slb("DescribeLoadBalancerHTTPSListenerAttribute", **where)
    assert [r["RuleName"] for r in shown["Rules"]["Rule"]] == ["renamed"]
    assert slb("DescribeRuleAttribute", **one)["ListenerPort"] == "443"
    with refused("RspoolVipExist"):
        slb("DeleteVServerGroup", VServerGroupId=group)
    slb("DeleteRules", RuleIds=json.dumps([one["RuleId"]]))
    with refused("InvalidRuleId.NotFound"):
        slb("DescribeRuleAttribute", **one)
    slb("DeleteVServerGroup", VServerGroupId=group)


def test_an_access_control_list_is_kept_while_a_listener_uses_it(place: Place) -> None:
    slb = place.api.slb
    one = {"AclId": slb("CreateAccessControlList", AclName="office")["AclId"]}

    def entries(*blocks: str) -> str:
        return json.dumps([{"entry": block, "comment": "c"} for block in blocks])

    slb("AddAccessControlListEntry", AclEntrys=entries("10.0.0.0/8", "192.168.0.1/32"), **one)
    with refused("AclEntryIllegal"):
        slb("AddAccessControlListEntry", AclEntrys=entries("10.0.0.1/8"), **one)
    with refused("IllegalEntry"):
        slb("AddAccessControlListEntry", AclEntrys=entries("2001:db8::/32"), **one)
    with refused("InvalidParam.AclEntryExists"):
        slb("AddAccessControlListEntry", AclEntrys=entries("10.0.0.0/8", "172.16.0.0/12"), **one)
    slb("RemoveAccessControlListEntry", AclEntrys=entries("192.168.0.1/32"), **one)
    slb("SetAccessControlListAttribute", AclName="home", **one)
    clb = https(place, uploaded(place.api), AclStatus="on", AclType="white", **one)
    shown = slb("DescribeAccessControlListAttribute", **one)
    assert [e["AclEntryIP"] for e in shown["AclEntrys"]["AclEntry"]] == ["10.0.0.0/8"]
    assert [u["LoadBalancerId"] for u in shown["RelatedListeners"]["RelatedListener"]] == [clb]
    assert slb("DescribeAccessControlLists", AclName="hom")["TotalCount"] == 1
    with refused("OperationFailed.AclBindedWithVip"):
        slb("DeleteAccessControlList", **one)
    slb("DeleteLoadBalancer", LoadBalancerId=clb)
    slb("DeleteAccessControlList", **one)
    with refused("AclNotExist"):
        slb("DescribeAccessControlListAttribute", **one)


def listed(place: Place, name: str, *blocks: str) -> str:
    acl = str(place.api.slb("CreateAccessControlList", AclName=name)["AclId"])
    add(place, acl, *blocks)
    return acl


def add(place: Place, acl: str, *blocks: str) -> None:
    entries = json.dumps([{"entry": block} for block in blocks])
    place.api.slb("AddAccessControlListEntry", AclId=acl, AclEntrys=entries)


def test_a_listener_has_at_most_three_access_control_lists(place: Place) -> None:
    lists = [listed(place, f"n{n}", f"10.{n}.0.0/16") for n in range(4)]
    with refused("InvalidParameter"):
        https(place, uploaded(place.api), AclStatus="on", AclType="white", AclId=",".join(lists))


def test_the_lists_of_a_listener_have_different_entries(place: Place) -> None:
    first, second = listed(place, "a", "10.1.0.0/16"), listed(place, "b", "10.2.0.0/16")
    third = listed(place, "c", "10.1.0.0/16")
    with refused("InvalidParameter"):
        https(place, uploaded(place.api), AclStatus="on", AclType="white", AclId=f"{first},{third}")
    https(
        place,
        uploaded(place.api, "b.example"),
        AclStatus="on",
        AclType="white",
        AclId=f"{first},{second}",
    )
    with refused("InvalidParameter"):
        add(place, second, "10.1.0.0/16")
    add(place, second, "10.3.0.0/16")


def test_the_name_of_an_access_control_list_is_unique(place: Place) -> None:
    listed(place, "office", "10.1.0.0/16")
    other = listed(place, "home", "10.1.0.0/16")
    with refused("AclNameExist"):
        place.api.slb("CreateAccessControlList", AclName="office")
    with refused("AclNameExist"):
        place.api.slb("SetAccessControlListAttribute", AclId=other, AclName="office")
    place.api.slb("SetAccessControlListAttribute", AclId=other, AclName="home")


def test_an_account_has_at_most_fifty_access_control_lists(place: Place) -> None:
    for n in range(50):
        place.api.slb("CreateAccessControlList", AclName=f"n{n}")
    with refused("AclNumberOverLimit"):
        place.api.slb("CreateAccessControlList", AclName="one more")


def test_a_server_is_healthy_while_its_machine_runs(place: Place) -> None:
    slb, instance = place.api.slb, place.run()
    clb = intranet(place)
    group = slb(
        "CreateVServerGroup",
        LoadBalancerId=clb,
        BackendServers=servers({"ServerId": instance, "Port": 6443}),
    )["VServerGroupId"]
    where = {"LoadBalancerId": clb, "ListenerPort": 6443}
    slb("CreateLoadBalancerTCPListener", Bandwidth=-1, VServerGroupId=group, **where)

    def status() -> list[tuple[str, int, str]]:
        rows = slb("DescribeHealthStatus", **where)["BackendServers"]["BackendServer"]
        return [(s["ServerId"], s["Port"], s["ServerHealthStatus"]) for s in rows]

    assert status() == [(instance, 6443, "unavailable")]
    slb("StartLoadBalancerListener", **where)
    assert status() == [(instance, 6443, "normal")]
    place.api.ecs("StopInstance", InstanceId=instance)
    assert status() == [(instance, 6443, "abnormal")]


def test_a_clb_paid_in_advance_is_not_deleted(place: Place) -> None:
    one = {"LoadBalancerId": intranet(place)}
    slb = place.api.slb
    slb("ModifyLoadBalancerPayType", PayType="PrePay", PricingCycle="month", Duration=1, **one)
    assert slb("DescribeLoadBalancerAttribute", **one)["PayType"] == "PrePay"
    with refused("Operation.NotAllowed"):
        slb("DeleteLoadBalancer", **one)
    slb("ModifyLoadBalancerPayType", PayType="PayOnDemand", **one)
    slb("DeleteLoadBalancer", **one)


def test_tags_by_the_older_actions(place: Place) -> None:
    slb, first, second = place.api.slb, intranet(place), intranet(place)

    def spelled(**tags: str) -> str:
        return json.dumps([{"TagKey": key, "TagValue": value} for key, value in tags.items()])

    slb("AddTags", LoadBalancerId=f"{first},{second}", Tags=spelled(a="1"))
    slb("AddTags", LoadBalancerId=second, Tags=spelled(b="2"))
    rows = slb("DescribeTags")["TagSets"]["TagSet"]
    assert [(t["TagKey"], t["TagValue"], t["InstanceCount"]) for t in rows] == [
        ("a", "1", 2),
        ("b", "2", 1),
    ]
    slb("RemoveTags", LoadBalancerId=first, Tags=spelled(a="1"))
    assert slb("DescribeTags", LoadBalancerId=first)["TotalCount"] == 0


def test_where_clb_is(api: Api) -> None:
    assert api.slb("DescribeRegions")["Regions"]["Region"][0]["RegionId"] == "cn-hangzhou"
    zones = api.slb("DescribeZones")["Zones"]["Zone"]
    assert zones[0]["SlaveZones"]["SlaveZone"][0]["ZoneId"] == zones[1]["ZoneId"]
    pairs = api.slb("DescribeAvailableResource", AddressType="vpc", AddressIPVersion="ipv4")
    first = pairs["AvailableResources"]["AvailableResource"][0]
    assert first["SupportResources"]["SupportResource"] == [
        {"AddressType": "vpc", "AddressIPVersion": "ipv4"}
    ]


def test_a_clb_has_at_most_200_servers_in_its_groups(place: Place) -> None:
    """The cloud controller acts on this code: it removes servers first and adds them again."""
    slb, clb, server = place.api.slb, intranet(place), place.run()
    one, other = (slb("CreateVServerGroup", LoadBalancerId=clb)["VServerGroupId"] for _ in "ab")

    def servers(ports: range) -> str:
        return json.dumps([{"ServerId": server, "Port": str(p), "Weight": "100"} for p in ports])

    for group in (one, other):
        for first in range(1, 101, 25):
            slb(
                "AddVServerGroupBackendServers",
                VServerGroupId=group,
                BackendServers=servers(range(first, first + 25)),
            )
    with refused("InstanceBackendServerNumberOverLimit"):
        slb(
            "AddVServerGroupBackendServers",
            VServerGroupId=one,
            BackendServers=servers(range(101, 102)),
        )
    slb(
        "RemoveVServerGroupBackendServers",
        VServerGroupId=other,
        BackendServers=servers(range(1, 2)),
    )
    slb(
        "AddVServerGroupBackendServers", VServerGroupId=one, BackendServers=servers(range(101, 102))
    )


def test_a_listener_that_redirects_shows_no_backend_and_no_health_check(place: Place) -> None:
    slb, clb = place.api.slb, intranet(place)
    where = {"LoadBalancerId": clb, "ListenerPort": 80}
    slb(
        "CreateLoadBalancerHTTPListener",
        ListenerForward="on",
        ForwardPort=443,
        BackendServerPort=80,
        HealthCheck="off",
        **where,
    )
    shown = slb("DescribeLoadBalancerHTTPListenerAttribute", **where)
    assert (shown["ListenerForward"], shown["ForwardPort"]) == ("on", 443)
    assert {"BackendServerPort", "HealthCheck", "StickySession"}.isdisjoint(shown)
