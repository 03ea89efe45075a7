"""The administrator's kubeconfig needs the secrets and an address, and no run that ended well."""

from __future__ import annotations

import base64
import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from operations.__main__ import app
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import ExitCode, OperationError
from operations.secrets.admin_access import server_address, write_kubeconfig
from operations.secrets.store import FileStore, init_secrets, read_secrets
from planning.model import ClusterPlan

pytestmark = pytest.mark.unit

_PULUMI = """\
#!{python}
import pathlib, sys
print(pathlib.Path({state!r}).read_text())
"""


def resource(type_: str, name: str, **outputs: object) -> Mapping[str, object]:
    return {"type": type_, "urn": f"urn:pulumi:s::p::x${type_}::{name}", "outputs": outputs}


EIP = "alicloud:ecs/eipAddress:EipAddress"
BALANCER = "alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer"


def plan_of(stack: str) -> ClusterPlan:
    return Stack.read(path_of_stack(stack)).plan()


def test_a_public_api_server_is_reached_by_its_own_eip() -> None:
    state = {
        "resources": [
            resource(EIP, "dev-nat", ipAddress="203.0.113.1"),
            resource(EIP, "dev-api", ipAddress="203.0.113.2"),
        ]
    }
    assert server_address(plan_of("dev"), state) == "203.0.113.2"


def test_several_control_planes_without_a_public_address_are_reached_by_their_balancer() -> None:
    state = {"resources": [resource(BALANCER, "prod-api", address="10.32.0.9")]}
    assert server_address(plan_of("prod"), state) == "10.32.0.9"


@pytest.mark.parametrize("state", [None, {}, {"resources": [resource(EIP, "dev-api")]}])
def test_without_an_address_in_the_state_there_is_none(state: Mapping[str, object] | None) -> None:
    assert server_address(plan_of("dev"), state) is None


def test_a_written_kubeconfig_is_private_also_over_a_public_file(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o644)
    write_kubeconfig("text\n", path)
    assert path.read_text(encoding="utf-8") == "text\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=str(tmp_path)) as refused:
        write_kubeconfig("text\n", tmp_path)
    assert refused.value.code is ExitCode.UNPREPARED


class LocalStack:
    """The local stack of a home of its own, with a pulumi that prints a state."""

    def __init__(self, folder: Path, *resources: Mapping[str, object]) -> None:
        self.home = folder / "home"
        self.secrets = folder / "secrets.yaml"
        self.binaries = folder / "bin"
        self.binaries.mkdir()
        state = folder / "state.json"
        state.write_text(json.dumps({"deployment": {"resources": list(resources)}}))
        pulumi = self.binaries / "pulumi"
        pulumi.write_text(_PULUMI.format(python=sys.executable, state=str(state)))
        pulumi.chmod(0o700)

    def kubeconfig(self, monkeypatch: pytest.MonkeyPatch, *options: str) -> Any:  # noqa: ANN401 - Result
        monkeypatch.setattr(
            "operations.engine.environment.search_path", lambda _: (str(self.binaries), "/none")
        )
        monkeypatch.setenv("PATH", str(self.binaries))
        return CliRunner().invoke(
            app,
            [
                "kubeconfig",
                "--stack=local",
                f"--home={self.home}",
                f"--file={self.secrets}",
                *options,
            ],
        )


def test_after_a_first_run_that_failed_the_command_writes_a_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = LocalStack(tmp_path, resource(EIP, "guide-api", ipAddress="127.66.0.7"))
    store = FileStore(stack.secrets)
    init_secrets("guide", store)
    output = tmp_path / "out" / "kubeconfig"
    done = stack.kubeconfig(monkeypatch, f"--output={output}")
    assert done.exit_code == 0, done.output
    document = yaml.safe_load(output.read_text())
    (cluster,), (user,) = document["clusters"], document["users"]
    assert cluster["cluster"]["server"] == "https://127.66.0.7:6443"
    key = base64.b64decode(user["user"]["client-key-data"]).decode()
    assert key == read_secrets(store).admin.key
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert "PRIVATE" not in done.output
    assert user["user"]["client-key-data"] not in done.output


def test_the_terminal_gets_the_kubeconfig_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = LocalStack(tmp_path, resource(EIP, "guide-api", ipAddress="127.66.0.7"))
    init_secrets("guide", FileStore(stack.secrets))
    for options in ((), ("--stdout", f"--output={tmp_path / 'kubeconfig'}")):
        refused = stack.kubeconfig(monkeypatch, *options)
        assert refused.exit_code == ExitCode.REFUSED
        assert "--stdout" in refused.stderr
        assert "client-key-data" not in refused.output
    printed = stack.kubeconfig(monkeypatch, "--stdout")
    assert yaml.safe_load(printed.stdout)["current-context"] == "guide"


def test_before_the_api_server_has_an_address_the_command_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = LocalStack(tmp_path)
    init_secrets("guide", FileStore(stack.secrets))
    refused = stack.kubeconfig(monkeypatch, "--stdout")
    assert refused.exit_code == ExitCode.REFUSED
    assert "guide-api" in refused.stderr
    assert "pulumi up" in refused.stderr


def test_without_secrets_the_command_says_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = LocalStack(tmp_path).kubeconfig(monkeypatch, "--stdout")
    assert refused.exit_code == ExitCode.REFUSED
    assert "secrets init" in refused.stderr
