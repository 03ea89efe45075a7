"""What commands have in common: options, JSON, and the report of a failure."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from config.report import ConfigError
from operations.engine.places import ROOT
from operations.failure import ExitCode, OperationError

StackOption = Annotated[str, typer.Option("--stack", help="Which stack.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Delete without asking.")]
HomeOption = Annotated[
    Path, typer.Option("--home", help="Folder of the local cloud's state.", file_okay=False)
]
ConfigFileOption = Annotated[
    Path | None,
    typer.Option("--config-file", help="Stack file instead of the tracked one.", resolve_path=True),
]
ConfigOption = Annotated[Path, typer.Option("--config", help="A stack file.")]
ToolsOption = Annotated[
    Path, typer.Option("--tools", help="Folder of the built binaries.", file_okay=False)
]
EipOption = Annotated[str, typer.Option("--eip-range", help="Loopback range for emulated EIPs.")]
SecretsStackOption = Annotated[str, typer.Option("--stack", help="The stack that keeps them.")]
SecretsFileOption = Annotated[
    Path | None, typer.Option("--file", help="Keep them in this file (local profile only).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_HOME: Final = ROOT / ".local"
"""Where the local cloud is, unless `--home` names another folder."""


def print_json(document: object) -> None:
    """Print a document with sorted keys."""
    typer.echo(json.dumps(document, indent=2, sort_keys=True))


@contextmanager
def reporting_failures(*, as_json: bool = False) -> Iterator[None]:
    """Turn failures into a message on standard error and an exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    except ConfigError as error:
        if as_json:
            print_json(error.as_document())
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.REFUSED) from error
    except OperationError as error:
        if as_json:
            print_json({"problems": [{"rule": str(error)}]})
        else:
            typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.code) from error
    except KeyboardInterrupt as interrupt:
        typer.echo("Interrupted. Run the same command again to continue.", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


def _terminated(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
