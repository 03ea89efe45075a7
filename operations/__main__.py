"""`python -m operations`: all commands as one program (`operations.commands`)."""

from __future__ import annotations

import sys

import typer

from operations.commands import cluster, leftovers, local, secrets, stack_files

app = typer.Typer(
    name="operations",
    help="Commands for people who run spiderpool-alicloud.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (cluster.app, leftovers.app, stack_files.app):
    app.add_typer(commands)
app.add_typer(local.app, name="local")
app.add_typer(stack_files.config_app, name="config")
app.add_typer(secrets.app, name="secrets")

if __name__ == "__main__":
    sys.exit(app())
