"""The release's values, key by key against what chart 1.2.2 knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from planning.model import ClusterPlan
from planning.spiderpool.chart import chart_values
from planning.spiderpool.chart_keys import CHART_KEYS, Keys, strange_values
from planning.spiderpool.value_checks import value_problems
from tests.clusters import fake_secrets, small
from tests.planning.documents import ROOT, planned
from tests.program.golden_plans import cluster_in, run_stack, stack_files
from tests.recording import Secret

pytestmark = pytest.mark.unit

FILES = stack_files()
LOCAL_CHART = ROOT / "local" / "localcloud" / "charts" / "spiderpool" / "values.yaml"


def with_values(own: dict[str, Any], **spiderpool: object) -> ClusterPlan:
    return planned(small({"spiderpool": {"values": own, **spiderpool}}))


@pytest.mark.parametrize("name", FILES)
def test_the_chart_knows_every_value_of_a_stack_file_and_takes_its_type(name: str) -> None:
    plan = planned(cluster_in(FILES[name]))
    assert list(strange_values(chart_values(plan, secrets=fake_secrets()))) == []


@pytest.mark.parametrize("name", FILES)
def test_the_program_registers_the_release_with_nothing_else(name: str) -> None:
    releases = [r for r in run_stack(name, FILES[name]).resources if r.kind == "Release"]
    (release,) = [r for r in releases if r.inputs["name"] == "spiderpool"]
    plan = planned(cluster_in(FILES[name]))
    assert _shape(release.inputs["values"]) == _shape(chart_values(plan, secrets=fake_secrets()))


def test_the_local_chart_has_no_key_that_the_published_one_has_not() -> None:
    text = Path(LOCAL_CHART).read_text(encoding="utf-8")
    assert list(strange_values(yaml.safe_load(text))) == []


def _leaves(keys: Keys, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    for key, kind in keys.items():
        here = (*path, key)
        paths += _leaves(kind, here) if isinstance(kind, dict) else [here]
    return paths


@pytest.mark.parametrize("path", _leaves(CHART_KEYS), ids=".".join)
def test_a_misspelt_key_or_another_type_is_refused(path: tuple[str, ...]) -> None:
    def document(key: str, value: object) -> dict[str, Any]:
        nested: dict[str, Any] = {key: value}
        for level in reversed(path[:-1]):
            nested = {level: nested}
        return nested

    ((place, message),) = strange_values(document(f"{path[-1]}s", 1))
    assert place == (*path[:-1], f"{path[-1]}s")
    assert "does not have this key" in message
    ((place, message),) = strange_values(document(path[-1], object()))
    assert place == path
    assert "It takes" in message


@pytest.mark.parametrize(
    ("own", "path", "message"),
    [
        ({"ipam": {"enableStatefulset": False}}, "ipam.enableStatefulset", "enableStatefulSet"),
        (
            {"ipam": {"enableSpiderSubnet": False}},
            "ipam.enableSpiderSubnet",
            "does not have this key",
        ),
        ({"ipam": {"gc": {"gcAll": {"intervalInSecond": "60"}}}}, None, "a whole number"),
        ({"coordinator": {"vethMTU": True}}, "coordinator.vethMTU", "a whole number"),
        ({"coordinator": {"policyRoutes": "10.0.0.0/8"}}, "coordinator.policyRoutes", "a list"),
        ({"spiderpoolAgent": {"resources": []}}, "spiderpoolAgent.resources", "a map"),
        ({"spiderpoolInit": {"hostnetwork": True}}, "spiderpoolInit.hostnetwork", "no effect"),
    ],
)
def test_a_users_value_that_the_chart_would_take_in_silence_is_refused(
    own: dict[str, Any], path: str | None, message: str
) -> None:
    (problem,) = value_problems(with_values(own))
    assert path is None or problem.path == f"spiderpool.values.{path}"
    assert message in problem.rule


def _shape(values: object) -> object:
    """The same with every text taken out: what the engine keeps secret shows no text."""
    plain = values.value if isinstance(values, Secret) else values
    if isinstance(plain, dict):
        return {key: _shape(value) for key, value in plain.items()}
    return plain if isinstance(plain, bool | int) else type(plain)
