"""The real kubeadm accepts the documents of every node and writes its kubelet's configuration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from planning.nodes.kubeadm import DISCOVERY, TOKEN
from tests.planning.documents import ROOT, Booted, booted, every_node, stack_plan

pytestmark = pytest.mark.engine

HERE = "/etc/spiderpool-alicloud"
TEMPLATES = (f"{HERE}/kubeadm-init.yaml.in", f"{HERE}/kubeadm-join.yaml.in")


@pytest.fixture(scope="module")
def kubeadm() -> Path:
    path = shutil.which(
        "kubeadm", path=f"{ROOT / '.local' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    )
    assert path is not None, "kubeadm is not installed. Run `python -m toolchain ensure`."
    return Path(path)


def run(kubeadm: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own tool
        [kubeadm, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def filled(machine: Booted, template: str, folder: Path, replaced: Mapping[str, str]) -> Path:
    """A template as its machine fills it, with the file by which a joining machine discovers."""
    discovery = folder / "kubeadm-discovery.yaml"
    discovery.write_text(machine.files[DISCOVERY], encoding="utf-8")
    token = re.search(r"""token: ['"]?([a-z0-9.]+)""", machine.files[DISCOVERY])
    assert token is not None
    text = machine.files[template].replace("@PROVIDER_ID@", "cn-hangzhou.i-bp1a")
    for old, new in {DISCOVERY: str(discovery), TOKEN: token[1], **replaced}.items():
        text = text.replace(old, new)
    path = folder / "kubeadm.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_kubeadm_validates_every_nodes_configuration(
    kubeadm: Path, tmp_path: Path, stack: str, node: str
) -> None:
    machine = booted(stack_plan(stack), node)
    for template in TEMPLATES:
        if template in machine.files:
            done = run(
                kubeadm, "config", "validate", "--config", filled(machine, template, tmp_path, {})
            )
            assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "ok", "")


def test_kubeadm_and_containerd_use_the_same_sandbox_image(kubeadm: Path, tmp_path: Path) -> None:
    for stack in ("local", "dev"):
        plan = stack_plan(stack)
        first = plan.control_planes[0].name
        machine = booted(plan, first)
        path = filled(machine, TEMPLATES[0], tmp_path, {})
        images = run(kubeadm, "config", "images", "list", "--config", path).stdout.split()
        (pause,) = (image for image in images if "/pause:" in image)
        assert f"sandbox = '{pause}'" in machine.files["/etc/containerd/config.toml"]


@pytest.fixture(scope="module")
def master(kubeadm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which kubeadm has created the guide's control plane from its user-data alone."""
    root = tmp_path_factory.mktemp("master")
    machine = booted(stack_plan("local"), "master")
    for path, content in machine.files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    config = filled(machine, TEMPLATES[0], root, {HERE: f"{root}{HERE}"})
    pki = root / "etc/kubernetes/pki"
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("clusterName:", f"certificatesDir: {pki}\nclusterName:"), encoding="utf-8"
    )
    for phase in (("certs", "all"), ("control-plane", "all", "--dry-run")):
        done = subprocess.run(  # noqa: S603 - our own tool
            [kubeadm, "init", "phase", *phase, "--config", config],
            env={**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(root / "dry")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    return root


def flags(root: Path, component: str) -> dict[str, str]:
    (path,) = root.rglob(f"{component}.yaml")
    command = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["containers"][0]["command"]
    return dict(each.removeprefix("--").partition("=")[::2] for each in command[1:])


def test_kubeadm_takes_our_certificate_authorities_as_they_are(master: Path) -> None:
    machine = booted(stack_plan("local"), "master")
    for name in ("ca.crt", "ca.key", "front-proxy-ca.crt", "etcd/ca.crt", "sa.key", "sa.pub"):
        path = f"/etc/kubernetes/pki/{name}"
        assert (master / path.lstrip("/")).read_text(encoding="utf-8") == machine.files[path]


def test_kubeadm_signs_the_server_certificate_for_every_address(master: Path) -> None:
    from cryptography import x509  # noqa: PLC0415 - only here

    pem = (master / "etc/kubernetes/pki/apiserver.crt").read_bytes()
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = {str(address) for address in names.value.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", "172.31.199.183", "47.98.0.10", "10.233.0.1"} <= addresses


def test_the_controller_manager_gives_nodes_no_pod_range(master: Path) -> None:
    assert flags(master, "kube-controller-manager")["allocate-node-cidrs"] == "false"


def test_the_api_server_serves_the_planned_service_range(master: Path) -> None:
    arguments = flags(master, "kube-apiserver")
    assert arguments["service-cluster-ip-range"] == "10.233.0.0/18"
    assert arguments["advertise-address"] == "172.31.199.183"
    assert "cloud-provider" not in arguments


@pytest.mark.parametrize("node", ["master"])
def test_kubeadm_leaves_the_nodes_own_settings_to_the_kubelet(
    kubeadm: Path, master: Path, tmp_path: Path, node: str
) -> None:
    done = subprocess.run(  # noqa: S603 - our own tool
        [
            kubeadm,
            "init",
            "phase",
            "kubelet-start",
            "--dry-run",
            "--config",
            master / "kubeadm.yaml",
        ],
        env={**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.rglob("config.yaml")
    settings: dict[str, Any] = yaml.safe_load(written.read_text(encoding="utf-8"))
    assert "maxPods" not in settings
    assert settings["cgroupDriver"] == "systemd"
    (environment,) = tmp_path.rglob("kubeadm-flags.env")
    text = environment.read_text(encoding="utf-8")
    for argument in (
        "--cloud-provider=external",
        "--config-dir=",
        "--node-ip=0.0.0.0",
        "--provider-id=cn-hangzhou.i-bp1a",
        f"--hostname-override={node}",
    ):
        assert argument in text
