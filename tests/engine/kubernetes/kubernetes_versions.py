"""Queries that tests of a Kubernetes upgrade make, and the command that people call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from operations.engine.places import ROOT
from tests.engine.clouds.local_cloud import CLUSTER, Done, SecondCloud
from toolchain.pins import (
    KUBERNETES_VERSION,
    NEXT_KUBERNETES_VERSION,
    PREVIOUS_KUBERNETES_VERSION,
)
from toolchain.places import Places


@dataclass(frozen=True, kw_only=True)
class UpgradePath:
    """From one minor to the next. Versions have no leading v."""

    old: str
    new: str

    def __str__(self) -> str:
        """The id of a test."""
        return f"{self.old} to {self.new}"

    def need_both(self) -> None:
        """Fail with a remedy unless the machines can install both versions."""
        places = Places(home=ROOT / ".local")
        for version in (self.old, self.new):
            if version != KUBERNETES_VERSION and not places.of_kubernetes(version).exists():
                pytest.fail(
                    f"Kubernetes {version} is not built. Run `python -m toolchain ensure "
                    "--previous-kubernetes --next-kubernetes` or `make nightly`."
                )


PATHS = (
    UpgradePath(old=PREVIOUS_KUBERNETES_VERSION, new=KUBERNETES_VERSION),
    UpgradePath(old=KUBERNETES_VERSION, new=NEXT_KUBERNETES_VERSION),
)


def of_kubernetes(cloud: SecondCloud, version: str) -> None:
    """Write a version into the stack file."""
    document = yaml.safe_load(cloud.config_file.read_text())
    document["config"][CLUSTER].setdefault("kubernetes", {})["version"] = version
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))


def upgrade(cloud: SecondCloud, *words: str) -> Done:
    """`python -m operations upgrade`, as a person would call it."""
    return cloud.on_stack_file("upgrade", *words, deadline=1200)


def versions(cloud: SecondCloud) -> dict[str, str]:
    """Version of each Node's kubelet, and of the API server."""
    nodes = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"]
        for node in cloud.kubectl("get", "nodes")["items"]
    }
    server = json.loads(cloud.run("kubectl", "get", "--raw", "/version", check=True).out)
    return {**nodes, "/version": server["gitVersion"]}


def pools(cloud: SecondCloud) -> dict[str, tuple[str, Any]]:
    return {
        pool["metadata"]["name"]: (pool["metadata"]["uid"], pool["spec"])
        for pool in cloud.kubectl("get", "spiderippools")["items"]
    }
