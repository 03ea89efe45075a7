"""Three control planes behind an intranet CLB, one of them lost and replaced by `up`.

Nodes reach the API server through the CLB's address in the VPC, pulumi and kubectl through the EIP
on the CLB. The lost one is the first, which created the cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.engine.clouds.local_cloud import Done, SecondCloud
from tests.engine.clouds.three_zones import MASTERS, three_with_etcd_disks
from tests.engine.control_planes.kept_token import REFUSED, answer_to_the_kept_token
from tests.engine.lifecycle.official_sdk import client, models
from tests.patience import end_of_wait

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


@dataclass
class Answers:
    """The answers of /readyz through the EIP, twice a second."""

    good: int = 0
    longest_silence: float = 0.0
    errors: list[str] = field(default_factory=list)


@contextmanager
def asked(url: str) -> Iterator[Answers]:
    """Ask on a connection of its own each time, as a new client would."""
    answers, ends = Answers(), threading.Event()

    def run() -> None:
        last = time.monotonic()
        while not ends.wait(0.5):
            try:
                reply = httpx.get(f"{url}/readyz", timeout=3, verify=False)  # noqa: S501 - only whether it answers
                answers.good += reply.status_code == 200
                last = time.monotonic()
            except httpx.HTTPError as error:
                answers.errors.append(str(error))
            answers.longest_silence = max(answers.longest_silence, time.monotonic() - last)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield answers
    finally:
        ends.set()
        thread.join(30)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    with three_with_etcd_disks(tmp_path_factory.mktemp("three") / "home", "three") as cloud:
        yield cloud


def nodes(cloud: SecondCloud) -> dict[str, Mapping[str, Any]]:
    return {node["metadata"]["name"]: node for node in cloud.kubectl("get", "nodes")["items"]}


def is_ready(node: Mapping[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
    return conditions.get("Ready") == "True"


def api_servers(cloud: SecondCloud) -> set[str]:
    """The endpoints of `kubernetes.default`, where each API server adds itself."""
    slices = cloud.kubectl(
        "get", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes", "-n", "default"
    )["items"]
    return {a for item in slices for e in item["endpoints"] for a in e["addresses"]}


def console(cloud: SecondCloud, instance: str) -> str:
    """What the machine has written to its console."""
    texts = cloud.places.home.glob(f"machines/{instance}/console*")
    return "".join(path.read_text(errors="replace") for path in texts)


def test_all_nodes_are_ready_and_three_api_servers_serve(three: SecondCloud) -> None:
    by_name = nodes(three)
    assert set(by_name) == {*MASTERS, "workers-0"}
    assert all(is_ready(node) for node in by_name.values())
    assert api_servers(three) == {"10.64.0.16", "10.64.32.32", "10.64.64.48"}


def test_the_next_up_has_nothing_to_do(three: SecondCloud) -> None:
    done = three.pulumi("preview", "--expect-no-changes")
    assert done.status == 0, done.transcript


def test_the_first_control_plane_is_replaced_while_the_others_answer(three: SecondCloud) -> None:
    outputs = three.outputs()
    lost = outputs["nodes"]["masters-0"]["instanceId"]
    before = nodes(three)["masters-0"]["spec"]["providerID"]
    ecs = models("ecs")
    with asked(outputs["apiEndpoint"]) as answers:
        client("ecs", three).delete_instance(
            ecs.DeleteInstanceRequest(instance_id=lost, force=True)
        )
        done: Done = three.operations("up")
        assert done.status == 0, three.explain(done)
    assert answer_to_the_kept_token(three) == REFUSED
    assert "is etcd member" in console(three, three.outputs()["nodes"]["masters-0"]["instanceId"])
    assert answers.good > 20
    assert answers.longest_silence < 15, answers.errors
    after = three.outputs()["nodes"]["masters-0"]
    assert after["instanceId"] != lost
    assert after["interfaces"] == outputs["nodes"]["masters-0"]["interfaces"]

    until = end_of_wait(120)
    while time.monotonic() < until:
        current = nodes(three)
        provider = current.get("masters-0", {}).get("spec", {}).get("providerID", before)
        if provider != before and all(is_ready(node) for node in current.values()):
            break
        time.sleep(1)
    assert nodes(three)["masters-0"]["spec"]["providerID"].endswith(after["instanceId"])
    assert set(nodes(three)) == {*MASTERS, "workers-0"}
    while len(api_servers(three)) < 3 and time.monotonic() < until:
        time.sleep(1)
    assert api_servers(three) == {"10.64.0.16", "10.64.32.32", "10.64.64.48"}


def test_down_leaves_nothing(three: SecondCloud) -> None:
    done = three.operations("down")
    assert done.status == 0, three.explain(done)
    assert three.processes() == set()
