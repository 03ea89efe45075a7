"""A cluster that somebody else built, and a light stack that works in it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcloud.machines.guest.kubelet.client import Access, Client
from operations.engine.places import PROJECT
from tests.engine.clouds.local_cloud import CLUSTER, processes_below, second_cloud
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.spiderpool.cluster import started
from tests.localcloud.machines.fake_cloud import until

THEIRS: Mapping[str, str] = {"one": "master", "two": "worker"}
"""Our node's name → the cluster's."""


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """A cluster whose kubelets set no providerID."""

    client: Client
    kubeconfig: str
    supervisor: int
    """Process id of what runs its machines."""

    def restart_kubelets(self) -> None:
        """Kill the kubelets. Their machines start them again, and they re-create a deleted Node."""
        for pid in processes_below([self.supervisor]):
            if b"guest.kubelet\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def their_cluster(home: Path) -> Iterator[Theirs]:
    """Boot it, and wait for both of its nodes."""
    with contextlib.ExitStack() as ends:
        cloud, supervisor, pki, public = started(home, provider_ids=False)
        ends.callback(cloud.close)
        ends.callback(supervisor.end)
        text = pki.kubeconfig(f"https://{public}:6443")
        kubeconfig = home / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(text)
        client = Client(Access.read(kubeconfig))
        for name in THEIRS.values():
            until(f"node {name}", 180, lambda name=name: client.get(f"/api/v1/nodes/{name}"))
        yield Theirs(client=client, kubeconfig=text, supervisor=supervisor.process.pid)


def stack_in_theirs(home: Path, *, chart: Path) -> LightCloud:
    """The guide's stack, with our own names for its nodes."""
    cloud = second_cloud(home)
    document = yaml.safe_load(cloud.config_file.read_text())
    cluster: dict[str, Any] = document["config"][CLUSTER]
    cluster["kubernetes"] = {"mode": "existing", "nodeNames": dict(THEIRS)}
    cluster["cloudController"] = {"enabled": False}
    cluster["spiderpool"] = {"chart": {"name": str(chart)}}
    for pool in cluster["nodePools"].values():
        pool["nodes"] = {
            ours: pool["nodes"][name] for ours, name in THEIRS.items() if name in pool["nodes"]
        }
    return LightCloud(cloud=cloud, document=document)


def with_kubeconfig(light: LightCloud, kubeconfig: str) -> LightCloud:
    """The stack file after `pulumi config set --secret`, which reads the value from its input."""
    key = f"{PROJECT}:kubeconfig"
    light.write()
    done = light.cloud.pulumi("config", "set", "--secret", key, stdin=kubeconfig)
    assert done.status == 0, done.transcript
    document = yaml.safe_load(light.cloud.config_file.read_text())
    assert set(document["config"][key]) == {"secure"}
    return LightCloud(cloud=light.cloud, document=document)
