"""Which kind of machine an instance is, and what the home remembers of it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from localcloud import daemons
from localcloud.machines.control import Instance
from localcloud.machines.kinds.machine_kind import Guest, is_control_plane, kind_for
from localcloud.settings import Machines, Places, remember, remembered, virtual_folder
from tests.localcloud.machines import fake_cloud
from tests.planning.documents import booted, every_node, stack_plan

pytestmark = pytest.mark.unit


class Kind:
    async def power_on(self, folder: Path, instance: Instance, raw: dict[str, Any]) -> Guest:
        raise NotImplementedError

    def erase_disk(self, folder: Path) -> None:
        raise NotImplementedError


NAMESPACES, VIRTUAL = Kind(), Kind()


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_a_control_plane_is_recognised_by_its_user_data(stack: str, node: str) -> None:
    role = stack_plan(stack).nodes[node].role
    user_data = base64.b64encode(booted(stack_plan(stack), node).raw).decode()
    assert is_control_plane(user_data) == (role == "control-plane")


@pytest.mark.parametrize(
    ("machines", "control_plane", "worker"),
    [
        (Machines.NAMESPACES, NAMESPACES, NAMESPACES),
        (Machines.VIRTUAL, VIRTUAL, VIRTUAL),
        (Machines.MIXED, NAMESPACES, VIRTUAL),
    ],
)
def test_the_kind_follows_from_the_mode(
    machines: Machines, control_plane: Kind, worker: Kind
) -> None:
    kind_of = kind_for(machines, namespaces=NAMESPACES, virtual=VIRTUAL)
    texts = ("write /etc/kubernetes/pki/ca.key", "write /etc/kubernetes/kubelet.conf")
    kinds = [kind_of(Instance.read(fake_cloud.instance("x", [], text))) for text in texts]
    assert kinds == [control_plane, worker]


def test_user_data_that_is_not_base64_is_read_as_it_is() -> None:
    assert not is_control_plane("#!/bin/sh\n")
    assert is_control_plane(base64.b64encode(b"/etc/kubernetes/pki/ca.key").decode())


def test_a_home_remembers_its_machines(tmp_path: Path) -> None:
    places = Places(home=tmp_path)
    assert daemons.chosen_machines(places, None) is Machines.NAMESPACES
    remember(places, Machines.MIXED)
    assert remembered(places) is Machines.MIXED
    assert daemons.chosen_machines(places, None) is Machines.MIXED


def test_a_home_without_machines_takes_another_kind(tmp_path: Path) -> None:
    places = Places(home=tmp_path)
    remember(places, Machines.MIXED)
    assert daemons.chosen_machines(places, Machines.VIRTUAL) is Machines.VIRTUAL


def test_machines_keep_their_kind(tmp_path: Path) -> None:
    (tmp_path / "machines" / "i-1").mkdir(parents=True)
    places = Places(home=tmp_path)
    with pytest.raises(daemons.StartError, match=r"has 1 machine of the kind `namespaces`"):
        daemons.chosen_machines(places, Machines.VIRTUAL)
    assert daemons.chosen_machines(places, Machines.NAMESPACES) is Machines.NAMESPACES


def test_homes_can_share_what_machines_are_made_from(tmp_path: Path) -> None:
    places = Places(home=tmp_path)
    assert virtual_folder(places, {}) == tmp_path / "virtual"
    assert virtual_folder(places, {"LOCALCLOUD_VIRTUAL": "/cache"}) == Path("/cache")
