"""Upgrades of a running cluster: what it runs, and the run that takes the steps.

`planning.transitions.upgrades` decides which steps there are, and what is refused. The life cycle
takes them in a plain `pulumi up` of the stack file with the new version
(`components.machines.rollout`): kubeadm's ConfigMap, one control plane after the other, kube-proxy,
one worker after the other.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from operations.engine.running import Runner
from operations.failure import OperationError
from planning.model import ClusterPlan
from planning.transitions.upgrades import Running, Version, version_of

_QUICK: Final = 60.0
_UP_WITHIN: Final = 4 * 3600.0
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
    """Further arguments of `pulumi up`."""

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

    def up(self) -> None:
        """Take the steps that are left; a second time does nothing more. Raises `OperationError`.

        With its preview: there the program and the transition refuse, before anything is done.
        """
        done = self.runner.run(
            [
                *("pulumi", "up", "--yes", "--suppress-outputs", "--suppress-progress"),
                *("--stack", self.stack, *self.arguments),
            ],
            deadline=_UP_WITHIN,
        )
        if done.status != 0:
            raise OperationError(
                "pulumi up failed; its messages are above. Correct the cause and run the same "
                "`operations upgrade` again: it goes on with what is left."
            )

    def _configuration(self) -> dict[str, Any]:
        config_map = self._get("configmap", *_SYSTEM, _CONFIG)
        document = yaml.safe_load(config_map["data"]["ClusterConfiguration"])
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
