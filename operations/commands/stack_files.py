"""`plan`, `diff` and `config`: what a stack file means, without a cloud or an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.reference import reference
from config.schema import cluster_schema
from operations.commands.options import (
    DEFAULT_HOME,
    ConfigOption,
    HomeOption,
    JsonOption,
    print_json,
    reporting_failures,
)
from operations.diff.command import Format, against_file, against_stack, show
from operations.diff.command import diff as compare_commits
from operations.engine.cluster_access import stack_of
from operations.engine.places import Places
from operations.failure import ExitCode
from operations.plan.command import effective_configuration, show_plan
from planning.transitions.page import page

app = typer.Typer()
config_app = typer.Typer(
    help="What a stack file may contain, and what it means.", no_args_is_help=True
)


@app.command("plan")
def plan(
    config: ConfigOption,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="A stack, whose state has what is deployed, or another stack file.",
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print the plan of a stack file, or what it would change, without a cloud or an engine."""
    with reporting_failures(as_json=as_json):
        if against is None:
            text = show_plan(config, as_json=as_json)
        else:
            change = (
                against_file(config, Path(against))
                if Path(against).is_file()
                else against_stack(config, stack_of(against, Places.of(home)))
            )
            how = Format.JSON if as_json else Format.TABLE
            text = show(against, str(config), (change,), how)
    if text is not None:
        typer.echo(text)
    if against is not None and change.is_refused:
        raise typer.Exit(ExitCode.REFUSED)


@app.command("diff")
def diff(
    base: Annotated[str, typer.Argument(help="The older commit.")],
    head: Annotated[str, typer.Argument(help="The newer commit.")],
    how: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    *,
    examples: Annotated[
        bool, typer.Option("--examples", help="Compare docs/examples, too.")
    ] = False,
) -> None:
    """Compare every stack file of two commits: what is added, changed, replaced or refused.

    Needs no engine, cloud or credentials. The code that runs plans both versions.
    """
    with reporting_failures(as_json=how is Format.JSON):
        changes = compare_commits(base, head, examples=examples)
        text = show(base, head, changes, how)
    if text is not None:
        typer.echo(text, nl=how is not Format.MARKDOWN)
    if any(change.is_refused for change in changes):
        raise typer.Exit(ExitCode.REFUSED)


@config_app.command("show")
def config_show(config: ConfigOption, *, as_json: JsonOption = False) -> None:
    """Print the effective configuration: the stack file over its profile's defaults."""
    with reporting_failures(as_json=as_json):
        typer.echo(effective_configuration(config, as_json=as_json))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the cluster object; editors take it from docs/schema."""
    print_json(cluster_schema())


@config_app.command("reference")
def config_reference() -> None:
    """Print the configuration reference, as in docs/configuration.md."""
    typer.echo(reference(), nl=False)


@config_app.command("transitions")
def config_transitions() -> None:
    """Print what an edit of each key does, as in docs/transitions.md."""
    typer.echo(page(), nl=False)
