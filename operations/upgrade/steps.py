"""Upgrades of a running cluster: reads its versions, and runs the upgrade.

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
        """Read the versions that the cluster runs."""
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
        """Take the remaining steps; a second call does nothing more. Raises `OperationError`.

        The run includes a preview, in which the program refuses before anything changes.
        """
        done = self.runner.run(
            [
                "pulumi",
                "up",
                "--yes",
                "--suppress-outputs",
                "--suppress-progress",
                "--stack",
                self.stack,
                *self.arguments,
            ],
            deadline=_UP_WITHIN,
        )
        if done.status != 0:
            raise OperationError(
                "pulumi up failed; its messages are above. Correct the cause and run the same "
                "`operations upgrade` again: it continues with the remaining steps."
            )

    def _configuration(self) -> dict[str, Any]:
        config_map = self._get("configmap", *_SYSTEM, _CONFIG)
        document = yaml.safe_load(config_map["data"]["ClusterConfiguration"])
        if not isinstance(document, dict):
            raise OperationError(
                f"kube-system/{_CONFIG} has no ClusterConfiguration. Only a kubeadm cluster can be "
                "upgraded by this command."
            )
        return document

    def _spiderpool(self) -> Version | None:
        """The chart's version in Helm's release Secret."""
        releases = self._items(
            "secrets", *_SYSTEM, "-l", "owner=helm,name=spiderpool,status=deployed"
        )
        if not releases:
            return None
        text = base64.b64decode(base64.b64decode(releases[-1]["data"]["release"]))
        return version_of(json.loads(gzip.decompress(text))["chart"]["metadata"]["version"])

    def _items(self, *words: str) -> Sequence[dict[str, Any]]:
        items = self._get(*words)["items"]
        return items if isinstance(items, list) else []

    def _get(self, *words: str) -> dict[str, Any]:
        document = json.loads(self._kubectl("get", *words, "-o", "json"))
        return document if isinstance(document, dict) else {}

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
        raise OperationError(
            f"The tag of image {image} is not a version, so no upgrade can be planned. Use an "
            "image whose tag is a version."
        )
    return version_of(tag[1])
