from __future__ import annotations

import pytest

from localcloud.machines.guest.kubelet.pods.programs import program_of, pull_problem

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("container", "program"),
    [
        (
            {
                "image": "registry.k8s.io/kube-apiserver:v1.34.4",
                "command": ["kube-apiserver", "-v"],
            },
            "/opt/machine/kubernetes/v1.34.4/kube-apiserver",
        ),
        (
            {
                "image": "registry:5000/kube-scheduler:v1.35.4@sha256:0",
                "command": ["kube-scheduler"],
            },
            "/opt/machine/kubernetes/v1.35.4/kube-scheduler",
        ),
        (
            {"image": "registry.k8s.io/etcd:3.6.5-0", "command": ["etcd"]},
            "/opt/machine/tools/etcd",
        ),
        (
            {"image": "ghcr.io/spidernet-io/spiderpool/spiderpool-controller:v1.2.2"},
            "/opt/machine/tools/spiderpool-controller",
        ),
    ],
)
def test_kubernetes_programs_run_in_the_version_of_their_image(
    container: dict[str, object], program: str
) -> None:
    assert str(program_of(container)) == program


def test_an_image_of_a_version_that_is_not_built_says_so() -> None:
    container = {"image": "registry.k8s.io/kube-apiserver:v1.33.1", "command": ["kube-apiserver"]}
    assert pull_problem(container) == (
        "the toolchain of this machine has no kube-apiserver v1.33.1"
    )
