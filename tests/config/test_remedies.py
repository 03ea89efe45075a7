"""What a report says to write is accepted when it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.report import ConfigError, Problem
from config.stackfile import read_file
from planning.read import plan_from
from tests.config.remedies import apply

pytestmark = pytest.mark.unit

FIXTURES = Path(__file__).parent / "fixtures"
WHOLLY_REPAIRED = (
    "account-id",
    "labels-that-yaml-reads",
    "price-of-many-decimals",
    "arm-image-on-x86",
    "certificate-name-is-a-url",
    "chart-value-of-ours",
    "chart-value-without-effect",
    "disk-too-small-for-its-level",
    "eip-by-bandwidth-abroad",
    "eip-too-fast",
    "entry-disk",
    "host-name-of-one-letter",
    "image-too-old",
    "image-without-apt",
    "kubelet-field-of-ours",
    "kubelet-misspelt",
    "kubelet-trap",
    "kubelet-of-another-version",
    "kubelet-out-of-bounds",
    "name-no-dns-label",
    "namespace-of-kubernetes",
    "no-image",
    "numbers-for-text",
    "out-of-bounds",
    "pod-cidr-over-services",
    "service-cidr-in-vpc",
    "service-cidr-of-the-cloud",
    "service-in-no-namespace",
    "too-many-controllers",
    "ultra-disk-on-an-essd-type",
    "unknown-choice",
    "url-as-description",
    "vpc-over-the-cluster-ranges",
)
"""Fixtures in which a machine can follow every remedy."""


def _problems(document: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        plan_from(document)
    except ConfigError as error:
        return error.problems
    return ()


def _fixture(name: str) -> dict[str, Any]:
    return dict(read_file(FIXTURES / f"cluster.error.{name}.yaml").cluster)


@pytest.mark.parametrize("name", [n for n in WHOLLY_REPAIRED if n != "account-id"])
def test_all_remedies_together_are_accepted(name: str) -> None:
    document = _fixture(name)
    for problem in _problems(document):
        repaired = apply(document, problem)
        assert repaired is not None, problem
        document = repaired
    assert _problems(document) == ()


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.glob("*.error.*.yaml")), ids=lambda p: p.name.split(".")[2]
)
def test_a_remedy_that_a_machine_can_follow_ends_the_problem(path: Path) -> None:
    document = dict(read_file(path).cluster)
    for problem in _problems(document):
        repaired = apply(document, problem)
        if repaired is None:
            continue
        after = {(p.path, p.rule) for p in _problems(repaired)}
        assert (problem.path, problem.rule) not in after, problem.remedy
