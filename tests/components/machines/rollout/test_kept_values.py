"""What the first run leaves in the state, and what later machines boot with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pytest

from tests.components.machines.rollout.rolling import PLANES, document
from tests.deploying import deploy
from tests.planning.documents import unpacked
from tests.recording import Cloud, Secret

pytestmark = pytest.mark.unit

NODE = "urn:pulumi:dev::p::spiderpool-alicloud:nodes:Node"
ENI = f"{NODE}$alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface"
PROVIDER = "urn:pulumi:dev::p::control_plane:ControlPlane$pulumi:providers:kubernetes"


def environment_of(node: str, state: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """The settings of a control plane's boot program, made over this state."""
    stash = {"small-creation-ends": {"output": 9_999_999_999}}
    deployed = deploy(document(3), cloud=Cloud(state=state, lies=stash))
    encoded = deployed.of("Instance")[f"small-{node}"].inputs["userData"]
    assert isinstance(encoded, Secret)
    text = unpacked(str(encoded.value)).files["/etc/spiderpool-alicloud/node.env"]
    return dict(shlex.split(line)[0].split("=", 1) for line in text.splitlines())


def test_a_control_plane_finds_the_others_at_their_previous_addresses() -> None:
    state = {f"{ENI}::small-masters-{n}-eth0": {"primaryIpAddress": f"10.9.0.{n}"} for n in (0, 1)}
    peers = environment_of(PLANES[0], state)["PEERS"].split()
    assert peers[0] == "10.9.0.1"
    assert "10.9.0.0" not in peers
    assert "10.9.0.1" not in environment_of(PLANES[2], state)["PEERS"].split()


def test_no_machine_may_create_a_cluster_once_one_has_served() -> None:
    assert environment_of(PLANES[0], {})["CREATION_ENDS"] == "9999999999"
    served = environment_of(PLANES[0], {f"{PROVIDER}::small": {}})
    assert served["CREATION_ENDS"] == ""
