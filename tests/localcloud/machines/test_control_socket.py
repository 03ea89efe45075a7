from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from localcloud.machines import channel
from localcloud.machines.control import Control, ControlError
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit


def test_a_socket_in_a_very_deep_folder_is_reached(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 20) / ("deeper" * 10)
    home.mkdir(parents=True)
    cloud = fake_cloud.FakeCloud(home)
    try:
        assert Control(home / "cloud/run/control.sock").health()["status"] == "ok"
    finally:
        cloud.close()


def test_console_lines_arrive(tmp_path: Path) -> None:
    cloud = fake_cloud.FakeCloud(tmp_path)
    try:
        control = Control(tmp_path / "cloud/run/control.sock")
        control.console("i-1", "one\n")
        control.console("i-1", "two\n")
        assert cloud.consoles == {"i-1": "one\ntwo\n"}
    finally:
        cloud.close()


def test_the_error_names_the_socket_of_a_cloud_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=str(tmp_path)):
        Control(tmp_path / "control.sock").health()


def test_a_descriptor_travels_with_its_message() -> None:
    ours, theirs = channel.pair()
    reader, writer = os.pipe()
    channel.send(ours, {"op": "relay"}, (writer,))
    os.close(writer)
    got = channel.receive(theirs)
    assert got is not None
    message, [received] = got
    os.write(received, b"through")
    os.close(received)
    assert (message, os.read(reader, 100)) == ({"op": "relay"}, b"through")
    os.close(reader)
    ours.close()
    assert channel.receive(theirs) is None


def test_a_message_beyond_the_limit_is_refused() -> None:
    ours, theirs = channel.pair()
    with pytest.raises(ValueError, match="at most"):
        channel.send(ours, {"text": "x" * 70_000})
    assert isinstance(theirs, socket.socket)
