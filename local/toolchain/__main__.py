"""`python -m toolchain`: find or build the tools of the local stack."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from toolchain.downloads import archives
from toolchain.ensure import Ensure
from toolchain.failure import UNPREPARED, ToolchainError
from toolchain.pins import NEXT_KUBERNETES, NODE, PREVIOUS_KUBERNETES
from toolchain.places import Places
from toolchain.plugins import plugin_cache

app = typer.Typer(
    help="Find or build the tools of the local stack.", no_args_is_help=True, add_completion=False
)
Home = Annotated[Path, typer.Option(help="Directory that everything is kept in.")]
_HOME = Path(".local")


@app.command()
def ensure(
    home: Home = _HOME,
    previous_kubernetes: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool,
        typer.Option(
            "--previous-kubernetes",
            help=f"Build Kubernetes {PREVIOUS_KUBERNETES.version} too, which upgrades start from.",
        ),
    ] = False,
    next_kubernetes: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool,
        typer.Option(
            "--next-kubernetes",
            help=f"Build Kubernetes {NEXT_KUBERNETES.version} too, which upgrades lead to.",
        ),
    ] = False,
    node: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool,
        typer.Option(
            "--node", help="Build kubelet and containerd too, which virtual machines install."
        ),
    ] = False,
    download: Annotated[
        str,
        typer.Option(
            "--archives",
            envvar=archives.VARIABLE,
            help="Where release files are downloaded from: `publishers`, `off`, or a mirror.",
        ),
    ] = archives.PUBLISHERS,
) -> None:
    """Make every tool ready; what is ready already is left alone."""
    places = Places(home=home.resolve())
    flags = ((PREVIOUS_KUBERNETES, previous_kubernetes), (NEXT_KUBERNETES, next_kubernetes))
    requested = tuple(build for build, is_requested in flags if is_requested)
    Ensure(
        places,
        Console(),
        requested=(*requested, *(NODE if node else ())),
        origin=archives.origin_of(download),
    ).run()


@app.command()
def status(
    home: Home = _HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - typer's form of a flag
) -> None:
    """Show each tool: version, where it comes from, and whether it is ready."""
    tools = Ensure(Places(home=home.resolve()), Console()).tools()
    if as_json:
        document = [{**vars(tool), "path": str(tool.path)} for tool in tools]
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    table = Table("tool", "version", "source", "ready", "key")
    for tool in tools:
        ready = "yes" if tool.ready else "no"
        table.add_row(tool.program, tool.version, tool.source, ready, tool.key or "")
    Console().print(table)


@app.command("env")
def print_bin(home: Home = _HOME) -> None:
    """Print the directory to put first on PATH."""
    sys.stdout.write(f"{Places(home=home.resolve()).bin}\n")


@app.command()
def plugins(
    pulumi_home: Annotated[Path, typer.Argument(help="A PULUMI_HOME.")], home: Home = _HOME
) -> None:
    """Link the plugins into a PULUMI_HOME, where the engine finds them in the version it wants."""
    plugin_cache.fill(pulumi_home.resolve(), Places(home=home.resolve()).bin)


@app.command()
def clean(home: Home = _HOME) -> None:
    """Remove what was built, and the links; what is installed elsewhere stays."""
    Ensure(Places(home=home.resolve()), Console()).clean()


def main() -> None:
    """Run the command; a failure is a sentence and an exit status."""
    try:
        app()
    except ToolchainError as error:
        Console(stderr=True).print(f"error: {error}", highlight=False, soft_wrap=True, markup=False)
        sys.exit(error.status)
    except OSError as error:
        sys.exit(_unwritable(error))


def _unwritable(error: OSError) -> int:
    where = f" at {error.filename}" if error.filename else ""
    way_out = (
        "Make room and run the command again; what is built already is kept."
        if error.errno == errno.ENOSPC
        else "Make it writable, or name another directory with --home."
    )
    message = f"error: {error.strerror or error}{where}. {way_out}"
    Console(stderr=True).print(message, highlight=False, soft_wrap=True, markup=False)
    return UNPREPARED


if __name__ == "__main__":
    main()
