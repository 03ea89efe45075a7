"""`operations verify` on a real deployment of the local cloud reports what is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from operations.failure import ExitCode
from operations.verification.checks import Needs
from operations.verification.objects import OBJECT_CHECKS
from operations.verification.packets import packet_checks
from tests.engine.clouds.local_cloud import Done, SecondCloud
from tests.engine.services.test_services import within
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

WORKER_POOL = ["172.31.199.190-172.31.199.194"]
TAINT = "node.cloudprovider.kubernetes.io/uninitialized"


def verify(served: SecondCloud, *more: str) -> Done:
    return served.on_stack_file("verify", "--stack", "local", *more, deadline=120)


def verdicts(done: Done) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(done.out)["checks"]}


@contextmanager
def pool_with(served: SecondCloud, ips: list[str]) -> Iterator[None]:
    def write(addresses: list[str]) -> None:
        patch = json.dumps({"spec": {"ips": addresses}})
        pool = ("spiderippool", "worker-eth0")
        served.run("kubectl", "patch", *pool, "--type=merge", "--patch", patch, check=True)

    write(ips)
    try:
        yield
    finally:
        write(WORKER_POOL)


@contextmanager
def stopped_controller(served: SecondCloud) -> Iterator[None]:
    def scale(count: int) -> None:
        controller = ("--namespace=kube-system", "deployment/cloud-controller-manager")
        served.run("kubectl", "scale", *controller, f"--replicas={count}", check=True)

    def pods() -> list[Any]:
        selector = "app.kubernetes.io/name=cloud-controller-manager"
        response = served.kubectl("get", "pods", "-n", "kube-system", "-l", selector)
        return list(response["items"])

    def taints() -> list[str]:
        spec = served.kubectl("get", "node", "worker")["spec"]
        return [taint["key"] for taint in spec.get("taints", ())]

    scale(0)
    try:
        within(30, "the controller has ended", lambda: not pods())
        served.run("kubectl", "taint", "node", "worker", f"{TAINT}=true:NoSchedule", check=True)
        yield
    finally:
        scale(1)
        within(60, "the taint is gone", lambda: TAINT not in taints())


def test_objects_and_addresses_pass_and_packets_are_never_counted_as_passed(
    served: SecondCloud, tmp_path: Path
) -> None:
    report = tmp_path / "report.xml"
    done = verify(served, "--json", "--junit", str(report))
    assert done.status == 0, done.transcript
    document = json.loads(done.out)
    assert document["stack"] == "local"
    results = verdicts(done)
    packets = {check.name for check in packet_checks("http://localhost")}
    objects = {check.name for check in OBJECT_CHECKS} | {"certificates"}
    assert {n for n, v in results.items() if v["verdict"] == "passed"} == objects
    assert {n for n, v in results.items() if v["verdict"] == "not simulated"} == packets
    assert {v["needs"] for n, v in results.items() if n in packets} == {str(Needs.PACKETS)}
    suite = ET.fromstring(report.read_text())  # noqa: S314 - our own text
    assert suite.tag == "testsuite"
    assert suite.attrib["tests"] == str(len(results))
    assert suite.attrib["failures"] == "0"
    # The local stack has no disk for etcd, so there is no snapshot whose age could be judged.
    assert results["snapshots"]["verdict"] == "not run"
    assert suite.attrib["skipped"] == str(len(packets) + 1)
    skipped = {case.attrib["name"] for case in suite if case.find("skipped") is not None}
    assert skipped == packets | {"snapshots"}


def test_the_table_counts_each_outcome_apart(served: SecondCloud) -> None:
    done = verify(served)
    assert done.status == 0, done.transcript
    assert f"{len(OBJECT_CHECKS) + 1} passed, " in done.out, "The checks and the certificates."
    assert "not simulated" in done.out


def test_a_pool_with_other_addresses_fails_with_its_cause_and_the_command(
    served: SecondCloud, tmp_path: Path
) -> None:
    report = tmp_path / "report.xml"
    with pool_with(served, ["172.31.199.190-172.31.199.193"]):
        done = verify(served, "--json", "--junit", str(report))
        table = verify(served)
    assert done.status == ExitCode.FAILED, done.transcript
    check = verdicts(done)["pools-as-planned"]
    assert check["verdict"] == "failed"
    assert check["details"] == [
        f"worker-eth0: ips is ['172.31.199.190-172.31.199.193'], the stack has {WORKER_POOL}"
    ]
    assert check["likelyCause"] == "a pool was changed by hand"
    assert "kubectl get spiderippool" in check["look"]
    suite = ET.fromstring(report.read_text())  # noqa: S314 - our own text
    # The pool itself, and what its node advertises.
    assert suite.attrib["failures"] == "2"
    assert "likely: a pool was changed by hand" in (suite.findtext("testcase/failure") or "")
    assert table.status == ExitCode.FAILED
    text = " ".join(table.out.split())
    assert "likely: a pool was changed by hand" in text
    assert "look: pulumi preview --diff" in text


def test_a_controller_that_stopped_shows_on_a_new_node_with_its_log_s_command(
    served: SecondCloud,
) -> None:
    with stopped_controller(served):
        done = verify(served, "--json")
    assert done.status == ExitCode.FAILED, done.transcript
    check = verdicts(done)["nodes-initialized"]
    assert check["verdict"] == "failed"
    assert check["details"] == [f"worker still carries the taint {TAINT}"]
    assert "the cloud controller does not run" in check["likelyCause"]
    assert "logs deployment/cloud-controller-manager" in check["look"]
    # The new Node advertises its addresses at the next turn of its unit, up to 15 s later.
    until("the cluster passes again", 60, lambda: verify(served).status == 0)


def test_destroy_leaves_no_load_balancer_and_waits_for_no_pool(served: SecondCloud) -> None:
    """The last test: CoreDNS holds addresses of pools, and one load balancer is protected."""
    done = served.pulumi("destroy", "--yes", "--skip-preview")
    assert done.status == 0, done.transcript
    assert done.seconds < 240
    left = served.resources()
    assert left == {}, left
