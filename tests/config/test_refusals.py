"""Each fixture `*.error.<rule>.yaml` is refused with the report next to it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from config.report import ConfigError
from config.stackfile import read_file, read_text
from planning.read import plan_from

pytestmark = pytest.mark.unit

FIXTURES = Path(__file__).parent / "fixtures"
REFUSED = sorted(FIXTURES.glob("*.error.*.yaml"))
ACCEPTED = sorted(FIXTURES.glob("*.ok.yaml"))


_NAMES = re.compile(
    r"^(etcd|kubeadm|kube-[a-z]+|eth\d|[a-z]+-\d+|alpha|serviceCidr|podCidr|[\w-]+\.[\w./-]+)\b"
)
"""What a sentence may begin with although it has no capital: names that are written so."""


def is_a_sentence(text: str) -> bool:
    """A capital, a digit or a name first, a full stop last, and no two stops in a row."""
    begins = not text[0].islower() or _NAMES.match(text) is not None
    return begins and text.endswith(".") and ".." not in text


@cache
def _refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        plan_from(read_file(path).cluster)
    return caught.value


@pytest.mark.parametrize("path", REFUSED, ids=lambda p: p.name.split(".")[2])
def test_a_mistake_gets_its_report(path: Path) -> None:
    expected = path.with_suffix(".txt").read_text(encoding="utf-8")
    # How long user-data is changes with every line of the bootstrap program.
    assert re.sub(r"is \d+ bytes", "is … bytes", f"{_refusal(path)}\n") == expected


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda p: p.name.split(".")[0])
def test_a_good_configuration_is_planned(path: Path) -> None:
    assert plan_from(read_file(path).cluster).nodes


def test_every_report_has_a_fixture() -> None:
    reports = {path.stem for path in FIXTURES.glob("*.txt")}
    assert reports == {path.stem for path in REFUSED}


@pytest.mark.parametrize("path", REFUSED, ids=lambda p: p.name.split(".")[2])
def test_no_report_shows_a_secret(path: Path) -> None:
    report = str(_refusal(path))
    for secret in ("LTAI5tFAKEfakeFAKE00", "0123456789abcdef", "PRIVATE KEY", "fake-and-obvious"):
        assert secret not in report


@pytest.mark.parametrize("path", REFUSED, ids=lambda p: p.name.split(".")[2])
def test_every_problem_says_where_which_rule_and_what_to_write(path: Path) -> None:
    for problem in _refusal(path).problems:
        assert problem.path
        assert is_a_sentence(problem.rule), problem.rule
        assert is_a_sentence(problem.remedy), problem.remedy


def test_a_secret_in_a_range_is_masked_in_every_text() -> None:
    document = yaml.safe_load((FIXTURES / "cluster.error.reversed-range.yaml").read_text())
    node = document["nodePools"]["workers"]["nodes"]["workers-1"]
    node["interfaces"]["eth0"]["podAddresses"] = ["LTAI5tFAKEfakeFAKE00"]
    with pytest.raises(ConfigError) as caught:
        plan_from(document)
    assert "LTAI5t" not in str(caught.value)
    assert len(caught.value.problems) == 2


def test_a_secret_as_a_key_is_masked_in_its_path() -> None:
    document = yaml.safe_load((FIXTURES / "cluster.error.reversed-range.yaml").read_text())
    document["tags"] = {"LTAI5tFAKEfakeFAKE00": "x"}
    with pytest.raises(ConfigError) as caught:
        plan_from(document)
    assert [p.path for p in caught.value.problems if p.path.startswith("tags")] == ["tags.…"]


def test_problems_come_as_data_too() -> None:
    document = _refusal(FIXTURES / "cluster.error.pinned-beyond-ten.yaml").as_document()
    assert document == {
        "problems": [
            {
                "path": "nodePools.workers.interfaces.eth0.podAddresses",
                "value": "11",
                "rule": "An ENI is created with 10 explicit addresses at most "
                "(CreateNetworkInterface).",
                "remedy": "Write 10 or less, mode: prefix for dense nodes, or mode: count for up "
                "to 49 that the cloud chooses.",
            }
        ]
    }


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: &a [*a]", "*a is inside of what it repeats (line 1, column 8)"),
        ("config: &a\n  b: *a", "*a is inside of what it repeats (line 2, column 6)"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: 2026-13-45", "month must be in 1..12"),
        ("a: " + "9" * 5000, "a date or a number that does not exist"),
    ],
)
def test_yaml_that_pyyaml_itself_fails_on_is_refused(text: str, rule: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_text(text)
    assert rule in str(refusal.value)
