"""kubeadm accepts the nodes' documents in every minor that a new cluster may have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.engine.places import ROOT
from tests.engine.kubernetes.test_kubeadm_documents_for_real import filled
from tests.planning.documents import Booted, booted, planned
from tests.planning.edited import at, clustered, edited
from toolchain.pins import (
    KUBERNETES_VERSION,
    NEXT_KUBERNETES_VERSION,
    PREVIOUS_KUBERNETES_VERSION,
)
from toolchain.places import Places

pytestmark = pytest.mark.nightly

INIT, JOIN = (
    f"/etc/spiderpool-alicloud/kubeadm-{document}.yaml.in" for document in ("init", "join")
)


def kubeadm(version: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the kubeadm of a version that the toolchain has built."""
    places = Places(home=ROOT / ".local")
    folder = places.bin if version == KUBERNETES_VERSION else places.of_kubernetes(version)
    if not (folder / "kubeadm").exists():
        pytest.fail(
            f"Kubernetes {version} is not built. Run `python -m toolchain ensure "
            "--previous-kubernetes --next-kubernetes` or `make nightly`."
        )
    return subprocess.run(  # noqa: S603 - our own tool
        [folder / "kubeadm", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(params=[PREVIOUS_KUBERNETES_VERSION, KUBERNETES_VERSION, NEXT_KUBERNETES_VERSION])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def node(version: str, name: str) -> Booted:
    return booted(planned(edited(clustered(), at("kubernetes/version", version))), name)


@pytest.mark.parametrize(
    ("name", "document"), [("masters-0", INIT), ("masters-0", JOIN), ("workers-0", JOIN)]
)
def test_kubeadm_validates_the_documents(
    version: str, name: str, document: str, tmp_path: Path
) -> None:
    path = filled(node(version, name), document, tmp_path, {})
    done = kubeadm(version, "config", "validate", "--config", path)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "ok", "")


def test_containerd_has_the_sandbox_image_of_that_kubeadm(version: str, tmp_path: Path) -> None:
    plane = node(version, "masters-0")
    path = filled(plane, INIT, tmp_path, {})
    images = kubeadm(version, "config", "images", "list", "--config", path).stdout.split()
    (pause,) = (image for image in images if "/pause:" in image)
    assert f"sandbox = '{pause}'" in plane.files["/etc/containerd/config.toml"]
