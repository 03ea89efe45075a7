"""The plan's security rules for NLBs, judged by the local cloud: each of them is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from config.load import load
from planning.build import build_plan
from planning.cloud.security import SecurityRule, security_rules
from planning.model import ClusterPlan
from tests.localcloud.products.test_ecs_by_sdk import IMAGE
from tests.localcloud.sdk_api import Api

pytestmark = pytest.mark.unit
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "load-balancers.yaml"
NODE_PORT, POD_PORT = 30080, 9000


def plan() -> ClusterPlan:
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return build_plan(load(document["config"]["spiderpool-alicloud:cluster"]))


def nlb_rules(port: int) -> Mapping[str, SecurityRule]:
    """The plan's TCP rules for NLBs that open a port."""

    def opens(rule: SecurityRule) -> bool:
        first, last = map(int, rule.port_range.split("/"))
        return rule.protocol == "tcp" and first <= port <= last

    rules = security_rules(plan())
    return {key: rule for key, rule in rules.items() if key.startswith("nlb-") and opens(rule)}


class Network:
    """The plan's VPC with an NLB in some zones, and one instance behind it."""

    def __init__(self, api: Api, zones: Iterable[str], port: int) -> None:
        self.api = api
        self.vpc = api.vpc("CreateVpc", CidrBlock="10.80.0.0/16")["VpcId"]
        self.group = api.ecs("CreateSecurityGroup", VpcId=self.vpc)["SecurityGroupId"]
        vswitches = plan().network.vswitches
        mappings = [
            {"ZoneId": zone, "VSwitchId": self.vswitch(zone, str(vswitches[f"edge-{zone}"].cidr))}
            for zone in zones
        ]
        nodes = self.vswitch("cn-hangzhou-i", str(vswitches["primary-cn-hangzhou-i"].cidr))
        (instance,) = api.ecs(
            "RunInstances",
            InstanceType="ecs.g7.large",
            ImageId=IMAGE,
            VSwitchId=nodes,
            SecurityGroupId=self.group,
        )["InstanceIdSets"]["InstanceIdSet"]
        nlb = api.nlb(
            "CreateLoadBalancer", AddressType="Intranet", VpcId=self.vpc, ZoneMappings=mappings
        )["LoadbalancerId"]
        servers = api.nlb("CreateServerGroup", ServerGroupName="web", VpcId=self.vpc)
        api.nlb(
            "AddServersToServerGroup",
            ServerGroupId=servers["ServerGroupId"],
            Servers=[{"ServerId": instance, "ServerType": "Ecs", "Port": port}],
        )
        self.listener = api.nlb(
            "CreateListener",
            LoadBalancerId=nlb,
            ServerGroupId=servers["ServerGroupId"],
            ListenerProtocol="TCP",
            ListenerPort=80,
        )["ListenerId"]

    def vswitch(self, zone: str, cidr: str) -> str:
        settings = {"VpcId": self.vpc, "CidrBlock": cidr, "ZoneId": zone}
        return str(self.api.vpc("CreateVSwitch", **settings)["VSwitchId"])

    def change(self, action: str, rules: Iterable[SecurityRule]) -> None:
        permissions = [
            {
                "IpProtocol": rule.protocol,
                "PortRange": rule.port_range,
                "SourceCidrIp": str(rule.cidr),
            }
            for rule in rules
        ]
        self.api.ecs(action, SecurityGroupId=self.group, Permissions=permissions)

    def is_healthy(self) -> bool:
        answer = self.api.nlb("GetListenerHealthStatus", ListenerId=self.listener)
        (status,) = answer["ListenerHealthStatus"]
        return not status["ServerGroupInfos"][0]["NonNormalServers"]


@pytest.mark.parametrize(
    ("zones", "port"), [("ijk", NODE_PORT), ("ik", POD_PORT)], ids=["node ports", "pods"]
)
def test_an_nlb_needs_each_of_the_plans_rules_for_it(api: Api, zones: str, port: int) -> None:
    network = Network(api, [f"cn-hangzhou-{letter}" for letter in zones], port)
    rules = nlb_rules(port)
    assert len(rules) == len(zones)
    assert not network.is_healthy()
    network.change("AuthorizeSecurityGroup", rules.values())
    assert network.is_healthy()
    for rule in rules.values():
        network.change("RevokeSecurityGroup", [rule])
        assert not network.is_healthy(), rule.cidr
        network.change("AuthorizeSecurityGroup", [rule])
    assert network.is_healthy()
