"""Resources with tags, rules and further pages: what sample answers show and few tests need."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest

from localcloud.products.catalogue import PRODUCTS
from tests.localcloud.products.test_clb_parts_by_sdk import https
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.products.test_nlb_by_sdk import Balanced
from tests.localcloud.products.test_ram_and_sts_by_sdk import ECS, allowing
from tests.localcloud.products.test_slb_by_sdk import intranet
from tests.localcloud.published import samples
from tests.localcloud.sdk_api import Api
from tests.localcloud.self_signed import self_signed

pytestmark = pytest.mark.unit
TAG = [{"Key": "a", "Value": "b"}]
SHOWN = [{"TagKey": "a", "TagValue": "b"}]


@pytest.fixture
def place(api: Api) -> Balanced:
    return Balanced(api)


def test_sample_keys_are_of_actions_that_are_here() -> None:
    actions = {f"{p.name}.{action}" for p in PRODUCTS.values() for action in p.actions}
    assert set(samples.published()) <= actions
    assert all(set(paths) <= samples.published()[a] for a, paths in samples.absent().items())


def test_every_sample_key_is_answered_or_has_a_reason() -> None:
    assert [key for key in samples.absent_keys() if samples.reason_for(key) is None] == []


def test_every_reason_is_about_a_key_that_no_answer_has() -> None:
    marked = [samples.pattern_form(key) for key in samples.absent_keys()]
    idle = [
        pattern
        for pattern, _ in samples.marks()
        if not any(fnmatch.fnmatchcase(key, pattern) for key in marked)
    ]
    assert idle == []


def test_every_clb_listener_shows_its_tags(place: Place) -> None:
    slb = place.api.slb
    clb = intranet(place)
    for port, protocol in enumerate(("TCP", "UDP", "HTTP"), 80):
        more = {} if protocol != "HTTP" else {"HealthCheck": "off", "StickySession": "off"}
        where = {"LoadBalancerId": clb, "ListenerPort": port}
        slb(
            f"CreateLoadBalancer{protocol}Listener",
            BackendServerPort=80,
            Bandwidth=-1,
            Tag=TAG,
            **where,
            **more,
        )
        shown = slb(f"DescribeLoadBalancer{protocol}ListenerAttribute", **where)
        assert shown["Tags"]["Tag"] == SHOWN
    listed = slb("DescribeLoadBalancerListeners", LoadBalancerId=[clb])["Listeners"]
    assert [x["Tags"] for x in listed] == [SHOWN] * 3


def test_a_forwarding_listener_shows_its_rules(place: Place) -> None:
    slb, clb = place.api.slb, intranet(place)
    where = {"LoadBalancerId": clb, "ListenerPort": 80}
    settings = {"BackendServerPort": 80, "HealthCheck": "off", "StickySession": "off"}
    slb("CreateLoadBalancerHTTPListener", Bandwidth=-1, **settings, **where)
    group = slb("CreateVServerGroup", LoadBalancerId=clb)["VServerGroupId"]
    rule = {"RuleName": "api", "Domain": "a.example", "Url": "/api", "VServerGroupId": group}
    (created,) = slb("CreateRules", RuleList=json.dumps([rule]), **where)["Rules"]["Rule"]
    shown = slb("DescribeLoadBalancerHTTPListenerAttribute", **where)
    assert shown["Rules"]["Rule"] == [{**rule, "RuleId": created["RuleId"]}]


def test_a_tls_listener_shows_its_tags(place: Place) -> None:
    slb = place.api.slb
    pem, key = self_signed("a.example")
    certificate = slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey=key)
    where = {"LoadBalancerId": intranet(place), "ListenerPort": 443}
    slb(
        "CreateLoadBalancerHTTPSListener",
        Bandwidth=-1,
        BackendServerPort=80,
        HealthCheck="off",
        StickySession="off",
        ServerCertificateId=certificate["ServerCertificateId"],
        Tag=TAG,
        **where,
    )
    shown = slb("DescribeLoadBalancerHTTPSListenerAttribute", **where)
    assert shown["Tags"]["Tag"] == SHOWN


def test_a_long_list_of_tags_of_clb_goes_on_by_token(api: Api) -> None:
    tag = [{"Key": f"key-{n}", "Value": "v"} for n in range(20)]
    for _ in range(51):
        api.slb("CreateLoadBalancer", AddressType="internet", Tag=tag)
    tagged = {"ResourceType": "instance", "Tag": tag[:1]}
    first = api.slb("ListTagResources", **tagged)
    rest = api.slb("ListTagResources", NextToken=first["NextToken"], **tagged)
    rows = [len(page["TagResources"]["TagResource"]) for page in (first, rest)]
    assert rows == [1000, 20]


def test_parts_of_a_clb_show_their_tags(place: Place) -> None:
    slb = place.api.slb
    acl = slb("CreateAccessControlList", AclName="office", Tag=TAG)["AclId"]
    assert slb("DescribeAccessControlListAttribute", AclId=acl)["Tags"]["Tag"] == SHOWN
    (listed,) = slb("DescribeAccessControlLists")["Acls"]["Acl"]
    assert listed["Tags"]["Tag"] == SHOWN
    slb("UploadCACertificate", CACertificate=self_signed("a.example")[0], Tag=TAG)
    (authority,) = slb("DescribeCACertificates")["CACertificates"]["CACertificate"]
    assert authority["Tags"]["Tag"] == SHOWN
    group = slb("CreateVServerGroup", LoadBalancerId=intranet(place), Tag=TAG)["VServerGroupId"]
    attribute = slb("DescribeVServerGroupAttribute", VServerGroupId=group)
    assert attribute["Tags"]["Tag"] == SHOWN


def test_a_vserver_group_shows_the_rules_that_lead_to_it(place: Place) -> None:
    slb = place.api.slb
    pem, key = self_signed("a.example")
    certificate = slb("UploadServerCertificate", ServerCertificate=pem, PrivateKey=key)
    clb = https(place, certificate["ServerCertificateId"])
    group = slb("CreateVServerGroup", LoadBalancerId=clb, Tag=TAG)["VServerGroupId"]
    rule = {"RuleName": "api", "Domain": "a.example", "Url": "/api", "VServerGroupId": group}
    slb("CreateRules", LoadBalancerId=clb, ListenerPort=443, RuleList=json.dumps([rule]))
    (shown,) = slb("DescribeVServerGroups", LoadBalancerId=clb)["VServerGroups"]["VServerGroup"]
    (leading,) = shown["AssociatedObjects"]["Rules"]["Rule"]
    assert (leading["RuleName"], leading["Domain"], leading["Url"]) == ("api", "a.example", "/api")
    assert shown["Tags"]["Tag"] == SHOWN


def test_a_backend_server_that_stays_is_in_the_answer_of_a_removal(place: Place) -> None:
    slb, clb = place.api.slb, intranet(place)
    servers = [{"ServerId": place.run(), "Weight": "100"} for _ in range(2)]
    slb("AddBackendServers", LoadBalancerId=clb, BackendServers=json.dumps(servers))
    gone = json.dumps(servers[:1])
    left = slb("RemoveBackendServers", LoadBalancerId=clb, BackendServers=gone)
    (server,) = left["BackendServers"]["BackendServer"]
    assert server["ServerId"] == servers[1]["ServerId"]


def pages(api: Api, action: str, rows: str, **filters: Any) -> list[int]:  # noqa: ANN401  # JSON
    """How many rows the first page of one and the page after it have."""
    first = api.nlb(action, MaxResults=1, **filters)
    second = api.nlb(action, MaxResults=1, NextToken=first["NextToken"], **filters)
    return [len(first[rows]), len(second[rows])]


def test_every_list_of_nlb_goes_on_by_token(place: Balanced) -> None:
    nlb, group = place.nlb(Tag=TAG), place.server_group()
    place.server_group()
    place.add(group, *({"ServerId": place.run(), "ServerType": "Ecs", "Port": 80} for _ in "ab"))
    listener = place.listener(nlb, group, Tag=TAG)
    place.listener(nlb, group, ListenerPort=81)
    tls = place.listener(
        nlb,
        place.server_group(Protocol="TCPSSL"),
        ListenerPort=443,
        ListenerProtocol="TCPSSL",
        CertificateIds=["c1"],
    )
    place.api.nlb(
        "AssociateAdditionalCertificatesWithListener",
        ListenerId=tls,
        AdditionalCertificateIds=["c2"],
    )
    api = place.api
    assert pages(api, "ListServerGroups", "ServerGroups") == [1, 1]
    assert pages(api, "ListServerGroupServers", "Servers", ServerGroupId=group) == [1, 1]
    assert pages(api, "ListListeners", "Listeners") == [1, 1]
    assert pages(api, "ListListenerCertificates", "Certificates", ListenerId=tls) == [1, 1]
    assert api.nlb("GetListenerAttribute", ListenerId=listener)["Tags"] == SHOWN
    (tagged,) = api.nlb("ListListeners", ListenerIds=[listener])["Listeners"]
    assert tagged["Tags"] == TAG


def test_lists_of_ram_show_tags_and_holders(api: Api) -> None:
    api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=ECS, Tag=TAG)
    api.ram("CreatePolicy", PolicyName="p", PolicyDocument=allowing("ecs:*"), Tag=TAG)
    api.ram("CreateUser", UserName="u", DisplayName="U")
    api.ram("AttachPolicyToUser", PolicyType="Custom", PolicyName="p", UserName="u")
    (role,) = api.ram("ListRoles")["Roles"]["Role"]
    assert role["Tags"]["Tag"] == SHOWN
    (policy,) = api.ram("ListPolicies", PolicyType="Custom")["Policies"]["Policy"]
    assert policy["Tags"]["Tag"] == SHOWN
    assert api.ram("ListPolicies", MaxItems=1)["Marker"]
    (attached,) = api.ram("ListPoliciesForUser", UserName="u")["Policies"]["Policy"]
    assert attached["PolicyName"] == "p"
    holders = api.ram("ListEntitiesForPolicy", PolicyName="p", PolicyType="Custom")
    assert [u["DisplayName"] for u in holders["Users"]["User"]] == ["U"]


@pytest.mark.parametrize("product", ["nlb", "ram"])
def test_a_list_of_tags_goes_on_by_token(place: Balanced, product: str) -> None:
    tag = [*TAG, {"Key": "c", "Value": "d"}]
    if product == "nlb":
        named = {"ResourceType": "loadbalancer", "ResourceId": [place.nlb(Tag=tag)]}
        call, size = place.api.nlb, "MaxResults"
    else:
        place.api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=ECS, Tag=tag)
        named = {"ResourceType": "role", "ResourceNames": ["r"]}
        call, size = place.api.ram, "PageSize"
    first = call("ListTagResources", **{size: 1}, **named)
    rest = call("ListTagResources", NextToken=first["NextToken"], **{size: 1}, **named)
    assert [page["TagResources"][0]["TagKey"] for page in (first, rest)] == ["a", "c"]


def test_a_list_shows_the_ports_of_a_listener_of_many(place: Balanced) -> None:
    group = place.server_group(AnyPortEnabled=True)
    place.listener(place.nlb(), group, ListenerPort=0, StartPort=8000, EndPort=8010)
    (listed,) = place.api.nlb("ListListeners")["Listeners"]
    assert (listed["StartPort"], listed["EndPort"]) == ("8000", "8010")
