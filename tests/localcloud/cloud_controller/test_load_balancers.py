"""The stand-in between an API server in memory and the strict emulator, checked with SDK models.

It acts with a role that has our own RAM policy and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from localcloud.cloud_controller import controller as controller_module
from localcloud.cloud_controller.cloud import Cloud, Identity
from localcloud.cloud_controller.controller import Controller
from localcloud.cloud_controller.desired import LEGACY, PREFIX
from localcloud.cloud_controller.flags import CloudConfig, Flags
from localcloud.daemons import ask
from planning.cloud.cloud_controller import ram_policy, ram_trust_policy
from tests.localcloud.cloud_controller.memory_cluster import MemoryCluster, Object
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ecs_by_sdk import ZONE, Place
from tests.localcloud.sdk_api import Api

pytestmark = pytest.mark.unit
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
TAINT = {"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"}
OWN = {"key": "own", "effect": "NoSchedule"}


class Stage:
    """A cloud with two instances, a cluster with their Nodes, and the controller."""

    def __init__(self, cloud: CloudThread, api: Api) -> None:
        self.api = api
        self.place = Place(api)
        self.other = api.vpc(
            "CreateVSwitch",
            VpcId=self.place.vpc,
            CidrBlock="172.31.0.0/24",
            ZoneId="cn-hangzhou-i",
        )["VSwitchId"]
        self.zone_maps = f"{ZONE}:{self.place.vswitch},cn-hangzhou-i:{self.other}"
        self.pods = ["172.31.199.185", "172.31.199.186"]
        eni = self.place.eni(PrivateIpAddress=self.pods)["NetworkInterfaceId"]
        self.eni = str(eni)
        api.ram(
            "CreateRole", RoleName="ccm", AssumeRolePolicyDocument=json.dumps(ram_trust_policy())
        )
        policy = ram_policy()
        api.ram("CreatePolicy", PolicyName="ccm", PolicyDocument=json.dumps(policy))
        api.ram("AttachPolicyToRole", PolicyType="Custom", PolicyName="ccm", RoleName="ccm")
        first = self.place.run(RamRoleName="ccm")
        primary = self.place.eni()["NetworkInterfaceId"]
        second = self.place.run(primary, self.eni)
        self.instances = {"master": first, "worker": second}
        key = ask(cloud.places, "GET", f"/machines/{first}/credentials")
        self.cluster = MemoryCluster()
        for name, instance in self.instances.items():
            self.put_node(name, instance)
        config = CloudConfig(
            cluster_id="guide",
            region="cn-hangzhou",
            vpc_id=self.place.vpc,
            vswitches=((ZONE, self.place.vswitch),),
        )
        flags = Flags(
            controllers=frozenset({"node", "service", "nlb"}),
            config=config,
            kubeconfig="",
            leader_elect=True,
            lock_name="ccm",
            lock_namespace="kube-system",
            lease_seconds=15,
            monitor_seconds=300,
            health_address="0",
            keeps_source_check=True,
        )
        environment = {
            **{f"{p}_ENDPOINT": f"127.0.0.1:{cloud.port}" for p in ("ECS", "VPC", "SLB", "NLB")},
            "SSL_CERT_FILE": str(cloud.ca),
            "ACCESS_KEY_ID": key["AccessKeyId"],
            "ACCESS_KEY_SECRET": key["AccessKeySecret"],
        }
        identity = Identity(CloudConfig(), environment)
        own = identity.credentials()
        session = type(own)(key_id=own.key_id, secret=own.secret, token=key["SecurityToken"])
        identity.credentials = lambda: session  # type: ignore[method-assign]
        self.controller = Controller(
            flags, self.cluster, Cloud("cn-hangzhou", identity, environment)
        )

    def put_node(self, name: str, instance: str | None, **more: object) -> None:
        spec: Object = {"taints": [OWN, TAINT]}
        if instance is not None:
            spec["providerID"] = f"cn-hangzhou.{instance}"
        self.cluster.put(
            f"/api/v1/nodes/{name}",
            {
                "metadata": {"name": name, "labels": {}},
                "spec": spec,
                "status": {
                    "addresses": [{"type": "Hostname", "address": name}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
                **more,
            },
        )

    def node(self, name: str) -> Object:
        return self.cluster.get(f"/api/v1/nodes/{name}")

    def serve(
        self,
        annotations: Mapping[str, str] | None = None,
        *,
        ports: Mapping[int, str] | None = None,
        name: str = "web",
        **spec: object,
    ) -> None:
        full_annotations = {
            key if "/" in key else PREFIX + key: value for key, value in (annotations or {}).items()
        }
        listed = [
            {
                "name": f"p{port}",
                "port": port,
                "protocol": protocol,
                "targetPort": 8080,
                "nodePort": 30000 + port,
            }
            for port, protocol in (ports or {80: "TCP"}).items()
        ]
        metadata = {"name": name, "namespace": "default", "annotations": full_annotations}
        path = f"{SERVICES}/{name}"
        if path in self.cluster.objects:
            kept = self.cluster.objects[path]["metadata"]
            metadata |= {k: kept[k] for k in ("uid", "finalizers") if k in kept}
        document = {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": listed, **spec}}
        if path in self.cluster.objects:
            document["status"] = self.cluster.objects[path].get("status", {})
        self.cluster.put(path, document)
        self.cluster.put(
            f"{SLICES}/{name}",
            {
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": p["name"], "port": 8080} for p in listed],
                "endpoints": [
                    {"addresses": [ip], "nodeName": "worker", "conditions": {"ready": True}}
                    for ip in self.pods
                ],
            },
        )

    def round(self) -> None:
        self.controller.round()

    def service(self, name: str = "web") -> Object:
        return self.cluster.get(f"{SERVICES}/{name}")

    def ingress(self, name: str = "web") -> list[dict[str, str]]:
        return list(self.service(name)["status"]["loadBalancer"]["ingress"])

    def clbs(self) -> list[dict[str, Any]]:
        return list(self.api.slb("DescribeLoadBalancers")["LoadBalancers"]["LoadBalancer"])

    def listeners(self, clb: str) -> list[dict[str, Any]]:
        answer = self.api.slb("DescribeLoadBalancerListeners", LoadBalancerId=[clb])
        return list(answer["Listeners"])

    def servers(self, clb: str) -> dict[str, list[tuple[str, str, int, int]]]:
        groups = self.api.slb("DescribeVServerGroups", LoadBalancerId=clb)
        by_group = {}
        for group in groups["VServerGroups"]["VServerGroup"]:
            shown = self.api.slb(
                "DescribeVServerGroupAttribute", VServerGroupId=group["VServerGroupId"]
            )
            by_group[group["VServerGroupName"]] = [
                (s["ServerId"], s["Type"], s["Port"], s["Weight"])
                for s in shown["BackendServers"]["BackendServer"]
            ]
        return by_group


@pytest.fixture
def stage(cloud: CloudThread, api: Api, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(controller_module, "_SHORTEST_PAUSE", 0.0)
    return Stage(cloud, api)


def test_nodes_get_addresses_and_labels_and_lose_the_taint(stage: Stage) -> None:
    stage.round()
    node = stage.node("worker")
    assert node["spec"]["taints"] == [OWN]
    labels = node["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == ZONE
    assert labels["topology.kubernetes.io/region"] == "cn-hangzhou"
    assert labels["node.kubernetes.io/instance-type"] == "ecs.g7.large"
    instance = stage.place.instance(stage.instances["worker"])
    (private,) = instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]
    assert node["status"]["addresses"] == [
        {"type": "InternalIP", "address": private},
        {"type": "Hostname", "address": "worker"},
    ]
    (event, _) = stage.cluster.events("InitializedNode")
    assert event.endswith("(stand-in of the cloud controller on the local cloud)")


def test_a_node_without_provider_id_or_without_instance_keeps_the_taint(stage: Stage) -> None:
    stage.put_node("nameless", None)
    stage.put_node("lost", "i-none")
    stage.round()
    assert TAINT in stage.node("nameless")["spec"]["taints"]
    assert TAINT in stage.node("lost")["spec"]["taints"]
    assert "there is no instance i-none" in stage.cluster.events("FailedAddNode")[0]


def test_a_node_ip_that_the_instance_does_not_have_keeps_the_taint(stage: Stage) -> None:
    annotation = {"alpha.kubernetes.io/provided-node-ip": "10.9.9.9"}
    stage.put_node("worker", stage.instances["worker"])
    stage.cluster.objects["/api/v1/nodes/worker"]["metadata"]["annotations"] = annotation
    stage.round()
    assert TAINT in stage.node("worker")["spec"]["taints"]


def test_a_silent_node_goes_with_its_instance_and_only_then(stage: Stage) -> None:
    stage.round()
    silent = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    for name in ("master", "worker"):
        stage.cluster.objects[f"/api/v1/nodes/{name}"]["status"] |= silent
    stage.api.ecs("DeleteInstance", InstanceId=stage.instances["worker"], Force=True)
    stage.controller._nodes._next_look = 0.0
    stage.round()
    assert stage.cluster.find("/api/v1/nodes/worker") is None
    assert stage.cluster.find("/api/v1/nodes/master") is not None


def test_a_service_gets_a_clb_with_listeners_and_nodes_behind_it(stage: Stage) -> None:
    stage.serve({"protocol-port": "http:80"}, ports={80: "TCP", 999: "TCP", 53: "UDP"})
    stage.round()
    (clb,) = stage.clbs()
    uid = stage.service()["metadata"]["uid"]
    assert clb["LoadBalancerName"] == ("a" + uid.replace("-", ""))[:32]
    assert stage.ingress() == [{"ip": clb["Address"]}]
    assert clb["DeleteProtection"] == "on"
    tags = stage.api.slb(
        "ListTagResources", ResourceType="instance", ResourceId=[clb["LoadBalancerId"]]
    )["TagResources"]["TagResource"]
    assert {t["TagKey"]: t["TagValue"] for t in tags} == {
        "kubernetes.do.not.delete": clb["LoadBalancerName"],
        "ack.aliyun.com": "guide",
    }
    listeners = stage.listeners(clb["LoadBalancerId"])
    assert {(x["ListenerPort"], x["ListenerProtocol"], x["Status"]) for x in listeners} == {
        (80, "http", "running"),
        (999, "tcp", "running"),
        (53, "udp", "running"),
    }
    servers = stage.servers(clb["LoadBalancerId"])
    assert sorted(servers["k8s/30999/web/default/guide"]) == sorted(
        (i, "ecs", 30999, 100) for i in stage.instances.values()
    )
    assert stage.service()["metadata"]["finalizers"] == ["service.k8s.alibaba/resources"]
    assert "Ensured load balancer [lb-" in stage.cluster.events("EnsuredLoadBalancer")[0]


def test_a_second_round_changes_nothing(stage: Stage) -> None:
    stage.serve()
    stage.round()
    before = stage.service()
    stage.controller._kept.clear()
    stage.round()
    assert stage.service() == before
    assert len(stage.clbs()) == 1


def test_local_policy_weighs_only_nodes_with_pods(stage: Stage) -> None:
    stage.serve({"scheduler": "wrr"}, externalTrafficPolicy="Local")
    stage.round()
    (clb,) = stage.clbs()
    worker = stage.instances["worker"]
    servers = stage.servers(clb["LoadBalancerId"])
    assert servers == {"k8s/30080/web/default/guide": [(worker, "ecs", 30080, 2)]}
    stage.pods = stage.pods[:1]
    stage.serve({"scheduler": "wrr"}, externalTrafficPolicy="Local")
    stage.round()
    servers = stage.servers(clb["LoadBalancerId"])
    assert servers == {"k8s/30080/web/default/guide": [(worker, "ecs", 30080, 1)]}


def test_pods_stand_behind_a_clb_by_their_eni(stage: Stage) -> None:
    stage.serve({"service.beta.kubernetes.io/backend-type": "eni"})
    stage.round()
    (clb,) = stage.clbs()
    servers = stage.servers(clb["LoadBalancerId"])
    assert servers == {"k8s/8080/web/default/guide": [(stage.eni, "eni", 8080, 100)] * 2}
    stage.pods = stage.pods[:1]
    stage.serve({"service.beta.kubernetes.io/backend-type": "eni"})
    stage.round()
    (left,) = stage.servers(clb["LoadBalancerId"]).values()
    assert len(left) == 1
    stage.pods = ["172.31.250.1"]
    stage.serve({"service.beta.kubernetes.io/backend-type": "eni"})
    stage.round()
    assert (
        "can not find eni id for ip 172.31.250.1"
        in (stage.cluster.events("SyncLoadBalancerFailed")[-1])
    )


def test_ports_that_change_take_their_listeners_along(stage: Stage) -> None:
    stage.serve(ports={80: "TCP", 81: "TCP"})
    stage.round()
    stage.serve({"protocol-port": "http:80"}, ports={80: "TCP", 82: "TCP"})
    stage.round()
    (clb,) = stage.clbs()
    listeners = {
        (x["ListenerPort"], x["ListenerProtocol"]) for x in stage.listeners(clb["LoadBalancerId"])
    }
    assert listeners == {(80, "http"), (82, "tcp")}
    assert len(stage.servers(clb["LoadBalancerId"])) == 2


def test_a_deleted_service_takes_its_protected_clb_along(stage: Stage) -> None:
    stage.serve()
    stage.round()
    stage.cluster.mark_deleted(f"{SERVICES}/web")
    assert stage.cluster.find(f"{SERVICES}/web") is not None
    stage.round()
    assert stage.cluster.find(f"{SERVICES}/web") is None
    assert stage.clbs() == []


def test_a_service_that_is_no_load_balancer_any_more_loses_its_own(stage: Stage) -> None:
    stage.serve()
    stage.round()
    stage.cluster.objects[f"{SERVICES}/web"]["spec"]["type"] = "ClusterIP"
    stage.round()
    assert stage.clbs() == []
    assert "finalizers" not in stage.service()["metadata"] or (
        stage.service()["metadata"]["finalizers"] == []
    )


def test_an_intranet_clb_is_in_the_vswitch_of_its_annotation(stage: Stage) -> None:
    annotations = {
        "address-type": "intranet",
        "vswitch-id": stage.other,
        "delete-protection": "off",
    }
    stage.serve(annotations)
    stage.serve({"address-type": "intranet"}, name="inner")
    stage.round()
    protection = {clb["VSwitchId"]: clb["DeleteProtection"] for clb in stage.clbs()}
    assert protection == {stage.other: "off", stage.place.vswitch: "on"}


def test_annotations_of_the_old_prefix_count_less(stage: Stage) -> None:
    stage.serve({LEGACY + "address-type": "intranet", PREFIX + "name": "mine"})
    stage.round()
    (clb,) = stage.clbs()
    assert (clb["AddressType"], clb["LoadBalancerName"]) == ("intranet", "mine")


def test_a_clb_that_exists_stays_and_gives_its_listeners_back(stage: Stage) -> None:
    clb_id = stage.api.slb(
        "CreateLoadBalancer", AddressType="intranet", VSwitchId=stage.place.vswitch
    )["LoadBalancerId"]
    stage.serve({"id": clb_id, "force-override-listeners": "true"})
    stage.round()
    assert [x["ListenerPort"] for x in stage.listeners(clb_id)] == [80]
    stage.cluster.mark_deleted(f"{SERVICES}/web")
    stage.round()
    assert [clb["LoadBalancerId"] for clb in stage.clbs()] == [clb_id]
    assert stage.listeners(clb_id) == []
    assert stage.servers(clb_id) == {}


def test_a_clb_of_another_cluster_is_not_taken(stage: Stage) -> None:
    clb_id = stage.api.slb(
        "CreateLoadBalancer",
        AddressType="intranet",
        VSwitchId=stage.place.vswitch,
        Tag=[{"Key": "ack.aliyun.com", "Value": "other"}],
    )["LoadBalancerId"]
    stage.serve({"id": clb_id, "force-override-listeners": "true"})
    stage.round()
    assert "can not be reused" in stage.cluster.events("SyncLoadBalancerFailed")[0]
    assert stage.listeners(clb_id) == []


def test_a_refusal_of_the_api_is_in_the_event_and_is_tried_again(
    stage: Stage, cloud: CloudThread
) -> None:
    cloud.fault(
        action="CreateLoadBalancer", code="OrderFailed", status=400, message="no money", times=1
    )
    stage.serve()
    stage.round()
    (text,) = stage.cluster.events("SyncLoadBalancerFailed")
    assert text.startswith("Error syncing load balancer: CreateLoadBalancer: OrderFailed: no money")
    stage.round()
    assert len(stage.clbs()) == 1


@pytest.mark.parametrize(
    ("annotations", "spec"),
    [
        ({"service.beta.kubernetes.io/class": "other"}, {}),
        ({}, {"loadBalancerClass": "example.com/other"}),
        ({}, {"type": "NodePort"}),
    ],
)
def test_services_of_others_are_left_alone(
    stage: Stage, annotations: Mapping[str, str], spec: Mapping[str, Any]
) -> None:
    stage.serve(annotations, **spec)
    stage.round()
    assert stage.clbs() == []
    assert "finalizers" not in stage.service()["metadata"]


NLB: dict[str, Any] = {"loadBalancerClass": "alibabacloud.com/nlb"}


def nlbs(stage: Stage) -> list[dict[str, Any]]:
    return list(stage.api.nlb("ListLoadBalancers")["LoadBalancers"])


def nlb_servers(stage: Stage) -> list[tuple[str, str, str, int]]:
    servers = []
    for group in stage.api.nlb("ListServerGroups")["ServerGroups"]:
        answer = stage.api.nlb("ListServerGroupServers", ServerGroupId=group["ServerGroupId"])
        servers += [
            (s["ServerType"], s["ServerId"], s["ServerIp"], s["Port"]) for s in answer["Servers"]
        ]
    return sorted(servers)


def test_an_nlb_gives_its_name_and_goes_with_its_service(stage: Stage) -> None:
    stage.serve({"zone-maps": stage.zone_maps}, ports={80: "TCP", 53: "UDP"}, **NLB)
    stage.round()
    (nlb,) = nlbs(stage)
    assert stage.ingress() == [{"hostname": nlb["DNSName"]}]
    assert nlb["AddressType"] == "Internet"
    assert nlb["DeletionProtectionConfig"]["Enabled"]
    assert {(s[0], s[1]) for s in nlb_servers(stage)} == {
        ("Ecs", i) for i in stage.instances.values()
    }
    listeners = stage.api.nlb("ListListeners")["Listeners"]
    assert {(x["ListenerPort"], x["ListenerProtocol"]) for x in listeners} == {
        (80, "TCP"),
        (53, "UDP"),
    }
    assert stage.service()["metadata"]["finalizers"] == ["service.k8s.alibaba/nlb"]
    stage.cluster.mark_deleted(f"{SERVICES}/web")
    stage.round()
    assert stage.cluster.find(f"{SERVICES}/web") is None
    assert nlbs(stage) == []
    assert stage.api.nlb("ListServerGroups")["ServerGroups"] == []
    assert stage.api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"] == []


def test_an_nlb_is_protected_whatever_its_service_says(stage: Stage) -> None:
    """v2.14.0 reads these annotations for a CLB only."""
    annotations = {"delete-protection": "off", "modification-protection": "NonProtection"}
    stage.serve({"zone-maps": stage.zone_maps, **annotations}, **NLB)
    stage.round()
    (nlb,) = nlbs(stage)
    assert nlb["DeletionProtectionConfig"]["Enabled"]
    assert nlb["ModificationProtectionConfig"]["Status"] == "ConsoleProtection"
    stage.cluster.mark_deleted(f"{SERVICES}/web")
    stage.round()
    assert nlbs(stage) == []


def test_pods_are_servers_of_an_nlb_by_their_eni(stage: Stage) -> None:
    annotations = {
        "zone-maps": stage.zone_maps,
        "address-type": "intranet",
        "service.beta.kubernetes.io/backend-type": "eni",
    }
    stage.serve(annotations, **NLB)
    stage.round()
    assert nlb_servers(stage) == [("Eni", stage.eni, ip, 8080) for ip in stage.pods]
    stage.pods = stage.pods[1:]
    stage.serve(annotations, **NLB)
    stage.round()
    assert nlb_servers(stage) == [("Eni", stage.eni, ip, 8080) for ip in stage.pods]
    stage.serve({**annotations, "address-type": "internet"}, ports={81: "TCP"}, **NLB)
    stage.round()
    assert [x["ListenerPort"] for x in stage.api.nlb("ListListeners")["Listeners"]] == [81]
    assert nlbs(stage)[0]["AddressType"] == "Internet"


@pytest.mark.parametrize(
    ("zones", "reason"),
    [
        ("", "zone-maps is required"),
        ("cn-hangzhou-h", "ZoneMapping format error"),
        ("one", "CreateLoadBalancer: "),
    ],
)
def test_an_event_has_the_reason_why_an_nlb_cannot_be_created(
    stage: Stage, zones: str, reason: str
) -> None:
    text = stage.zone_maps.split(",")[0] if zones == "one" else zones
    stage.serve({"zone-maps": text}, **NLB)
    stage.round()
    assert reason in stage.cluster.events("SyncLoadBalancerFailed")[0]
    assert nlbs(stage) == []


def test_one_of_two_replicas_leads_until_it_leaves(stage: Stage) -> None:
    from localcloud.cloud_controller.cluster import Election  # noqa: PLC0415

    flags = stage.controller._flags
    first, second = Election(stage.cluster, flags), Election(stage.cluster, flags)
    assert first.holds()
    assert not second.holds()
    assert first.holds()
    first.leave()
    assert second.holds()
    assert not first.holds()
