"""A local cloud whose cluster has two workers and an older Spiderpool, and a watch on it."""

from __future__ import annotations

import copy
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.engine.clouds.local_cloud import CLUSTER, Done, SecondCloud, second_cloud
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, node
from tests.patience import end_of_wait

WORKERS = ("first", "second")
OLD, NEW = "1.2.1", "1.2.2"

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The cluster at one time: the workers that take pods, and `web` pod → node."""

    at: float
    open_workers: frozenset[str]
    web: Mapping[str, str]


@dataclass(kw_only=True)
class RollingCloud:
    """The cloud, and its stack file as a document that edits change for good."""

    cloud: SecondCloud
    document: dict[str, Any]
    charts: Path
    moments: list[Moment] = field(default_factory=list)

    @property
    def cluster(self) -> dict[str, Any]:
        cluster = self.document["config"][CLUSTER]
        assert isinstance(cluster, dict)
        return cluster

    def chart(self, version: str) -> dict[str, Any]:
        """`spiderpool.chart` for a version of the local chart."""
        return {"repository": None, "name": str(self.charts / version), "version": version}

    def write(self) -> None:
        self.cloud.config_file.write_text(yaml.safe_dump(self.document, sort_keys=False))

    def up(self, **env: str) -> Done:
        self.write()
        return self.cloud.pulumi(
            "up", "--yes", "--skip-preview", "--suppress-progress", "--suppress-outputs", env=env
        )

    def preview(self, *words: str) -> Done:
        self.write()
        return self.cloud.pulumi("preview", "--suppress-outputs", *words)

    @contextmanager
    def edited(self, edit: Edit) -> Iterator[None]:
        """The stack file with an edit for as long as the block lasts."""
        before = copy.deepcopy(self.document)
        edit(self.cluster)
        try:
            yield
        finally:
            self.document = before
            self.write()

    def instances(self) -> dict[str, str]:
        """Worker → instance id, as the stack shows them."""
        nodes = self.cloud.outputs()["nodes"]
        return {name: nodes[name]["instanceId"] for name in WORKERS if name in nodes}

    def deletions(self) -> dict[str, float]:
        """Instance id → when its deletion was requested."""
        calls = LightCloud(cloud=self.cloud, document=self.document).calls()
        deletions: dict[str, float] = {}
        for call in calls:
            if call["action"] in {"DeleteInstance", "DeleteInstances"}:
                ids = [str(v) for k, v in call["parameters"].items() if k.startswith("InstanceId")]
                for id_ in ids:
                    deletions.setdefault(id_, float(call["time"]))
        return deletions

    def apply(self, *objects: dict[str, Any]) -> None:
        path = self.cloud.places.home / "applied.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        self.cloud.run("kubectl", "apply", "-f", str(path), check=True)

    def until(self, true: Callable[[], bool], *, within: float = 120) -> None:
        deadline = end_of_wait(within)
        while not true():
            assert time.monotonic() < deadline, self.look()
            time.sleep(0.5)

    def look(self) -> Moment:
        nodes = self.cloud.kubectl("get", "nodes")["items"]
        pods = self.cloud.kubectl("get", "pods", "-n", "default", "-l", "app=web")["items"]
        return Moment(
            at=time.time(),
            open_workers=frozenset(
                item["metadata"]["name"]
                for item in nodes
                if item["metadata"]["name"] in WORKERS
                and not item["spec"].get("unschedulable")
                and _is_ready(item)
            ),
            web={
                item["metadata"]["name"]: item["spec"].get("nodeName", "")
                for item in pods
                if "deletionTimestamp" not in item["metadata"] and _is_ready(item)
            },
        )

    def pod_addresses(self, app: str) -> dict[str, str]:
        """Node → address of its ready pod of the app."""
        items = self.cloud.kubectl("get", "pods", "-n", "default", "-l", f"app={app}")["items"]
        return {
            item["spec"]["nodeName"]: item["status"]["podIP"]
            for item in items
            if "deletionTimestamp" not in item["metadata"] and _is_ready(item)
        }

    @contextmanager
    def watched(self) -> Iterator[list[Moment]]:
        """Poll the cluster for as long as the block lasts."""
        moments: list[Moment] = []
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                moments.append(self.look())
                over.wait(0.3)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield moments
        finally:
            over.set()
            watcher.join()


def rolling_cloud(home: Path) -> RollingCloud:
    """Prepare one; nothing runs yet."""
    cloud = second_cloud(home)
    document = yaml.safe_load(cloud.config_file.read_text())
    charts = home.parent / "charts"
    tools = str(cloud.places.tools)
    cloud.run(sys.executable, "-m", "localcloud.charts", "--home", tools, check=True)
    for version in (OLD, NEW):
        shutil.copytree(cloud.places.tools / "charts" / "spiderpool", charts / version)
        chart = charts / version / "Chart.yaml"
        chart.write_text(chart.read_text().replace(NEW, version))
    rolling = RollingCloud(cloud=cloud, document=document, charts=charts)
    workers = rolling.cluster["nodePools"]["workers"]
    workers["nodes"] = {name: node(place) for place, name in enumerate(WORKERS, start=1)}
    rolling.cluster["nodePools"]["masters"]["etcdDisk"] = {}
    rolling.cluster["spiderpool"] = {"chart": rolling.chart(OLD)}
    rolling.write()
    return rolling


def _is_ready(item: Mapping[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
