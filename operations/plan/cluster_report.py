"""Tables of a cluster, from a stack's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address

from rich import box
from rich.table import Table

from operations.engine.cluster_access import existing_stack
from operations.engine.places import Places

UNKNOWN = "unknown until up"
"""Shown for an output without a value."""


def cluster_tables(outputs: Mapping[str, object]) -> Iterator[Table]:
    """Yield the tables of nodes, pools and ways in and out.

    Args:
        outputs: What `pulumi stack output --json` prints. Anything that is missing shows as
            unknown, so that a half-built cluster can be shown, too.
    """
    yield _nodes(_map(outputs.get("nodes")))
    yield _pools(_map(outputs.get("ipPools")))
    yield _ways(outputs)


def stack_outputs(stack: str, places: Places) -> Mapping[str, object]:
    """Read a stack's outputs, secret ones masked: the local stack's, or one of the user's own.

    Raises:
        OperationError: Pulumi does not know the stack, or cannot open it.
    """
    return existing_stack(stack, places).outputs()


def address_ranges(addresses: Sequence[str]) -> str:
    """Write addresses sorted, neighbours as a range whose end is its last part (`172.31.0.4-9`).

    When a value is not an IPv4 address, all values are listed as they are.
    """
    try:
        numbers = sorted(int(IPv4Address(address)) for address in addresses)
    except AddressValueError:
        return ", ".join(addresses)
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ", ".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    begin, end = str(IPv4Address(first)), str(IPv4Address(last))
    if first == last:
        return begin
    same_block = begin.rpartition(".")[0] == end.rpartition(".")[0]
    return f"{begin}-{end.rpartition('.')[2]}" if same_block else f"{begin}-{end}"


def _nodes(nodes: Mapping[str, object]) -> Table:
    table = _table("Nodes", "node", "instance", "NIC", "ENI", "MAC", "primary", "pod addresses")
    for name, value in sorted(nodes.items()):
        node = _map(value)
        shown = (name, _text(node.get("instanceId")))
        for nic, interface in sorted(_map(node.get("interfaces")).items()):
            eni = _map(interface)
            table.add_row(
                *shown,
                nic,
                _text(eni.get("eniId")),
                _text(eni.get("mac")),
                _text(eni.get("primary")),
                _addresses(eni.get("podAddresses")),
            )
            shown = ("", "")
    return table


def _pools(pools: Mapping[str, object]) -> Table:
    table = _table("IP pools", "pool", "node", "multus", "subnet", "gateway", "ips")
    for name, value in sorted(pools.items()):
        pool = _map(value)
        table.add_row(
            name,
            _text(pool.get("nodeName")),
            _text(pool.get("multusName")),
            _text(pool.get("subnet")),
            _text(pool.get("gateway")),
            _addresses(pool.get("ips")),
        )
    return table


def _ways(outputs: Mapping[str, object]) -> Table:
    table = _table("Cluster", "what", "value")
    table.add_row("VPC", _text(outputs.get("vpcId")))
    for key, value in sorted(_map(outputs.get("vswitchIds")).items()):
        table.add_row(f"vSwitch {key}", _text(value))
    for title, key in (("API endpoint", "apiEndpoint"), ("NAT address", "natAddress")):
        if key in outputs:
            table.add_row(title, _text(outputs[key]))
    for name, value in sorted(_map(outputs.get("services")).items()):
        table.add_row(f"service {name}", _text(_map(value).get("address")))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=False)
    return table


def _addresses(value: object) -> str:
    if isinstance(value, list) and value:
        return address_ranges([str(item) for item in value])
    return "none" if value == [] else _text(value)


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return UNKNOWN if value is None or value == "" else str(value)
