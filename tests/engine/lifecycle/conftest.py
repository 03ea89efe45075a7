"""A light stack for the life cycle: network and four machines, deployed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.clouds import hostile_turns
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_cloud, plain_pool


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    """A cloud of its own with an empty stack whose stack file has two machines."""
    light = light_cloud(tmp_path_factory.mktemp("light") / "home")
    with light.running():
        yield light


@pytest.fixture(scope="session")
def deployed_light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    """A master, the workers left, middle and right, and plain with one NIC.

    The last test of test_edits destroys it.
    """
    nodes = ("left", "middle", "right")
    light = light_cloud(
        tmp_path_factory.mktemp("light") / "home",
        nodes=nodes,
        variables=hostile_turns.environment(hostile_turns.EDITS),
    ).edited(plain_pool)
    with light.deployed():
        yield light
