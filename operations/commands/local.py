"""`local`: the local stack on the local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from operations.commands.options import (
    DEFAULT_HOME,
    ConfigFileOption,
    EipOption,
    HomeOption,
    ToolsOption,
    print_json,
    reporting_failures,
)
from operations.engine.environment import env_file
from operations.engine.places import Places
from operations.local.deployment import LocalCloud
from operations.local.emulated_cloud import EIP_RANGE
from operations.local.lock import exclusive_use
from operations.terminal import console

app = typer.Typer(help="The local stack on the local cloud.", no_args_is_help=True)


@app.command("up")
def local_up(
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    eip_range: EipOption = EIP_RANGE,
    tools: ToolsOption = DEFAULT_HOME,
    machines: Annotated[
        str | None,
        typer.Option(
            "--machines",
            metavar="[namespaces|virtual|mixed]",
            help="What instances boot into; the local cloud remembers it.",
        ),
    ] = None,
) -> None:
    """Deploy the local stack; run it again to repair whatever is missing."""
    cloud = _cloud(home, config_file, eip_range, tools, machines)
    with reporting_failures(), exclusive_use(cloud.places):
        cloud.up()


@app.command("down")
def local_down(
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    eip_range: EipOption = EIP_RANGE,
    tools: ToolsOption = DEFAULT_HOME,
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Delete cloud and state without a destroy.")
    ] = False,
) -> None:
    """Destroy the local stack, check that nothing is left, stop the local cloud."""
    cloud = _cloud(home, config_file, eip_range, tools)
    with reporting_failures(), exclusive_use(cloud.places):
        if discard:
            cloud.discard()
        else:
            cloud.down()


@app.command("status")
def local_status(home: HomeOption = DEFAULT_HOME) -> None:
    """Print what runs and what the stack has, as JSON, without starting anything."""
    with reporting_failures():
        print_json(_cloud(home, None, EIP_RANGE, DEFAULT_HOME).status())


@app.command("env")
def local_env(home: HomeOption = DEFAULT_HOME) -> None:
    """Print the environment file; `local up` writes it to `.local/env`."""
    typer.echo(env_file(Places.of(home)), nl=False)


def _cloud(
    home: Path,
    config_file: Path | None,
    eip_range: str,
    tools: Path,
    machines: str | None = None,
) -> LocalCloud:
    return LocalCloud(
        places=Places.of(home, tools=tools),
        console=console(),
        config_file=config_file,
        eip_range=eip_range,
        machines=machines,
    )
