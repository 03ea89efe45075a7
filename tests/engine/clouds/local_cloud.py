"""A second local cloud for the same program, with its own home, port, EIP range and backend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from operations.engine.environment import run_environment
from operations.engine.places import PROJECT, ROOT, Places
from operations.engine.stack_file import path_of_stack
from tests.loopback_ports import free_port
from toolchain.plugins import plugin_cache

CLUSTER = f"{PROJECT}:cluster"
SECRETS_FILE = f"{PROJECT}:secretsFile"
READY_SECONDS = "400"
"""How long a program waits for a machine; less than a test may take, so that the program, and not
the test's timeout, reports what is missing. The slowest on two busy cores took 100 s."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def transcript(self) -> str:
        return f"exit {self.status} after {self.seconds:.0f} s\n{self.out}\n{self.err}"


@dataclass(frozen=True, kw_only=True)
class SecondCloud:
    """A local cloud's places and environment, and the commands on it."""

    places: Places
    config_file: Path
    port: int
    eip_range: str
    env: Mapping[str, str] = field(repr=False)

    def run(
        self,
        *argv: str,
        deadline: float = 120,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = False,
    ) -> Done:
        """Run a command. After `deadline` seconds it is killed and the test fails."""
        began = time.monotonic()
        process = subprocess.run(  # noqa: S603 - our own commands
            argv,
            cwd=ROOT,
            env={**self.env, **(env or {})},
            input=stdin,
            timeout=deadline,
            capture_output=True,
            text=True,
            check=False,
        )
        done = Done(
            status=process.returncode,
            out=process.stdout,
            err=process.stderr,
            seconds=time.monotonic() - began,
        )
        assert not check or done.status == 0, done.transcript
        return done

    def module(
        self,
        name: str,
        *argv: str,
        deadline: float = 120,
        env: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> Done:
        """`python -m NAME ARGV` on this cloud's home."""
        home = ("--home", str(self.places.home))
        command = (sys.executable, "-m", name, *argv, *home)
        return self.run(*command, deadline=deadline, env=env, check=check)

    def start_emulator(self, *argv: str, region: str) -> None:
        """Start the emulator on this cloud's port without a stack."""
        port, eip_range = ("--port", str(self.port)), ("--eip-range", self.eip_range)
        where = (*port, *eip_range, "--region", region)
        self.module("localcloud", "start", *argv, *where, check=True)

    def on_stack_file(self, command: str, *argv: str, deadline: float) -> Done:
        """`python -m operations COMMAND ARGV` with this cloud's home and stack file."""
        config_file = ("--config-file", str(self.config_file))
        return self.module("operations", command, *argv, *config_file, deadline=deadline)

    def operations(self, *argv: str, deadline: float = 1200) -> Done:
        """`python -m operations local …` on this cloud."""
        eip_range = ("--eip-range", self.eip_range)
        return self.on_stack_file("local", *argv, *eip_range, deadline=deadline)

    def explain(self, done: Done) -> str:
        """The output of a failed command and the last lines of the local cloud's logs."""
        logs = sorted((self.places.cloud / "logs").glob("*.log"))
        tails = [
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            for log in logs
        ]
        return "\n".join((done.transcript, f"--- status {self.status()}", *tails))

    def pulumi(
        self,
        command: str,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> Done:
        """A pulumi command on the stack, as a person would type it after `source .local/env`."""
        options = ("--stack", "local", "--non-interactive", "--config-file", str(self.config_file))
        return self.run("pulumi", command, *argv, *options, deadline=900, env=env, stdin=stdin)

    def stack(self, command: str, *argv: str) -> str:
        """The output of `pulumi stack COMMAND`, which must succeed."""
        stack = ("--stack", "local")
        return self.run("pulumi", "stack", command, *argv, *stack, check=True).out

    def outputs(self) -> dict[str, Any]:
        outputs = json.loads(self.stack("output", "--json"))
        assert isinstance(outputs, dict)
        return outputs

    def kubectl(self, *argv: str) -> Any:  # noqa: ANN401 - whatever the API server has
        done = self.run("kubectl", "--request-timeout=30s", *argv, "-o", "json", check=True)
        return json.loads(done.out)

    def resources(self) -> Mapping[str, Any]:
        """The resources in the emulated cloud by kind; empty kinds are left out."""
        done = self.module("localcloud", "resources", check=True)
        return {kind: items for kind, items in json.loads(done.out).items() if items["count"]}

    def processes(self) -> set[int]:
        """Every process of this cloud: server, machines, and all below them."""
        return processes_below(pid for pid in self.status()["pids"].values() if pid is not None)

    def status(self) -> Mapping[str, Any]:
        """The document of `localcloud status`."""
        done = self.module("localcloud", "status", "--json", check=True)
        answer = json.loads(done.out)
        assert isinstance(answer, dict)
        return answer

    def kill_everything(self) -> int:
        """Kill every process of this cloud, and only of this one; returns their number."""
        doomed = self.processes()
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 10
        while any(_alive(pid) for pid in doomed) and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(doomed)


def second_cloud(
    home: Path,
    *,
    changes: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    stack_file: Path | None = None,
) -> SecondCloud:
    """Prepare one. Its stack file is the tracked one with another port and secrets file.

    `changes` are texts to replace in the file, `variables` are additional environment variables,
    `stack_file` is another one than the local stack's.
    """
    port = free_port()
    places = Places.of(home)
    plugin_cache.fill(places.pulumi_home, places.bin)
    text = (stack_file or path_of_stack("local")).read_text()
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new, 1)
    document = yaml.safe_load(text)
    document["config"][CLUSTER]["cloud"] = {"endpoint": f"127.0.0.1:{port}"}
    document["config"][SECRETS_FILE] = str(places.secrets)
    home.mkdir(parents=True, exist_ok=True)
    config_file = home.parent / f"Pulumi.{home.name}.yaml"
    config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    return SecondCloud(
        places=places,
        config_file=config_file,
        port=port,
        # Every port has a range of its own, so that several clouds can run side by side.
        eip_range=f"127.{port >> 8}.{port & 0xFF}.0/24",
        env=run_environment(places, dict(os.environ))
        | {"SPIDERPOOL_ALICLOUD_READY_SECONDS": READY_SECONDS}
        | dict(variables or {}),
    )


@contextmanager
def deployed(cloud: SecondCloud) -> Iterator[SecondCloud]:
    """The cloud with its stack deployed. Both are discarded at the end."""
    try:
        done = cloud.operations("up")
        assert done.status == 0, cloud.explain(done)
        yield cloud
    finally:
        cloud.operations("down", "--discard", deadline=120)
        cloud.kill_everything()


def processes_below(roots: Iterable[int]) -> set[int]:
    """These processes and all their descendants that still run."""
    below = _children()
    pids: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid not in pids and _alive(pid):
            pids.add(pid)
            todo += below.get(pid, [])
    return pids


def _children() -> dict[int, list[int]]:
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        below.setdefault(parent, []).append(int(stat.parent.name))
    return below


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
