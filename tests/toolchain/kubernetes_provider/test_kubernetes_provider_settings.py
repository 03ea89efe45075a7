from __future__ import annotations

import pytest

from tests.toolchain.kubernetes_provider.servers.fake_api_server import kubeconfig_for
from toolchain.kubernetes_provider.protocol.wire import UNKNOWN, Object
from toolchain.kubernetes_provider.settings import config_change, from_arguments, problems

pytestmark = pytest.mark.unit

HERE = kubeconfig_for("https://127.0.0.1:6443")
THERE = kubeconfig_for("https://127.0.0.2:6443")
OTHER_USER = kubeconfig_for("https://127.0.0.1:6443", token="another")  # noqa: S106 - fake


def replaces(old: Object, new: Object) -> tuple[str, ...]:
    return config_change(old, new).replaces


def test_with_an_identifier_another_kubeconfig_replaces_nothing() -> None:
    old: Object = {"kubeconfig": HERE, "clusterIdentifier": "a"}
    assert replaces(old, {**old, "kubeconfig": THERE}) == ()


def test_with_an_identifier_an_unknown_kubeconfig_replaces_nothing() -> None:
    old: Object = {"kubeconfig": HERE, "clusterIdentifier": "a"}
    assert replaces(old, {**old, "kubeconfig": UNKNOWN}) == ()


def test_another_identifier_replaces() -> None:
    old: Object = {"kubeconfig": HERE, "clusterIdentifier": "a"}
    assert replaces(old, {**old, "clusterIdentifier": "b"}) == ("clusterIdentifier",)


def test_adding_an_identifier_does_not_replace() -> None:
    assert replaces({"kubeconfig": HERE}, {"kubeconfig": HERE, "clusterIdentifier": "a"}) == ()


def test_without_an_identifier_another_cluster_replaces() -> None:
    assert replaces({"kubeconfig": HERE}, {"kubeconfig": THERE}) == ("kubeconfig",)


def test_without_an_identifier_an_unknown_kubeconfig_replaces_as_officially() -> None:
    assert replaces({"kubeconfig": HERE}, {"kubeconfig": UNKNOWN}) == ("kubeconfig",)


def test_other_credentials_for_the_same_cluster_do_not_replace() -> None:
    change = config_change({"kubeconfig": HERE}, {"kubeconfig": OTHER_USER})
    assert (change.changed, change.replaces) == (("kubeconfig",), ())


def test_an_equal_configuration_is_not_a_change() -> None:
    assert config_change({"kubeconfig": HERE}, {"kubeconfig": HERE}).changed == ()


def test_booleans_arrive_as_json_texts() -> None:
    assert from_arguments({"enablePatchForce": "true"}, {}).patch_force
    assert not from_arguments({"enablePatchForce": "false"}, {}).patch_force


def test_the_environment_fills_what_the_program_leaves_open() -> None:
    environment = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
    assert from_arguments({}, environment).delete_unreachable
    assert not from_arguments({"deleteUnreachable": "false"}, environment).delete_unreachable


def test_client_side_apply_is_refused_with_a_reason() -> None:
    assert [name for name, _ in problems({"enableServerSideApply": "false"})] == [
        "enableServerSideApply"
    ]


def test_a_cluster_off_this_machine_is_refused_before_anything_is_tried() -> None:
    refusals = problems({"kubeconfig": kubeconfig_for("https://203.0.113.1:6443")})
    assert [name for name, _ in refusals] == ["kubeconfig"]
    assert "loopback" in refusals[0][1]


def test_an_unknown_kubeconfig_passes() -> None:
    assert problems({"kubeconfig": UNKNOWN, "clusterIdentifier": "a"}) == []


def test_helm_settings_become_its_environment() -> None:
    settings = from_arguments({"helmReleaseSettings": '{"driver": "configmap"}'}, {})
    assert settings.helm_environment == {"HELM_DRIVER": "configmap"}
