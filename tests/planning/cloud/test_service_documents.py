"""LoadBalancer services as the cloud controller reads them."""

from __future__ import annotations

from typing import Any

import pytest

from planning.cloud.services import manifest, placement, replaced_on_changes
from planning.read import plan_from
from tests.clusters import Document, small

pytestmark = pytest.mark.unit

_PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
_ZONES = ("cn-hangzhou-i", "cn-hangzhou-k")


def _service(changes: dict[str, Any], *, cluster: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
    service = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}} | changes
    plan = plan_from(small({**(cluster or {}), "services": {"web": service}}))
    return manifest(plan, "web", plan.services["web"])


def _annotations(changes: dict[str, Any]) -> dict[str, str]:
    annotations = _service(changes)["metadata"]["annotations"]
    return {key.removeprefix(_PREFIX): value for key, value in annotations.items()}


def _two_zones() -> Document:
    zones = {"cn-hangzhou-k": {"cidr": "10.0.32.0/20"}}
    pool = {"zones": ["cn-hangzhou-i"]}
    return {
        "network": {"subnets": {"primary": {"zones": zones}}},
        "nodePools": {"masters": pool, "workers": pool},
    }


def test_the_guides_layer_four_service_is_written_as_in_the_guide() -> None:
    port = {"port": 999, "targetPort": 80}
    service = _service({"ports": {"tcp": port}, "externalTrafficPolicy": "Local"})
    assert service["spec"] == {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "ports": [{"name": "tcp", "port": 999, "protocol": "TCP", "targetPort": 80}],
        "selector": {"app": "web"},
    }
    assert f"{_PREFIX}protocol-port" not in service["metadata"]["annotations"]


def test_layer_seven_ports_are_named_by_annotation() -> None:
    ports = {
        "a": {"port": 443, "protocol": "https", "targetPort": "web"},
        "b": {"port": 80, "protocol": "http"},
        "c": {"port": 53, "protocol": "udp"},
    }
    service = _service({"ports": ports, "certificateId": "1-cn"})
    annotations = service["metadata"]["annotations"]
    assert annotations[f"{_PREFIX}protocol-port"] == "http:80,https:443"
    assert annotations[f"{_PREFIX}cert-id"] == "1-cn"
    assert [p["protocol"] for p in service["spec"]["ports"]] == ["TCP", "TCP", "UDP"]
    assert service["spec"]["ports"][0]["targetPort"] == "web"


def test_with_local_traffic_nodes_count_by_their_pods() -> None:
    assert _annotations({"externalTrafficPolicy": "Local"})["scheduler"] == "wrr"
    assert "scheduler" not in _annotations({})


def test_a_schedulers_own_annotation_stays() -> None:
    scheduler = {f"{_PREFIX}scheduler": "sch"}
    annotations = _annotations({"externalTrafficPolicy": "Local", "annotations": scheduler})
    assert annotations["scheduler"] == "sch"


def test_protection_follows_the_stack_by_default() -> None:
    assert _annotations({})["delete-protection"] == "off"
    assert _annotations({"deletionProtection": True})["delete-protection"] == "on"
    protected = _service({}, cluster={"protect": True})["metadata"]["annotations"]
    assert protected[f"{_PREFIX}delete-protection"] == "on"


def test_an_nlb_gets_no_protection_annotation_because_it_is_always_protected() -> None:
    service = _service(
        {"loadBalancer": "nlb", "subnet": "primary"}, cluster=_two_zones() | {"protect": True}
    )
    assert f"{_PREFIX}delete-protection" not in service["metadata"]["annotations"]


def test_an_existing_load_balancer_is_only_named() -> None:
    assert _annotations({"id": "lb-fake"}) == {"id": "lb-fake", "force-override-listeners": "false"}
    owned = _annotations({"id": "lb-fake", "overrideListeners": True})
    assert owned["force-override-listeners"] == "true"


def test_the_backend_is_annotated_only_where_the_service_differs() -> None:
    key = "service.beta.kubernetes.io/backend-type"
    assert key not in _annotations({})
    assert _annotations({"backendType": "eni"})[key] == "eni"


def test_nobody_waits_for_a_service_whose_pods_come_later() -> None:
    assert _annotations({"wait": False})["pulumi.com/skipAwait"] == "true"
    assert "pulumi.com/skipAwait" not in _annotations({})


def test_a_network_load_balancer_is_in_every_zone_of_its_subnet() -> None:
    service = {
        "selector": {"app": "web"},
        "ports": {"web": {"port": 80}},
        "loadBalancer": "nlb",
        "subnet": "primary",
    }
    plan = plan_from(small({**_two_zones(), "services": {"web": service}}))
    place = placement(plan, plan.services["web"])
    assert place is not None
    ids = {f"primary-{zone}": f"vsw-{zone[-1]}" for zone in _ZONES}
    assert place.annotation == f"{_PREFIX}zone-maps"
    assert place.value(ids) == "cn-hangzhou-i:vsw-i,cn-hangzhou-k:vsw-k"
    document: Any = manifest(plan, "web", plan.services["web"])
    assert document["spec"]["loadBalancerClass"] == "alibabacloud.com/nlb"


def test_an_intranet_clb_is_in_one_vswitch_and_an_internet_one_in_none() -> None:
    inside = {
        "selector": {"app": "web"},
        "ports": {"web": {"port": 80}},
        "addressType": "intranet",
        "subnet": "secondary",
    }
    outside = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}}
    plan = plan_from(small({"services": {"inside": inside, "outside": outside}}))
    place = placement(plan, plan.services["inside"])
    assert place is not None
    assert place.annotation == f"{_PREFIX}vswitch-id"
    assert place.value({"secondary-cn-hangzhou-i": "vsw-1"}) == "vsw-1"
    assert placement(plan, plan.services["outside"]) is None


def test_two_stacks_are_in_front_and_backends_stay_ipv4() -> None:
    cluster = _two_zones()
    cluster["network"]["ipv6"] = {"enabled": True}
    cluster["network"]["subnets"]["primary"]["zones"] |= {
        "cn-hangzhou-i": {"ipv6Index": 0},
        "cn-hangzhou-k": {"cidr": "10.0.32.0/20", "ipv6Index": 2},
    }
    cluster["network"]["subnets"]["secondary"] = {"zones": {"cn-hangzhou-i": {"ipv6Index": 1}}}
    metadata = _service(
        {"loadBalancer": "nlb", "subnet": "primary", "ipv6": True}, cluster=cluster
    )["metadata"]
    assert metadata["annotations"][f"{_PREFIX}ip-version"] == "DualStack"
    assert metadata["annotations"][f"{_PREFIX}ipv6-address-type"] == "internet"
    assert f"{_PREFIX}backend-ip-version" not in metadata["annotations"]


def test_what_a_load_balancer_cannot_change_replaces_the_service() -> None:
    service = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}}
    paths = replaced_on_changes(plan_from(small({"services": {"a": service}})).services["a"])
    assert "spec.loadBalancerClass" in paths
    assert f'metadata.annotations["{_PREFIX}address-type"]' in paths
