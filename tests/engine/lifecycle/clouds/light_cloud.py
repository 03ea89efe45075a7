"""A cloud of its own whose stack has a network and machines only, so that it is fast.

`kubernetes.mode: existing` without a kubeconfig makes everything outside Kubernetes, and nothing
boots, so that an `up` takes half a minute and a destroy as long. With `mode: kubeadm` there are the
endpoint and user-data too; `ready_server` then answers for the API server that never boots.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import certifi
import yaml

from localcloud.control_api.control_socket import ControlConnection
from operations.engine.environment import write_trust_bundle
from operations.secrets.store import FileStore, init_secrets
from tests.engine.clouds.local_cloud import CLUSTER, Done, SecondCloud, second_cloud

STACK = "local"
QUIET = ("--suppress-progress", "--suppress-outputs")
QUIET_OPERATIONS = frozenset({"same", "read", "refresh"})

Edit = Callable[[dict[str, Any]], None]
"""Changes the cluster's document in place."""

Step = tuple[str, str, str]
"""Operation, type without its package, resource name."""


@dataclass(frozen=True, kw_only=True)
class LightCloud:
    """The cloud, and pulumi on its stack with the document of a test."""

    cloud: SecondCloud
    document: Mapping[str, Any]
    """The whole stack file."""

    def start(self, *, machines: bool = False) -> None:
        """Start the emulator, and create the stack; instances boot only with `machines`."""
        places = self.cloud.places
        region = self.document["config"][CLUSTER]["region"]
        if machines:
            # Machines look for their programs there.
            (places.home / "bin").symlink_to(places.bin, target_is_directory=True)
        self.cloud.start_emulator(*(() if machines else ("--no-machines",)), region=region)
        write_trust_bundle(places, public=Path(certifi.where()))
        if not places.secrets.exists():
            init_secrets(self.document["config"][CLUSTER]["name"], FileStore(places.secrets))
        places.backend.mkdir(parents=True, exist_ok=True)
        self.cloud.run("pulumi", "stack", "init", STACK, check=True)

    def stop(self) -> None:
        """Stop the emulator; nothing is destroyed."""
        self.cloud.module("localcloud", "stop", check=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """The emulator runs until the end, whatever happens."""
        self.start()
        try:
            yield self
        finally:
            self.stop()
            self.cloud.kill_everything()

    @contextlib.contextmanager
    def deployed(self) -> Iterator[Self]:
        """The same with this document on it."""
        with self.running():
            done = self.up()
            assert done.status == 0, self.cloud.explain(done)
            yield self

    def edited(self, *edits: Edit) -> LightCloud:
        """The same cloud and stack with another document."""
        document = copy.deepcopy(dict(self.document))
        for edit in edits:
            edit(document["config"][CLUSTER])
        return LightCloud(cloud=self.cloud, document=document)

    def pulumi(self, command: str, *argv: str, env: Mapping[str, str] | None = None) -> Done:
        """A pulumi command on the stack with this document."""
        self.write()
        return self.cloud.pulumi(command, *argv, env=env)

    def write(self) -> None:
        """Write the stack file; without a map every node has its own name in a cluster."""
        document = copy.deepcopy(dict(self.document))
        cluster = document["config"][CLUSTER]
        if cluster["kubernetes"].get("mode") == "existing":
            names = [name for pool in cluster["nodePools"].values() for name in pool["nodes"]]
            cluster["kubernetes"].setdefault("nodeNames", {name: name for name in names})
        self.cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))

    def up(self, *argv: str) -> Done:
        return self.pulumi("up", "--yes", "--skip-preview", *QUIET, *argv)

    def refresh(self, *argv: str) -> Done:
        return self.pulumi("refresh", "--yes", "--skip-preview", *QUIET, *argv)

    def destroy(self) -> Done:
        return self.pulumi("destroy", "--yes", "--skip-preview", *QUIET)

    def outputs(self) -> Mapping[str, Any]:
        return self.cloud.outputs()

    def operations(self, command: str, *argv: str) -> Done:
        """`python -m operations COMMAND` on this stack: sweep, recover."""
        self.write()
        return self.cloud.on_stack_file(command, "--stack", STACK, *argv, deadline=600)

    def recover(self) -> Done:
        """The documented recovery, without a question."""
        return self.operations("recover", "--yes")

    def steps(self) -> list[Step]:
        """The steps that an `up` would take, sorted."""
        return previewed(self.pulumi("preview", "--json"))

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """A request to the emulator's control API."""
        connection = ControlConnection(self.cloud.places.cloud / "run" / "control.sock", 60)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            reply = connection.getresponse()
            text = reply.read()
            assert reply.status == 200, text
            return json.loads(text)
        finally:
            connection.close()

    def calls(self, *, after: int = 0) -> list[dict[str, Any]]:
        calls = self.ask("GET", f"/calls?after={after}")
        assert isinstance(calls, list)
        return calls

    def last_call(self) -> int:
        """Number of the last call; 0 before the first."""
        return max((int(call["n"]) for call in self.calls()), default=0)

    def alive(self) -> dict[str, list[str]]:
        """Ids of everything in the emulated cloud by kind; empty kinds left out."""
        resources = self.ask("GET", "/resources")
        return {kind: items["ids"] for kind, items in resources.items() if items["count"]}

    def state(self) -> Mapping[str, Any]:
        """The stack's deployment as the backend keeps it."""
        done = self.cloud.run("pulumi", "stack", "export", "--stack", STACK, check=True)
        deployment = json.loads(done.out)["deployment"]
        assert isinstance(deployment, dict)
        return deployment


def light_cloud(
    home: Path,
    *,
    nodes: Sequence[str] = ("worker",),
    variables: Mapping[str, str] | None = None,
) -> LightCloud:
    """Prepare one from the guide's stack file; `nodes` are the workers of its pool.

    The master's eth1 has four pod addresses, one less than its instance type allows.
    """
    cloud = second_cloud(home, variables=variables)
    document = yaml.safe_load(cloud.config_file.read_text())
    cluster = document["config"][CLUSTER]
    cluster["kubernetes"] = {"mode": "existing"}
    pools = cluster["nodePools"]
    set_master_eth1(pools["masters"], pods=4)
    pools["workers"]["nodes"] = {name: node(place) for place, name in enumerate(nodes, start=1)}
    return LightCloud(cloud=cloud, document=document)


def light_stack(
    home: Path, cluster: Mapping[str, Any], *, variables: Mapping[str, str] | None = None
) -> LightCloud:
    """Prepare one from any cluster's document, on an emulated cloud of its own."""
    cloud = second_cloud(home, variables=variables)
    document = yaml.safe_load(cloud.config_file.read_text())
    config = document["config"]
    config[CLUSTER] = {**copy.deepcopy(dict(cluster)), "cloud": config[CLUSTER]["cloud"]}
    return LightCloud(cloud=cloud, document=document)


def set_master_eth1(masters: dict[str, Any], *, pods: int) -> None:
    """Give the master's eth1 that many pod addresses, from .156 on."""
    masters["interfaces"]["eth1"]["podAddresses"] = pods
    nic = masters["nodes"]["master"]["interfaces"]["eth1"]
    nic["podAddresses"] = [f"192.168.0.156-192.168.0.{155 + pods}"] if pods else []


def node(place: int) -> dict[str, Any]:
    """A worker with explicit addresses: ten from .16 on, another ten for each `place`."""
    first = 6 + 10 * place
    return {
        "interfaces": {
            nic: {
                "address": f"{prefix}.{first}",
                "podAddresses": [f"{prefix}.{first + 1}-{prefix}.{first + 5}"],
            }
            for nic, prefix in (("eth0", "172.31.200"), ("eth1", "192.168.0"))
        }
    }


def plain_pool(cluster: dict[str, Any]) -> None:
    """Edit: one more pool, whose node `plain` has eth0 only."""
    pools = cluster["nodePools"]
    one = node(8)
    del one["interfaces"]["eth1"]
    interfaces = {"eth0": pools["workers"]["interfaces"]["eth0"]}
    pools["plain"] = {**pools["workers"], "interfaces": interfaces, "nodes": {"plain": one}}


def previewed(done: Done) -> list[Step]:
    """The steps in the output of `pulumi preview --json` that change something, sorted."""
    assert done.status == 0, done.transcript
    steps: list[Step] = []
    for step in json.loads(done.out)["steps"]:
        if step["op"] in QUIET_OPERATIONS:
            continue
        _, _, kind, name = step["urn"].split("::", 3)
        if kind.endswith("AppliedPlan"):
            continue  # it changes with every edit
        steps.append((step["op"], kind.rpartition("$")[2].rpartition(":")[2], name))
    return sorted(steps)
