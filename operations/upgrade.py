"""Upgrades of a running cluster: what it runs, the steps, and each step's commands.

Which steps, and what is refused, is `planning.upgrades`. Control planes are replaced one at a time,
as Cluster API does it: kubeadm's ConfigMap gets the version first, because a joining machine takes
it from there; workers and Spiderpool are what a plain `pulumi up` does.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from operations.failure import OperationError
from operations.running import Runner
from planning.model import ClusterPlan
from planning.upgrades import Kind, Running, Step, Version, version_of

REPLACE: Final = "SPIDERPOOL_ALICLOUD_REPLACE"
"""Environment variable of the program: control planes that take their new user-data in this run."""

_QUICK: Final = 60.0
_UP_WITHIN: Final = 4 * 3600.0
_BACK_WITHIN: Final = 30 * 60.0
_ASK_EVERY: Final = 5.0
_SYSTEM: Final = ("-n", "kube-system")
_CONFIG: Final = "kubeadm-config"


@dataclass(frozen=True, kw_only=True)
class Upgrader:
    """One stack's cluster, by kubectl and pulumi in their environment."""

    stack: str
    plan: ClusterPlan
    runner: Runner
    """Its environment has KUBECONFIG."""
    arguments: tuple[str, ...] = ()
    """Further arguments of every `pulumi up`."""
    sleep: Callable[[float], None] = time.sleep

    def running(self) -> Running:
        """Ask the cluster what it runs."""
        nodes = self._items("nodes")
        servers = self._items("pods", *_SYSTEM, "-l", "component=kube-apiserver")
        proxy = self._get("daemonset", *_SYSTEM, "kube-proxy")
        return Running(
            api_servers={
                pod["spec"]["nodeName"]: _version_in(pod["spec"]["containers"][0]["image"])
                for pod in servers
            },
            kubelets={
                node["metadata"]["name"]: version_of(node["status"]["nodeInfo"]["kubeletVersion"])
                for node in nodes
            },
            cluster=version_of(self._configuration()["kubernetesVersion"]),
            kube_proxy=_version_in(proxy["spec"]["template"]["spec"]["containers"][0]["image"]),
            spiderpool=self._spiderpool(),
        )

    def do(self, step: Step) -> None:
        """Do one step; a second time does nothing more. Raises `OperationError`."""
        match step.kind:
            case Kind.CLUSTER_VERSION:
                self._write_version(step.after)
            case Kind.CONTROL_PLANE:
                self._replace(step.target, version_of(step.after))
            case Kind.KUBE_PROXY:
                self._roll_kube_proxy(step.after)
            case Kind.WORKERS | Kind.SPIDERPOOL:
                self._up()

    def _write_version(self, version: str) -> None:
        configuration = {**self._configuration(), "kubernetesVersion": f"v{version}"}
        data = {"ClusterConfiguration": yaml.safe_dump(configuration, sort_keys=False)}
        self._kubectl(
            *("patch", "configmap", *_SYSTEM, _CONFIG, "--type=merge", "-p"),
            json.dumps({"data": data}),
        )

    def _replace(self, node: str, version: Version) -> None:
        self._until(f"every control plane before {node} goes", self._planes_are_well)
        self._kubectl(
            *("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"),
            "--timeout=600s",
            deadline=660,
        )
        name = f"{self.plan.name}-{node}"
        urns = [
            f"**alicloud:ecs/instance:Instance::{name}",
            f"**alicloud:ram/roleAttachment:RoleAttachment::{name}",
            f"**alicloud:ecs/ramRoleAttachment:RamRoleAttachment::{name}",
            f"**alicloud:slb/serverGroupServerAttachment:ServerGroupServerAttachment::{name}",
        ]
        if self.plan.protect:
            self._unprotect(name)
        self._up(*(part for urn in urns for part in ("--target", urn)), env={REPLACE: node})
        self._until(f"{node} with {version}", lambda: self._plane_runs(node, version))
        self._until(f"every control plane after {node}", self._planes_are_well)

    def _unprotect(self, name: str) -> None:
        exported = self._checked(
            self.runner.run(
                ["pulumi", "stack", "export", "--stack", self.stack], deadline=_QUICK, quiet=True
            ),
            "pulumi could not read the state",
        )
        for resource in json.loads(exported)["deployment"].get("resources", ()):
            if resource["urn"].endswith(f"alicloud:ecs/instance:Instance::{name}"):
                self._checked(
                    self.runner.run(
                        [
                            *("pulumi", "state", "unprotect", resource["urn"], "--yes"),
                            *("--stack", self.stack),
                        ],
                        deadline=_QUICK,
                        quiet=True,
                    ),
                    f"pulumi could not unprotect {name}",
                )

    def _plane_runs(self, node: str, version: Version) -> bool:
        running = self.running()
        return running.api_servers.get(node) == version and running.kubelets.get(node) == version

    def _planes_are_well(self) -> bool:
        """Every API server and every etcd member answers its own readiness probe."""
        pods = self._items("pods", *_SYSTEM, "-l", "tier=control-plane")
        wanted = {plane.name for plane in self.plan.control_planes}
        ready = {
            (pod["metadata"]["labels"].get("component"), pod["spec"]["nodeName"])
            for pod in pods
            if any(
                c["type"] == "Ready" and c["status"] == "True"
                for c in pod.get("status", {}).get("conditions", ())
            )
        }
        return all(
            (component, node) in ready
            for component in ("etcd", "kube-apiserver")
            for node in wanted
        )

    def _roll_kube_proxy(self, version: str) -> None:
        proxy = self._get("daemonset", *_SYSTEM, "kube-proxy")
        image = proxy["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[0]
        self._kubectl(
            *("set", "image", *_SYSTEM, "daemonset/kube-proxy", f"kube-proxy={image}:v{version}")
        )
        self._kubectl(
            *("rollout", "status", *_SYSTEM, "daemonset/kube-proxy", "--timeout=900s"),
            deadline=960,
        )

    def _up(self, *more: str, env: Mapping[str, str] | None = None) -> None:
        done = self.runner.run(
            [
                *("pulumi", "up", "--yes", "--skip-preview", "--suppress-outputs"),
                *("--suppress-progress", "--stack", self.stack, *self.arguments, *more),
            ],
            deadline=_UP_WITHIN,
            env=env,
        )
        if done.status != 0:
            raise OperationError(
                "pulumi up failed; its messages are above. Mend the cause and run the same "
                "`operations upgrade` again: it goes on with what is left."
            )

    def _until(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _BACK_WITHIN
        last = ""
        while True:
            try:
                if true():
                    return
            except OperationError as error:
                # The API server that was just asked may be the one that goes.
                last = f" (last answer: {error})"
            if time.monotonic() >= deadline:
                raise OperationError(
                    f"Waited {_BACK_WITHIN / 60:.0f} minutes for {what}{last}. Look at `kubectl "
                    "get pods -n kube-system -o wide` and at the machine's console output; the "
                    "same command goes on from here."
                )
            self.sleep(_ASK_EVERY)

    def _configuration(self) -> dict[str, Any]:
        found = self._get("configmap", *_SYSTEM, _CONFIG)
        document = yaml.safe_load(found["data"]["ClusterConfiguration"])
        if not isinstance(document, dict):
            raise OperationError(f"kube-system/{_CONFIG} holds no ClusterConfiguration.")
        return document

    def _spiderpool(self) -> Version | None:
        """The chart's version as Helm wrote it down."""
        found = self._items("secrets", *_SYSTEM, "-l", "owner=helm,name=spiderpool,status=deployed")
        if not found:
            return None
        text = base64.b64decode(base64.b64decode(found[-1]["data"]["release"]))
        return version_of(json.loads(gzip.decompress(text))["chart"]["metadata"]["version"])

    def _items(self, *words: str) -> Sequence[dict[str, Any]]:
        items = self._get(*words)["items"]
        return items if isinstance(items, list) else []

    def _get(self, *words: str) -> dict[str, Any]:
        found = json.loads(self._kubectl("get", *words, "-o", "json"))
        return found if isinstance(found, dict) else {}

    def _kubectl(self, *words: str, deadline: float = _QUICK) -> str:
        done = self.runner.run(["kubectl", *words], deadline=deadline, quiet=True)
        return self._checked(done, f"kubectl {' '.join(words[:2])} failed")

    @staticmethod
    def _checked(done: Any, what: str) -> str:  # noqa: ANN401 - `Finished`, or a test's
        if done.status != 0:
            raise OperationError(f"{what}: {done.err.strip()}")
        return str(done.out)


def _version_in(image: str) -> Version:
    tag = re.search(r":(v?\d+\.\d+\.\d+[^@]*)", image)
    if tag is None:
        raise OperationError(f"Image {image} has no version for a tag; nothing can be planned.")
    return version_of(tag[1])
