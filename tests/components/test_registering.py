"""The program's resources record where they come from, and no more of the stack than that."""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
from collections.abc import Iterator

import pulumi
import pytest
from pulumi.runtime.proto import engine_pb2

from components.registering import (
    DEBUG,
    begin_registrations,
    drop_debug_messages,
    search_cycles_seldom,
    short_stack_traces,
)
from tests.clusters import small
from tests.deploying import ROOT, deploy

pytestmark = pytest.mark.unit

_DEBUG = pulumi.log.debug
"""The SDK's own. Tests that run the program in this process replace it."""
_PROGRAM = ((ROOT / "components").as_uri(), (ROOT / "__main__.py").as_uri())


def test_every_resource_names_the_nearest_lines_of_the_program() -> None:
    for resource in deploy(small()).resources:
        assert 1 <= len(resource.frames) <= 4, resource.urn
        assert any(frame.startswith(_PROGRAM) for frame in resource.frames), resource.urn


def test_whole_stack_traces_are_back_after_an_error() -> None:
    depth = len(traceback.extract_stack())

    def program() -> None:
        with short_stack_traces():
            assert len(traceback.extract_stack()) <= 8
            raise ValueError("of the program")

    with pytest.raises(ValueError, match="of the program"):
        program()
    assert len(traceback.extract_stack()) == depth
    assert not hasattr(sys, "tracebacklimit")


def test_a_limit_that_was_set_before_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "tracebacklimit", 100, raising=False)
    with short_stack_traces():
        assert sys.tracebacklimit != 100
    assert sys.tracebacklimit == 100


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages that the SDK sends to the engine from here on."""
    messages: list[str] = []

    class Engine:
        def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802 - the protocol's name
            messages.append(request.message)

    monkeypatch.setattr(pulumi.log, "debug", _DEBUG)
    monkeypatch.setattr(pulumi.log, "get_engine", Engine)
    return messages


def test_debug_messages_are_not_sent(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEBUG, raising=False)
    drop_debug_messages()
    pulumi.log.debug("a resource is prepared", stream_id=1)
    pulumi.log.info("shown to the user")
    assert sent == ["shown to the user"]


def test_debug_messages_are_sent_to_a_person_who_asks(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEBUG, "1")
    drop_debug_messages()
    pulumi.log.debug("a resource is prepared")
    assert sent == ["a resource is prepared"]


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_cycles_are_still_collected_but_seldom() -> None:
    gc.set_threshold(700, 10, 10)
    search_cycles_seldom()
    assert gc.isenabled()
    assert gc.get_threshold()[0] > 10_000
    assert gc.get_freeze_count() > 0


def test_every_registration_has_begun_afterwards() -> None:
    begun: list[str] = []

    async def registration(name: str) -> None:
        begun.append(name)

    async def program() -> list[str]:
        tasks = [asyncio.ensure_future(registration(name)) for name in ("one", "two")]
        await begin_registrations()
        seen = list(begun)
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(program()) == ["one", "two"]
