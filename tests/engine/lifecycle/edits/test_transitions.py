"""The engine's preview of an edit agrees with the transition of the same edit.

Three control planes and two workers whose machines never boot, deployed once; every edit is
previewed by the real engine and provider.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from config.rules.cluster.kubernetes import DEFAULT_VERSION
from planning.read import plan_from
from planning.transitions.edits import check_edit
from planning.transitions.holders import NotAsked
from planning.transitions.reading import Record, read_record
from planning.transitions.record import record
from planning.transitions.steps import (
    Accepted,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
)
from tests.engine.clouds.local_cloud import CLUSTER
from tests.engine.lifecycle.clouds.light_cloud import Edit, LightCloud, light_stack
from tests.engine.lifecycle.clouds.light_stacks import three_zones
from tests.engine.lifecycle.clouds.ready_server import ready_server

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

IMAGE = "ubuntu_24_04_x64_20G_alibase_20270101.vhd"
TAKES_A_MACHINE = ("delete", "replace", "create-replacement", "delete-replaced")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    """Deployed once; no test changes it."""
    light = light_stack(tmp_path_factory.mktemp("transitions") / "home", three_zones())
    with light.running():
        with ready_server(light):
            done = light.up()
        assert done.status == 0, light.cloud.explain(done)
        yield light


def setting(*path: str, value: object) -> Edit:
    def edit(cluster: dict[str, Any]) -> None:
        *above, last = path
        for step in above:
            cluster = cluster.setdefault(step, {})
        cluster[last] = value

    return edit


def a_worker_less(cluster: dict[str, Any]) -> None:
    del cluster["nodePools"]["workers"]["nodes"]["w-1"]


ACCEPTED: dict[str, Edit] = {
    "another image of the workers": setting("nodePools", "workers", "image", value=IMAGE),
    "another image of the control planes": setting("nodePools", "masters", "image", value=IMAGE),
    "another type of the workers": setting(
        "nodePools", "workers", "instanceType", value="ecs.g7.2xlarge"
    ),
    "another disk of the workers": setting(
        "nodePools", "workers", "disk", value={"category": "cloud_auto"}
    ),
    "a worker less": a_worker_less,
    "a label of the workers": setting("nodePools", "workers", "labels", value={"a.io/b": "c"}),
    "tags": setting("tags", value={"owner": "platform"}),
    "more bandwidth": setting("network", "nat", "bandwidth", value=20),
}


@pytest.mark.parametrize("edit", ACCEPTED.values(), ids=ACCEPTED)
def test_the_engine_takes_no_machine_that_the_transition_does_not_announce(
    deployed: LightCloud, edit: Edit
) -> None:
    edited = deployed.edited(edit)
    transition = check_edit(recorded(deployed), recorded(edited), NotAsked(reason="a test"))
    assert isinstance(transition, Accepted)
    announced = {
        f"zones-{step.node}"
        for step in transition.steps
        if isinstance(step, ReplaceWorker | ReplaceControlPlane | RestartNode | RemoveNode)
    }
    taken = {
        name
        for operation, kind, name in edited.steps()
        if kind == "Instance" and operation in TAKES_A_MACHINE
    }
    assert taken <= announced


def test_a_preview_says_in_words_what_happens_to_each_node(deployed: LightCloud) -> None:
    edited = deployed.edited(ACCEPTED["another type of the workers"])
    shown = edited.pulumi("preview").transcript
    assert "w-0: restarted, drained first, because instanceType" in shown
    assert "w-1: restarted, drained first, because instanceType" in shown


def test_a_refused_edit_fails_the_preview_and_the_update_and_touches_nothing(
    deployed: LightCloud,
) -> None:
    edited = deployed.edited(setting("resourceGroup", value="rg-other"))
    state, last = deployed.state()["resources"], deployed.last_call()
    preview, update = edited.pulumi("preview", "--refresh=false"), edited.up("--refresh=false")
    for done in (preview, update):
        assert done.status != 0, done.transcript
        assert "This edit is refused, and nothing is changed." in done.transcript
        assert (
            "Write resourceGroup" in done.transcript or "Leave resourceGroup out" in done.transcript
        )
        assert "Traceback" not in done.transcript
    assert [call for call in deployed.calls(after=last) if not reads(call)] == []
    assert plain(deployed.state()["resources"]) == plain(state)


def test_the_next_preview_knows_where_the_api_server_was_reached(deployed: LightCloud) -> None:
    (applied,) = (
        each for each in deployed.state()["resources"] if each["type"].endswith(":AppliedPlan")
    )
    with listener(applied["outputs"]["server"]) as accepted:
        deployed.edited(ACCEPTED["more bandwidth"]).pulumi("preview")
    assert accepted


@contextlib.contextmanager
def listener(address: str) -> Iterator[list[object]]:
    """Records connections to the API server's port; answers none."""
    accepted: list[object] = []
    with socket.create_server((address, 6443)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, peer = server.accept()
                    accepted.append(peer)
                    connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield accepted
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)


def test_a_stack_of_an_earlier_release_is_recognised_by_what_it_has_written_down(
    deployed: LightCloud,
) -> None:
    before = json.loads(
        deployed.cloud.run("pulumi", "stack", "export", "--stack", "local", check=True).out
    )
    older = json.dumps(before)
    document = json.loads(older)
    for resource in document["deployment"]["resources"]:
        if resource["type"].endswith(":AppliedPlan"):
            resource["type"] = "spiderpool-alicloud:rollout:Fleet"
            resource["inputs"] = {"workers": ["w-0", "w-1"], "kubernetes": DEFAULT_VERSION}
            resource["outputs"] = {}
    text = json.dumps(document).replace(
        "spiderpool-alicloud:transition:AppliedPlan", "spiderpool-alicloud:rollout:Fleet"
    )
    imported = deployed.cloud.places.home / "older.json"
    imported.write_text(text, encoding="utf-8")
    kept = deployed.cloud.places.home / "before.json"
    kept.write_text(older, encoding="utf-8")
    load(deployed, imported.name)
    try:
        shown = deployed.pulumi("preview").transcript
        assert "deployed by an earlier release" in shown
        assert "w-0: keeps its machine" in shown
    finally:
        load(deployed, kept.name)


def load(light: LightCloud, name: str) -> None:
    file = light.cloud.places.home / name
    light.cloud.stack("import", "--file", str(file))


def recorded(light: LightCloud) -> Record:
    read = read_record(record(plan_from(light.document["config"][CLUSTER])))
    assert isinstance(read, Record)
    return read


def reads(call: dict[str, Any]) -> bool:
    return str(call["action"]).startswith(("Describe", "List", "Get"))


def plain(resources: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The state without ciphertexts, which differ each time the same text is encrypted."""
    return sorted(
        (each["urn"], re.sub(r'"ciphertext": "[^"]*"', "", json.dumps(each.get("inputs"))))
        for each in resources
    )
