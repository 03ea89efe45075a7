"""The commands of `python -m localcloud.virtual`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .acceleration import choose
from .archive import Archive, system_mirror
from .failure import PreparationError
from .images.programs import built_programs
from .lock import LOCK, REQUESTED, SUITE, Lock, belongs
from .node_packages import built
from .preparation import prepare

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What the local cloud's virtual machines are made from.",
)

Folder = Annotated[Path, typer.Option("--folder", help="Where everything is kept.")]
DEFAULT_FOLDER = Path(".local/virtual")
Tools = Annotated[Path, typer.Option("--tools", help="Folder of the toolchain's programs.")]
DEFAULT_TOOLS = Path(".local/bin")


@app.command()
def lock(folder: Folder = DEFAULT_FOLDER) -> None:
    """Write a new lock of Debian's packages, from what the mirror has now."""
    try:
        archive = Archive(folder.resolve() / "apt", system_mirror(os.environ), SUITE)
        archive.update()
        groups = {
            group: [package for package in archive.resolve(names) if belongs(group, package)]
            for group, names in REQUESTED.items()
        }
    except PreparationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    written = Lock.of(SUITE, groups)
    LOCK.write_text(written.text(), encoding="utf-8")
    size = sum(package.size for package in written.packages) / 1e6
    typer.echo(f"{LOCK}: {len(written.packages)} packages, {size:.0f} MB.")


@app.command("prepare")
def prepare_command(folder: Folder = DEFAULT_FOLDER, tools: Tools = DEFAULT_TOOLS) -> None:
    """Make what virtual machines need, unless it is there, and print how guests run here."""
    try:
        prepared = prepare(
            folder.resolve(),
            os.environ,
            typer.echo,
            built(tools.resolve()),
            built_programs(tools.resolve()),
        )
    except PreparationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    accelerator = choose(prepared.programs, prepared.kernel)
    typer.echo(f"Virtual machines: {folder}, {accelerator.description}.")
