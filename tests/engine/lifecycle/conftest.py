"""A light stack for the life cycle: network and four machines, deployed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import hostile_turns
from tests.engine.lifecycle.light_cloud import LightCloud, light_cloud, plain_pool


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    """A cloud of its own with a stack that nothing is deployed from, two machines planned."""
    made = light_cloud(tmp_path_factory.mktemp("light") / "home")
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.cloud.kill_everything()


@pytest.fixture(scope="session")
def deployed_light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    """A master, the workers left, middle and right, and plain with one NIC; test_edits ends it."""
    nodes = ("left", "middle", "right")
    made = light_cloud(
        tmp_path_factory.mktemp("light") / "home",
        nodes=nodes,
        variables=hostile_turns.environment(hostile_turns.EDITS),
    ).edited(plain_pool)
    made.start()
    try:
        done = made.up()
        assert done.status == 0, made.cloud.explain(done)
        yield made
    finally:
        made.stop()
        made.cloud.kill_everything()
