"""The commands of `python -m localcloud`."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from localcloud import daemons
from localcloud.requests import hostility

from .settings import (
    DEFAULT_EIP_RANGE,
    DEFAULT_HOME,
    DEFAULT_PORT,
    DEFAULT_REGION,
    LOOPBACK,
    Cloud,
    Machines,
    Places,
    remember,
    virtual_folder,
)
from .virtual.acceleration import choose
from .virtual.failure import PreparationError
from .virtual.node_packages import built
from .virtual.preparation import prepare

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="An emulated Alibaba Cloud on the loopback, for the real provider and the real SDKs.",
)

_HOSTILE: Final = "--hostile"
_SEEDS: Final = 10_000
_NOT_RUNNING = "The local cloud does not answer: start it with `python -m localcloud start`."

Home = Annotated[Path, typer.Option("--home", help="Folder of the local cloud.")]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
]
Region = Annotated[str, typer.Option("--region", help="The cloud's only region.")]
EipRange = Annotated[
    str, typer.Option("--eip-range", help="Where EIPs come from; within 127.0.0.0/8.")
]
Delays = Annotated[
    float | None,
    typer.Option(
        "--delays",
        min=0,
        help="How slow resources are: 0 at once, 1 as in reality. 0, or 0.1 if hostile.",
    ),
]
Hostile = Annotated[
    int | None,
    typer.Option(
        _HOSTILE,
        envvar="LOCALCLOUD_HOSTILE",
        metavar="[SEED]",
        min=0,
        help="Make a bad choice wherever the real cloud leaves one open, by this seed; "
        "without a seed, by a random one that is printed.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse parameters that an action does not have.")
]


def _fail(message: str, code: int = 2) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code)


def _cloud(
    region: str, eip_range: str, delays: float | None, *, strict: bool, hostile: int | None
) -> Cloud:
    try:
        network = IPv4Network(eip_range)
    except ValueError as error:
        raise _fail(
            f"--eip-range {eip_range!r} is not an IPv4 network ({error}); "
            f"write one such as {DEFAULT_EIP_RANGE}."
        ) from error
    if not network.is_loopback or network.prefixlen > 30:  # noqa: PLR2004  # two hosts at least
        raise _fail(
            f"--eip-range {eip_range} must lie in 127.0.0.0/8 and be a /30 or larger: EIPs are "
            f"bound on this machine. Write one such as {DEFAULT_EIP_RANGE}."
        )
    if not region or not region.replace("-", "").isalnum():
        raise _fail(f"--region {region!r} is not a region id; write one such as cn-hangzhou.")
    if delays is None:
        delays = 0.0 if hostile is None else hostility.DELAY_SCALE
    return Cloud(
        region=region, eip_range=network, delay_scale=delays, strict=strict, hostile=hostile
    )


def _prepare(places: Places) -> str:
    """Make what virtual machines need, and say how they run here."""
    folder, node = virtual_folder(places, os.environ), built(places.home / "bin")
    prepared = prepare(folder, os.environ, typer.echo, node)
    return f"Virtual machines are {choose(prepared.programs, prepared.kernel).description}."


def _places(home: Path) -> Places:
    return Places(home=home.resolve())


@app.command()
def start(  # noqa: PLR0913  # each is an option of the command
    home: Home = DEFAULT_HOME,
    port: Port = DEFAULT_PORT,
    eip_range: EipRange = DEFAULT_EIP_RANGE,
    region: Region = DEFAULT_REGION,
    delays: Delays = None,
    *,
    hostile: Hostile = None,
    strict: Strict = False,
    machines: Annotated[
        Machines | None,
        typer.Option(
            "--machines",
            help="What instances boot into; remembered by the home, namespaces at first.",
        ),
    ] = None,
    no_machines: Annotated[
        bool, typer.Option("--no-machines", help="Instances exist, and nothing boots.")
    ] = False,
) -> None:
    """Start in the background and wait until all answers; what runs already stays."""
    cloud = _cloud(region, eip_range, delays, strict=strict, hostile=hostile)
    places = _places(home)
    try:
        kind = daemons.chosen_machines(places, machines)
        if not no_machines and kind is not Machines.NAMESPACES:
            typer.echo(_prepare(places))
        remember(places, kind)
        started = daemons.start(places, cloud, port, machines=not no_machines)
    except (daemons.StartError, PreparationError) as error:
        raise _fail(str(error), 3) from error
    verb = "already runs" if started.already else "runs"
    typer.echo(f"The local cloud {verb}: https://{LOOPBACK}:{started.health['port']}")
    if hostile is not None and not started.already:
        typer.echo(f"Hostile mode: seed {hostile}. Repeat it by --hostile {hostile}.")
    if started.machines not in {"running", "off"}:
        typer.echo(f"Machines: {started.machines}", err=True)


@app.command()
def stop(home: Home = DEFAULT_HOME) -> None:
    """Stop the background processes; the state stays."""
    stopped = daemons.stop(_places(home))
    typer.echo(f"Stopped: {', '.join(stopped)}" if stopped else "The local cloud was not running.")


@app.command()
def status(
    home: Home = DEFAULT_HOME,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs and the resources that exist."""
    report = daemons.status(_places(home))
    if as_json:
        typer.echo(json.dumps(report))
    else:
        table = Table(show_header=False)
        for name in ("server", "machines", "endpoint", "home", "ca"):
            table.add_row(name, str(report[name]))
        for kind, count in sorted(report["resources"].items()):
            table.add_row(kind, str(count))
        Console().print(table)


@app.command()
def resources(home: Home = DEFAULT_HOME) -> None:
    """Print the ids of everything alive in the cloud, by kind, as JSON."""
    counted = daemons.ask(_places(home), "GET", "/resources")
    if counted is None:
        raise _fail(_NOT_RUNNING, 3)
    typer.echo(json.dumps(counted))


@app.command()
def serve(  # noqa: PLR0913  # each is an option of the command
    home: Home = DEFAULT_HOME,
    port: Port = DEFAULT_PORT,
    eip_range: EipRange = DEFAULT_EIP_RANGE,
    region: Region = DEFAULT_REGION,
    delays: Delays = None,
    *,
    hostile: Hostile = None,
    strict: Strict = False,
) -> None:
    """Serve the API in the foreground, until interrupted."""
    import uvloop  # noqa: PLC0415  # not needed by the other commands

    from .server import log_to, serve_until_signalled  # noqa: PLC0415
    from .state.store import StateError  # noqa: PLC0415

    cloud = _cloud(region, eip_range, delays, strict=strict, hostile=hostile)
    places = _places(home)
    places.logs.mkdir(parents=True, exist_ok=True)
    with (places.logs / "cloud.jsonl").open("a", buffering=1) as log:
        log_to(log)
        try:
            if port:
                daemons.check_port(port)
            uvloop.run(serve_until_signalled(places, cloud, port))
        except (daemons.StartError, StateError) as error:
            raise _fail(str(error)) from error
        except OSError as error:
            raise _fail(f"Cannot serve on port {port}: {error}") from error


@app.command()
def reset(home: Home = DEFAULT_HOME) -> None:
    """Delete every resource of a running cloud, at once and without asking them."""
    places = _places(home)
    if daemons.ask(places, "POST", "/reset") is None:
        raise _fail(_NOT_RUNNING, 3)
    typer.echo("Everything in the local cloud is deleted.")


def with_seed(arguments: Sequence[str], choose: Callable[[], int]) -> list[str]:
    """The arguments with a chosen seed after each `--hostile` that has none."""
    following = [*arguments[1:], "--"]
    return [
        f"{_HOSTILE}={choose()}" if argument == _HOSTILE and after.startswith("-") else argument
        for argument, after in zip(arguments, following, strict=False)
    ]


def main() -> None:
    """Run."""
    app(args=with_seed(sys.argv[1:], lambda: secrets.randbelow(_SEEDS)))
