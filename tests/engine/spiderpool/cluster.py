"""A small cluster that the real spiderpool-controller judges: a master, a worker, the chart."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.charts.assemble import assemble
from localcloud.machines.guest.kubelet.client import Access, ApiError, Client
from operations.secrets.pki import make_secrets
from planning.model import ClusterPlan
from planning.nodes.secrets import ClusterSecrets
from planning.spiderpool.chart import chart_values, coordinator_spec, multus_config_spec
from tests.localcloud.machines import fake_cloud
from tests.localcloud.machines.fake_cloud import FakeCloud, Supervisor, until
from tests.planning.documents import stack_plan

LOCAL = fake_cloud.REPOSITORY / ".local"
VERSION = "spiderpool.spidernet.io/v2beta1"
GROUP = f"/apis/{VERSION}"
POOLS = f"{GROUP}/spiderippools"
COORDINATORS = f"{GROUP}/spidercoordinators"
CONFIGS = f"{GROUP}/namespaces/kube-system/spidermultusconfigs"
NETWORKS = "/apis/k8s.cni.cncf.io/v1/namespaces/kube-system/network-attachment-definitions"
DRY = "?dryRun=All"

Spec = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The API server with the real webhooks behind it."""

    client: Client
    home: Path
    kubeconfig: Path
    plan: ClusterPlan
    secrets: ClusterSecrets

    def refusal(self, spec: Spec, *, name: str = "candidate") -> str | None:
        """The webhook's message for a pool that it refuses; None if it accepts it."""
        return refusal_of(self.client, f"{POOLS}{DRY}", thing("SpiderIPPool", name, spec))

    def create(self, name: str, spec: Spec) -> dict[str, Any]:
        return self.client.request("POST", POOLS, thing("SpiderIPPool", name, spec))

    def pool(self, name: str) -> dict[str, Any] | None:
        return self.client.find(f"{POOLS}/{name}")

    def update(self, name: str, changes: Spec) -> dict[str, Any]:
        """Merge changes into a pool's spec."""
        kind = "application/merge-patch+json"
        return self.client.request("PATCH", f"{POOLS}/{name}", {"spec": changes}, kind)

    def record(self, name: str, status: Spec) -> None:
        """Overwrite a pool's status, also if the controller has just written it."""
        body = {"status": {"allocatedIPs": None, **status}}
        kind = "application/merge-patch+json"
        self.client.request("PATCH", f"{POOLS}/{name}/status", body, kind)

    def remove(self, *names: str) -> None:
        for name in names:
            if self.pool(name) is not None:
                self.client.request("DELETE", f"{POOLS}/{name}")
        for name in names:
            until(f"{name} is gone", 60, lambda name=name: self.pool(name) is None)

    @contextmanager
    def pools(self, specs: Mapping[str, Spec]) -> Iterator[None]:
        """These pools, and no others, for as long as the block lasts."""
        try:
            for name, spec in specs.items():
                self.create(name, spec)
            yield
        finally:
            self.remove(*specs)

    def allocated(self, name: str) -> dict[str, str]:
        """Address → pod (namespace/name), from the pool's status."""
        pool = self.pool(name)
        assert pool is not None
        text = (pool.get("status") or {}).get("allocatedIPs")
        return (
            {ip: allocation["pod"] for ip, allocation in json.loads(text).items()} if text else {}
        )


def thing(kind: str, name: str, spec: Spec) -> dict[str, Any]:
    return {
        "apiVersion": VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def refusal_of(client: Client, path: str, body: Mapping[str, Any]) -> str | None:
    """The message for a POST that the API server refuses for its content; None if it accepts it."""
    try:
        client.request("POST", path, body)
    except ApiError as error:
        if error.status not in {400, 403, 409, 422}:
            raise
        return str(error)
    return None


def started(
    home: Path, *, provider_ids: bool = True
) -> tuple[FakeCloud, Supervisor, fake_cloud.Pki, str]:
    """Boot the master and the worker without Spiderpool."""
    cloud, pki, public = FakeCloud(home), fake_cloud.Pki(), fake_cloud.free_loopback_address()
    cloud.addresses = [
        {"id": "eip-1", "ip": public, "instance_id": "i-master", "instance_type": "EcsInstance"}
    ]
    master, worker = _nics(1), _nics(2)
    found_by = fake_cloud.discovery(f"{master[0]['address']}:6443", pki.pin)
    first = fake_cloud.control_plane_user_data(
        "master", pki, master, public, provider_id=provider_ids
    )
    second = fake_cloud.worker_user_data("worker", found_by, worker, provider_id=provider_ids)
    cloud.change(
        fake_cloud.instance("master", master, first), fake_cloud.instance("worker", worker, second)
    )
    return cloud, Supervisor(home, LOCAL / "bin"), pki, public


@contextmanager
def judging(home: Path) -> Iterator[Judge]:
    """The whole cluster, with Spiderpool as the local stack has it and no pools."""
    cloud, supervisor, pki, public = started(home)
    kubeconfig = home / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(pki.kubeconfig(f"https://{public}:6443"), encoding="utf-8")
    client = Client(Access.read(kubeconfig))
    plan = _plan_with_ipv6(stack_plan("local"))
    secrets = make_secrets("judge", now=datetime.now(UTC), entropy=os.urandom)
    judge = Judge(client=client, home=home, kubeconfig=kubeconfig, plan=plan, secrets=secrets)
    try:
        for node in ("master", "worker"):
            until(f"node {node}", 180, lambda node=node: client.get(f"/api/v1/nodes/{node}"))
        crds = home / "toolchain"
        crds.mkdir()
        (crds / "crds").symlink_to(LOCAL / "toolchain" / "crds")
        helm(judge, "install", chart_values(plan, secrets=secrets), "--timeout=180s")
        coordinator = thing("SpiderCoordinator", "default", coordinator_spec(plan))
        # A ready controller is not yet known to the service proxy of each node.
        until(
            "the webhook answers",
            60,
            lambda: client.request("POST", f"{COORDINATORS}{DRY}", coordinator),
        )
        client.request("POST", COORDINATORS, coordinator)
        for nic in plan.interface_names:
            spec = multus_config_spec(plan, nic)
            client.request("POST", CONFIGS, thing("SpiderMultusConfig", f"ipvlan-{nic}", spec))
        yield judge
    finally:
        supervisor.end()
        cloud.close()


def helm(judge: Judge, action: str, values: Mapping[str, object], *more: str) -> None:
    """Install or upgrade the release with these values, and wait for it as `components` does."""
    document = judge.home / "values.json"
    document.touch(mode=0o600)
    document.write_text(json.dumps(values), encoding="utf-8")
    options = (
        f"--kubeconfig={judge.kubeconfig}",
        "--namespace=kube-system",
        f"--values={document}",
        "--wait",
        "--no-hooks",
    )
    done = subprocess.run(  # noqa: S603 - the toolchain's own helm
        [LOCAL / "bin" / "helm", action, "spiderpool", assemble(judge.home), *options, *more],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def _plan_with_ipv6(plan: ClusterPlan) -> ClusterPlan:
    """The same plan in a dual-stack cluster, so that IPv6 pools can be judged, too."""
    ipv6 = plan.network.ipv6.model_copy(update={"enabled": True})
    return replace(plan, network=replace(plan.network, ipv6=ipv6))


def _nics(number: int) -> list[dict[str, Any]]:
    return [
        fake_cloud.interface(
            f"eni-{number}{letter}",
            f"00:16:3e:00:0{number}:0{letter}",
            address,
            network,
            primary=letter == "a",
        )
        for letter, address, network in (
            ("a", f"172.31.199.{182 + number}", "172.31.192.0/20"),
            ("b", f"192.168.0.{153 + number}", "192.168.0.0/24"),
        )
    ]
