"""`kill -9` at any moment loses no acknowledged call and leaves no half of one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.models import Config

from localcloud.daemons import ask, health
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET, Places
from tests.localcloud.attacks.fuzz_client import ServerProcess
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.durability import kill_load
from tests.localcloud.sdk_api import Api

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 5


def serve(home: Path, port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "localcloud", "serve", f"--home={home}", f"--port={port}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 300
    while health(Places(home=home)) is None:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def api_on(home: Path, port: int) -> Api:
    return Api(
        Config(
            endpoint=f"127.0.0.1:{port}",
            protocol="https",
            region_id="cn-hangzhou",
            access_key_id=ROOT_KEY_ID,
            access_key_secret=ROOT_SECRET,
            ca=str(home / "cloud" / "tls" / "ca.pem"),
            read_timeout=5000,
            connect_timeout=5000,
        )
    )


class Load:
    """Creates and deletes ENIs until the server dies; notes what was acknowledged."""

    def __init__(self, home: Path, port: int, vswitch: str, group: str) -> None:
        self.api = api_on(home, port)
        self.where = {"VSwitchId": vswitch, "SecurityGroupIds": [group]}
        self.created: dict[str, tuple[str, ...]] = {}
        self.deleted: set[str] = set()
        self.unsure: str | None = None
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        chance = random.Random(id(self))  # noqa: S311  # reproducible, not secret
        while True:
            self.unsure = None
            try:
                if self.created and chance.random() < 0.3:
                    self.unsure = chance.choice(sorted(self.created))
                    self.api.ecs("DeleteNetworkInterface", NetworkInterfaceId=self.unsure)
                    self.deleted.add(self.unsure)
                    del self.created[self.unsure]
                else:
                    answer = self.api.ecs(
                        "CreateNetworkInterface", SecondaryPrivateIpAddressCount=3, **self.where
                    )
                    self.created[answer["NetworkInterfaceId"]] = tuple(
                        p["PrivateIpAddress"] for p in answer["PrivateIpSets"]["PrivateIpSet"]
                    )
            except Exception:  # noqa: BLE001  # the server is gone: that is the end
                return


def everything(api: Api) -> dict[str, dict[str, Any]]:
    by_id: dict[str, dict[str, Any]] = {}
    token = ""
    while True:
        more = {"NextToken": token} if token else {}
        answer = api.ecs("DescribeNetworkInterfaces", MaxResults=500, **more)
        for eni in answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]:
            by_id[eni["NetworkInterfaceId"]] = eni
        token = answer["NextToken"]
        if not token:
            return by_id


def check(api: Api, vswitch: str, loads: list[Load]) -> None:
    present = everything(api)
    unsure = {load.unsure for load in loads}
    for load in loads:
        for eni_id, addresses in load.created.items():
            if eni_id in unsure and eni_id not in present:
                continue
            shown = present[eni_id]["PrivateIpSets"]["PrivateIpSet"]
            assert tuple(p["PrivateIpAddress"] for p in shown) == addresses
        assert not load.deleted & set(present)
    taken = [
        p["PrivateIpAddress"]
        for eni in present.values()
        for p in eni["PrivateIpSets"]["PrivateIpSet"]
    ]
    assert len(taken) == len(set(taken)), "an address is on two ENIs"
    # Every ENI is whole: four addresses; and addresses in use are exactly theirs.
    assert {len(e["PrivateIpSets"]["PrivateIpSet"]) for e in present.values()} <= {4}
    free = api.vpc("DescribeVSwitchAttributes", VSwitchId=vswitch)["AvailableIpAddressCount"]
    assert free == 65536 - 4 - len(taken)


@pytest.mark.timeout(600)
def test_kill_9_under_load_loses_nothing_acknowledged(home: Path, free_port: int) -> None:
    server = serve(home, free_port)
    try:
        api = api_on(home, free_port)
        vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
        vswitch = api.vpc(
            "CreateVSwitch", VpcId=vpc, CidrBlock="10.0.0.0/16", ZoneId="cn-hangzhou-h"
        )["VSwitchId"]
        group = api.ecs("CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
        loads: list[Load] = []
        for number in range(ROUNDS):
            now = [Load(home, free_port, vswitch, group) for _ in range(3)]
            for load in now:
                load.thread.start()
            time.sleep(random.Random(number).uniform(0.3, 1.2))  # noqa: S311
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            for load in now:
                load.thread.join(30)
            loads += now
            server = serve(home, free_port)
            check(api_on(home, free_port), vswitch, loads)
        assert sum(len(load.created) for load in loads) > ROUNDS
    finally:
        server.kill()
        server.wait()


def killed_again_and_again(home: Path, rounds: int) -> dict[str, int]:
    """Six writers of three kinds, and SIGKILL in the middle of it, round by round."""
    server = ServerProcess(home)
    ca = Places(home=home).tls / "ca.pem"
    try:
        link = kill_load.Connection(server.port, ca)
        place = kill_load.Place.make(link)
        kinds = ("eni", "eni", "eni", "instance", "group", "group")
        writers = [kill_load.Writer(kind, n, place) for n, kind in enumerate(kinds)]
        open_calls = 0
        for number in range(rounds):
            threads = kill_load.run(writers, server.port, ca, number)
            time.sleep(random.Random(number).uniform(0.1, 1.0))  # noqa: S311  # reproducible
            server.kill()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
            server = ServerProcess(home)
            link = kill_load.Connection(server.port, ca)
            present = kill_load.everything_by_name(link, place)
            for writer in writers:
                writer.check(present)
            open_calls += sum(1 for w in writers if w.unsure)
            for writer in writers:
                writer.repeat(link)
            present = kill_load.everything_by_name(link, place)
            for writer in writers:
                writer.check(present)
        assert server.bad_lines() == []
        return {
            "rounds": rounds,
            "acknowledged calls": sum(w.acknowledged for w in writers),
            "calls under way when it died": open_calls,
        }
    finally:
        server.kill()


@pytest.mark.timeout(600)
def test_parallel_writers_of_every_kind_survive_kill_9(home: Path) -> None:
    figures = killed_again_and_again(home, 3)
    assert figures["acknowledged calls"] > figures["rounds"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "localcloud", *arguments],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.timeout(600)
def test_the_commands_start_find_revive_and_stop_a_cloud(home: Path, free_port: int) -> None:
    where = [f"--home={home}"]
    port = [f"--port={free_port}", "--no-machines"]
    places = Places(home=home)
    try:
        first = run("start", *where, *port)
        assert (first.returncode, first.stdout) == (
            0,
            f"The local cloud runs: https://127.0.0.1:{free_port}\n",
        )
        assert "already runs" in run("start", *where, *port).stdout
        api = api_on(home, free_port)
        vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
        status = json.loads(run("status", *where, "--json").stdout)
        assert (status["running"], status["port"]) == (True, free_port)
        assert status["resources"] == {"Vpc": 1}
        os.kill(status["pids"]["server"], signal.SIGKILL)
        until = time.monotonic() + 10
        while health(places) is not None and time.monotonic() < until:
            time.sleep(0.02)
        assert json.loads(run("status", *where, "--json").stdout)["running"] is False
        assert run("start", *where, *port).returncode == 0
        assert json.loads(run("resources", *where).stdout)["Vpc"]["ids"] == [vpc]
        assert run("reset", *where).returncode == 0
        assert json.loads(run("resources", *where).stdout) == {}
    finally:
        stopped = run("stop", *where)
    assert stopped.stdout == "Stopped: server\n"
    assert run("stop", *where).stdout == "The local cloud was not running.\n"
    assert run("resources", *where).returncode == 3


def test_a_port_in_use_is_one_sentence_and_nothing_half_started(
    home: Path, cloud: CloudThread
) -> None:
    other = home / "other"
    process = run("start", f"--home={other}", f"--port={cloud.port}", "--no-machines")
    assert process.returncode == 3
    assert process.stderr.count("\n") == 1
    assert f"Port {cloud.port}" in process.stderr
    assert "--port" in process.stderr
    assert str(os.getpid()) in process.stderr
    assert ask(Places(home=other), "GET", "/health") is None
    assert not (other / "cloud" / "run" / "server.pid").exists()


@pytest.mark.parametrize(
    ("option", "needle"),
    [
        ("--eip-range=10.0.0.0/16", "127.0.0.0/8"),
        ("--eip-range=x", "127.66.0.0/16"),
        ("--region=", "cn-hangzhou"),
    ],
)
def test_an_option_that_cannot_be_says_what_to_write(home: Path, option: str, needle: str) -> None:
    process = run("start", f"--home={home}", option, "--no-machines")
    assert process.returncode == 2
    assert needle in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.usefixtures("cloud")
def test_a_state_in_use_is_one_sentence(home: Path, free_port: int) -> None:
    process = run("serve", f"--home={home}", f"--port={free_port}")
    assert process.returncode == 2
    assert "Another process uses the state" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_state_of_another_region_is_refused(
    home: Path, start_cloud: Callable[..., CloudThread], free_port: int
) -> None:
    start_cloud().close()
    process = run("serve", f"--home={home}", f"--port={free_port}", "--region=eu-central-1")
    assert process.returncode == 2
    assert "--region cn-hangzhou" in process.stderr


def test_a_broken_state_file_is_one_sentence(home: Path, free_port: int) -> None:
    state = Places(home=home).state
    state.parent.mkdir(parents=True)
    state.write_bytes(b"no database" * 1000)
    process = run("serve", f"--home={home}", f"--port={free_port}")
    assert process.returncode == 2
    assert "not a usable state file" in process.stderr
