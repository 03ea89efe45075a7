"""Values at the border, and mistakes that are near to known ones: each has a remedy that works."""

from __future__ import annotations

from typing import Any

import pytest

from config.report import ConfigError, Problem
from planning.read import plan_from
from tests.clusters import small
from tests.config.remedies import apply

pytestmark = pytest.mark.unit


def _problems(document: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        plan_from(document)
    except ConfigError as error:
        return error.problems
    return ()


def _ingress(**rule: object) -> dict[str, Any]:
    whole = {"ports": "443/443", "source": "203.0.113.0/24", **rule}
    return small({"network": {"ingress": {"one": whole}}})


def _workers(**settings: object) -> dict[str, Any]:
    return small({"nodePools": {"workers": settings}})


def _only(document: dict[str, Any]) -> Problem:
    (problem,) = _problems(document)
    return problem


@pytest.mark.parametrize(
    ("rule", "ports"),
    [
        ({"ports": "443/80"}, "80/443"),
        ({"ports": "443"}, "443/443"),
        ({"ports": "80-443"}, "80/443"),
        ({"ports": "0/443"}, "1/443"),
        ({"ports": "30000/65536"}, "30000/65535"),
        ({"ports": "1/2", "protocol": "icmp"}, "-1/-1"),
        ({"ports": "1/2", "protocol": "all"}, "-1/-1"),
    ],
)
def test_a_wrong_range_of_ports_gets_the_one_it_probably_means(
    rule: dict[str, str], ports: str
) -> None:
    document = _ingress(**rule)
    problem = _only(document)
    repaired = apply(document, problem)
    assert repaired is not None
    assert repaired["network"]["ingress"]["one"]["ports"] == ports
    assert _problems(repaired) == ()


@pytest.mark.parametrize("ports", ["-1/-1", "https", "1,2,3"])
def test_ports_that_mean_nothing_get_an_example(ports: str) -> None:
    assert _only(_ingress(ports=ports)).remedy.startswith("Write 443/443 for one port")


@pytest.mark.parametrize("text", ["http://", "HTTPS://", "http://https://wiki.example.com"])
def test_a_description_that_is_a_scheme_has_a_remedy_that_works(text: str) -> None:
    document = _ingress(description=text)
    repaired = apply(document, _only(document))
    assert repaired is not None
    assert _problems(repaired) == ()


@pytest.mark.parametrize(
    ("where", "document"),
    [
        ("nodePools.workers.count", _workers(count=True)),
        ("nodePools.workers.disk.size", _workers(disk={"size": True})),
        ("network.nat.bandwidth", small({"network": {"nat": {"bandwidth": True}}})),
    ],
)
def test_true_is_no_number(where: str, document: dict[str, Any]) -> None:
    problem = _only(document)
    assert (problem.path, problem.rule) == (where, "It must be a whole number.")


@pytest.mark.parametrize("key", ["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
def test_a_label_of_each_node_is_not_one_of_the_pool(key: str) -> None:
    assert "a value for each node" in _only(_workers(labels={key: "x"})).rule


def test_a_zone_is_named_once() -> None:
    document = small()
    zone = next(iter(document["network"]["subnets"]["primary"]["zones"]))
    document = _workers(zones=[zone, zone])
    repaired = apply(document, _only(document))
    assert repaired is not None
    assert repaired["nodePools"]["workers"]["zones"] == [zone]


def test_an_empty_image_is_no_image() -> None:
    document = _workers(image="")
    repaired = apply(document, _only(document))
    assert repaired is not None
    assert _problems(repaired) == ()


def test_the_address_of_an_eip_is_public() -> None:
    nat = {"id": "ngw-bp1example", "eipAddress": "10.1.2.3"}
    paths = {p.path for p in _problems(small({"network": {"nat": nat}}))}
    assert "network.nat.eipAddress" in paths


def test_the_address_of_a_local_clouds_eip_is_a_loopback_address() -> None:
    nat = {"id": "ngw-bp1example", "eipId": "eip-bp1example", "eipAddress": "127.66.0.1"}
    cloud = {"endpoint": "127.0.0.1:18443"}
    assert _problems(small({"network": {"nat": nat}, "cloud": cloud})) == ()


def test_a_type_for_arm_is_not_mistaken_for_one_of_another_architecture() -> None:
    remedies = [p.remedy for p in _problems(_workers(instanceType="ecs.g8y.xlarge"))]
    assert not any("Did you mean" in remedy for remedy in remedies)


def test_a_cluster_name_that_is_a_number_gets_a_letter_first() -> None:
    document = {**small(), "name": 12}
    repaired = apply(document, _only(document))
    assert repaired is not None
    assert repaired["name"] == "n12"
    assert _problems(repaired) == ()


def test_a_version_that_lost_its_zero_gets_one_that_exists() -> None:
    document = small({"kubernetes": {"version": 1.3}})
    repaired = apply(document, _only(document))
    assert repaired is not None
    assert _problems(repaired) == ()


@pytest.mark.parametrize(
    "settings",
    [
        {"systemReserved": {"cpu": "500m"}},
        {"kubeReserved": {"cpu": "500m"}},
        {"reservedSystemCPUs": "0"},
    ],
)
def test_static_cpus_need_reserved_ones(settings: dict[str, object]) -> None:
    static = {"cpuManagerPolicy": "static"}
    document = small({"kubernetes": {"kubelet": static}})
    problem = _only(document)
    assert problem.path == "kubernetes.kubelet.cpuManagerPolicy"
    assert _problems(small({"kubernetes": {"kubelet": {**static, **settings}}})) == ()
