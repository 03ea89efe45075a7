from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.toolchain.kubernetes_provider.engine_side import EngineSide
from tests.toolchain.kubernetes_provider.servers.real_cluster import RealCluster, find_binary

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """Return an API server with etcd and the controller manager, for this test run alone."""
    missing = [
        name
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "helm")
        if find_binary(name) is None
    ]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)} (make toolchain)")
    running = RealCluster(folder=tmp_path_factory.mktemp("cluster"))
    try:
        running.start()
        running.start_controller_manager()
        yield running
    finally:
        running.stop()


@pytest.fixture
def real(cluster: RealCluster) -> Iterator[EngineSide]:
    """Return a provider process that is configured for the real API server."""
    with EngineSide() as side:
        side.configure({"kubeconfig": cluster.kubeconfig, "clusterIdentifier": "test"})
        yield side


@pytest.fixture
def restarted(cluster: RealCluster) -> Iterator[threading.Thread]:
    """Kill the API server and start it again while the test continues."""
    cluster.kill("kube-apiserver")
    starting = threading.Thread(target=cluster.start_api_server)
    threading.Timer(1.0, starting.start).start()
    yield starting
    while not starting.ident:
        pass
    starting.join()
