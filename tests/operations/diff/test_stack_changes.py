"""`diff` between commits and `plan --against`: the same answer as in a run, from files alone."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from operations.__main__ import app
from operations.diff.command import applied, diff
from operations.diff.commits import Commits
from operations.diff.report import as_markdown
from operations.diff.stack_change import StackChange, Verdict, compare
from operations.engine.places import ROOT
from operations.failure import OperationError
from planning.transitions.reading import EarlierRelease, Record
from planning.transitions.record import record
from tests.clusters import Document
from tests.planning.documents import planned
from tests.planning.edited import Edit, at, clustered, edited

pytestmark = pytest.mark.unit

IMAGE = "ubuntu_24_04_x64_20G_alibase_20270101.vhd"


def text(document: Document) -> str:
    return yaml.safe_dump({"config": {"spiderpool-alicloud:cluster": document}})


def change(*edits: Edit) -> StackChange:
    return compare("stacks/x.yaml", text(clustered()), text(edited(clustered(), *edits)))


@pytest.mark.parametrize(
    ("edit", "verdict"),
    [
        (at("cloud/unlistedRegion", value=True), Verdict.UNCHANGED),
        (at("tags/owner", "platform"), Verdict.ACCEPTED),
        (at("name", "other"), Verdict.REFUSED),
        (at("network/vpc/cidr", "not a network"), Verdict.UNREADABLE),
    ],
)
def test_the_verdict_of_an_edit(edit: Edit, verdict: Verdict) -> None:
    assert change(edit).verdict is verdict


def test_a_file_that_comes_and_one_that_goes() -> None:
    assert compare("x", None, text(clustered())).verdict is Verdict.ADDED
    assert compare("x", text(clustered()), None).verdict is Verdict.REMOVED


def test_a_new_file_that_no_cluster_could_be_made_from_is_refused() -> None:
    older = text(edited(clustered(), at("kubernetes/version", "1.34.2")))
    stack_change = compare("x", None, older)
    assert stack_change.verdict is Verdict.REFUSED
    assert "A new cluster starts with Kubernetes 1.35 to 1.37" in stack_change.lines[0]
    assert compare("x", older, older).verdict is Verdict.UNCHANGED


def test_a_file_that_this_release_cannot_plan_any_more_is_not_compared() -> None:
    broken = text(edited(clustered(), at("kubernetes/version", "1.99.0")))
    stack_change = compare("x", broken, text(clustered()))
    assert stack_change.verdict is Verdict.NOT_COMPARED
    assert "kubernetes.version" in stack_change.lines[1]


def test_figures_and_addresses_are_those_of_both_sides() -> None:
    stack_change = change(at("nodePools/workers/count", 4))
    assert [(f.name, f.before, f.after) for f in stack_change.figures if f.before != f.after] == [
        ("workers", 3, 4),
        ("pods", 60, 70),
        ("pod addresses", 60, 70),
        ("IP pools", 12, 14),
    ]
    assert [(a.where, a.before, a.after) for a in stack_change.addresses] == [
        ("workers-3 eth0", "", "10.0.2.64 + 10.0.2.65-10.0.2.69"),
        ("workers-3 eth1", "", "10.1.2.64 + 10.1.2.65-10.1.2.69"),
    ]


def test_text_of_a_file_cannot_break_out_of_the_comment() -> None:
    stack_change = change(at("tags/owner", "``` @everyone <img>"))
    shown = as_markdown("a", "b", (stack_change,))
    assert shown.count("```") == 2


def test_a_comment_is_never_larger_than_github_takes() -> None:
    huge = StackChange(path="x", verdict=Verdict.ACCEPTED, lines=("y" * 100,) * 2000)
    shown = as_markdown("a", "b", (huge,))
    assert len(shown) < 65_536
    assert shown.count("```") == 2
    assert shown.endswith("The rest is in the output of the workflow.\n")


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[dict[str, Document]], str]:
    """A git repository in `tmp_path`; called with stack files, it commits them and names it."""
    git(tmp_path, "init", "--quiet")

    def commit(files: dict[str, Document]) -> str:
        folder = tmp_path / "stacks"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, document in files.items():
            (folder / f"Pulumi.{name}.yaml").write_text(text(document), encoding="utf-8")
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "x")
        return git(tmp_path, "rev-parse", "HEAD").strip()

    return commit


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(  # noqa: S603 - a test's own words
        ["git", *who, *arguments],  # noqa: S607
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_every_stack_file_of_two_commits_is_compared(
    repository: Callable[[dict[str, Document]], str], tmp_path: Path
) -> None:
    base = repository({"dev": clustered(), "old": clustered(), "same": clustered()})
    image = at("nodePools/workers/image", IMAGE)
    head = repository({"dev": edited(clustered(), image), "new": clustered(), "same": clustered()})
    changes = diff(base, head, examples=False, commits=Commits(root=tmp_path))
    assert {each.path: each.verdict for each in changes} == {
        "stacks/Pulumi.dev.yaml": Verdict.ACCEPTED,
        "stacks/Pulumi.new.yaml": Verdict.ADDED,
        "stacks/Pulumi.old.yaml": Verdict.REMOVED,
        "stacks/Pulumi.same.yaml": Verdict.UNCHANGED,
    }


@pytest.mark.parametrize("revision", ["no-such-commit", "--output=/tmp/x", ""])
def test_what_is_not_a_commit_is_refused(
    repository: Callable[[dict[str, Document]], str], tmp_path: Path, revision: str
) -> None:
    head = repository({"dev": clustered()})
    with pytest.raises(OperationError, match="is not a commit"):
        diff(revision, head, examples=False, commits=Commits(root=tmp_path))


def test_this_repositorys_own_files_do_not_differ_from_themselves() -> None:
    done = CliRunner().invoke(app, ["diff", "HEAD", "HEAD", "--format", "json", "--examples"])
    assert done.exit_code == 0
    files = json.loads(done.stdout)["files"]
    assert {each["verdict"] for each in files} == {"unchanged"}


def test_a_refused_edit_of_a_file_ends_with_code_2(tmp_path: Path) -> None:
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(text(clustered()), encoding="utf-8")
    after.write_text(text(edited(clustered(), at("name", "other"))), encoding="utf-8")
    argv = ["plan", "--config", str(after), "--against", str(before), "--json"]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 2
    (file,) = json.loads(done.stdout)["files"]
    assert file["verdict"] == "refused"
    assert "Write name: small." in file["lines"][0]


RECORDED = ROOT / "tests/engine/lifecycle/earlier/three-planes"


def deployment(kind: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": kind, "inputs": inputs}]}


def test_what_is_deployed_is_read_from_the_state() -> None:
    document = copy.deepcopy(record(planned(clustered())))
    kind = "spiderpool-alicloud:transition:AppliedPlan"
    assert isinstance(applied(deployment(kind, document)), Record)


def test_the_state_of_an_earlier_release_is_recognised() -> None:
    fleet = {"workers": ["w-0"], "kubernetes": "1.35.4"}
    recorded = applied(deployment("spiderpool-alicloud:rollout:Fleet", fleet))
    assert recorded == EarlierRelease(workers=("w-0",), kubernetes="1.35.4")
    assert applied({"resources": []}) == EarlierRelease()


def test_the_machines_of_an_earlier_release_are_read_from_its_state() -> None:
    state = json.loads((RECORDED / "state.json").read_text(encoding="utf-8"))["deployment"]
    recorded = applied(state)
    assert isinstance(recorded, EarlierRelease)
    assert sorted(recorded.machines) == ["m-0", "m-1", "m-2", "w-0", "w-1"]
    assert recorded.machines["m-0"]["addresses"] == {"eth0": "10.64.0.16", "eth1": "10.65.0.16"}
