"""The lab's stack: pods of two virtual workers send packets over the VPC, and `verify` judges them.

The workers are real from the firmware to the CNI plugins: kubelet, containerd, multus, Spiderpool's
agent and coordinator, ipvlan, kube-proxy. The control plane is a set of namespaces. The second half
breaks one thing each time: the checks that depend on it fail, and no others.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engine.machines.lab import (
    FOREIGN,
    SERVER,
    Lab,
    another_mac,
    failed,
    sending_from,
    served_from,
    without_ipv6_bandwidth,
    without_marks,
    without_masquerading,
    without_source_routing,
    without_the_rule_for_pings,
)

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(9000)]


def test_every_check_passes(lab: Lab) -> None:
    outcomes = {name: check["verdict"] for name, check in lab.verdicts().items()}
    assert set(outcomes.values()) == {"passed"}, outcomes


@pytest.mark.parametrize("node", ["worker", "second"])
def test_a_service_answers_pods_of_the_other_node_and_its_own_backend(lab: Lab, node: str) -> None:
    with served_from(lab, node):
        checks = lab.verdicts()
    assert checks["cluster-ip"]["verdict"] == "passed"


def test_no_frame_of_the_pods_was_dropped(lab: Lab) -> None:
    frames = lab.frames()
    assert frames["passed"] > 0
    assert (frames["foreign_mac"], frames["foreign_address"]) == (0, 0)


def test_a_node_without_source_routing_answers_by_the_wrong_nic_and_is_not_heard(
    lab: Lab, tmp_path: Path
) -> None:
    address = lab.nodes["master"]["interfaces"]["eth1"]["primary"]
    before = lab.frames()["foreign_address"]
    report = tmp_path / "report.html"
    with without_source_routing(lab, "master", address):
        checks = lab.verdicts(report)
    assert failed(checks) == {"pod-to-other-nodes"}
    details = checks["pod-to-other-nodes"]["details"]
    assert all(f"gets no answer from node master on eth1 {address}" in line for line in details)
    assert "per-NIC source routing is missing" in checks["pod-to-other-nodes"]["likelyCause"]
    assert lab.frames()["foreign_address"] > before
    page = report.read_text(encoding="utf-8")
    assert re.search(r"the fabric dropped \d+ frames from an address that the ENI does not", page)
    # The answer is seen where it enters the fabric, by the wrong NIC, and nowhere else.
    assert re.search(rf"eth0 of lab-master</td>.*{re.escape(address)} → .*ICMP echo reply", page)


def test_a_security_group_without_a_rule_for_pings_fails_what_crosses_the_vpc(lab: Lab) -> None:
    before = lab.frames()["refused"]
    with without_the_rule_for_pings(lab):
        checks = lab.verdicts()
    assert failed(checks) == {
        "pod-to-other-nodes",
        "pod-to-pod-same-network",
        "pod-to-pod-other-network",
        "pod-to-pod-other-network-across-nodes",
    }
    cause = checks["pod-to-other-nodes"]["likelyCause"]
    assert "the security group does not let its members in" in cause
    assert lab.frames()["refused"] > before


def test_a_pod_that_sends_from_an_address_that_its_eni_does_not_have_is_not_heard(lab: Lab) -> None:
    before = lab.frames()["foreign_address"]
    with sending_from(lab, "worker", FOREIGN):
        checks = lab.verdicts()
    assert {"pod-to-other-nodes", "pod-to-pod-same-network", "egress"} <= failed(checks)
    cause = checks["pod-to-other-nodes"]["likelyCause"]
    assert "an address or a MAC that their ENI does not have" in cause
    assert lab.frames()["foreign_address"] > before


def test_pods_that_send_from_a_mac_that_their_eni_does_not_have_are_not_heard(lab: Lab) -> None:
    before = lab.frames()["foreign_mac"]
    with another_mac(lab, "worker", "eth1"):
        checks = lab.verdicts()
    assert "pod-to-pod-other-network" in failed(checks)
    assert "macvlan" in checks["pod-to-pod-other-network"]["likelyCause"]
    assert lab.frames()["foreign_mac"] > before


def test_without_the_coordinators_marks_nobody_outside_gets_an_answer(lab: Lab) -> None:
    with without_marks(lab, "worker", "second"):
        checks = lab.verdicts()
    assert {"load-balancer-tcp", "load-balancer-http", "client-address-kept"} <= failed(checks)
    assert "coordinator's marks" in checks["load-balancer-tcp"]["likelyCause"]


def test_without_masquerading_a_service_whose_backend_is_elsewhere_does_not_answer(
    lab: Lab,
) -> None:
    with served_from(lab, "second"), without_masquerading(lab):
        checks = lab.verdicts()
    assert {"services-masqueraded", "cluster-ip"} <= failed(checks)
    assert "masqueradeAll" in checks["cluster-ip"]["likelyCause"]


def test_an_ipv6_address_without_bandwidth_does_not_reach_the_internet(lab: Lab) -> None:
    pod = lab.pod(SERVER, "worker")
    [address] = [each["ip"] for each in pod["status"]["podIPs"] if ":" in each["ip"]]
    with without_ipv6_bandwidth(lab, address):
        checks = lab.verdicts()
    assert failed(checks) == {"egress-ipv6"}
    assert all(f"is not seen as {address}" in line for line in checks["egress-ipv6"]["details"])
    assert "no public bandwidth for the address" in checks["egress-ipv6"]["likelyCause"]


def test_afterwards_everything_passes_again(lab: Lab) -> None:
    assert failed(lab.verdicts()) == set()
