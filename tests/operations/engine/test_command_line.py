from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from operations.__main__ import app
from operations.engine.places import ROOT
from operations.engine.stack_file import path_of_stack
from operations.failure import ExitCode

pytestmark = pytest.mark.unit


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def local_stack(tmp_path: Path, old: str, new: str) -> Path:
    """The local stack's file with one thing changed."""
    text = path_of_stack("local").read_text()
    assert old in text
    path = tmp_path / "Pulumi.changed.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_the_plan_of_every_stack_prints_for_people_and_for_machines(stack: str) -> None:
    path = str(path_of_stack(stack))
    people = call("plan", "--config", path)
    machines = call("plan", "--config", path, "--json")
    assert (people.exit_code, machines.exit_code) == (0, 0)
    document = json.loads(machines.stdout)
    for name, node in document["nodes"].items():
        for nic in node["interfaces"].values():
            assert {"subnet", "vswitch", "primary", "podAddresses"} <= set(nic)
            assert nic["primary"] in people.stdout
        assert name in people.stdout


def test_the_plan_shows_the_guides_pools_addresses_and_room() -> None:
    text = call("plan", "--config", str(path_of_stack("local"))).stdout
    for shown in (
        "master-eth0",
        "172.31.199.185-172.31.199.189",
        "172.31.207.253",
        "worker-eth1",
        "192.168.0.161-192.168.0.165",
        "192.168.0.253",
        "max pods",
        "free",
        "Counted by quotas",
        "NAT gateways",
    ):
        assert shown in text


def test_an_unknown_key_is_refused_with_the_nearest_valid_one(tmp_path: Path) -> None:
    done = call("plan", "--config", str(local_stack(tmp_path, "region:", "regoin:")))
    assert done.exit_code == ExitCode.REFUSED
    assert "regoin" in done.stderr
    assert "Did you mean region?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_outside_its_vswitch_is_refused_with_its_path(tmp_path: Path) -> None:
    path = local_stack(tmp_path, "address: 172.31.199.183", "address: 10.9.9.9")
    done = call("plan", "--config", str(path))
    assert done.exit_code == ExitCode.REFUSED
    assert "10.9.9.9" in done.stderr
    assert "172.31.192.0/20" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_for_machines_has_every_problem(tmp_path: Path) -> None:
    done = call("plan", "--config", str(local_stack(tmp_path, "region:", "regoin:")), "--json")
    assert done.exit_code == ExitCode.REFUSED
    problems = json.loads(done.stdout)["problems"]
    assert [p["path"] for p in problems] == ["regoin"]
    assert all(p["rule"] and p["remedy"] for p in problems)


def test_a_missing_file_is_reported_with_its_path(tmp_path: Path) -> None:
    done = call("plan", "--config", str(tmp_path / "none.yaml"))
    assert done.exit_code == ExitCode.REFUSED
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_effective_configuration_has_what_the_profile_adds() -> None:
    done = call("config", "show", "--config", str(path_of_stack("prod")), "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["protect"] is True
    assert document["nodePools"]["masters"]["disk"]["encrypted"] is True


def test_the_schema_and_the_reference_are_the_documented_ones() -> None:
    schema = call("config", "schema")
    assert json.loads(schema.stdout) == json.loads(
        (ROOT / "docs" / "schema" / "cluster.schema.json").read_text()
    )
    assert call("config", "reference").stdout == (ROOT / "docs" / "configuration.md").read_text()


def test_the_local_cloud_takes_no_stack_of_another_profile(tmp_path: Path) -> None:
    done = call(
        "local",
        "up",
        "--home",
        str(tmp_path / "home"),
        "--config-file",
        str(path_of_stack("prod")),
    )
    assert done.exit_code == ExitCode.REFUSED
    assert "profile prod" in done.stderr


def test_a_refused_stack_file_starts_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = local_stack(tmp_path, "address: 172.31.199.183", "address: 10.9.9.9")
    done = call("local", "up", "--home", str(home), "--config-file", str(path))
    assert done.exit_code == ExitCode.REFUSED
    assert {p.name for p in home.iterdir()} == {"operations.lock"}


def test_a_stack_file_of_another_passphrase_starts_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = local_stack(tmp_path, "encryptionsalt: v1:hWi9", "encryptionsalt: v1:aaaa")
    done = call("local", "up", "--home", str(home), "--config-file", str(path))
    assert done.exit_code == ExitCode.REFUSED
    assert "passphrase" in done.stderr
    assert {p.name for p in home.iterdir()} == {"operations.lock"}


def test_there_may_be_nothing_to_take_down(tmp_path: Path) -> None:
    done = call("local", "down", "--home", str(tmp_path / "home"))
    assert done.exit_code == 0
    assert "Nothing to destroy" in done.stdout


def test_a_report_without_a_stack_says_how_to_get_one(tmp_path: Path) -> None:
    done = call("report", "--home", str(tmp_path / "home"))
    assert done.exit_code == ExitCode.REFUSED
    assert "make up" in done.stderr


def test_secrets_are_generated_once_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    first = call("secrets", "init", "--stack", "local", "--file", str(path))
    assert first.exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in first.output
    kept = path.read_text()
    again = call("secrets", "init", "--stack", "local", "--file", str(path))
    assert again.exit_code == ExitCode.REFUSED
    assert "Keep them" in again.stderr
    assert path.read_text() == kept


def test_a_real_stacks_secrets_never_go_into_a_file_in_clear(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    done = call("secrets", "init", "--stack", "prod", "--file", str(path))
    assert done.exit_code == ExitCode.REFUSED
    assert not path.exists()


@pytest.mark.parametrize(
    "example", sorted((ROOT / "docs" / "examples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_plan_of_every_example_prints(example: Path) -> None:
    done = call("plan", "--config", str(example))
    assert done.exit_code == 0, done.output
    assert "IP pools" in done.stdout
