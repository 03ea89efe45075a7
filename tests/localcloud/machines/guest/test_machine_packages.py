from __future__ import annotations

import pytest

from localcloud.machines.guest.apt.packages import PackageError, archive, offered, select
from localcloud.machines.guest.commands.apt import plain_words
from localcloud.machines.guest.commands.kubernetes import without_preflight

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("asked", ["kubelet", "kubelet=1.35.4-*", "kubelet=1.35.4-1.1"])
def test_the_version_that_was_built_can_be_installed(asked: str) -> None:
    *_, package = select([asked], archive(["v1.35.4"]))
    assert package.version == "1.35.4-1.1"


def test_the_kubelet_brings_cni_plugins_and_kubeadm_no_crictl() -> None:
    chosen = select(["kubeadm", "kubelet"], archive(["v1.35.4"]))
    assert [package.name for package in chosen] == ["kubernetes-cni", "kubeadm", "kubelet"]


def test_every_package_that_cannot_be_had_is_named() -> None:
    with pytest.raises(PackageError) as caught:
        select(["kubelet=1.34.1-*", "no-such-package", "chrony"], archive(["v1.35.4"]))
    assert str(caught.value).splitlines() == [
        "E: Version '1.34.1-*' for 'kubelet' was not found",
        "E: Unable to locate package no-such-package",
    ]


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("kubeadm=1.34.4-*", "1.34.4-1.1"),
        ("kubeadm=1.35.4-*", "1.35.4-1.1"),
        ("kubeadm", "1.35.4-1.1"),
    ],
)
def test_each_version_that_was_built_can_be_installed(asked: str, version: str) -> None:
    *_, package = select([asked], archive(["v1.35.4", "v1.34.4"]))
    assert package.version == version


@pytest.mark.parametrize(
    ("fetched", "versions"),
    [
        ("https://pkgs.k8s.io/core:/stable:/v1.34/deb/\n", ["v1.34.4"]),
        (
            "https://mirrors.aliyun.com/kubernetes-new/core/stable/v1.35/deb/\n",
            ["v1.35.10", "v1.35.4"],
        ),
        ("https://pkgs.k8s.io/core:/stable:/v1.33/deb/\n", []),
        ("https://download.docker.com/linux/ubuntu\n", ["v1.35.10", "v1.35.4", "v1.34.4"]),
    ],
)
def test_each_minor_has_a_repository_of_its_own(fetched: str, versions: list[str]) -> None:
    assert offered(["v1.35.4", "v1.34.4", "v1.35.10"], fetched) == versions


def test_a_kernel_specific_package_is_there_for_any_kernel() -> None:
    [package] = select(["linux-modules-extra-6.8.0-generic"], archive(["v1.35.4"]))
    assert package.name == "linux-modules-extra"


def test_the_value_of_an_option_is_not_a_package() -> None:
    words = ["-o", "DPkg::Lock::Timeout=600", "install", "-y", "--no-install-recommends", "chrony"]
    assert plain_words(words) == ["install", "chrony"]


@pytest.mark.parametrize(
    ("words", "run"),
    [
        (
            ["init", "--config", "c", "--skip-phases=addon/kube-proxy"],
            ["init", "--config", "c", "--skip-phases=preflight,addon/kube-proxy"],
        ),
        (["join", "--config", "c"], ["join", "--config", "c", "--skip-phases=preflight"]),
        (["init", "phase", "certs", "all"], ["init", "phase", "certs", "all"]),
        (["config", "validate"], ["config", "validate"]),
        (
            ["upgrade", "apply", "v1.35.4", "--yes", "--ignore-preflight-errors=CreateJob"],
            [
                "upgrade",
                "apply",
                "v1.35.4",
                "--yes",
                (
                    "--ignore-preflight-errors="
                    "ContainerRuntimeVersion,ImagePull,SystemVerification,CreateJob"
                ),
            ],
        ),
        (["upgrade", "plan"], ["upgrade", "plan"]),
    ],
)
def test_kubeadm_runs_everything_but_checks_of_what_a_machine_has_not(
    words: list[str], run: list[str]
) -> None:
    assert without_preflight(words) == run
