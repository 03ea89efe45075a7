"""Releases over real gRPC, with a helm command that records how it is called."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.toolchain.kubernetes_provider.engine_side import (
    Deployment,
    EngineSide,
    InitFailed,
    Refused,
    StateEntry,
)
from tests.toolchain.kubernetes_provider.servers import fake_helm
from tests.toolchain.kubernetes_provider.servers.fake_api_server import FakeApiServer
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Secret,
    Value,
    at,
    object_at,
    text_at,
)
from toolchain.kubernetes_provider.releases.helm import LiveRelease

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit

RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Bed:
    engine: EngineSide
    home: Path
    chart: Path

    def calls(self, verb: str) -> list[dict[str, Any]]:
        text = (self.home / "calls").read_text(encoding="utf-8")
        calls = [json.loads(line) for line in text.splitlines()]
        return [call for call in calls if call["arguments"][0] == verb]

    def fail(self, message: str) -> None:
        (self.home / "fail").write_text(message, encoding="utf-8")

    def recover(self) -> None:
        (self.home / "fail").unlink()

    def drift(self, values: Object) -> None:
        path = self.home / "kube-system.rel.json"
        release = json.loads(path.read_text(encoding="utf-8"))
        release["status"]["config"] = values
        path.write_text(json.dumps(release), encoding="utf-8")

    def inputs(self, values: Object | None = None, **options: object) -> Object:
        base: Object = {
            "chart": str(self.chart),
            "name": "rel",
            "namespace": "kube-system",
            "values": values or {},
            "compat": "true",
        }
        return {**base, **options}  # type: ignore[dict-item]  # a test's literals

    def stack(self) -> Deployment:
        return Deployment(engine=self.engine, token=RELEASE, name="rel")


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    home, chart = tmp_path / "home", tmp_path / "chart"
    home.mkdir()
    chart.mkdir()
    about = "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: '7'\n"
    (chart / "Chart.yaml").write_text(about, encoding="utf-8")
    programs = fake_helm.install_into(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_HELM", str(home))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    monkeypatch.setenv("KUBECONFIG", "/somewhere/else")
    monkeypatch.setenv("HELM_KUBECONTEXT", "somewhere-else")
    with FakeApiServer() as server, EngineSide() as engine:
        engine.configure({"kubeconfig": server.kubeconfig})
        yield Bed(engine=engine, home=home, chart=chart)


def test_a_release_is_installed_with_what_the_program_says(bed: Bed) -> None:
    bed.stack().up(
        bed.inputs({"a": 1}, disableWebhooks=True, createNamespace=True, atomic=True, timeout=77)
    )
    [call] = bed.calls("install")
    arguments = call["arguments"]
    assert arguments[:3] == ["install", "rel", str(bed.chart)]
    for argument in ("--no-hooks", "--create-namespace", "--atomic", "--wait", "77s", "0.1.0"):
        assert argument in arguments
    assert json.loads(call["stdin"]) == {"a": 1}


def test_skip_await_does_not_wait(bed: Bed) -> None:
    bed.stack().up(bed.inputs(skipAwait=True))
    assert "--wait" not in bed.calls("install")[0]["arguments"]


def test_secret_values_reach_helm_on_standard_input_alone(bed: Bed) -> None:
    bed.stack().up(bed.inputs({"tls": {"key": Secret(value="swordfish-key")}}))
    [call] = bed.calls("install")
    assert json.loads(call["stdin"]) == {"tls": {"key": "swordfish-key"}}
    assert "swordfish" not in json.dumps(call["arguments"])


def test_helm_reads_a_kubeconfig_of_its_own_that_is_gone_afterwards(bed: Bed) -> None:
    bed.stack().up(bed.inputs())
    [call] = bed.calls("install")
    assert call["kubeconfig_mode"] == "0o600"
    assert not Path(call["kubeconfig_path"]).exists()


def test_nothing_in_the_environment_leads_helm_elsewhere(bed: Bed) -> None:
    bed.stack().up(bed.inputs())
    assert bed.calls("install")[0]["environment"] == []


def test_the_state_of_a_release_says_what_the_cluster_has(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1}))
    assert stack.entry is not None
    state = stack.entry.state
    assert stack.entry.resource_id == "kube-system/rel"
    assert state["status"] == {
        "appVersion": "7",
        "chart": "demo",
        "name": "rel",
        "namespace": "kube-system",
        "revision": 1,
        "status": "deployed",
        "version": "0.1.0",
    }
    assert state["resourceNames"] == {"Deployment.apps/apps/v1": ["agent"]}
    assert isinstance(state["__inputs"], Secret)


def test_secret_values_stay_secret_in_state(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"tls": {"key": Secret(value="k"), "cert": "c"}}))
    stack.refresh()
    assert stack.entry is not None
    for bag in (stack.entry.state, stack.entry.inputs):
        assert object_at(bag, "values", "tls") == {"key": Secret(value="k"), "cert": "c"}


def test_the_same_release_again_changes_nothing(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1, "none": None}))
    stack.refresh()
    assert stack.up(bed.inputs({"a": 1, "none": None})) == "same"
    assert bed.calls("upgrade") == []


def test_nulls_in_values_reach_helm(bed: Bed) -> None:
    bed.stack().up(bed.inputs({"unset": None}))
    assert json.loads(bed.calls("install")[0]["stdin"]) == {"unset": None}


def test_changed_values_are_listed_one_by_one_and_upgraded(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1, "b": {"c": 2}}))
    assert stack.diff(bed.inputs({"a": 5, "b": {"d": 3}})).kinds == {
        "values.a": "UPDATE",
        "values.b.c": "DELETE",
        "values.b.d": "ADD",
    }
    assert stack.up(bed.inputs({"a": 5, "b": {"d": 3}})) == "updated"
    assert json.loads(bed.calls("upgrade")[0]["stdin"]) == {"a": 5, "b": {"d": 3}}
    assert stack.entry is not None
    assert at(stack.entry.state, "status", "revision") == 2


def test_a_new_chart_version_is_an_upgrade(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs())
    about = "apiVersion: v2\nname: demo\nversion: 0.2.0\n"
    (bed.chart / "Chart.yaml").write_text(about, encoding="utf-8")
    assert stack.diff(bed.inputs()).kinds == {"version": "UPDATE"}


def test_hooks_of_upgrades_are_turned_off_by_their_own_option_as_officially(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1}, disableWebhooks=True))
    stack.up(bed.inputs({"a": 2}, disableWebhooks=True))
    stack.up(bed.inputs({"a": 3}, disableWebhooks=True, disableCRDHooks=True))
    hooks = ["--no-hooks" in call["arguments"] for call in bed.calls("upgrade")]
    assert hooks == [False, True]


def test_drift_of_values_shows_after_a_refresh(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1}))
    bed.drift({"a": 9, "extra": True})
    stack.refresh()
    assert stack.diff(bed.inputs({"a": 1})).kinds == {"values.a": "UPDATE"}


def test_a_new_name_replaces_the_release(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs())
    assert stack.diff(bed.inputs(name="other")).replaces == ("name",)


def test_a_nameless_release_keeps_its_generated_name(bed: Bed) -> None:
    nameless = {key: value for key, value in bed.inputs().items() if key != "name"}
    first, _ = bed.engine.check(RELEASE, "rel", nameless)
    assert text_at(first, "name").startswith("rel-")
    again, _ = bed.engine.check(RELEASE, "rel", nameless, first)
    assert again["name"] == first["name"]


def test_a_release_that_is_gone_is_gone_after_a_refresh(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs())
    (bed.home / "kube-system.rel.json").unlink()
    stack.refresh()
    assert stack.entry is None


def test_an_import_reads_the_live_values(bed: Bed) -> None:
    bed.stack().up(bed.inputs({"a": 1}))
    entry = bed.engine.read(RELEASE, "rel", StateEntry(resource_id="kube-system/rel"))
    assert entry is not None
    assert entry.inputs["values"] == {"a": 1}
    assert entry.inputs["chart"] == "demo"


def test_a_preview_installs_nothing(bed: Bed) -> None:
    checked, _ = bed.engine.check(RELEASE, "rel", bed.inputs({"a": UNKNOWN}))
    entry = bed.engine.create(RELEASE, "rel", checked, preview=True)
    assert entry.state["status"] is UNKNOWN
    assert at(entry.state, "values", "a") is UNKNOWN
    assert not (bed.home / "calls").exists()


def test_a_failed_install_stays_in_state_and_is_repaired_by_an_upgrade(bed: Bed) -> None:
    bed.fail("Error: timed out waiting for the condition\n")
    checked, _ = bed.engine.check(RELEASE, "rel", bed.inputs({"a": 1}))
    with pytest.raises(InitFailed, match=r"status failed.*timed out") as failed:
        bed.engine.create(RELEASE, "rel", checked)
    assert failed.value.resource_id == "kube-system/rel"
    bed.recover()
    entry = StateEntry(resource_id="kube-system/rel", state=failed.value.state, inputs=checked)
    again = bed.engine.update(RELEASE, "rel", entry, checked)
    assert at(again.state, "status", "status") == "deployed"


def test_a_failed_atomic_install_leaves_nothing(bed: Bed) -> None:
    bed.fail("Error: boom\n")
    with pytest.raises(Refused, match="boom"):
        bed.stack().up(bed.inputs(atomic=True))


def test_a_failed_atomic_upgrade_is_reported_with_the_restored_revision(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1}, atomic=True))
    bed.fail("Error: UPGRADE FAILED: boom\n")
    with pytest.raises(InitFailed, match="rolled it back to revision 3") as failed:
        stack.up(bed.inputs({"a": 2}, atomic=True))
    assert object_at(failed.value.state, "values") == {"a": 1}


def test_an_error_of_helm_never_quotes_a_secret_value(bed: Bed) -> None:
    bed.fail("Error: values don't meet the schema: got swordfish-key\n")
    with pytest.raises(InitFailed) as failed:
        bed.stack().up(bed.inputs({"tls": {"key": Secret(value="swordfish-key")}}))
    assert "swordfish" not in failed.value.message + str(failed.value.reasons)
    assert "[secret]" in failed.value.message


def test_an_error_of_helm_names_the_release_and_hides_only_what_is_secret(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"mode": "strict", "key": Secret(value="swordfish-key")}))
    bed.fail('Error: UPGRADE FAILED: "rel" in kube-system: mode strict, key swordfish-key\n')
    with pytest.raises(InitFailed) as failed:
        stack.up(bed.inputs({"mode": "loose", "key": Secret(value="swordfish-key")}))
    assert failed.value.reasons == (failed.value.message,)
    assert failed.value.message.startswith("Helm release kube-system/rel has revision 2")
    assert '"rel" in kube-system: mode strict, key [secret]' in failed.value.message


def test_options_that_are_left_out_stand_in_the_inputs_as_the_official_plugin_writes_them(
    bed: Bed,
) -> None:
    checked, _ = bed.engine.check(RELEASE, "rel", bed.inputs(disableWebhooks=True))
    assert (checked["disableWebhooks"], checked["atomic"], checked["keyring"]) == (True, False, "")


def test_an_option_that_is_left_out_equals_one_that_is_off(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs({"a": 1}))
    assert stack.entry is not None
    terse: Object = {
        key: value for key, value in stack.entry.inputs.items() if value not in (False, "")
    }
    assert not bed.engine.diff(RELEASE, "rel", replace(stack.entry, inputs=terse), terse).changed
    assert not bed.engine.diff(RELEASE, "rel", stack.entry, terse).changed
    assert not bed.engine.diff(
        RELEASE, "rel", replace(stack.entry, inputs=terse), stack.entry.inputs
    ).changed


def test_a_missing_chart_is_reported_before_anything_is_installed(bed: Bed) -> None:
    _, failures = bed.engine.check(RELEASE, "rel", bed.inputs(chart="/no/chart"))
    assert [text.partition(": ")[0] for text in failures] == ["chart"]
    assert "/no/chart" in failures[0]


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("repositoryOpts", {"repo": "https://x", "password": "p"}, "repositoryOpts.password"),
        ("lint", True, "lint"),
        ("valueYamlFiles", ["x"], "valueYamlFiles"),
    ],
)
def test_what_the_stand_in_does_not_do_is_refused(
    bed: Bed, option: str, value: Value, name: str
) -> None:
    _, failures = bed.engine.check(RELEASE, "rel", {**bed.inputs(), option: value})
    assert [text.partition(": ")[0] for text in failures] == [name]


def test_without_helm_the_failure_says_what_to_do(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    _, failures = bed.engine.check(RELEASE, "rel", bed.inputs())
    assert "source .local/env" in failures[0]


def test_a_release_is_uninstalled_with_its_hooks_as_officially(bed: Bed) -> None:
    stack = bed.stack()
    stack.up(bed.inputs(disableWebhooks=True))
    stack.down()
    [call] = bed.calls("uninstall")
    assert "--no-hooks" not in call["arguments"]
    assert "--wait" in call["arguments"]


def test_a_release_cannot_be_uninstalled_without_a_cluster_even_with_delete_unreachable(
    bed: Bed,
) -> None:
    stack = bed.stack()
    stack.up(bed.inputs())
    assert stack.entry is not None
    with EngineSide() as side:
        side.configure({"kubeconfig": "{}", "deleteUnreachable": "true"})
        with pytest.raises(Refused, match="deletedWith"):
            side.delete(RELEASE, "rel", stack.entry)
        assert side.read(RELEASE, "rel", stack.entry) is None


def test_the_manifests_objects_are_listed_by_kind() -> None:
    live = LiveRelease(
        name="r",
        namespace="n",
        revision=1,
        status="deployed",
        chart="c",
        version="1",
        app_version="1",
        values={},
        manifest=(
            "---\n# Source: x\nkind: ConfigMap\napiVersion: v1\n"
            "metadata: {name: b, namespace: n}\n---\n# empty\n---\n"
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, namespace: n}\n"
        ),
    )
    assert live.resource_names() == {"ConfigMap/v1": ["n/a", "n/b"]}
