from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from operations.engine.places import Places
from operations.engine.running import Finished
from operations.engine.stack_file import path_of_stack
from operations.engine.waiting import holds_within
from operations.failure import ExitCode, OperationError
from operations.local import deployment as local
from operations.local import emulated_cloud
from operations.local.deployment import LocalCloud
from operations.sweep.cluster import Finding
from operations.sweep.command import Ask, Say, Swept, SweptStack
from operations.sweep.leftovers import Leftover
from operations.sweep.recovery import Agree, Recovered

pytestmark = pytest.mark.unit

OK = Finished(status=0, out="{}", err="")


@dataclass
class Machine:
    """A machine on which every command is written down and answered from a script."""

    answers: dict[str, Finished] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    home: Path = Path()

    def answer(self, argv: Sequence[str]) -> Finished:
        called = " ".join(argv[2:] if argv[1] == "-m" else argv)
        self.calls.append(called)
        if called.startswith("localcloud start"):
            (self.home / "cloud" / "tls").mkdir(parents=True, exist_ok=True)
            (self.home / "cloud" / "tls" / "ca.pem").write_text("CA\n")
        if called.startswith("pulumi stack init"):
            stacks = self.home / "pulumi/state/.pulumi/stacks/spiderpool-alicloud"
            stacks.mkdir(parents=True)
            (stacks / "local.json").write_text("{}")
        if called.startswith("localcloud status"):
            return Finished(status=0, out='{"running": true, "machines": "running"}', err="")
        answers = [answer for begin, answer in self.answers.items() if called.startswith(begin)]
        return answers[0] if answers else OK

    def order(self) -> list[str]:
        return [" ".join(call.split()[:2]) for call in self.calls]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(home=tmp_path / "home")

    @dataclass(frozen=True, kw_only=True)
    class Scripted:
        env: Mapping[str, str]

        def run(self, argv: Sequence[str], **_: object) -> Finished:
            return machine.answer(argv)

    for module in (local, emulated_cloud):
        monkeypatch.setattr(module, "Runner", Scripted)
    # A million rounds each time; test_passphrase.py is about it.
    monkeypatch.setattr(local, "opens", lambda _passphrase, _salt: True)
    return machine


@pytest.fixture
def cloud(tmp_path: Path) -> LocalCloud:
    document = yaml.safe_load(path_of_stack("local").read_text())
    document["config"]["spiderpool-alicloud:secretsFile"] = str(tmp_path / "home" / "secrets.yaml")
    document["config"]["spiderpool-alicloud:cluster"]["cloud"] = {"endpoint": "127.0.0.99:28443"}
    config_file = tmp_path / "Pulumi.copy.yaml"
    config_file.write_text(yaml.safe_dump(document))
    tools = tmp_path / "tools"
    (tools / "bin").mkdir(parents=True)
    (tools / "bin" / "pulumi").touch()
    return LocalCloud(
        places=Places.of(tmp_path / "home", tools=tools),
        console=Console(file=io.StringIO(), width=200),
        config_file=config_file,
        outer={"PATH": "/usr/bin:/bin"},
    )


def printed(cloud: LocalCloud) -> str:
    file = cloud.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_up_goes_from_the_toolchain_to_the_table(machine: Machine, cloud: LocalCloud) -> None:
    machine.answers["pulumi stack output"] = Finished(
        status=0, out=json.dumps({"vpcId": "vpc-1", "kubeconfig": "apiVersion: v1"}), err=""
    )
    cloud.up()
    assert machine.order() == [
        "toolchain ensure",
        "localcloud.charts --home",
        "localcloud start",
        "localcloud status",
        "toolchain plugins",
        "pulumi stack",
        "pulumi up",
        "pulumi stack",
    ]
    assert cloud.places.kubeconfig.read_text() == "apiVersion: v1"
    assert cloud.places.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert cloud.places.env.exists()
    assert "vpc-1" in printed(cloud)
    assert "apiVersion" not in printed(cloud)
    assert "kubectl get" in printed(cloud)


def test_the_local_cloud_gets_its_port_and_region_from_the_stack_file(
    machine: Machine, cloud: LocalCloud
) -> None:
    cloud.up()
    start = next(call for call in machine.calls if call.startswith("localcloud start"))
    assert "--port 28443" in start
    assert "--region cn-hangzhou" in start
    assert f"--home {cloud.places.home}" in start
    assert "--machines" not in start


def test_the_local_cloud_is_told_what_instances_boot_into(
    machine: Machine, cloud: LocalCloud
) -> None:
    replace(cloud, machines="mixed").up()
    start = next(call for call in machine.calls if call.startswith("localcloud start"))
    assert start.endswith("--machines mixed")


def test_secrets_are_generated_at_the_first_up_only(machine: Machine, cloud: LocalCloud) -> None:
    cloud.up()
    first = cloud.places.secrets.read_text()
    cloud.up()
    assert cloud.places.secrets.read_text() == first
    assert len(machine.calls) > 0


@pytest.mark.parametrize("failing", ["toolchain ensure", "localcloud.charts", "localcloud start"])
def test_a_failed_step_keeps_pulumi_from_being_called(
    machine: Machine, cloud: LocalCloud, failing: str
) -> None:
    machine.answers[failing] = Finished(status=3, out="", err="the reason")
    with pytest.raises(OperationError, match="the reason") as caught:
        cloud.up()
    assert caught.value.code is ExitCode.UNPREPARED
    assert not any(call.startswith("pulumi") for call in machine.calls)


def test_a_stack_that_another_pulumi_holds_is_left_alone(
    machine: Machine, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.up()
    _lock(cloud, os.getpid())
    monkeypatch.setattr("operations.engine.pulumi_stack._is_pulumi", lambda _pid: True)
    machine.calls.clear()
    with pytest.raises(OperationError, match=f"process {os.getpid()}") as caught:
        cloud.up()
    assert caught.value.code is ExitCode.BUSY
    assert "pulumi up" not in machine.order()


def test_a_lock_left_behind_is_released_before_the_update(
    machine: Machine, cloud: LocalCloud
) -> None:
    cloud.up()
    _lock(cloud, 2**22 + 1)
    machine.calls.clear()
    cloud.up()
    order = machine.order()
    assert order.index("pulumi cancel") < order.index("pulumi up")
    assert "is released" in printed(cloud)


def test_a_run_that_was_cut_off_is_recovered_before_the_update(
    machine: Machine, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = {
        "type": "creating",
        "resource": {"urn": "urn:pulumi:local::p::alicloud:vpc/network:Network::guide"},
    }
    document = json.dumps({"deployment": {"pending_operations": [pending]}})
    cloud.up()
    machine.answers["pulumi stack export"] = Finished(status=0, out=document, err="")
    left = Leftover(kind="VPC", id="vpc-1", sign="tag")

    mended = Finding(title="Service default/web", step="taken into the state", is_mended=True)

    def recovered(swept: SweptStack, *, ask: Ask, agree: Agree, say: Say) -> Recovered:
        assert ask([left])
        assert agree([mended])
        assert swept.account.endpoint == "127.0.0.99:28443"
        machine.calls.append("recover it")
        say("VPC vpc-1")
        return Recovered(
            pending=("creating alicloud:vpc/network:Network guide",),
            unlocked=False,
            swept=Swept(leftovers=[left], removed=[left]),
            findings=[mended],
        )

    monkeypatch.setattr(local, "recover_stack", recovered)
    machine.calls.clear()
    cloud.up()
    order = machine.order()
    assert order.index("recover it") < order.index("pulumi up")
    assert "creating alicloud:vpc/network:Network guide" in printed(cloud)
    assert "removed: VPC vpc-1" in printed(cloud)
    assert "Service default/web: taken into the state" in printed(cloud)


def test_an_existing_cluster_is_waited_for_until_it_is_ready(
    machine: Machine, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.places.kubeconfig.parent.mkdir(parents=True)
    cloud.places.kubeconfig.touch()
    machine.answers["kubectl"] = Finished(status=1, out="", err="forbidden")

    def gets_ready(_seconds: float) -> None:
        machine.answers["kubectl"] = OK

    monkeypatch.setattr(local, "holds_within", partial(holds_within, pause=gets_ready))
    cloud.up()
    order = machine.order()
    assert order.count("kubectl --request-timeout=5s") == 2
    assert order.index("kubectl --request-timeout=5s") < order.index("pulumi up")


def test_a_cluster_that_never_gets_ready_is_left_for_pulumi_to_judge(
    machine: Machine, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.places.kubeconfig.parent.mkdir(parents=True)
    cloud.places.kubeconfig.touch()
    machine.answers["kubectl"] = Finished(status=1, out="", err="refused")
    monkeypatch.setattr(local, "_READY", 0.0)
    cloud.up()
    assert "pulumi up" in machine.order()
    assert "continues without it" in printed(cloud)


def test_down_destroys_checks_and_stops(machine: Machine, cloud: LocalCloud) -> None:
    cloud.up()
    machine.calls.clear()
    machine.answers["pulumi stack export"] = _state(resources=3)
    cloud.down()
    assert machine.order() == [
        "localcloud status",
        "localcloud start",
        "localcloud status",
        "toolchain plugins",
        "pulumi stack",
        "pulumi stack",
        "pulumi destroy",
        "localcloud resources",
        "localcloud stop",
    ]


def test_down_says_what_is_left_and_keeps_the_cloud_running(
    machine: Machine, cloud: LocalCloud
) -> None:
    cloud.up()
    machine.calls.clear()
    machine.answers["localcloud resources"] = Finished(
        status=0, out=json.dumps({"vpcs": {"count": 1}, "eips": {"count": 0}}), err=""
    )
    with pytest.raises(OperationError, match="1 vpcs") as caught:
        cloud.down()
    assert caught.value.code is ExitCode.LEFTOVERS
    assert "eips" not in str(caught.value)
    assert "localcloud stop" not in machine.order()


def test_down_leaves_snapshots_which_outlive_their_stack(
    machine: Machine, cloud: LocalCloud
) -> None:
    cloud.up()
    machine.calls.clear()
    machine.answers["localcloud resources"] = Finished(
        status=0, out=json.dumps({"Snapshot": {"count": 2}}), err=""
    )
    cloud.down()
    assert "localcloud stop" in machine.order()


def test_discard_forgets_the_stack_and_keeps_the_secrets(
    machine: Machine, cloud: LocalCloud
) -> None:
    cloud.up()
    machine.calls.clear()
    cloud.discard()
    assert machine.order() == ["localcloud stop"]
    assert not cloud.places.cloud.exists()
    assert not cloud.places.backend.exists()
    assert cloud.places.secrets.exists()


def _state(*, resources: int) -> Finished:
    state = f'{{"deployment": {{"resources": [{", ".join(["{}"] * resources)}]}}}}'
    return Finished(status=0, out=state, err="")


def _lock(cloud: LocalCloud, pid: int) -> None:
    folder = cloud.places.backend / ".pulumi/locks/organization/spiderpool-alicloud/local"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(json.dumps({"pid": pid}))
