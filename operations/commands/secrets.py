"""`secrets`: a cluster's certificates and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from operations.commands.options import (
    DEFAULT_HOME,
    HomeOption,
    SecretsFileOption,
    SecretsStackOption,
    reporting_failures,
)
from operations.engine.places import Places
from operations.secrets.command import (
    make_stack_secrets,
    rewrite_secrets,
    rotate_encryption,
    rotate_webhook,
)

app = typer.Typer(help="A cluster's certificates and keys.", no_args_is_help=True)


@app.command("init")
def secrets_init(
    stack: SecretsStackOption,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write here instead (local profile only).")
    ] = None,
) -> None:
    """Make a cluster's certificates, keys and token, once; those that exist are kept."""
    with reporting_failures():
        typer.echo(make_stack_secrets(stack, file=file))


@app.command("rotate-webhook")
def secrets_rotate_webhook(
    stack: SecretsStackOption,
    file: SecretsFileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take the next of three steps to another certificate of Spiderpool's webhook."""
    with reporting_failures():
        typer.echo(rotate_webhook(stack, Places.of(home), file=file))


@app.command("rotate-encryption")
def secrets_rotate_encryption(
    stack: SecretsStackOption,
    file: SecretsFileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take the next of three steps to another key of Secrets in etcd."""
    with reporting_failures():
        typer.echo(rotate_encryption(stack, Places.of(home), file=file))


@app.command("rewrite")
def secrets_rewrite(stack: SecretsStackOption, home: HomeOption = DEFAULT_HOME) -> None:
    """Write every Secret of the cluster again, so that etcd has it under the first key."""
    with reporting_failures():
        typer.echo(rewrite_secrets(stack, Places.of(home)))
