"""The fabric as a picture: SVG from the cloud's objects, without any file besides itself.

From top to bottom: the internet, the ways in and out of the VPC, its vSwitches, its machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from operations.verification.fabric.objects import Fabric, Machine, Nic

_MARGIN: Final = 20
_LINE: Final = 15
"""The height of a line of text."""
_BOX: Final = 280
"""The width of a way in or out, and of an ENI."""
_GAP: Final = 16
_PADDING: Final = 10
_LANE: Final = 42
_LANE_GAP: Final = 14
_PER_LINE: Final = 2
"""IPv4 addresses of pods in one line of an ENI."""
_STYLE: Final = """
text { font: 11px ui-monospace, monospace; fill: #1c2733; }
.title { font-weight: bold; }
.internet { fill: #e8eef5; stroke: #64748b; }
.way { fill: #fdf3d8; stroke: #b7791f; }
.vpc { fill: none; stroke: #64748b; stroke-dasharray: 5 4; }
.lane0 { fill: #d9f0e3; stroke: #2f855a; }
.lane1 { fill: #dbe8fb; stroke: #2b6cb0; }
.lane2 { fill: #ede3f8; stroke: #6b46c1; }
.machine { fill: #ffffff; stroke: #1c2733; }
.nic { fill: #f7fafc; stroke: #64748b; }
.wire { stroke: #64748b; fill: none; }
"""
_LANES: Final = 3


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A rectangle with lines of text; the first one is its title."""

    x: int
    y: int
    width: int
    height: int
    style: str
    lines: Sequence[str] = ()

    @property
    def center(self) -> int:
        return self.x + self.width // 2

    def draw(self) -> Iterator[str]:
        yield (
            f'<rect class="{self.style}" x="{self.x}" y="{self.y}" width="{self.width}" '
            f'height="{self.height}" rx="4"/>'
        )
        for number, line in enumerate(self.lines):
            style = ' class="title"' if number == 0 else ""
            x, y = self.x + _PADDING, self.y + _PADDING + 9 + number * _LINE
            yield f'<text{style} x="{x}" y="{y}">{escape(line)}</text>'


def picture(fabric: Fabric) -> str:
    """Return the SVG element of a fabric."""
    ways = list(_ways(fabric))
    nics = sum(len(machine.nics) for machine in fabric.machines)
    columns = max(len(ways), nics, 1)
    machines = len(fabric.machines)
    width = 2 * _MARGIN + columns * (_BOX + _GAP) + machines * 2 * _PADDING + _GAP
    inner = width - 2 * _MARGIN
    internet = _Box(
        x=_MARGIN, y=_MARGIN, width=inner, height=_height(1), style="internet", lines=["internet"]
    )
    top = internet.y + internet.height + 2 * _GAP
    row = _row(ways, top)
    lanes_from = top + max((box.height for box in row), default=0) + 3 * _GAP
    lanes = _lanes(fabric, lanes_from, inner)
    machines_from = lanes_from + len(lanes) * (_LANE + _LANE_GAP) + _GAP
    placed = list(_machines(fabric, machines_from))
    bottom = max((box.y + box.height for box, _ in placed), default=machines_from) + _GAP
    vpc = _Box(
        x=_MARGIN // 2,
        y=lanes_from - 2 * _GAP,
        width=width - _MARGIN,
        height=bottom - lanes_from + 2 * _GAP,
        style="vpc",
        lines=[f"VPC {fabric.network} ({fabric.id})"],
    )
    wires = [
        *(_wire(box.center, internet.y + internet.height, box.y) for box in row),
        *(_wire(box.center, box.y + box.height, lanes_from) for box in row),
        *_plugs(fabric, placed, lanes),
    ]
    boxes = [internet, vpc, *row, *lanes.values()]
    boxes += [box for machine, plugged in placed for box in (machine, *plugged.values())]
    drawn = [line for box in boxes for line in box.draw()]
    return "\n".join(
        [
            f'<svg viewBox="0 0 {width} {bottom + _GAP}" role="img" aria-label="The fabric">',
            f"<style>{_STYLE}</style>",
            *wires,
            *drawn,
            "</svg>",
        ]
    )


def _height(lines: int) -> int:
    return lines * _LINE + 2 * _PADDING - 3


def _wire(x: int, upper: int, lower: int) -> str:
    return f'<path class="wire" d="M{x} {upper} V{lower}"/>'


def _ways(fabric: Fabric) -> Iterator[list[str]]:
    """The ways in and out of the VPC, each with its lines of text."""
    if fabric.translations:
        entries = [f"{t.source} → {', '.join(t.addresses)}" for t in fabric.translations]
        yield ["NAT gateway", *entries]
    addresses = [f"{m.public_address} ⇄ {m.name}" for m in fabric.machines if m.public_address]
    if addresses:
        yield ["EIPs of machines", *addresses]
    if any(vswitch.ipv6_network for vswitch in fabric.vswitches):
        public = fabric.public_ipv6_addresses
        yield ["IPv6 gateway", f"{len(public)} addresses with bandwidth", *public]
    for balancer in fabric.balancers:
        kind = "internet" if balancer.internet else "VPC"
        listeners = [
            line
            for listener in balancer.listeners
            for line in (
                f"{listener.protocol} {listener.port}:",
                *(f"  → {backend}" for backend in listener.backends or ("no backend",)),
            )
        ]
        yield [f"load balancer {balancer.address}", f"{kind}, {balancer.id}", *listeners]


def _row(ways: Iterable[Sequence[str]], top: int) -> list[_Box]:
    return [
        _Box(
            x=_MARGIN + number * (_BOX + _GAP),
            y=top,
            width=_BOX,
            height=_height(len(lines)),
            style="way",
            lines=lines,
        )
        for number, lines in enumerate(ways)
    ]


def _lanes(fabric: Fabric, top: int, width: int) -> Mapping[str, _Box]:
    """The id of a vSwitch → its lane, which all its ENIs are plugged into."""
    return {
        vswitch.id: _Box(
            x=_MARGIN,
            y=top + number * (_LANE + _LANE_GAP),
            width=width,
            height=_LANE,
            style=f"lane{number % _LANES}",
            lines=[
                f"vSwitch {vswitch.network}"
                + (f", {vswitch.ipv6_network}" if vswitch.ipv6_network else ""),
                f"gateway {vswitch.gateway}, zone {vswitch.zone}, {vswitch.id}",
            ],
        )
        for number, vswitch in enumerate(fabric.vswitches)
    }


def _machines(fabric: Fabric, top: int) -> Iterator[tuple[_Box, Mapping[str, _Box]]]:
    """Each machine, and its ENIs by their ids."""
    x = _MARGIN
    for machine in fabric.machines:
        title = [machine.name, f"{_kind(machine)}, {machine.id}"]
        nics_from = top + _height(len(title))
        nics: dict[str, _Box] = {}
        for number, nic in enumerate(machine.nics):
            lines = _nic_lines(number, nic)
            nics[nic.id] = _Box(
                x=x + _PADDING + number * (_BOX + _GAP),
                y=nics_from,
                width=_BOX,
                height=_height(len(lines)),
                style="nic",
                lines=lines,
            )
        width = 2 * _PADDING + max(len(nics), 1) * (_BOX + _GAP) - _GAP
        bottom = max((box.y + box.height for box in nics.values()), default=nics_from)
        height = bottom - top + _PADDING
        yield _Box(x=x, y=top, width=width, height=height, style="machine", lines=title), nics
        x += width + _GAP


def _kind(machine: Machine) -> str:
    return "virtual machine" if machine.virtual else "namespaces"


def _nic_lines(number: int, nic: Nic) -> list[str]:
    pods = nic.secondary_addresses
    lines = [", ".join(pods[at : at + _PER_LINE]) for at in range(0, len(pods), _PER_LINE)]
    return [f"eth{number} {nic.address}", nic.mac, nic.id, *lines, *nic.ipv6_addresses]


def _plugs(
    fabric: Fabric, placed: Iterable[tuple[_Box, Mapping[str, _Box]]], lanes: Mapping[str, _Box]
) -> Iterator[str]:
    """The wires from ENIs to the lanes of their vSwitches."""
    vswitches = {nic.id: nic.vswitch for machine in fabric.machines for nic in machine.nics}
    for _, nics in placed:
        for nic, box in nics.items():
            lane = lanes.get(vswitches[nic])
            if lane is not None:
                yield _wire(box.center, lane.y + lane.height, box.y)
