"""What must hold for every resource of every kind of cluster, in an update and in a preview."""

from __future__ import annotations

import base64
import inspect
import re
from collections.abc import Callable
from functools import cache

import pytest
from pulumi_alicloud import ecs, ram, slb, vpc

from planning.nodes.secrets import dump_secrets
from tests.clusters import (
    Document,
    adopted,
    existing_kubernetes,
    fake_secrets,
    small,
    three_control_planes,
)
from tests.deploying import deploy, first_preview
from tests.recording import Run, Secret

pytestmark = pytest.mark.unit

_CLUSTERS: dict[str, Callable[[], Document]] = {
    "small": small,
    "three control planes": three_control_planes,
    "adopted network": adopted,
    "existing cluster": existing_kubernetes,
}
_MODES: dict[str, Callable[..., Run]] = {"update": deploy, "first preview": first_preview}
_KUBECONFIG = "apiVersion: v1\nkind: Config\n"


@cache
def _deployed(cluster: str, mode: str) -> Run:
    return _MODES[mode](_CLUSTERS[cluster](), extra={"kubeconfig": _KUBECONFIG})


@pytest.fixture(params=_MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=_CLUSTERS)
def run(request: pytest.FixtureRequest, mode: str) -> Run:
    return _deployed(str(request.param), mode)


def test_every_component_registers_its_outputs(run: Run) -> None:
    components = {r.urn for r in run.resources if not r.custom}
    assert components == run.closed & components


def test_only_the_cluster_is_at_the_top(run: Run) -> None:
    assert {r.kind for r in run.resources if not r.parent} == {"Cluster"}


def test_components_have_type_tokens_of_this_package(run: Run) -> None:
    for resource in run.resources:
        if not resource.custom:
            assert re.fullmatch(r"spiderpool-alicloud:[a-z_]+:[A-Z][A-Za-z]+", resource.type)


def test_no_resource_uses_a_default_provider(run: Run) -> None:
    providers = {
        "alicloud": "pulumi:providers:alicloud",
        "kubernetes": "pulumi:providers:kubernetes",
    }
    for resource in run.resources:
        package = resource.type.split(":")[0]
        if package in providers:
            assert providers[package] in resource.provider, resource.urn


def test_everything_that_can_carry_tags_carries_the_clusters(run: Run) -> None:
    for resource in run.resources:
        if _takes(resource.kind, "tags") and resource.type.startswith("alicloud:"):
            assert resource.inputs["tags"]["team"] == "net", resource.urn


def test_everything_that_can_be_in_a_resource_group_is(run: Run) -> None:
    for resource in run.resources:
        if _takes(resource.kind, "resource_group_id") and resource.type.startswith("alicloud:"):
            assert resource.inputs["resourceGroupId"] == "rg-test", resource.urn


def test_names_in_the_cloud_are_the_logical_ones_within_its_limit(run: Run) -> None:
    for resource in run.resources:
        if resource.type.startswith("alicloud:"):
            assert len(resource.name) <= 128
            for key, value in resource.inputs.items():
                if key.endswith("Name") and resource.kind in {"Network", "Switch", "Instance"}:
                    assert value in {resource.name, resource.name.removeprefix("small-")}, key


def test_ram_names_stay_within_sixty_four_characters(run: Run) -> None:
    for resource in run.resources:
        if resource.type in {"alicloud:ram/role:Role", "alicloud:ram/policy:Policy"}:
            assert len(resource.inputs.get("roleName") or resource.inputs["policyName"]) <= 64


def test_no_part_of_a_secret_is_in_plain_sight(run: Run) -> None:
    text = repr([(r.urn, r.inputs) for r in run.resources]) + repr(run.outputs) + run.log
    for line in _secret_lines():
        assert line not in text


def test_a_preview_registers_what_an_update_creates() -> None:
    for cluster in _CLUSTERS:
        shown, updated = _deployed(cluster, "first preview"), _deployed(cluster, "update")
        assert {r.urn for r in shown.resources} == {r.urn for r in updated.resources}


def test_the_secret_check_would_find_a_secret() -> None:
    run = _deployed("small", "update")
    user_data = run.of("Instance")["small-masters-0"].inputs["userData"]
    assert isinstance(user_data, Secret)
    text = base64.b64decode(str(user_data.value)).decode()
    assert any(line in text for line in _secret_lines())


def _secret_lines() -> list[str]:
    """Lines of key material, long enough to be nothing else."""
    document = dump_secrets(fake_secrets())
    return [
        line for line in re.split(r"\\n|\n|\"", document) if re.fullmatch(r"[\w+/=]{40,}", line)
    ]


@cache
def _takes(kind: str, argument: str) -> bool:
    for module in (ecs, ram, slb, vpc):
        resource = getattr(module, kind, None)
        if resource is not None:
            return argument in inspect.signature(resource._internal_init).parameters
    return False
