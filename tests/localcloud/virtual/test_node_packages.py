"""The packages of a Kubernetes node, and where they can be made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from localcloud.virtual.failure import PreparationError
from localcloud.virtual.image import namespace_command
from localcloud.virtual.node_packages import (
    CONTAINERD,
    NodePrograms,
    built,
    containerd_package,
    kubernetes_packages,
    make,
)
from planning.nodes.guest_system import CONTAINERD_SERIES

pytestmark = pytest.mark.unit


@pytest.fixture
def programs(tmp_path: Path) -> NodePrograms:
    tools = tmp_path / "bin"
    (tools / "node").mkdir(parents=True)
    versions = {"kubelet": "1.36.3", "crictl": "1.34.0", **dict.fromkeys(CONTAINERD, "2.2.1")}
    for name, version in versions.items():
        program = tools / "node" / name
        program.write_text(f"#!/bin/sh\necho {name} v{version}\n")
        program.chmod(0o755)
    for name in ("kubeadm", "kubectl"):
        (tools / name).write_text(name)
    node = built(tools)
    assert node is not None
    return node


def listing(package: Path) -> str:
    done = subprocess.run(  # noqa: S603  (the package that the test made)
        ["dpkg-deb", "--contents", str(package)],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_versions_are_what_the_programs_report(programs: NodePrograms) -> None:
    assert (programs.kubernetes_version, programs.minor) == ("1.36.3", "1.36")
    assert programs.containerd_version == "2.2.1"


@pytest.mark.parametrize("program", ["kubelet", "crictl", "containerd"])
def test_without_one_of_its_programs_a_node_has_no_packages(
    programs: NodePrograms, program: str
) -> None:
    (programs.node / program).unlink()
    assert built(programs.kubernetes) is None


def test_a_program_that_reports_no_version_is_named(programs: NodePrograms) -> None:
    (programs.node / "kubelet").write_text("#!/bin/sh\necho unknown\n")
    with pytest.raises(PreparationError, match=r"kubelet --version` reported 'unknown"):
        built(programs.kubernetes)


def test_another_build_is_another_identity(programs: NodePrograms, tmp_path: Path) -> None:
    before = programs.identity
    (programs.node / "kubelet").rename(tmp_path / "kubelet-2")
    (programs.node / "kubelet").symlink_to(tmp_path / "kubelet-2")
    assert programs.identity != before


def test_the_packages_are_those_that_the_user_data_installs(programs: NodePrograms) -> None:
    versions = {content.name: content.version for content in kubernetes_packages(programs)}
    of_kubernetes = dict.fromkeys(("kubeadm", "kubectl", "kubelet"), "1.36.3-1.1")
    assert versions == {**of_kubernetes, "cri-tools": "1.34.0-1.1"}
    series = CONTAINERD_SERIES.removesuffix("*")
    assert containerd_package(programs).version.startswith(series)


def test_a_package_has_its_programs_units_and_conffiles(
    programs: NodePrograms, tmp_path: Path
) -> None:
    files = listing(make(containerd_package(programs), tmp_path))
    assert "-rwxr-xr-x root/root" in next(
        line for line in files.splitlines() if line.endswith("./usr/bin/containerd")
    )
    assert "./usr/lib/systemd/system/containerd.service" in files
    assert "./etc/containerd/config.toml" in files


def test_nothing_of_a_package_is_left_behind(programs: NodePrograms, tmp_path: Path) -> None:
    into = tmp_path / "packages"
    into.mkdir()
    package = make(kubernetes_packages(programs)[0], into)
    assert list(into.iterdir()) == [package]


def test_without_namespaces_the_image_cannot_be_made() -> None:
    with pytest.raises(PreparationError, match="Run this as root, or give this user a range"):
        namespace_command(works=lambda _: False)
