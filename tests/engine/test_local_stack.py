"""The guide's cluster by the real engine and the real provider, from nothing and back.

The tests share one deployment and leave it as they found it; those that take it down come last.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from operations.engine.places import ROOT, Places
from operations.failure import ExitCode
from tests.engine.clouds.local_cloud import Done, SecondCloud, second_cloud
from tests.guide_pools import GUIDE_POOLS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1500)]

NICS = {
    ("master", "eth0"): ("172.31.199.183", [f"172.31.199.{n}" for n in range(185, 190)]),
    ("master", "eth1"): ("192.168.0.154", [f"192.168.0.{n}" for n in range(156, 161)]),
    ("worker", "eth0"): ("172.31.199.184", [f"172.31.199.{n}" for n in range(190, 195)]),
    ("worker", "eth1"): ("192.168.0.155", [f"192.168.0.{n}" for n in range(161, 166)]),
}
"""Primary and pod addresses."""


def changed(done: Done) -> list[str]:
    """Lines of pulumi's summary about changes, made or planned."""
    return re.findall(
        r"^\s*[-+~]{1,2}\d* (?:to )?\d* ?(?:created?|updated?|deleted?|replaced?).*$",
        done.out,
        re.MULTILINE,
    ) + re.findall(r"^\s+[-+~]{1,2} \d+ .*$", done.out, re.MULTILINE)


def test_up_from_nothing_ends_with_the_table_and_the_line_to_use_kubectl_with(
    cloud: SecondCloud,
) -> None:
    before = cloud.config_file.read_text()
    done = cloud.operations("up")
    assert done.status == 0, cloud.explain(done)
    for primary, pods in NICS.values():
        assert primary in done.out
        first, last = pods[0], pods[-1].rpartition(".")[2]
        assert f"{first}-{last}" in done.out
    assert all(pool in done.out for pool in GUIDE_POOLS)
    assert "kubectl get" in done.out
    assert cloud.config_file.read_text() == before
    assert cloud.places.secrets.stat().st_mode & 0o777 == 0o600
    assert cloud.places.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_no_secret_is_in_what_up_prints_or_the_state_keeps_in_clear(
    deployed: SecondCloud,
) -> None:
    done = deployed.pulumi("up", "--yes", "--diff")
    assert done.status == 0, deployed.explain(done)
    state = deployed.stack("export")
    secrets = json.loads(deployed.places.secrets.read_text())
    private = [value for value in _texts(secrets) if "PRIVATE KEY" in value]
    assert private
    for text in (done.out, done.err, state):
        assert not any(json.dumps(value)[1:-1] in text or value in text for value in private)


def test_a_preview_on_an_empty_state_shows_every_address_in_clear(
    deployed: SecondCloud, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    empty = {"PULUMI_BACKEND_URL": f"file://{tmp_path}/state"}
    deployed.run("pulumi", "stack", "init", "local", env=empty, check=True)
    done = deployed.pulumi("preview", env=empty)
    assert done.status == 0, deployed.explain(done)
    for primary, pods in NICS.values():
        assert all(f'"{address}"' in done.out for address in (primary, *pods)), done.out


def test_the_state_is_in_files_that_a_kill_leaves_whole(deployed: SecondCloud) -> None:
    backend = deployed.places.backend
    assert [path.name for path in backend.rglob("*.json")], "the stack has no state"
    assert list(backend.rglob("*.attrs")) == [], "a state file has attributes next to it"


def test_a_second_up_changes_nothing_and_builds_nothing(deployed: SecondCloud) -> None:
    built = {p: p.stat().st_mtime_ns for p in deployed.places.bin.iterdir()}
    done = deployed.operations("up", deadline=300)
    assert done.status == 0, deployed.explain(done)
    assert changed(done) == []
    assert re.search(r"\d+ unchanged", done.out), done.out
    assert {p: p.stat().st_mtime_ns for p in deployed.places.bin.iterdir()} == built


def test_after_a_refresh_a_preview_expects_no_changes(deployed: SecondCloud) -> None:
    refreshed = deployed.pulumi("refresh", "--yes")
    assert refreshed.status == 0, refreshed.transcript
    previewed = deployed.pulumi("preview", "--expect-no-changes")
    assert previewed.status == 0, previewed.transcript


def test_the_api_server_has_the_guides_four_pools(deployed: SecondCloud) -> None:
    items = deployed.kubectl("get", "spiderippools")["items"]
    specs = {
        pool["metadata"]["name"]: {k: pool["spec"].get(k) for k in GUIDE_POOLS["master-eth0"]}
        for pool in items
    }
    assert specs == GUIDE_POOLS


def test_the_enis_in_the_outputs_have_the_planned_addresses(deployed: SecondCloud) -> None:
    nodes = deployed.outputs()["nodes"]
    addresses = {
        (node, nic): (nic_outputs["primary"], sorted(nic_outputs["podAddresses"], key=_last))
        for node, value in nodes.items()
        for nic, nic_outputs in value["interfaces"].items()
    }
    assert addresses == NICS
    macs = {
        nic_outputs["mac"]
        for value in nodes.values()
        for nic_outputs in value["interfaces"].values()
    }
    assert len(macs) == len(NICS)


def test_both_nodes_have_the_provider_id_of_their_instance(deployed: SecondCloud) -> None:
    shown = {name: node["providerId"] for name, node in deployed.outputs()["nodes"].items()}
    items = deployed.kubectl("get", "nodes")["items"]
    provider_ids = {node["metadata"]["name"]: node["spec"].get("providerID") for node in items}
    assert provider_ids == shown
    assert all(re.fullmatch(r"cn-hangzhou\.i-\w+", provider) for provider in provider_ids.values())


def test_spiderpools_own_objects_exist(deployed: SecondCloud) -> None:
    configs = deployed.kubectl("get", "spidermultusconfigs", "-n", "kube-system")["items"]
    masters = {c["metadata"]["name"]: c["spec"]["ipvlan"]["master"] for c in configs}
    assert masters == {"ipvlan-eth0": ["eth0"], "ipvlan-eth1": ["eth1"]}
    coordinators = deployed.kubectl("get", "spidercoordinators")["items"]
    assert [c["metadata"]["name"] for c in coordinators] == ["default"]


def test_an_address_taken_away_behind_our_back_comes_back(deployed: SecondCloud) -> None:
    pool = "worker-eth1"
    deployed.run("kubectl", "delete", "spiderippool", pool, "--wait=true", check=True)
    done = deployed.pulumi("up", "--yes")
    assert done.status == 0, deployed.explain(done)
    spec = deployed.kubectl("get", "spiderippool", pool)["spec"]
    assert spec["ips"] == GUIDE_POOLS[pool]["ips"]


def test_everything_comes_back_after_every_process_was_killed(deployed: SecondCloud) -> None:
    before = deployed.outputs()
    assert deployed.kill_everything() > 2
    done = deployed.operations("up", deadline=300)
    assert done.status == 0, deployed.explain(done)
    assert changed(done) == []
    assert deployed.outputs() == before
    assert len(deployed.kubectl("get", "spiderippools")["items"]) == len(GUIDE_POOLS)


def test_the_lock_of_a_killed_pulumi_is_reported_and_released(deployed: SecondCloud) -> None:
    folder = deployed.places.backend / ".pulumi/locks/organization/spiderpool-alicloud/local"
    folder.mkdir(parents=True, exist_ok=True)
    stale = {
        "pid": 2**22 + 1,
        "username": "u",
        "hostname": "h",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    (folder / "00000000-0000-0000-0000-000000000000.json").write_text(json.dumps(stale))
    done = deployed.operations("up", deadline=300)
    assert done.status == 0, deployed.explain(done)
    assert "lock on the stack is released" in done.out


def test_a_wrong_passphrase_is_refused_by_pulumi_and_changes_nothing(
    deployed: SecondCloud,
) -> None:
    done = deployed.pulumi("up", "--yes", env={"PULUMI_CONFIG_PASSPHRASE": "another"})
    assert done.status != 0
    assert "incorrect passphrase" in done.err + done.out


def test_an_unknown_key_is_refused_by_pulumi_with_the_report_and_no_traceback(
    deployed: SecondCloud, tmp_path: Path
) -> None:
    broken = tmp_path / "Pulumi.broken.yaml"
    broken.write_text(deployed.config_file.read_text().replace("region:", "regoin:", 1))
    done = replace(deployed, config_file=broken).pulumi("preview")
    assert done.status != 0
    assert "regoin" in done.out + done.err
    assert "Traceback" not in done.out + done.err


def test_a_port_in_use_is_one_sentence_and_nothing_is_started(tmp_path: Path) -> None:
    other = second_cloud(tmp_path / "home")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", other.port))
        holder.listen()
        done = other.operations("up", deadline=120)
    assert done.status == ExitCode.UNPREPARED, done.transcript
    assert f"127.0.0.1:{other.port} is in use" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not other.places.cloud.exists()


def test_an_address_outside_its_vswitch_is_refused_and_nothing_is_started(tmp_path: Path) -> None:
    other = second_cloud(
        tmp_path / "home", changes={"address: 172.31.199.183": "address: 10.9.9.9"}
    )
    done = other.operations("up", deadline=120)
    assert done.status == ExitCode.REFUSED, done.transcript
    assert "10.9.9.9" in done.err
    assert not other.places.cloud.exists()


def test_a_missing_tool_is_one_sentence(tmp_path: Path) -> None:
    other = second_cloud(tmp_path / "home")
    other = replace(other, env={**other.env, "PATH": "/nowhere"})
    done = other.operations("up", "--tools", str(tmp_path / "nothing-built"), deadline=120)
    assert done.status == ExitCode.UNPREPARED, done.transcript
    assert "go is not on PATH" in done.err
    assert not other.places.cloud.exists()


def test_down_after_a_destroy_that_was_killed_leaves_nothing(deployed: SecondCloud) -> None:
    destroy = subprocess.Popen(
        ["pulumi", "destroy", "--yes", "--skip-preview", "--stack", "local", "--non-interactive"],  # noqa: S607
        cwd=ROOT,
        env=dict(deployed.env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(8)
    destroy.send_signal(signal.SIGKILL)
    destroy.wait()
    done = deployed.operations("down", deadline=900)
    assert done.status == 0, deployed.explain(done)
    assert deployed.processes() == set()
    with socket.socket() as probe:
        # Closed connections linger; only a listener would keep the port now.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", deployed.port))


def test_down_again_has_nothing_left_to_do(deployed: SecondCloud) -> None:
    done = deployed.operations("down", deadline=300)
    assert done.status == 0, deployed.explain(done)
    deployed.start_emulator(region="cn-hangzhou")
    assert deployed.resources() == {}


def _last(address: str) -> int:
    return int(address.rpartition(".")[2])


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def test_the_users_own_local_cloud_is_never_touched(cloud: SecondCloud) -> None:
    assert cloud.places.home != Places.of(ROOT / ".local").home
    backend = f"file://{cloud.places.home}/pulumi/state"
    assert cloud.env["PULUMI_BACKEND_URL"].partition("?")[0] == backend
