"""Commands about a cluster that is up, or was: its state, its repair, its upgrade."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from operations.backup.command import Backup, back_up, snapshot_table
from operations.backup.lost_disks import advice
from operations.certificates.command import (
    certificate_document,
    certificate_table,
    renew_certificates,
)
from operations.certificates.live import read_certificates
from operations.commands.options import (
    DEFAULT_HOME,
    ConfigFileOption,
    HomeOption,
    JsonOption,
    StackOption,
    ToolsOption,
    print_json,
    reporting_failures,
)
from operations.engine.places import LOCAL_STACK, Places
from operations.failure import ExitCode, OperationError
from operations.plan.cluster_report import cluster_tables, stack_outputs
from operations.restore.command import restore_cluster
from operations.runs.command import critical_path_report
from operations.secrets.admin_access import admin_kubeconfig, write_kubeconfig
from operations.terminal import console
from operations.upgrade.command import upgrade_stack
from operations.verification.command import EGRESS_URL, verify_stack
from operations.verification.reports import junit_text, summary, verdict_document, verdict_table
from operations.verification.run import AT_ONCE, Outcome

app = typer.Typer()


@app.command("report")
def report(  # noqa: PLR0913 - each is an option of the command
    stack: Annotated[str, typer.Option("--stack", help="Which stack.")] = LOCAL_STACK,
    home: HomeOption = DEFAULT_HOME,
    critical_path: Annotated[
        Path | None,
        typer.Option(
            "--critical-path",
            help="Instead, show what waited for what in a run, from the log that "
            "PULUMI_DEBUG_COMMANDS=true pulumi up --event-log FILE wrote.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            help="With --critical-path: the state that the run began with or ended with.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="With --critical-path: draw the run as .svg or .html.",
            dir_okay=False,
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a stack's nodes, NICs, addresses and pools; secret values are left out."""
    with reporting_failures():
        if critical_path is not None:
            if as_json:
                raise OperationError(
                    "--json is for the report of a stack, and --critical-path prints a text and "
                    "draws a picture. Leave one of the two out.",
                    code=ExitCode.REFUSED,
                )
            typer.echo(critical_path_report(critical_path, state=state, output=output))
            return
        if state is not None or output is not None:
            raise OperationError(
                "--state and --output belong to --critical-path, which is missing. Write "
                "--critical-path FILE, with the log that PULUMI_DEBUG_COMMANDS=true pulumi up "
                "--event-log FILE wrote.",
                code=ExitCode.REFUSED,
            )
        outputs = stack_outputs(stack, Places.of(home))
        if as_json:
            print_json(outputs)
            return
        out = console()
        for table in cluster_tables(outputs):
            out.print(table)


@app.command("verify")
def verify(  # noqa: PLR0913 - each is an option of the command
    stack: Annotated[str, typer.Option("--stack", help="Which stack.")] = LOCAL_STACK,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML here, too.", dir_okay=False)
    ] = None,
    egress_url: Annotated[
        str, typer.Option("--egress-url", help="A page that shows the caller's address.")
    ] = EGRESS_URL,
    *,
    at_once: Annotated[
        int,
        typer.Option(
            "--at-once", min=1, help="How many probes run at once; fewer for slow machines."
        ),
    ] = AT_ONCE,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Write a page with the network and each path here.", dir_okay=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a running cluster: objects, addresses, and every path of its packets."""
    with reporting_failures(as_json=as_json):
        for file in (junit, report):
            if file is not None and not file.parent.is_dir():
                raise OperationError(
                    f"{file.parent} is not a folder. Create it, or write the report somewhere "
                    "else.",
                    code=ExitCode.REFUSED,
                )
        verdicts = verify_stack(
            stack,
            Places.of(home),
            egress_url=egress_url,
            config_file=config_file,
            at_once=at_once,
            report=report,
        )
    if junit is not None:
        junit.write_text(junit_text(stack, verdicts), encoding="utf-8")
    if as_json:
        print_json(verdict_document(stack, verdicts))
    else:
        out = console()
        out.print(verdict_table(stack, verdicts))
        out.print(summary(verdicts))
    if any(verdict.outcome is Outcome.FAILED for verdict in verdicts):
        raise typer.Exit(ExitCode.FAILED)


@app.command("kubeconfig")
def kubeconfig(  # noqa: PLR0913 - each is an option of the command
    stack: StackOption,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write here; only you can read it.")
    ] = None,
    secrets_file: Annotated[
        Path | None,
        typer.Option("--file", help="Read secrets from this file (local profile only)."),
    ] = None,
    *,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print it; it contains the administrator's key.")
    ] = False,
) -> None:
    """Write the administrator's kubeconfig, even if no run of the stack has succeeded yet."""
    with reporting_failures():
        if (output is None) != stdout:
            raise OperationError(
                "A kubeconfig contains the administrator's private key, so it needs one place to "
                "go. Write `--output FILE`, which only you can read then, or `--stdout`.",
                code=ExitCode.REFUSED,
            )
        text = admin_kubeconfig(
            stack,
            Places.of(home),
            config_file=config_file,
            secrets_file=secrets_file,
        )
        if output is None:
            typer.echo(text, nl=False)
        else:
            write_kubeconfig(text, output)
            typer.echo(f"{output} is the administrator's kubeconfig of {stack}; it is secret.")


@app.command("certificates")
def certificates(
    stack: StackOption,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="Give every control plane new certificates first.")
    ] = False,
) -> None:
    """Show every certificate of a cluster with its end; renew those of the control planes."""
    with reporting_failures(as_json=as_json):
        places = Places.of(home)
        if renew:
            renew_certificates(stack, places, config_file=config_file, console=Console(stderr=True))
        read = read_certificates(stack, places, config_file=config_file)
    now = datetime.now(UTC)
    if as_json:
        print_json(certificate_document(stack, read, now))
        return
    console().print(certificate_table(stack, read.certificates, now))
    for note in read.notes:
        typer.echo(note)


@app.command("backup")
def backup(
    stack: StackOption,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    list_only: Annotated[bool, typer.Option("--list", help="Only list the snapshots.")] = False,
) -> None:
    """Take a snapshot of etcd's disk now; show every one with its age, and disks that are lost."""
    with reporting_failures(as_json=as_json):
        places = Places.of(home)
        if not list_only:
            progress = Console(stderr=True)
            id_ = back_up(stack, places, config_file=config_file, console=progress)
            typer.echo(f"Snapshot {id_} is taken.", err=True)
        present = Backup.of(stack, places, config_file)
        snapshots, lost = present.snapshots(), present.lost_disks()
    now = datetime.now(UTC)
    if as_json:
        documents = [snapshot.as_document(now) for snapshot in snapshots]
        print_json({"stack": stack, "snapshots": documents, "lostDisks": lost})
        return
    console().print(snapshot_table(stack, snapshots, now))
    note = advice(stack, present.marks.plan, lost, snapshots)
    if note is not None:
        typer.echo(note)


@app.command("restore")
def restore(  # noqa: PLR0913 - each is an option of the command
    stack: StackOption,
    from_: Annotated[str, typer.Option("--from", help="The snapshot, as `backup --list` has it.")],
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Take the steps.")] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew", help="Start from the first step even if an earlier restore was interrupted."
        ),
    ] = False,
) -> None:
    """Rebuild a cluster that has lost its control planes from a snapshot of etcd's disk.

    Without --yes it shows the steps.
    """
    with reporting_failures():
        progress = Console(stderr=True)
        restore_cluster(
            stack,
            from_,
            Places.of(home),
            config_file=config_file,
            starts_over=anew,
            confirmed=yes,
            console=progress,
        )
    if not yes:
        typer.echo("Nothing is changed. Run it again with --yes to take these steps.")
    else:
        typer.echo(f"{stack} is restored from {from_}.")


@app.command("upgrade")
def upgrade(
    stack: Annotated[str, typer.Option("--stack", help="Which stack.")] = LOCAL_STACK,
    home: HomeOption = DEFAULT_HOME,
    config_file: ConfigFileOption = None,
    tools: ToolsOption = DEFAULT_HOME,
    *,
    go: Annotated[
        bool, typer.Option("--go", help="Take the steps; without it they are only shown.")
    ] = False,
) -> None:
    """Upgrade a cluster to the versions in its stack file, in a safe order."""
    with reporting_failures():
        upgrade_stack(
            stack,
            Places.of(home, tools=tools),
            config_file=config_file,
            go=go,
            console=console(),
        )
