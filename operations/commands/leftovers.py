"""`sweep`, `recover` and `rules`: resources that the state does not have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from operations.commands.options import (
    DEFAULT_HOME,
    ConfigFileOption,
    HomeOption,
    JsonOption,
    StackOption,
    YesOption,
    print_json,
    reporting_failures,
)
from operations.engine.places import Places
from operations.failure import ExitCode
from operations.sweep.cluster import Finding
from operations.sweep.command import Ask, SweptStack, leftover_table, sweep_stack
from operations.sweep.foreign_rules import foreign_rules, revoke, rules_table
from operations.sweep.leftovers import Leftover
from operations.sweep.recovery import Agree, recover_stack
from operations.terminal import console

app = typer.Typer()


@app.command("sweep")
def sweep(  # noqa: PLR0913 - each is an option of the command
    stack: StackOption,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    yes: YesOption = False,
    stack_removed: Annotated[
        bool, typer.Option("--stack-removed", help="The stack is gone from Pulumi.")
    ] = False,
) -> None:
    """List what a stack left in the cloud outside its state; remove it after asking."""
    with reporting_failures(as_json=as_json):
        swept = _swept(stack, home, config_file)
        done = sweep_stack(
            swept,
            ask=_asking(stack, yes=yes, as_json=as_json),
            say=_saying(as_json=as_json),
            stack_removed=stack_removed,
        )
    if as_json:
        print_json(done.as_document(stack))
    elif not done.leftovers:
        typer.echo(f"Every resource of {stack} in the cloud is in its state.")
    if not done.is_clean:
        raise typer.Exit(ExitCode.LEFTOVERS)


@app.command("recover")
def recover(
    stack: StackOption,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Make a stack ready for `pulumi up` after a run that was killed or lost an answer."""
    with reporting_failures(as_json=as_json):
        done = recover_stack(
            _swept(stack, home, config_file),
            ask=_asking(stack, yes=yes, as_json=as_json),
            agree=_agreeing(stack, yes=yes, as_json=as_json),
            say=_saying(as_json=as_json),
            looks_ahead=True,
        )
    kept = [finding for finding in done.findings if not finding.is_mended]
    if as_json:
        print_json(done.as_document(stack))
    else:
        for operation in done.pending:
            typer.echo(f"no longer pending: {operation}")
        if done.is_cluster_silent:
            typer.echo(
                "The API server does not answer from here, so its Helm releases were not checked."
            )
        if done.failed_preview:
            typer.echo(
                "Objects in the cluster that the state does not have were not looked for: "
                f"{done.failed_preview}"
            )
        if done.did_nothing:
            typer.echo(f"{stack} is in order: no operation is pending, and nothing is left over.")
        elif not kept:
            typer.echo(f"Now run `pulumi up --stack {stack}`.")
        for finding in kept:
            typer.echo(
                f"{finding}. The next `pulumi up` fails on it. Delete it or rename it if it is not "
                "needed, or take it out of the stack file."
            )
    if kept:
        raise typer.Exit(ExitCode.LEFTOVERS)


@app.command("rules")
def rules(
    stack: StackOption,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    revoke_them: Annotated[
        bool, typer.Option("--revoke", help="Take them out of the security group.")
    ] = False,
) -> None:
    """List rules in a stack's security group that the stack did not create.

    Previews do not show them.
    """
    with reporting_failures(as_json=as_json):
        swept = _swept(stack, home, config_file)
        api = swept.api()
        foreign = foreign_rules(api, swept.deployment_state())
        if revoke_them:
            revoke(api, foreign)
    if as_json:
        print_json({"stack": stack, "rules": [r.as_document() for r in foreign]})
    elif foreign:
        console().print(rules_table(stack, foreign))
    else:
        typer.echo(f"The security group of {stack} has its own rules and no others.")
    if foreign and not revoke_them:
        raise typer.Exit(ExitCode.LEFTOVERS)


def _swept(stack: str, home: Path, config_file: Path | None) -> SweptStack:
    return SweptStack.of(stack, Places.of(home), config_file)


def _asking(stack: str, *, yes: bool, as_json: bool) -> Ask:
    """Show the table and ask. Without a terminal or with --json, --yes alone decides."""

    def ask(leftovers: Sequence[Leftover]) -> bool:
        if not as_json:
            console().print(leftover_table(stack, leftovers))
        if yes or as_json or not sys.stdin.isatty():
            return yes
        return typer.confirm(f"Delete these {len(leftovers)}? This cannot be undone")

    return ask


def _agreeing(stack: str, *, yes: bool, as_json: bool) -> Agree:
    """Show what else is done and ask, as `_asking` does for removals in the cloud."""

    def agree(findings: Sequence[Finding]) -> bool:
        if not as_json:
            typer.echo(f"For the next run of {stack}:")
            for finding in findings:
                typer.echo(f"  {finding}")
        if yes or as_json or not sys.stdin.isatty():
            return yes
        return typer.confirm("Continue?")

    return agree


def _saying(*, as_json: bool) -> Callable[[str], None]:
    return lambda text: typer.echo(f"gone: {text}", err=as_json)
