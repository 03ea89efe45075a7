"""The lab's stack on a local cloud, and what breaks the packets of its pods on purpose."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from localcloud.settings import Places as CloudPlaces
from localcloud.settings import virtual_folder
from localcloud.virtual.images.programs import built_programs
from localcloud.virtual.node_packages import built
from localcloud.virtual.preparation import prepare
from operations.engine.environment import run_environment
from operations.engine.places import ROOT, Places
from operations.failure import ExitCode
from tests.engine.clouds.local_cloud import CLUSTER, SecondCloud, second_cloud
from tests.engine.lifecycle import official_sdk
from tests.localcloud.machines.fake_cloud import until

STACK_FILE: Final = ROOT / "stacks" / "lab.yaml"
UP_WITHIN: Final = 5400
"""Seconds; long, because the machines are emulated in software on busy cores."""
PODS_WITHIN: Final = 1800
COMMAND_WITHIN: Final = 900
VERIFY_WITHIN: Final = 1200
CLIENT, SERVER = "test-app-1", "test-app-2"
FOREIGN: Final = "172.31.199.250"
"""An address of the vSwitch that no ENI has."""
OTHER_MAC: Final = "02:00:00:00:00:77"


def available() -> Mapping[str, str] | None:
    """The variables for a local cloud with virtual machines; None where nothing was built.

    Raises PreparationError.
    """
    local = ROOT / ".local"
    folder = virtual_folder(CloudPlaces(home=local), os.environ)
    tools = Path(os.environ.get("LOCALCLOUD_TOOLS", local / "bin"))
    node = built(tools)
    if node is None:
        return None
    prepare(folder, os.environ, print, node, built_programs(tools))
    return {
        "LOCALCLOUD_VIRTUAL": str(folder),
        "SPIDERPOOL_ALICLOUD_READY_SECONDS": str(UP_WITHIN),
    }


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The lab's stack with both workers as virtual machines."""

    cloud: SecondCloud

    @classmethod
    def deploy(cls, home: Path, variables: Mapping[str, str]) -> Lab:
        """`local up --machines mixed`, and wait for every pod of the sample apps."""
        cloud = second_cloud(home, stack_file=STACK_FILE, variables=variables)
        try:
            done = cloud.operations("up", "--machines", "mixed", deadline=UP_WITHIN)
            assert done.status == 0, cloud.explain(done)
            lab = cls(cloud=cloud)
            until("every pod", PODS_WITHIN, lab.every_pod_is_ready)
            taken = cloud.on_stack_file("backup", "--stack", "local", deadline=COMMAND_WITHIN)
            assert taken.status == 0, taken.transcript
        except BaseException:
            cloud.kill_everything()
            raise
        return lab

    @classmethod
    def of_make(cls, home: Path) -> Lab:
        """The lab that `make lab` has deployed; it keeps running."""
        places = Places.of(home)
        endpoint = yaml.safe_load(STACK_FILE.read_text())["config"][CLUSTER]["cloud"]["endpoint"]
        cloud = SecondCloud(
            places=places,
            config_file=STACK_FILE,
            port=int(endpoint.rpartition(":")[2]),
            eip_range="127.67.0.0/16",
            env=run_environment(places, dict(os.environ)),
        )
        return cls(cloud=cloud)

    def every_pod_is_ready(self) -> bool:
        sets = self.cloud.kubectl("get", "daemonsets,deployments", "--all-namespaces")["items"]
        return all(_all_ready(each["status"]) for each in sets)

    def verdicts(self, report: Path | None = None) -> dict[str, dict[str, Any]]:
        """The checks of `operations verify` by their names; `report`: where the page goes."""
        # An emulated processor runs few commands in pods at the same time.
        options = ["--stack", "local", "--json", "--at-once", "4"]
        options += [] if report is None else ["--report", str(report)]
        done = self.cloud.on_stack_file("verify", *options, deadline=VERIFY_WITHIN)
        assert done.status in {ExitCode.OK, ExitCode.FAILED}, done.transcript
        document = json.loads(done.out)
        assert "checks" in document, done.transcript
        return {check["name"]: check for check in document["checks"]}

    @cached_property
    def nodes(self) -> Mapping[str, Mapping[str, Any]]:
        """The stack's nodes, which the lab never replaces."""
        return dict(self.cloud.outputs()["nodes"])

    def pod(self, app: str, node: str) -> dict[str, Any]:
        pods = self.cloud.kubectl("get", "pods", "--selector", f"app={app}")["items"]
        [pod] = [p for p in pods if p["spec"]["nodeName"] == node and _is_ready(p)]
        return dict(pod)

    def run(self, node: str, *command: str) -> str:
        """A command as root of a node's machine."""
        instance = self.nodes[node]["instanceId"]
        home = ("--home", str(self.cloud.places.home))
        program = (sys.executable, "-m", "localcloud.machines.session", *home, instance, "--")
        done = self.cloud.run(*program, *command, deadline=COMMAND_WITHIN)
        assert done.status == 0, done.transcript
        return done.out

    def run_beside(self, node: str, app: str, script: str, *arguments: str) -> str:
        """A script of the node's root; `in_pod COMMAND` acts in the network of the app's pod."""
        return self.run(node, "bash", "-c", _IN_POD + script, app, app, *arguments)

    def frames(self) -> dict[str, int]:
        """What the VPC's filter has counted."""
        [file] = (self.cloud.places.machines / "run").glob("*.frames")
        counted: dict[str, int] = json.loads(file.read_text())
        return counted


_IN_POD: Final = """
set -e
runtime=unix:///run/containerd/containerd.sock
crictl() { command crictl --timeout 5m --runtime-endpoint "$runtime" "$@"; }
container=$(crictl ps --quiet --name "^$1$" 2>/dev/null)
pid=$(crictl inspect --output go-template --template '{{.info.pid}}' "$container" 2>/dev/null)
in_pod() { nsenter --net --target "$pid" "$@"; }
shift
"""


def _all_ready(status: Mapping[str, Any]) -> bool:
    desired = status.get("desiredNumberScheduled", status.get("replicas", 0))
    ready = status.get("numberReady", status.get("readyReplicas", 0))
    return bool(desired == ready)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def failed(checks: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The names of the checks that failed."""
    return {name for name, check in checks.items() if check["verdict"] == "failed"}


@contextmanager
def served_from(lab: Lab, node: str) -> Iterator[None]:
    """The app's service has one backend, on this node, so that all other pods ask across nodes."""
    pod = lab.pod(SERVER, node)["metadata"]["name"]

    def select(selector: Mapping[str, str | None]) -> None:
        patch = json.dumps({"spec": {"selector": selector}})
        lab.cloud.run("kubectl", "patch", "service", "test-svc", "--patch", patch, check=True)

    def endpoints() -> int:
        selector = ("--selector", "kubernetes.io/service-name=test-svc")
        slices = lab.cloud.kubectl("get", "endpointslices", *selector)["items"]
        return sum(len(each.get("endpoints") or ()) for each in slices)

    lab.cloud.run("kubectl", "label", "pod", pod, "--overwrite", "lab=only", check=True)
    select({"lab": "only"})
    try:
        until("one endpoint", COMMAND_WITHIN, lambda: endpoints() == 1)
        yield
    finally:
        select({"lab": None})
        lab.cloud.run("kubectl", "label", "pod", pod, "lab-", check=True)


@contextmanager
def without_source_routing(lab: Lab, node: str, address: str) -> Iterator[None]:
    rule = ("from", address, "lookup", "102", "priority", "2000")
    lab.run(node, "ip", "rule", "del", *rule)
    try:
        yield
    finally:
        # As netplan had added it.
        lab.run(node, "ip", "rule", "add", *rule, "protocol", "static")


@contextmanager
def without_the_rule_for_pings(lab: Lab) -> Iterator[None]:
    """Members of the security group reach each other by TCP and UDP only."""
    ecs, models = official_sdk.client("ecs", lab.cloud), official_sdk.models("ecs")
    where = {"region_id": "cn-hangzhou"}
    listed = ecs.describe_security_groups(
        models.DescribeSecurityGroupsRequest(vpc_id=lab.cloud.outputs()["vpcId"], **where)
    )
    [described] = listed.body.security_groups.security_group
    group = {**where, "security_group_id": described.security_group_id}
    rules = [
        {
            "ip_protocol": protocol,
            "port_range": "1/65535",
            "source_cidr_ip": network,
            "policy": "accept",
        }
        for protocol in ("TCP", "UDP")
        for network in ("172.31.0.0/16", "192.168.0.0/16")
    ]
    added = models.AuthorizeSecurityGroupRequest(
        permissions=[models.AuthorizeSecurityGroupRequestPermissions(**rule) for rule in rules],
        **group,
    )
    removed = models.RevokeSecurityGroupRequest(
        permissions=[models.RevokeSecurityGroupRequestPermissions(**rule) for rule in rules],
        **group,
    )

    def change(policy: str) -> None:
        ecs.modify_security_group_policy(
            models.ModifySecurityGroupPolicyRequest(inner_access_policy=policy, **group)
        )

    ecs.authorize_security_group(added)
    change("Drop")
    try:
        yield
    finally:
        change("Accept")
        ecs.revoke_security_group(removed)


@contextmanager
def without_ipv6_bandwidth(lab: Lab, address: str) -> Iterator[None]:
    """An IPv6 address has no public bandwidth, so it is for the VPC only."""
    vpc, models = official_sdk.client("vpc", lab.cloud), official_sdk.models("vpc")
    where = {"region_id": "cn-hangzhou"}
    listed = vpc.describe_ipv_6addresses(
        models.DescribeIpv6AddressesRequest(ipv_6address=address, **where)
    )
    [described] = listed.body.ipv_6addresses.ipv_6address
    named = {**where, "ipv_6address_id": described.ipv_6address_id}
    vpc.delete_ipv_6internet_bandwidth(models.DeleteIpv6InternetBandwidthRequest(**named))
    try:
        yield
    finally:
        vpc.allocate_ipv_6internet_bandwidth(
            models.AllocateIpv6InternetBandwidthRequest(
                ipv_6gateway_id=described.ipv_6gateway_id,
                bandwidth=described.ipv_6internet_bandwidth.bandwidth,
                internet_charge_type=described.ipv_6internet_bandwidth.internet_charge_type,
                **named,
            )
        )


_SEND_FROM: Final = """
in_pod ip route show table main dev eth0 | while read -r route; do
  in_pod ip route replace ${route%% src *} dev eth0 src "$1"
done
"""


@contextmanager
def sending_from(lab: Lab, node: str, address: str) -> Iterator[None]:
    """The client's pod of a node sends from another address."""
    own = lab.pod(CLIENT, node)["status"]["podIP"]
    lab.run_beside(node, CLIENT, 'in_pod ip address add "$1/32" dev eth0\n' + _SEND_FROM, address)
    try:
        yield
    finally:
        lab.run_beside(node, CLIENT, _SEND_FROM, own)
        lab.run_beside(node, CLIENT, 'in_pod ip address del "$1/32" dev eth0\n', address)


@contextmanager
def another_mac(lab: Lab, node: str, nic: str) -> Iterator[None]:
    """A NIC and all pods on it send from a MAC that its ENI does not have, as macvlan would."""
    own = lab.run(node, "cat", f"/sys/class/net/{nic}/address").strip()
    lab.run(node, "ip", "link", "set", nic, "address", OTHER_MAC)
    try:
        yield
    finally:
        lab.run(node, "ip", "link", "set", nic, "address", own)


@contextmanager
def without_marks(lab: Lab, *nodes: str) -> Iterator[None]:
    """The server's pods have none of the coordinator's marks for what arrives through the host."""
    rules = {
        node: lab.run_beside(node, SERVER, "in_pod iptables-save --table mangle\n")
        for node in nodes
    }
    for node in nodes:
        lab.run_beside(node, SERVER, "in_pod iptables --table mangle --flush\n")
    try:
        yield
    finally:
        for node, saved in rules.items():
            restore = 'in_pod iptables-restore --table mangle <<< "$1"\n'
            lab.run_beside(node, SERVER, restore, saved)


@contextmanager
def without_masquerading(lab: Lab) -> Iterator[None]:
    """kube-proxy masquerades nothing: it has neither `masqueradeAll` nor a range of pods."""
    where = ("--namespace", "kube-system")
    config_map = lab.cloud.kubectl("get", "configmap", "kube-proxy", *where)
    settings: str = config_map["data"]["config.conf"]
    broken = settings.replace("masqueradeAll: true", "masqueradeAll: false").replace(
        "clusterCIDR: 10.244.0.0/16", 'clusterCIDR: ""'
    )
    assert broken != settings

    def kubectl(*command: str) -> None:
        lab.cloud.run("kubectl", *command, *where, deadline=COMMAND_WITHIN, check=True)

    def configure(text: str) -> None:
        patch = json.dumps({"data": {"config.conf": text}})
        kubectl("patch", "configmap", "kube-proxy", "--patch", patch)
        kubectl("rollout", "restart", "daemonset/kube-proxy")
        kubectl("rollout", "status", "daemonset/kube-proxy")

    configure(broken)
    try:
        yield
    finally:
        configure(settings)
