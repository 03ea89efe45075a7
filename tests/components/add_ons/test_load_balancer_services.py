"""LoadBalancer services in a deployed cluster: their vSwitches, their end, their addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clusters import Document, small
from tests.deploying import deploy, first_preview
from tests.recording import UNKNOWN, Run

pytestmark = pytest.mark.unit

_ZONE_MAPS = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-zone-maps"
_WEB: dict[str, Any] = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}}


def _cluster() -> Document:
    pool = {"zones": ["cn-hangzhou-i"]}
    return small(
        {
            "network": {
                "subnets": {"primary": {"zones": {"cn-hangzhou-k": {"cidr": "10.0.32.0/20"}}}}
            },
            "nodePools": {"masters": pool, "workers": pool},
            "services": {
                "classic": _WEB,
                "fast": _WEB | {"loadBalancer": "nlb", "subnet": "primary"},
            },
        }
    )


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(_cluster())


def test_zone_maps_are_filled_from_the_created_vswitches(run: Run) -> None:
    ids = run.outputs["vswitchIds"]
    annotations = run.of("Service")["small-fast"].inputs["metadata"]["annotations"]
    assert annotations[_ZONE_MAPS] == ",".join(
        f"{zone}:{ids[f'primary-{zone}']}" for zone in ("cn-hangzhou-i", "cn-hangzhou-k")
    )


def test_in_a_preview_only_the_vswitches_are_unknown() -> None:
    service = first_preview(_cluster()).of("Service")["small-fast"].inputs
    annotations = service["metadata"]["annotations"]
    assert {key for key, value in annotations.items() if value == UNKNOWN} == {_ZONE_MAPS}
    assert service["spec"]["loadBalancerClass"] == "alibabacloud.com/nlb"


def test_services_go_before_the_controller_that_takes_their_load_balancers_away(run: Run) -> None:
    controller = run.one("Deployment")
    rights = {r.urn for name, r in run.of("ClusterRoleBinding").items() if "addresses" not in name}
    role = run.one("RolePolicyAttachment")
    for service in run.of("Service").values():
        assert {controller.urn, role.urn} | rights <= run.needed_by(service)


def test_the_address_of_a_clb_and_the_name_of_an_nlb_are_shown(run: Run) -> None:
    shown = run.outputs["services"]
    assert shown["classic"]["address"].startswith("47.97.")
    assert shown["fast"]["address"].endswith(".example.com")


def test_another_kind_of_load_balancer_replaces_the_service_first(run: Run) -> None:
    service = run.of("Service")["small-classic"]
    assert service.delete_before_replace
    assert "spec.loadBalancerClass" in service.replace_on_changes


def test_a_stack_without_services_shows_none() -> None:
    assert "services" not in deploy(small()).outputs


def test_a_namespace_comes_before_its_services_and_stays() -> None:
    web = _WEB | {"namespace": "shop"}
    run = deploy(
        small(
            {
                "namespaces": {"shop": {}, "there-already": {"create": False}},
                "services": {"web": web, "other": _WEB | {"namespace": "there-already"}},
            }
        )
    )
    (namespace,) = run.of("NamespacePatch").values()
    assert namespace.inputs["metadata"] == {"name": "shop"}
    assert namespace.retain_on_delete
    assert namespace.urn in run.needed_by(run.of("Service")["small-web"])
    assert namespace.urn not in run.needed_by(run.of("Service")["small-other"])
