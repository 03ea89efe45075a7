"""`python -m operations`: the commands and their options."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from config.reference import reference
from config.report import ConfigError
from config.schema import cluster_schema
from operations.backup.command import Backup, back_up, snapshot_table
from operations.certificates.command import (
    certificate_document,
    certificate_table,
    renew_certificates,
)
from operations.certificates.live import read_certificates
from operations.diff.command import Format, against_file, against_stack, show
from operations.diff.command import diff as compare_commits
from operations.engine.cluster_access import stack_of
from operations.engine.environment import env_file
from operations.engine.places import LOCAL_STACK, ROOT, Places
from operations.failure import ExitCode, OperationError
from operations.local.deployment import EIP_RANGE, LocalCloud
from operations.local.holding import exclusive_use
from operations.plan.cluster_report import cluster_tables, stack_outputs
from operations.plan.command import effective_configuration, show_plan
from operations.restore.command import restore_cluster
from operations.runs.command import critical_path_report
from operations.secrets.admin_access import admin_kubeconfig, write_kubeconfig
from operations.secrets.command import make_stack_secrets, rotate_encryption, rotate_webhook
from operations.sweep.cluster import Finding
from operations.sweep.command import Ask, SweptStack, leftover_table, sweep_stack
from operations.sweep.foreign_rules import foreign_rules, revoke, rules_table
from operations.sweep.leftovers import Leftover
from operations.sweep.recovery import Agree, recover_stack
from operations.terminal import console
from operations.upgrade.command import upgrade_stack
from operations.verification.command import EGRESS_URL, verify_stack
from operations.verification.reports import junit_text, summary, verdict_document, verdict_table
from operations.verification.run import Outcome
from planning.transitions.page import page

app = typer.Typer(
    name="operations",
    help="Commands for people who run spiderpool-alicloud.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
local = typer.Typer(help="The local stack on the local cloud.", no_args_is_help=True)
app.add_typer(local, name="local")
config_app = typer.Typer(
    help="What a stack file may contain, and what it means.", no_args_is_help=True
)
app.add_typer(config_app, name="config")
secrets_app = typer.Typer(help="A cluster's certificates and keys.", no_args_is_help=True)
app.add_typer(secrets_app, name="secrets")

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
    Path | None, typer.Option("--file", help="They are here instead (local profile only).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_HOME = ROOT / ".local"


@local.command("up")
def local_up(
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    eip_range: EipOption = EIP_RANGE,
    tools: ToolsOption = _HOME,
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
    with _reporting_failures(), exclusive_use(cloud.places):
        cloud.up()


@local.command("down")
def local_down(
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    eip_range: EipOption = EIP_RANGE,
    tools: ToolsOption = _HOME,
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Delete cloud and state without a destroy.")
    ] = False,
) -> None:
    """Destroy the local stack, check that nothing is left, stop the local cloud."""
    cloud = _cloud(home, config_file, eip_range, tools)
    with _reporting_failures(), exclusive_use(cloud.places):
        if discard:
            cloud.discard()
        else:
            cloud.down()


@local.command("status")
def local_status(home: HomeOption = _HOME) -> None:
    """Print what runs and what the stack has, as JSON, without starting anything."""
    with _reporting_failures():
        _print_json(_cloud(home, None, EIP_RANGE, _HOME).status())


@local.command("env")
def local_env(home: HomeOption = _HOME) -> None:
    """Print the environment file; `local up` writes it to `.local/env`."""
    typer.echo(env_file(Places.of(home)), nl=False)


@app.command("report")
def report(  # noqa: PLR0913 - each is an option of the command
    stack: Annotated[str, typer.Option("--stack", help="Which stack.")] = LOCAL_STACK,
    home: HomeOption = _HOME,
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
    with _reporting_failures():
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
            _print_json(outputs)
            return
        out = console()
        for table in cluster_tables(outputs):
            out.print(table)


@app.command("verify")
def verify(  # noqa: PLR0913 - each is an option of the command
    stack: Annotated[str, typer.Option("--stack", help="Which stack.")] = LOCAL_STACK,
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML here, too.", dir_okay=False)
    ] = None,
    egress_url: Annotated[
        str, typer.Option("--egress-url", help="A page that shows the caller's address.")
    ] = EGRESS_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check a running cluster: objects, addresses, and every path of its packets."""
    with _reporting_failures(as_json=as_json):
        if junit is not None and not junit.parent.is_dir():
            raise OperationError(
                f"{junit.parent} is not a folder. Create it, or write the report somewhere else.",
                code=ExitCode.REFUSED,
            )
        verdicts = verify_stack(
            stack,
            Places.of(home),
            egress_url=egress_url,
            config_file=config_file,
        )
    if junit is not None:
        junit.write_text(junit_text(stack, verdicts), encoding="utf-8")
    if as_json:
        _print_json(verdict_document(stack, verdicts))
    else:
        out = console()
        out.print(verdict_table(stack, verdicts))
        out.print(summary(verdicts))
    if any(verdict.outcome is Outcome.FAILED for verdict in verdicts):
        raise typer.Exit(ExitCode.FAILED)


StackOption = Annotated[str, typer.Option("--stack", help="Which stack.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Delete without asking.")]


@app.command("sweep")
def sweep(  # noqa: PLR0913 - each is an option of the command
    stack: StackOption,
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    yes: YesOption = False,
    stack_removed: Annotated[
        bool, typer.Option("--stack-removed", help="The stack is gone from Pulumi.")
    ] = False,
) -> None:
    """List what a stack left in the cloud outside its state; remove it after asking."""
    with _reporting_failures(as_json=as_json):
        swept = _swept(stack, home, config_file)
        done = sweep_stack(
            swept,
            ask=_asking(stack, yes=yes, as_json=as_json),
            say=_saying(as_json=as_json),
            stack_removed=stack_removed,
        )
    if as_json:
        _print_json(done.as_document(stack))
    elif not done.leftovers:
        typer.echo(f"Every resource of {stack} in the cloud is in its state.")
    if not done.is_clean:
        raise typer.Exit(ExitCode.LEFTOVERS)


@app.command("recover")
def recover(
    stack: StackOption,
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Make a stack ready for `pulumi up` after a run that was killed or lost an answer."""
    with _reporting_failures(as_json=as_json):
        done = recover_stack(
            _swept(stack, home, config_file),
            ask=_asking(stack, yes=yes, as_json=as_json),
            agree=_agreeing(stack, yes=yes, as_json=as_json),
            say=_saying(as_json=as_json),
        )
    kept = [finding for finding in done.findings if not finding.is_mended]
    if as_json:
        _print_json(done.as_document(stack))
    else:
        for operation in done.pending:
            typer.echo(f"no longer pending: {operation}")
        if done.is_cluster_silent:
            typer.echo(
                "The API server does not answer from here, so its Helm releases were not looked at."
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


@app.command("kubeconfig")
def kubeconfig(  # noqa: PLR0913 - each is an option of the command
    stack: StackOption,
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write here; only you can read it.")
    ] = None,
    secrets_file: Annotated[
        Path | None, typer.Option("--file", help="The secrets are here (local profile only).")
    ] = None,
    *,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print it; it contains the administrator's key.")
    ] = False,
) -> None:
    """Write the administrator's kubeconfig, also when no run of the stack has ended well yet."""
    with _reporting_failures():
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
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="Give every control plane new certificates first.")
    ] = False,
) -> None:
    """Show every certificate of a cluster with its end; renew those of the control planes."""
    with _reporting_failures(as_json=as_json):
        places = Places.of(home)
        if renew:
            renew_certificates(stack, places, config_file=config_file, console=Console(stderr=True))
        read = read_certificates(stack, places, config_file=config_file)
    now = datetime.now(UTC)
    if as_json:
        _print_json(certificate_document(stack, read, now))
        return
    console().print(certificate_table(stack, read.certificates, now))
    for note in read.notes:
        typer.echo(note)


@app.command("backup")
def backup(
    stack: StackOption,
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    *,
    as_json: JsonOption = False,
    list_only: Annotated[bool, typer.Option("--list", help="Only list the snapshots.")] = False,
) -> None:
    """Take a snapshot of etcd's disk now, and show every one with its age."""
    with _reporting_failures(as_json=as_json):
        places = Places.of(home)
        if not list_only:
            progress = Console(stderr=True)
            id_ = back_up(stack, places, config_file=config_file, console=progress)
            typer.echo(f"Snapshot {id_} is taken.", err=True)
        snapshots = Backup.of(stack, places, config_file).snapshots()
    now = datetime.now(UTC)
    if as_json:
        documents = [snapshot.as_document(now) for snapshot in snapshots]
        _print_json({"stack": stack, "snapshots": documents})
        return
    console().print(snapshot_table(stack, snapshots, now))


@app.command("restore")
def restore(  # noqa: PLR0913 - each is an option of the command
    stack: StackOption,
    from_: Annotated[str, typer.Option("--from", help="The snapshot, as `backup --list` has it.")],
    home: HomeOption = _HOME,
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
    with _reporting_failures():
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


@app.command("rules")
def rules(
    stack: StackOption,
    home: HomeOption = _HOME,
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
    with _reporting_failures(as_json=as_json):
        swept = _swept(stack, home, config_file)
        api = swept.api()
        foreign = foreign_rules(api, swept.deployment_state())
        if revoke_them:
            revoke(api, foreign)
    if as_json:
        _print_json({"stack": stack, "rules": [r.as_document() for r in foreign]})
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
        return typer.confirm("Go on?")

    return agree


def _saying(*, as_json: bool) -> Callable[[str], None]:
    return lambda text: typer.echo(f"gone: {text}", err=as_json)


@app.command("upgrade")
def upgrade(
    stack: Annotated[str, typer.Option("--stack", help="Which stack.")] = LOCAL_STACK,
    home: HomeOption = _HOME,
    config_file: ConfigFileOption = None,
    tools: ToolsOption = _HOME,
    *,
    go: Annotated[
        bool, typer.Option("--go", help="Do the steps; without it they are only shown.")
    ] = False,
) -> None:
    """Upgrade a cluster to the versions in its stack file, in a safe order."""
    with _reporting_failures():
        upgrade_stack(
            stack,
            Places.of(home, tools=tools),
            config_file=config_file,
            go=go,
            console=console(),
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
    home: HomeOption = _HOME,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print the plan of a stack file, or what it would change, without a cloud or an engine."""
    with _reporting_failures(as_json=as_json):
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
    base: Annotated[str, typer.Argument(help="Commit before.")],
    head: Annotated[str, typer.Argument(help="Commit after.")],
    how: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    *,
    examples: Annotated[
        bool, typer.Option("--examples", help="Compare docs/examples, too.")
    ] = False,
) -> None:
    """Compare every stack file of two commits: what is added, changed, replaced or refused.

    Needs no engine, cloud or credentials. The code that runs plans both versions.
    """
    with _reporting_failures(as_json=how is Format.JSON):
        changes = compare_commits(base, head, examples=examples)
        text = show(base, head, changes, how)
    if text is not None:
        typer.echo(text, nl=how is not Format.MARKDOWN)
    if any(change.is_refused for change in changes):
        raise typer.Exit(ExitCode.REFUSED)


@config_app.command("show")
def config_show(config: ConfigOption, *, as_json: JsonOption = False) -> None:
    """Print the effective configuration: the stack file over its profile's defaults."""
    with _reporting_failures(as_json=as_json):
        typer.echo(effective_configuration(config, as_json=as_json))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the cluster object; editors take it from docs/schema."""
    _print_json(cluster_schema())


@config_app.command("reference")
def config_reference() -> None:
    """Print the configuration reference, as in docs/configuration.md."""
    typer.echo(reference(), nl=False)


@config_app.command("transitions")
def config_transitions() -> None:
    """Print what an edit of each key does, as in docs/transitions.md."""
    typer.echo(page(), nl=False)


@secrets_app.command("init")
def secrets_init(
    stack: SecretsStackOption,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write here instead (local profile only).")
    ] = None,
) -> None:
    """Make a cluster's certificates, keys and token, once; those that exist are kept."""
    with _reporting_failures():
        typer.echo(make_stack_secrets(stack, file=file))


@secrets_app.command("rotate-webhook")
def secrets_rotate_webhook(
    stack: SecretsStackOption,
    file: SecretsFileOption = None,
    home: HomeOption = _HOME,
) -> None:
    """Take the next of three steps to another certificate of Spiderpool's webhook."""
    with _reporting_failures():
        typer.echo(rotate_webhook(stack, Places.of(home), file=file))


@secrets_app.command("rotate-encryption")
def secrets_rotate_encryption(
    stack: SecretsStackOption,
    file: SecretsFileOption = None,
    home: HomeOption = _HOME,
) -> None:
    """Take the next of three steps to another key of Secrets in etcd."""
    with _reporting_failures():
        typer.echo(rotate_encryption(stack, Places.of(home), file=file))


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


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, sort_keys=True))


@contextmanager
def _reporting_failures(*, as_json: bool = False) -> Iterator[None]:
    """Turn failures into a message on standard error and an exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    except ConfigError as error:
        if as_json:
            _print_json(error.as_document())
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.REFUSED) from error
    except OperationError as error:
        if as_json:
            _print_json({"problems": [{"rule": str(error)}]})
        else:
            typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.code) from error
    except KeyboardInterrupt as interrupt:
        typer.echo("Interrupted. Run the same command again to continue.", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


def _terminated(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(app())
