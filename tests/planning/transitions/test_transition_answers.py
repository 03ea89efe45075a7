"""Every key of the configuration has an answer, and an edit of it gets that answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from config.report import ConfigError
from planning.transitions.answers import ANSWERS, Kind
from planning.transitions.keys import all_keys
from planning.transitions.page import page
from planning.transitions.steps import Refused
from planning.transitions.words import lines
from tests.clusters import Document, adopted, existing_kubernetes
from tests.planning.documents import planned
from tests.planning.edited import Edit, at, clustered, edited, kind_of, transition

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
ZONE = "network/subnets/primary/zones/cn-hangzhou-i"


def test_every_key_of_the_model_has_an_answer_and_no_other_has() -> None:
    assert set(all_keys()) == set(ANSWERS)


def test_the_page_is_the_one_that_the_table_writes() -> None:
    assert (ROOT / "docs" / "transitions.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("key", [key for key, a in ANSWERS.items() if Kind.REFUSED is a.worker])
def test_a_refusal_has_a_reason_and_a_way(key: str) -> None:
    if key in CASES:
        before, edit = CASES[key]
    else:
        before, of_pool = POOL_CASES[key]
        edit = of_pool("workers")
    outcome = transition(before(), edited(before(), edit))
    assert isinstance(outcome, Refused)
    for refusal in outcome.refusals:
        assert refusal.rule.endswith(".")
        assert refusal.reason.endswith(".")
        assert refusal.remedy.endswith(".")


def with_nothing_left_to_the_profile() -> Document:
    disk = {"category": "cloud_essd", "size": 40, "performanceLevel": "PL0", "encrypted": False}
    return edited(
        clustered(),
        at("protect", value=False),
        at("network/nat/bandwidth", 10),
        *(at(f"nodePools/{name}/disk", disk) for name in ("masters", "workers")),
    )


def with_everything() -> Document:
    """Three control planes and three workers, with one of each thing that can be edited."""
    return edited(
        clustered(),
        at("network/ingress", {"ssh": {"ports": "22/22", "source": "203.0.113.0/24"}}),
        at("network/subnets/edge", {"zones": {"cn-hangzhou-i": {"cidr": "10.0.64.0/24"}}}),
        at("network/nat/subnet", "edge"),
        at("spiderpool/extraPools", {"special": extra_pool("10.1.2.21")}),
        at("namespaces", {"shop": {}, "theirs": {"create": False}}),
        at("services", {"web": service(), "inner": service(addressType="intranet", subnet="edge")}),
        at("sampleApps", {"enabled": True, "tolerations": [toleration()]}),
        at("instanceTypes", {"ecs.g7.large": {"enis": 3, "ipv4PerEni": 6, "ipv6PerEni": 6}}),
        at("nodePools/workers/taints", [{"key": "a.io/b", "value": "c", "effect": "NoSchedule"}]),
        at("nodePools/masters/taints", [{"key": "a.io/b", "value": "c", "effect": "NoSchedule"}]),
    )


def extra_pool(address: str, **more: object) -> dict[str, object]:
    return {
        "node": "workers-0",
        "interface": "eth1",
        "addresses": [address],
        "namespaces": ["spare"],
        **more,
    }


def service(**more: object) -> dict[str, object]:
    return {
        "selector": {"app": "web"},
        "ports": {"http": {"port": 80}},
        **more,
    }


def toleration(**more: object) -> dict[str, object]:
    return {"key": "a.io/b", "effect": "NoSchedule", **more}


def dual_stack() -> Document:
    return edited(
        clustered(),
        at("network/ipv6", {"enabled": True}),
        at(f"{ZONE}/ipv6Index", 0),
        at("network/subnets/secondary/zones/cn-hangzhou-i/ipv6Index", 1),
        at("network/subnets/spare/zones", {"cn-hangzhou-i": {"cidr": "10.0.80.0/24"}}),
        at("network/subnets/spare/zones/cn-hangzhou-i/ipv6Index", 2),
    )


def with_prefixes() -> Document:
    return edited(
        clustered(),
        at("instanceTypes", {"ecs.g7.large": {"enis": 3, "ipv4PerEni": 30, "ipv6PerEni": 30}}),
        at(f"{ZONE}/prefixReservation", "10.0.4.0/22"),
        at("nodePools/workers/interfaces/eth0", {"subnet": "primary", "mode": "prefix"}),
        at("nodePools/workers/interfaces/eth0/podAddresses", 32),
        at("nodePools/workers/prefixBlockSize", 32),
        at("nodePools/workers/firstBlock", 9),
        at("nodePools/workers/count", 1),
    )


def with_etcd_disk() -> Document:
    return edited(clustered(), at("nodePools/masters/etcdDisk", {"size": 20}))


def of_etcd_disk(key: str, values: Mapping[str, object]) -> Callable[[str], Edit]:
    """Workers have no such disk, so nothing is edited for them."""
    return lambda name: at(f"nodePools/masters/etcdDisk/{key}", values[name])


def with_eip() -> Document:
    return edited(
        clustered(),
        at("network/nat", {"eipId": "eip-one", "eipAddress": "47.98.1.2"}),
    )


def adopting() -> Document:
    return edited(adopted(), at("nodePools/workers/firstBlock", 33))


def several_zones(workers: int = 3) -> Document:
    other = {"primary": "10.0.32.0/20", "secondary": "10.1.32.0/20"}
    return edited(
        clustered(workers=workers),
        *(
            at(f"network/subnets/{name}/zones/cn-hangzhou-j", {"cidr": cidr})
            for name, cidr in other.items()
        ),
        at("nodePools/masters/zones", ["cn-hangzhou-i"]),
        at("nodePools/workers/zones", ["cn-hangzhou-i"]),
        # The default is the zone of the first control plane, and would move with it.
        at("network/nat/zone", "cn-hangzhou-i"),
    )


def named() -> Document:
    """Nodes by name, each with explicit addresses on eth1 of one node."""
    return edited(
        clustered(),
        at("nodePools/workers/count", None),
        at("nodePools/workers/nodes", {"left": {"ordinal": 0}, "right": {"ordinal": 2}}),
        at("nodePools/masters/count", None),
        at("nodePools/masters/nodes", {f"m{n}": {"ordinal": n} for n in range(3)}),
    )


def with_nlb() -> Document:
    zones = {
        f"cn-hangzhou-{z}": {"cidr": f"10.0.{n}.0/24"} for z, n in (("i", 64), ("j", 65), ("k", 66))
    }
    return edited(
        clustered(),
        at("network/subnets/edge/zones", zones),
        at("nodePools/masters/zones", ["cn-hangzhou-i"]),
        at("nodePools/workers/zones", ["cn-hangzhou-i"]),
        at(
            "services",
            {
                "shop": service(
                    loadBalancer="nlb", subnet="edge", zones=["cn-hangzhou-i", "cn-hangzhou-j"]
                )
            },
        ),
    )


def with_access_key() -> Document:
    return edited(clustered(), at("cloudController/credentials", "access-key"))


def adopted_service(id_: str) -> dict[str, object]:
    return {"id": id_, "selector": {"app": "web"}, "ports": {"http": {"port": 80}}}


def names(document: Document) -> dict[str, str]:
    return {
        f"{pool}-{n}": f"{pool}-{n}"
        for pool, spec in document["nodePools"].items()
        for n in range(spec["count"])
    }


def six(document: Document) -> list[Edit]:
    """IPv6 for every vSwitch of the document."""
    switches = [
        f"network/subnets/{subnet}/zones/{zone}/ipv6Index"
        for subnet, spec in document["network"]["subnets"].items()
        for zone in spec["zones"]
    ]
    return [at("network/ipv6/enabled", value=True), *(at(p, n) for n, p in enumerate(switches))]


def moved_to_another_region(document: Document) -> None:
    document["region"] = "cn-shanghai"
    for subnet in document["network"]["subnets"].values():
        subnet["zones"] = {"cn-shanghai-l": subnet["zones"]["cn-hangzhou-i"]}


Base = Callable[[], Document]

CASES: Mapping[str, tuple[Base, Edit]] = {
    "profile": (with_nothing_left_to_the_profile, at("profile", "prod")),
    "name": (clustered, at("name", "other")),
    "region": (clustered, moved_to_another_region),
    "cloud.accountType": (clustered, at("cloud/accountType", "International")),
    "cloud.accountId": (
        lambda: edited(clustered(), at("cloud/accountId", "1234567890")),
        at("cloud/accountId", "1234567891"),
    ),
    "cloud.endpoint": (
        lambda: edited(clustered(), at("profile", "local"), at("cloud/endpoint", "127.0.0.1:1")),
        at("cloud/endpoint", "127.0.0.1:2"),
    ),
    "cloud.unlistedRegion": (clustered, at("cloud/unlistedRegion", value=True)),
    "resourceGroup": (clustered, at("resourceGroup", "rg-other")),
    "tags": (clustered, at("tags/owner", "platform")),
    "protect": (clustered, at("protect", value=True)),
    "network.vpc.id": (adopting, at("network/vpc/id", "vpc-another")),
    "network.vpc.cidr": (clustered, at("network/vpc/cidr", "10.0.0.0/17")),
    "network.vpc.secondaryCidrs": (
        clustered,
        at("network/vpc/secondaryCidrs", ["10.1.0.0/16", "10.2.0.0/16"]),
    ),
    "network.subnets.*": (
        clustered,
        at("network/subnets/third/zones", {"cn-hangzhou-i": {"cidr": "10.0.70.0/24"}}),
    ),
    "network.subnets.*.zones.*": (
        with_everything,
        at("network/subnets/edge/zones/cn-hangzhou-j", {"cidr": "10.0.71.0/24"}),
    ),
    "network.subnets.*.zones.*.cidr": (
        with_everything,
        at("network/subnets/edge/zones/cn-hangzhou-i/cidr", "10.0.64.0/25"),
    ),
    "network.subnets.*.zones.*.vswitchId": (adopting, at(f"{ZONE}/vswitchId", "vsw-another")),
    "network.subnets.*.zones.*.ipv6Index": (
        dual_stack,
        at("network/subnets/spare/zones/cn-hangzhou-i/ipv6Index", 9),
    ),
    "network.subnets.*.zones.*.prefixReservation": (
        with_prefixes,
        at(f"{ZONE}/prefixReservation", "10.0.8.0/22"),
    ),
    "network.subnets.*.egress": (
        with_everything,
        at("network/subnets/edge/egress", value=False),
    ),
    "network.nat.enabled": (clustered, at("network/nat/enabled", value=False)),
    "network.nat.id": (
        adopting,
        at("network/nat/id", "ngw-another"),
    ),
    "network.nat.eipId": (with_eip, at("network/nat/eipId", "eip-two")),
    "network.nat.eipAddress": (adopting, at("network/nat/eipAddress", "47.98.1.3")),
    "network.nat.subnet": (with_everything, at("network/nat/subnet", "primary")),
    "network.nat.zone": (
        lambda: edited(
            with_everything(),
            at("network/subnets/edge/zones/cn-hangzhou-j", {"cidr": "10.0.71.0/24"}),
            at("network/nat/zone", "cn-hangzhou-i"),
        ),
        at("network/nat/zone", "cn-hangzhou-j"),
    ),
    "network.nat.bandwidth": (clustered, at("network/nat/bandwidth", 20)),
    "network.nat.internetChargeType": (
        clustered,
        at("network/nat/internetChargeType", "PayByBandwidth"),
    ),
    "network.nat.deletionProtection": (clustered, at("network/nat/deletionProtection", value=True)),
    "network.ipv6.enabled": (
        clustered,
        lambda d: d.update(edited(d, *six(d))),
    ),
    "network.ipv6.gateway": (clustered, at("network/ipv6/gateway", value=False)),
    "network.ipv6.egress": (dual_stack, at("network/ipv6/egress", value=True)),
    "network.ipv6.bandwidth": (dual_stack, at("network/ipv6/bandwidth", 20)),
    "network.securityGroup.type": (clustered, at("network/securityGroup/type", "enterprise")),
    "network.ingress.*": (
        clustered,
        at("network/ingress/ssh", {"ports": "22/22", "source": "203.0.113.0/24"}),
    ),
    "network.ingress.*.protocol": (with_everything, at("network/ingress/ssh/protocol", "udp")),
    "network.ingress.*.ports": (with_everything, at("network/ingress/ssh/ports", "2222/2222")),
    "network.ingress.*.source": (
        with_everything,
        at("network/ingress/ssh/source", "198.51.100.0/24"),
    ),
    "network.ingress.*.description": (with_everything, at("network/ingress/ssh/description", "us")),
    "kubernetes.mode": (
        clustered,
        lambda d: d.update(
            kubernetes=existing_kubernetes()["kubernetes"] | {"nodeNames": names(d)}
        ),
    ),
    "kubernetes.version": (
        lambda: edited(clustered(), at("kubernetes/version", "1.34.4")),
        at("kubernetes/version", "1.35.4"),
    ),
    "kubernetes.serviceCidr": (clustered, at("kubernetes/serviceCidr", "10.234.0.0/18")),
    "kubernetes.podCidr": (clustered, at("kubernetes/podCidr", "10.245.0.0/16")),
    "kubernetes.endpoint.public": (
        lambda: edited(clustered(), at("kubernetes/endpoint/public", value=False)),
        at("kubernetes/endpoint/public", value=True),
    ),
    "kubernetes.endpoint.allowedCidrs": (
        clustered,
        at("kubernetes/endpoint/allowedCidrs", ["198.51.100.0/24"]),
    ),
    "kubernetes.endpoint.bandwidth": (clustered, at("kubernetes/endpoint/bandwidth", 20)),
    "kubernetes.endpoint.certSans": (
        clustered,
        at("kubernetes/endpoint/certSans", ["api.example.com"]),
    ),
    "kubernetes.mirrors": (clustered, at("kubernetes/mirrors", "global")),
    "kubernetes.kubelet": (clustered, at("kubernetes/kubelet/imageGCHighThresholdPercent", 90)),
    "kubernetes.nodeNames": (
        existing_kubernetes,
        at("kubernetes/nodeNames/workers-0", "their-other-worker"),
    ),
    "spiderpool.enabled": (clustered, at("spiderpool/enabled", value=False)),
    "spiderpool.chart.repository": (
        clustered,
        at("spiderpool/chart/repository", "https://charts.example.com"),
    ),
    "spiderpool.chart.name": (clustered, at("spiderpool/chart/name", "other")),
    "spiderpool.chart.version": (
        lambda: edited(clustered(), at("spiderpool/chart/version", "1.2.1")),
        at("spiderpool/chart/version", "1.2.2"),
    ),
    "spiderpool.values": (clustered, at("spiderpool/values/grafanaDashboard/install", value=True)),
    "kubernetes.metadataForPods": (clustered, at("kubernetes/metadataForPods", "open")),
    "pods.countAddresses": (clustered, at("pods/countAddresses", value=False)),
    "pods.defaultNetwork": (clustered, at("pods/defaultNetwork", "eth0")),
    "spiderpool.installCni": (clustered, at("spiderpool/installCni", value=False)),
    "spiderpool.imageRegistry": (clustered, at("spiderpool/imageRegistry", "registry.example.com")),
    "spiderpool.extraPools.*": (
        clustered,
        at("spiderpool/extraPools/special", extra_pool("10.1.2.21")),
    ),
    "spiderpool.extraPools.*.interface": (
        with_everything,
        at("spiderpool/extraPools/special", extra_pool("10.0.2.21") | {"interface": "eth0"}),
    ),
    "spiderpool.extraPools.*.node": (
        with_everything,
        at("spiderpool/extraPools/special", extra_pool("10.1.2.37") | {"node": "workers-1"}),
    ),
    "spiderpool.extraPools.*.addresses": (
        with_everything,
        at("spiderpool/extraPools/special/addresses", ["10.1.2.20"]),
    ),
    "spiderpool.extraPools.*.namespaces": (
        with_everything,
        at("spiderpool/extraPools/special/namespaces", ["shop"]),
    ),
    "spiderpool.extraPools.*.podLabels": (
        with_everything,
        at("spiderpool/extraPools/special/podLabels", {"app": "shop"}),
    ),
    "cloudController.enabled": (clustered, at("cloudController/enabled", value=False)),
    "cloudController.version": (clustered, at("cloudController/version", "v2.13.0")),
    "cloudController.image": (
        clustered,
        at("cloudController/image", "registry.example.com/ccm:v2.14.0"),
    ),
    "cloudController.credentials": (clustered, at("cloudController/credentials", "access-key")),
    "cloudController.featureGates": (
        clustered,
        at("cloudController/featureGates/IPv6DualStack", value=True),
    ),
    "cloudController.backendType": (clustered, at("cloudController/backendType", "eni")),
    "namespaces.*": (clustered, at("namespaces/shop", {})),
    "namespaces.*.create": (with_everything, at("namespaces/theirs/create", value=True)),
    "services.*": (clustered, at("services/web", service())),
    "services.*.namespace": (with_everything, at("services/web/namespace", "shop")),
    "services.*.selector": (with_everything, at("services/web/selector", {"app": "shop"})),
    "services.*.ports.*": (with_everything, at("services/web/ports/more", {"port": 81})),
    "services.*.ports.*.port": (with_everything, at("services/web/ports/http/port", 81)),
    "services.*.ports.*.targetPort": (
        with_everything,
        at("services/web/ports/http/targetPort", 8080),
    ),
    "services.*.ports.*.protocol": (
        with_everything,
        at("services/web/ports/http/protocol", "udp"),
    ),
    "services.*.externalTrafficPolicy": (
        with_everything,
        at("services/web/externalTrafficPolicy", "Local"),
    ),
    "services.*.loadBalancer": (with_nlb, at("services/shop", service())),
    "services.*.addressType": (with_everything, at("services/inner", service())),
    "services.*.subnet": (with_everything, at("services/inner/subnet", "primary")),
    "services.*.zones": (
        with_nlb,
        at("services/shop/zones", ["cn-hangzhou-i", "cn-hangzhou-j", "cn-hangzhou-k"]),
    ),
    "services.*.backendType": (with_everything, at("services/web/backendType", "eni")),
    "services.*.ipv6": (
        lambda: edited(with_nlb(), *six(with_nlb())),
        at("services/shop/ipv6", value=True),
    ),
    "services.*.certificateId": (
        lambda: edited(
            with_everything(),
            at("services/web/ports/http/protocol", "https"),
            at("services/web/certificateId", "1-cn-hangzhou"),
        ),
        at("services/web/certificateId", "2-cn-hangzhou"),
    ),
    "services.*.id": (
        lambda: edited(with_everything(), at("services/web", adopted_service("lb-one"))),
        at(
            "services/web",
            {"id": "lb-two", "selector": {"app": "web"}, "ports": {"http": {"port": 80}}},
        ),
    ),
    "services.*.overrideListeners": (
        lambda: edited(with_everything(), at("services/web", adopted_service("lb-one"))),
        at("services/web/overrideListeners", value=True),
    ),
    "services.*.deletionProtection": (
        with_everything,
        at("services/web/deletionProtection", value=True),
    ),
    "services.*.wait": (with_everything, at("services/web/wait", value=False)),
    "services.*.annotations": (
        with_everything,
        at(
            "services/web/annotations",
            {"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-idle-timeout": "30"},
        ),
    ),
    "sampleApps.enabled": (clustered, at("sampleApps/enabled", value=True)),
    "sampleApps.registry": (with_everything, at("sampleApps/registry", "registry.example.com")),
    "sampleApps.clientImage": (
        with_everything,
        at("sampleApps/clientImage", "library/busybox:1.36"),
    ),
    "sampleApps.serverImage": (with_everything, at("sampleApps/serverImage", "library/nginx:1.26")),
    "sampleApps.tolerations[]": (with_everything, at("sampleApps/tolerations", None)),
    "sampleApps.tolerations[].key": (
        with_everything,
        at("sampleApps/tolerations", [toleration(key="c.io/d")]),
    ),
    "sampleApps.tolerations[].value": (
        with_everything,
        at("sampleApps/tolerations", [toleration(value="x")]),
    ),
    "sampleApps.tolerations[].effect": (
        with_everything,
        at("sampleApps/tolerations", [toleration(effect="NoExecute")]),
    ),
    "instanceTypes.*": (
        clustered,
        at("instanceTypes", {"ecs.g7.xlarge": {"enis": 4, "ipv4PerEni": 15}}),
    ),
    "instanceTypes.*.enis": (with_everything, at("instanceTypes/ecs.g7.large/enis", 4)),
    "instanceTypes.*.ipv4PerEni": (
        with_everything,
        at("instanceTypes/ecs.g7.large/ipv4PerEni", 10),
    ),
    "instanceTypes.*.ipv6PerEni": (
        with_everything,
        at("instanceTypes/ecs.g7.large/ipv6PerEni", 10),
    ),
    "instanceTypes.*.secondEni": (
        lambda: edited(
            with_everything(), at("instanceTypes/ecs.other.large", {"enis": 3, "ipv4PerEni": 6})
        ),
        at("instanceTypes/ecs.other.large/secondEni", value=False),
    ),
}
"""Keys that have one answer, with a cluster and an edit that changes the key alone."""


def pool(path: str, value: object) -> Callable[[str], Edit]:
    """An edit of a pool, for either role."""

    def edit(name: str) -> Edit:
        return at(f"nodePools/{name}/{path}", value)

    return edit


def of_node(path: str, value: object) -> Callable[[str], Edit]:
    """An edit of one node of a pool with a count."""

    def edit(name: str) -> Edit:
        return at(f"nodePools/{name}/nodes/{name}-1/{path}", value)

    return edit


def of_named(path: str, value: object) -> Callable[[str], Edit]:
    def edit(name: str) -> Edit:
        return at(f"nodePools/{name}/nodes/{'m1' if name == 'masters' else 'right'}/{path}", value)

    return edit


def explicit(offset: int, *, pods: int = 5) -> dict[str, object]:
    start = 128 + offset
    return {
        "eth0": {
            "address": f"10.0.14.{start}",
            "podAddresses": [f"10.0.14.{start + 1}-10.0.14.{start + pods}"],
        }
    }


def with_explicit() -> Document:
    return edited(
        clustered(),
        at("nodePools/workers/nodes/workers-1/interfaces", explicit(0)),
        at("nodePools/masters/nodes/masters-1/interfaces", explicit(16)),
    )


def with_spot() -> Document:
    return edited(
        clustered(),
        at("nodePools/workers/spot", {"strategy": "SpotWithPriceLimit", "priceLimit": 0.5}),
    )


OTHER_TAINT = {"key": "a.io/b", "value": "c", "effect": "NoSchedule"}
IMAGE = "ubuntu_24_04_x64_20G_alibase_20270101.vhd"

POOL_CASES: Mapping[str, tuple[Base, Callable[[str], Edit]]] = {
    "nodePools.*.role": (
        lambda: edited(
            clustered(),
            at(
                "nodePools/more",
                {
                    **clustered()["nodePools"]["workers"],
                    "firstBlock": 65,
                    "count": 2,
                    "role": "worker",
                },
            ),
        ),
        lambda name: at(
            f"nodePools/{'more' if name == 'workers' else name}/role",
            "control-plane" if name == "workers" else "worker",
        ),
    ),
    "nodePools.*.count": (clustered, pool("count", 5)),
    "nodePools.*.nodes.*": (
        named,
        lambda name: (
            lambda d: d["nodePools"][name]["nodes"].update(
                {f"x{n}": {"ordinal": n} for n in (8, 9)}
            )
        ),
    ),
    "nodePools.*": (
        clustered,
        lambda name: at(
            "nodePools/more", {**clustered()["nodePools"][name], "firstBlock": 65, "count": 2}
        ),
    ),
    "nodePools.*.nodes.*.zone": (several_zones, of_node("zone", "cn-hangzhou-j")),
    "nodePools.*.nodes.*.ordinal": (named, of_named("ordinal", 7)),
    "nodePools.*.nodes.*.instanceType": (clustered, of_node("instanceType", "ecs.g7.xlarge")),
    "nodePools.*.nodes.*.image": (clustered, of_node("image", IMAGE)),
    "nodePools.*.nodes.*.disk.category": (clustered, of_node("disk/category", "cloud_auto")),
    "nodePools.*.nodes.*.disk.size": (clustered, of_node("disk/size", 80)),
    "nodePools.*.nodes.*.disk.performanceLevel": (
        clustered,
        of_node("disk/performanceLevel", "PL1"),
    ),
    "nodePools.*.nodes.*.disk.encrypted": (clustered, of_node("disk/encrypted", value=True)),
    "nodePools.*.nodes.*.disk.kmsKeyId": (
        lambda: edited(
            clustered(),
            *(at(f"nodePools/{p}/disk/encrypted", value=True) for p in ("masters", "workers")),
        ),
        of_node("disk/kmsKeyId", "key-one"),
    ),
    "nodePools.*.nodes.*.labels": (clustered, of_node("labels", {"a.io/b": "c"})),
    "nodePools.*.nodes.*.interfaces.*": (
        clustered,
        lambda name: at(f"nodePools/{name}/nodes/{name}-1/interfaces", explicit(0)),
    ),
    "nodePools.*.nodes.*.interfaces.*.address": (
        with_explicit,
        of_node("interfaces/eth0/address", "10.0.14.60"),
    ),
    "nodePools.*.nodes.*.interfaces.*.podAddresses": (
        with_explicit,
        lambda name: at(
            f"nodePools/{name}/nodes/{name}-1/interfaces/eth0/podAddresses",
            ["10.0.14.50-10.0.14.54"],
        ),
    ),
    "nodePools.*.zones": (lambda: several_zones(workers=1), pool("zones", ["cn-hangzhou-j"])),
    "nodePools.*.instanceType": (clustered, pool("instanceType", "ecs.g7.xlarge")),
    "nodePools.*.image": (clustered, pool("image", IMAGE)),
    "nodePools.*.disk.category": (clustered, pool("disk/category", "cloud_auto")),
    "nodePools.*.disk.size": (clustered, pool("disk/size", 80)),
    "nodePools.*.disk.performanceLevel": (clustered, pool("disk/performanceLevel", "PL1")),
    "nodePools.*.disk.encrypted": (clustered, pool("disk/encrypted", value=True)),
    "nodePools.*.disk.kmsKeyId": (
        clustered,
        pool("disk", {"encrypted": True, "kmsKeyId": "key-one"}),
    ),
    "nodePools.*.etcdDisk.category": (
        with_etcd_disk,
        of_etcd_disk("category", {"masters": "cloud_auto", "workers": "cloud_essd"}),
    ),
    "nodePools.*.etcdDisk.size": (
        with_etcd_disk,
        of_etcd_disk("size", {"masters": 40, "workers": 20}),
    ),
    "nodePools.*.etcdDisk.performanceLevel": (
        with_etcd_disk,
        of_etcd_disk("performanceLevel", {"masters": "PL1", "workers": None}),
    ),
    "nodePools.*.etcdDisk.snapshots.hours": (
        with_etcd_disk,
        of_etcd_disk("snapshots", {"masters": {"hours": [3]}, "workers": None}),
    ),
    "nodePools.*.etcdDisk.snapshots.days": (
        with_etcd_disk,
        of_etcd_disk("snapshots", {"masters": {"days": 3}, "workers": None}),
    ),
    "nodePools.*.keyPair": (clustered, pool("keyPair", "ops")),
    "nodePools.*.labels": (clustered, pool("labels", {"a.io/b": "c"})),
    "nodePools.*.taints[]": (with_everything, pool("taints", [])),
    "nodePools.*.taints[].key": (
        with_everything,
        pool("taints", [OTHER_TAINT | {"key": "c.io/d"}]),
    ),
    "nodePools.*.taints[].value": (with_everything, pool("taints", [OTHER_TAINT | {"value": "d"}])),
    "nodePools.*.taints[].effect": (
        with_everything,
        pool("taints", [OTHER_TAINT | {"effect": "NoExecute"}]),
    ),
    "nodePools.*.spot.strategy": (
        clustered,
        lambda name: at(
            f"nodePools/{name}/spot",
            {"strategy": "SpotAsPriceGo" if name == "workers" else "NoSpot"},
        ),
    ),
    "nodePools.*.spot.priceLimit": (
        with_spot,
        lambda name: at(f"nodePools/{name}/spot/priceLimit", 0.7 if name == "workers" else None),
    ),
    "nodePools.*.chargeType": (clustered, pool("chargeType", "PrePaid")),
    "nodePools.*.forceDelete": (
        lambda: edited(
            clustered(),
            *(at(f"nodePools/{p}/chargeType", "PrePaid") for p in ("masters", "workers")),
        ),
        pool("forceDelete", value=True),
    ),
    "nodePools.*.interfaces.*": (
        lambda: edited(
            clustered(),
            *(at(f"nodePools/{p}/interfaces/eth1", None) for p in ("masters", "workers")),
        ),
        pool("interfaces/eth1", {"subnet": "secondary", "podAddresses": 5}),
    ),
    "nodePools.*.interfaces.*.subnet": (
        lambda: edited(
            clustered(workers=1),
            at("network/subnets/third/zones", {"cn-hangzhou-i": {"cidr": "10.1.64.0/20"}}),
        ),
        pool("interfaces/eth1/subnet", "third"),
    ),
    "nodePools.*.interfaces.*.mode": (
        lambda: edited(
            clustered(),
            at("network/subnets/own/zones", {"cn-hangzhou-i": {"cidr": "10.1.64.0/20"}}),
            at("network/subnets/other/zones", {"cn-hangzhou-i": {"cidr": "10.1.80.0/20"}}),
            at("nodePools/workers/interfaces/eth1/subnet", "own"),
            at("nodePools/masters/interfaces/eth1/subnet", "other"),
        ),
        pool("interfaces/eth1/mode", "count"),
    ),
    "nodePools.*.interfaces.*.podAddresses": (clustered, pool("interfaces/eth1/podAddresses", 3)),
    "nodePools.*.firstBlock": (clustered, pool("firstBlock", 129)),
    "nodePools.*.blockSize": (
        lambda: edited(
            clustered(),
            at("nodePools/workers/firstBlock", 64),
            at("nodePools/workers/count", 1),
            at("nodePools/masters/firstBlock", 96),
        ),
        pool("blockSize", 32),
    ),
    "nodePools.*.prefixBlockSize": (with_prefixes, pool("prefixBlockSize", 64)),
    "nodePools.*.deletionProtection": (
        lambda: clustered(planes=1),
        lambda name: at(f"nodePools/{name}/deletionProtection", value=name == "masters"),
    ),
    "nodePools.*.ramRole": (clustered, pool("ramRole", "some-role")),
}
"""Keys of node pools: a cluster and an edit of a pool, asked for both roles."""

ONE_ROLE = {"nodePools.*.prefixBlockSize", "nodePools.*.role"}


def test_every_key_has_a_case() -> None:
    assert set(CASES) | set(POOL_CASES) == set(ANSWERS)


@pytest.mark.parametrize("key", CASES)
def test_an_edit_of_a_key_gets_the_answer_of_the_table(key: str) -> None:
    before, edit = CASES[key]
    outcome = transition(before(), edited(before(), edit))
    assert kind_of(outcome) is ANSWERS[key].worker


@pytest.mark.parametrize("key", POOL_CASES)
def test_an_edit_of_a_pool_of_workers_gets_the_answer_of_the_table(key: str) -> None:
    before, edit = POOL_CASES[key]
    outcome = transition(before(), edited(before(), edit("workers")))
    assert kind_of(outcome) is ANSWERS[key].worker


@pytest.mark.parametrize("key", [key for key in POOL_CASES if key not in ONE_ROLE])
def test_an_edit_of_a_pool_of_control_planes_gets_the_answer_of_the_table(key: str) -> None:
    before, edit = POOL_CASES[key]
    outcome = transition(before(), edited(before(), edit("masters")))
    assert kind_of(outcome) is ANSWERS[key].control_plane


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
@pytest.mark.parametrize("key", [*CASES, *POOL_CASES])
def test_an_edit_is_judged_beside_another_number_of_control_planes(
    key: str, before: int, after: int
) -> None:
    if key in CASES:
        base, edit = CASES[key]
    else:
        base, of_pool = POOL_CASES[key]
        edit = of_pool("masters")
    old = edited(base(), at("nodePools/masters/count", before))
    new = edited(base(), edit, at("nodePools/masters/count", after))
    if all(_is_planned(document) for document in (old, new)):
        assert lines(transition(old, new))


def _is_planned(document: Document) -> bool:
    try:
        planned(document)
    except ConfigError:
        return False
    return True
