"""The key of Secrets is rotated so that no API server meets a Secret that it cannot read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from operations.engine.places import ROOT, Places
from operations.engine.running import Finished, Runner
from operations.failure import ExitCode, OperationError
from operations.secrets import command
from operations.secrets.encryption import (
    Keys,
    Step,
    check_deployed,
    next_keys,
    read_running,
    step_of,
    write_every_secret_again,
)
from planning.nodes.machine import ENCRYPTION_KEYS
from tests.clusters import fake_secrets

pytestmark = pytest.mark.unit

PLANES = ("masters-0", "masters-1", "masters-2")
ROTATION: list[Keys] = [("key1",), ("key1", "key2"), ("key2", "key1"), ("key2",)]
BEGINNING: list[Keys] = [("identity",), ("identity", "key1"), ("key1", "identity"), ("key1",)]


def test_a_cluster_that_others_built_is_refused_with_the_way_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = ROOT / "docs" / "examples" / "existing-cluster.yaml"
    monkeypatch.setattr(command, "path_of_stack", lambda _: example)
    with pytest.raises(OperationError, match=r"Stack other has .*Rotate by the means") as caught:
        command.rotate_encryption("other", Places.of(tmp_path), file=None)
    assert caught.value.code is ExitCode.REFUSED


@pytest.mark.parametrize("steps", [ROTATION, BEGINNING])
def test_three_steps_lead_to_another_key(steps: list[Keys]) -> None:
    assert [next_keys(keys) for keys in steps[:-1]] == steps[1:]
    states = [step_of(replace(fake_secrets(), encryption_keys=keys)) for keys in steps]
    assert states == [Step.SETTLED, Step.BOTH_READ, Step.NEW_WRITES, Step.SETTLED]


@pytest.mark.parametrize("steps", [ROTATION, BEGINNING])
def test_api_servers_of_neighbouring_steps_read_what_each_other_writes(steps: list[Keys]) -> None:
    for one, other in itertools.pairwise(steps):
        # Before the last step every Secret is written again, by servers that all write the new key.
        assert one[0] in other
        assert other[0] in one


@pytest.mark.parametrize("steps", [ROTATION, BEGINNING])
def test_one_step_alone_would_make_secrets_unreadable(steps: list[Keys]) -> None:
    first, _, _, last = steps
    assert first[0] not in last


def test_the_name_of_a_key_never_comes_back() -> None:
    keys: Keys = ("key1",)
    seen = {"key1"}
    for _ in range(9):
        keys = next_keys(keys)
        if step_of(replace(fake_secrets(), encryption_keys=keys)) is Step.BOTH_READ:
            assert keys[-1] not in seen
            seen.add(keys[-1])


def nodes(annotations: Mapping[str, str | None]) -> dict[str, object]:
    return {
        "items": [
            {"metadata": {"name": n, "annotations": {} if t is None else {ENCRYPTION_KEYS: t}}}
            for n, t in annotations.items()
        ]
    }


def test_a_step_is_taken_once_every_control_plane_has_the_one_before() -> None:
    running = read_running(nodes(dict.fromkeys(PLANES, "key1 key2")))
    check_deployed(("key1", "key2"), running, PLANES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masters-2": "key1"}, r"not every control plane .*masters-2 \(key1\)"),
        ({"masters-9": "key1"}, r"not every control plane .*masters-9 \(key1\)"),
        ({"masters-1": None}, r"the API server of masters-1 takes no keys"),
    ],
    ids=["behind", "leaving", "earlier-release"],
)
def test_a_control_plane_with_other_keys_stops_the_rotation(
    changes: dict[str, str | None], message: str
) -> None:
    running = read_running(nodes({**dict.fromkeys(PLANES, "key1 key2"), **changes}))
    with pytest.raises(OperationError, match=message) as refused:
        check_deployed(("key1", "key2"), running, PLANES)
    assert refused.value.code is ExitCode.REFUSED


def test_a_control_plane_that_is_away_stops_the_rotation() -> None:
    running = read_running(nodes(dict.fromkeys(PLANES[:2], "key1")))
    with pytest.raises(OperationError, match="masters-2 has no Node"):
        check_deployed(("key1",), running, PLANES)


@dataclass(frozen=True, kw_only=True)
class Kubectl(Runner):
    """kubectl at an API server whose Secret `y` changes before each of the first writes."""

    conflicts: int = 0
    broken: int = 0
    """So many of the first writes fail without a change."""
    writes: list[list[str]] = field(default_factory=list)
    """The names of each call."""
    written: set[str] = field(default_factory=set)

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,  # noqa: ARG002 - as `Runner`
        quiet: bool = False,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,  # noqa: ARG002 - as `Runner`
    ) -> Finished:
        assert quiet, "the content would be on the screen"
        tries = len(self.writes)
        if argv[1] == "get":
            versions = {"x": "7", "y": str(8 + min(tries, self.conflicts))}
            items = [
                {
                    "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version},
                    "data": {"a": "aGlkZGVu"},
                }
                for name, version in versions.items()
            ]
            return Finished(status=0, out=json.dumps({"items": items}), err="")
        names = [item["metadata"]["name"] for item in json.loads(stdin or "")["items"]]
        self.writes.append(names)
        if tries < self.broken:
            return Finished(status=1, out="", err="etcdserver: request timed out\n")
        if tries < self.conflicts and "y" in names:
            self.written.update({"x"} & set(names))
            return Finished(status=1, out="secret/x\n", err="Error (Conflict): secrets y\n")
        self.written.update(names)
        return Finished(status=0, out="", err="")


def test_every_secret_is_written_again() -> None:
    kubectl = Kubectl(env={})
    assert write_every_secret_again(kubectl) == 2
    assert kubectl.written == {"x", "y"}


def test_a_secret_that_changed_meanwhile_is_written_by_its_change_and_not_tried_again() -> None:
    # In a busy cluster one of many Secrets changes before every attempt.
    kubectl = Kubectl(env={}, conflicts=99)
    assert write_every_secret_again(kubectl) == 2
    assert kubectl.writes == [["x", "y"], ["x"]]


def test_what_was_not_written_for_another_reason_is_tried_again() -> None:
    kubectl = Kubectl(env={}, broken=2)
    assert write_every_secret_again(kubectl) == 2
    assert kubectl.writes == [["x", "y"]] * 3


def test_the_old_key_stays_where_a_secret_could_not_be_written() -> None:
    with pytest.raises(OperationError, match=r"not every Secret .*timed out") as refused:
        write_every_secret_again(Kubectl(env={}, broken=99))
    assert "aGlkZGVu" not in str(refused.value)
