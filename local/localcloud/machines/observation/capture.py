"""Captures frames on every link of a fabric: where each one was seen, and in which direction.

Packet sockets see a frame on an ENI's port before the filter judges it, and on a vSwitch's gateway
after that. So a frame that was seen on the port only was dropped by the filter, and one that was
seen on one gateway only by the security groups.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final, TextIO

from localcloud.machines.observation.frame import Frame, read_frame

_EVERY_PROTOCOL: Final = 0x0003
_OUTGOING: Final = 4
_HEADERS: Final = 128
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What to capture: frames with one of the addresses at an end, or one of the ports."""

    addresses: Collection[str]
    ports: Collection[int]

    def has(self, frame: Frame) -> bool:
        """Whether the frame belongs to it."""
        return (
            frame.source in self.addresses
            or frame.destination in self.addresses
            or frame.source_port in self.ports
            or frame.destination_port in self.ports
        )


def capture(flow: Flow, places: Mapping[str, str], end: TextIO) -> Iterator[Mapping[str, object]]:
    """Yield what is seen in this network namespace until `end` has something to read or closes.

    Args:
        flow: what to look for.
        places: link → the object of the fabric that it belongs to; other links are left out.
        end: usually the standard input.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL)) as sniffer:
        yield {"listening": True}
        while True:
            inputs = [sniffer.fileno(), end.fileno()]
            readable, _, _ = select.select(inputs, [], [], _POLL_SECONDS)
            if end.fileno() in readable:
                return
            if sniffer.fileno() in readable:
                content, (link, _, direction, *_) = sniffer.recvfrom(_HEADERS)
                frame = read_frame(content)
                if link in places and frame is not None and flow.has(frame):
                    yield {
                        "time": time.time(),
                        "place": places[link],
                        "direction": "out" if direction == _OUTGOING else "in",
                        **asdict(frame),
                    }


def write_capture(flow: Flow, places: Mapping[str, str]) -> None:
    """Write one line of JSON for each frame; the first line says that the capture has begun."""
    for line in capture(flow, places, sys.stdin):
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()
