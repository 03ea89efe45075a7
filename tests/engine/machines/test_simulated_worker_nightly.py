"""A simulated worker answers as a virtual machine of the same stack file does, but for reasons.

The virtual machine runs Debian's own cloud-init, netplan, systemd, kubelet and containerd from the
unmodified user-data, so it is the judge of what the namespaces simulate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.engine.clouds.local_cloud import second_cloud
from tests.engine.machines.lab import STACK_FILE, UP_WITHIN, Lab
from tests.engine.machines.questions import Answers, answers, differences, unexplained

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(9000)]

WORKER = "worker"
REASONS: Mapping[str, str] = {
    r"Node (capacity|allocatable)\.(cpu|memory|ephemeral-storage)": (
        "Every virtual machine has one size, whatever its instance type."
    ),
    r"Node nodeInfo\.(bootID|machineID|systemUUID)": "Each machine has its own.",
    r"Node nodeInfo\.(containerRuntimeVersion|kernelVersion|osImage)": (
        "The simulated one reports that it is simulated, and Ubuntu; the other one is Debian."
    ),
    r"files /opt/cni/bin/.*": "The simulated kubelet runs no CNI plugin.",
    r"files /etc/cni/net\.d/multus\.d/multus\.kubeconfig": "multus, a CNI plugin, writes it.",
    r"files /var/lib/kubelet/pki/kubelet\.(crt|key)": (
        "The simulated kubelet serves nothing by TLS."
    ),
    r"files /etc/kubernetes/manifests/\.keep": (
        "An empty file of the package; a simulated installation unpacks none."
    ),
    r"rules 1000: from all lookup 500": (
        "The coordinator's, for its routes to pods. A simulated pod has no network."
    ),
}
"""Pattern of an answer's name → why it differs."""


@pytest.fixture(scope="module")
def virtual(lab: Lab) -> Answers:
    return _answers(lab)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    cloud = second_cloud(tmp_path_factory.mktemp("simulated") / "home", stack_file=STACK_FILE)
    try:
        done = cloud.operations("up", deadline=UP_WITHIN)
        assert done.status == 0, cloud.explain(done)
        yield _answers(Lab(cloud=cloud))
    finally:
        cloud.kill_everything()


def _answers(lab: Lab) -> Answers:
    node = lab.cloud.kubectl("get", "node", WORKER)
    return answers(lambda *command: lab.run(WORKER, *command), node)


def test_every_difference_has_a_reason(virtual: Answers, simulated: Answers) -> None:
    left, _ = unexplained(differences(virtual, simulated), REASONS)
    assert not left, "\n".join(map(str, left))


def test_every_reason_explains_a_difference(virtual: Answers, simulated: Answers) -> None:
    _, idle = unexplained(differences(virtual, simulated), REASONS)
    assert not idle
