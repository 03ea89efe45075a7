"""What the program takes from its stack, and what it refuses there."""

from __future__ import annotations

import pulumi
import pytest

from components.stack import read_stack
from tests.clusters import small
from tests.deploying import KEY
from tests.recording import record

pytestmark = pytest.mark.unit

FAKE = "fake-and-obvious"


def _refusal(config: dict[str, object], *, secret_keys: list[str]) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        record(read_stack, preview=True, config=config, secret_keys=secret_keys)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kubeconfig", FAKE),
        ("secrets", FAKE),
        ("accessKey", {"accessKeyId": FAKE, "accessKeySecret": FAKE}),
    ],
)
def test_a_secret_in_plain_text_is_refused_without_showing_it(name: str, value: object) -> None:
    refusal = _refusal({f"{KEY}:cluster": small(), f"{KEY}:{name}": value}, secret_keys=[])
    assert f"pulumi config set --secret {KEY}:{name}" in refusal
    assert FAKE not in refusal


def test_a_secret_inside_the_cluster_object_is_refused_without_showing_it() -> None:
    document = small({"tags": {"team": FAKE}})
    refusal = _refusal({f"{KEY}:cluster": document}, secret_keys=[f"{KEY}:cluster"])
    assert "--secret" in refusal
    assert FAKE not in refusal


def test_the_engines_own_list_of_secrets_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", f'["{KEY}:cluster"]')
    assert "--secret" in _refusal({f"{KEY}:cluster": small()}, secret_keys=[])


def test_a_preview_says_what_was_chosen_by_the_region() -> None:
    run = record(read_stack, preview=True, config={f"{KEY}:cluster": small()})
    assert "kubernetes.mirrors: china" in run.log
