"""Whatever a file says, the answer is a plan or a report: never a traceback, never half of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.load import load
from config.report import ConfigError
from config.stackfile import read_file, read_text
from planning.build import build_plan
from planning.model import ClusterPlan
from planning.read import plan_from

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
SOURCES = tuple(
    read_file(path).cluster
    for path in (
        *sorted(ROOT.glob("stacks/Pulumi.*.yaml")),
        *sorted(ROOT.glob("docs/examples/*.yaml")),
    )
)

many = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

JUNK: st.SearchStrategy[object] = st.sampled_from(
    (
        None,
        True,
        -1,
        0,
        3,
        10**12,
        1.5,
        "",
        "x",
        "eth0",
        "10.0.0.1",
        "10.0.0.0/8",
        "172.31.199.185/20",
        "0.0.0.0/0",
        "fd00::/56",
        "172.31.199.185-172.31.199.189",
        "cn-hangzhou",
        "ecs.g7.large",
        "é" * 70,
        [],
        [1],
        ["cn-hangzhou-i", "cn-hangzhou-i"],
        {},
        {"x": {}},
        {"cidr": "10.0.0.0/24"},
        {"eth0": {"subnet": "primary"}},
    )
)

Path_ = tuple[str | int, ...]


def _paths(document: Any, at: Path_ = ()) -> list[Path_]:  # noqa: ANN401
    paths: list[Path_] = [at] if at else []
    if isinstance(document, dict):
        for key, value in document.items():
            paths += _paths(value, (*at, key))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            paths += _paths(value, (*at, place))
    return paths


@st.composite
def broken(draw: st.DrawFn) -> Any:  # noqa: ANN401
    """A stack file or an example with one to four things replaced, removed, added or renamed."""
    document: Any = copy.deepcopy(dict(draw(st.sampled_from(SOURCES))))
    for _ in range(draw(st.integers(1, 4))):
        paths = _paths(document)
        if not paths:
            break
        *above, last = draw(st.sampled_from(paths))
        holder = document
        for step in above:
            holder = holder[step]
        edit = draw(st.sampled_from(("replace", "remove", "add", "rename")))
        if edit == "replace" or isinstance(holder, list):
            holder[last] = copy.deepcopy(draw(JUNK))
        elif edit == "remove":
            del holder[last]
        elif edit == "add":
            key = draw(st.sampled_from(("extra", "eth2", "count", "nodes", "ordinal")))
            holder[key] = copy.deepcopy(draw(JUNK))
        else:
            holder[f"{last}x"] = holder.pop(last)
    return document


def _answer(document: Any) -> tuple[ClusterPlan | None, ConfigError | None]:  # noqa: ANN401
    try:
        return plan_from(document), None
    except ConfigError as error:
        return None, error


@many
@given(broken())
def test_a_broken_document_gets_a_plan_or_a_report(document: Any) -> None:  # noqa: ANN401
    plan, error = _answer(document)
    if error is not None:
        assert error.problems
        assert all(problem.rule and problem.remedy for problem in error.problems)
    else:
        assert build_plan(load(document)) == plan


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_any_text_gets_a_document_or_a_report(text: str) -> None:
    try:
        cluster = read_text(text).cluster
    except ConfigError:
        return
    _, error = _answer(cluster)
    assert error is not None


@pytest.mark.parametrize("pools", [2, 3, 6])
def test_the_first_blocks_that_an_error_proposes_are_taken(pools: int) -> None:
    document = yaml.safe_load(
        (ROOT / "tests/config/fixtures/cluster.error.first-block-missing.yaml").read_text()
    )
    worker = document["nodePools"]["workers"]
    for place in range(pools - 2):
        document["nodePools"][f"more-{place}x"] = {**worker, "count": 3 + 5 * place}
    with pytest.raises(ConfigError) as caught:
        plan_from(document)
    for problem in caught.value.problems:
        _, pool, key = problem.path.split(".")
        assert key == "firstBlock"
        proposed = problem.remedy.removeprefix("Write firstBlock: ").split(".")[0]
        document["nodePools"][pool]["firstBlock"] = int(proposed)
    assert len(plan_from(document).nodes) > pools


def test_the_ordinals_that_an_error_proposes_are_taken() -> None:
    document = yaml.safe_load(
        (ROOT / "tests/config/fixtures/cluster.error.ordinal-missing.yaml").read_text()
    )
    nodes = document["nodePools"]["workers"]["nodes"]
    nodes |= {"gamma": {}, "delta-2": {}}
    with pytest.raises(ConfigError) as caught:
        plan_from(document)
    for problem in caught.value.problems:
        node = problem.path.split(".")[3]
        nodes[node] = {"ordinal": int(problem.remedy.removeprefix("Write ordinal: ").split(",")[0])}
    assert {"alpha", "beta", "gamma", "delta-2"} <= set(plan_from(document).nodes)
