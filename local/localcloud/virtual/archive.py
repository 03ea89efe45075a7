"""Debian's archive, as `apt-get` reaches it with settings of its own.

Nothing is installed and the system's own package lists do not change: `apt-get` gets a folder with
its own sources, its own lists and an empty status file. The address of the mirror is the system's
own where its sources name Debian's main archive, or that of `LOCALCLOUD_DEBIAN_MIRROR`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Final

from .failure import PreparationError
from .lock import ARCHITECTURE, Package

MIRROR: Final = "LOCALCLOUD_DEBIAN_MIRROR"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_RELEASES: Final = re.compile(r"^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$")
_URI_LINE: Final = re.compile(r"^'[^']+' (?P<file>\S+) (?P<size>\d+)")
_SECONDS: Final = 900
Run = Callable[[Sequence[str], Mapping[str, str], Path], str]
"""A command's output: words, additions to the environment, working folder. Raises
PreparationError."""


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """Run a program in `folder` and return its output."""
    try:
        process = subprocess.run(  # noqa: S603  (built in this package)
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except OSError as error:
        raise PreparationError(
            f"{command[0]} cannot be run ({error.strerror}). Virtual machines are made with "
            "apt-get and dpkg-deb: prepare them on Debian or Ubuntu."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PreparationError(
            f"{command[0]} did not end within {_SECONDS} s: {' '.join(command)}."
        ) from error
    if process.returncode:
        lines = (process.stderr.strip() or process.stdout.strip()).splitlines()
        raise PreparationError(
            f"`{' '.join(command[:6])}` ended with {process.returncode}: {' '.join(lines[-3:])}"
        )
    return process.stdout


def mirror_of(index_targets: str) -> str | None:
    """The mirror of Debian's main archive among lines of `REPO_URI CODENAME COMPONENT`, if any."""
    for line in index_targets.splitlines():
        uri, codename, component = (*line.split(), "", "", "")[:3]
        if component == "main" and _RELEASES.match(codename):
            return uri
    return None


def system_mirror(environment: Mapping[str, str], execute: Run = run) -> str:
    """The mirror to use here. Without one, raises PreparationError with the variable to set."""
    if address := environment.get(MIRROR):
        return address
    targets = execute(
        ("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"),
        {},
        Path.cwd(),
    )
    address = mirror_of(targets)
    if address is None:
        raise PreparationError(
            "The package sources of this system name no mirror of Debian's main archive, from "
            f"which virtual machines are made. Set {MIRROR} to the address of one, or run "
            "`apt-get update` where the sources have one."
        )
    return address


class Archive:
    """One suite of the archive; `folder` keeps its lists."""

    def __init__(self, folder: Path, mirror: str, suite: str, execute: Run = run) -> None:
        self._folder = folder
        self._mirror = mirror
        self._suite = suite
        self._execute = execute

    def update(self) -> None:
        """Fetch the list of packages."""
        for name in ("lists/partial", "archives/partial", "empty"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").write_text("")
        signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
        (self._folder / "sources.list").write_text(
            f"deb {signed}{self._mirror} {self._suite} main\n"
        )
        (self._folder / "apt.conf").write_text(self._settings())
        self._apt("apt-get", "update", "-qq")

    def resolve(self, names: Iterable[str]) -> list[Package]:
        """The packages of `names` and of all their dependencies, without recommended ones."""
        lines = self._apt("apt-get", "install", "-y", "-qq", "--print-uris", *names).splitlines()
        files = [match["file"] for line in lines if (match := _URI_LINE.match(line))]
        exact = ["=".join(_name_and_version(file)) for file in files]
        stanzas = self._apt("apt-cache", "show", *exact).split("\n\n")
        return [package_of(stanza) for stanza in stanzas if stanza.strip()]

    def download(self, packages: Sequence[Package], into: Path) -> None:
        """Fetch the files of `packages` that `into` does not have, and check each one's digest."""
        into.mkdir(parents=True, exist_ok=True)
        missing = [p for p in packages if not (into / p.file_name).exists()]
        if missing:
            exact = [f"{package.name}={package.version}" for package in missing]
            try:
                self._execute(("apt-get", "download", "-qq", *exact), self._environment, into)
            except PreparationError as error:
                raise PreparationError(
                    f"Not every locked package can be downloaded: {error} A mirror keeps only the "
                    "newest version of a package: `python -m localcloud.virtual lock` writes a new "
                    "lock, and its diff shows what changed."
                ) from error
        for package in packages:
            check(into / package.file_name, package)

    @property
    def _environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self._folder / "apt.conf")}

    def _apt(self, *command: str) -> str:
        return self._execute(command, self._environment, self._folder)

    def _settings(self) -> str:
        folder = self._folder
        return (
            f'Dir "{folder}";\n'
            f'Dir::Etc "{folder}/empty";\n'
            f'Dir::Etc::SourceList "{folder}/sources.list";\n'
            f'Dir::State "{folder}";\n'
            f'Dir::State::status "{folder}/status";\n'
            f'Dir::Cache "{folder}";\n'
            f'APT::Architecture "{ARCHITECTURE}";\n'
            f'APT::Architectures "{ARCHITECTURE}";\n'
            'APT::Install-Recommends "false";\n'
            # apt's own user is not permitted to write below a home folder.
            'APT::Sandbox::User "root";\n'
            'Acquire::Languages "none";\n'
        )


def check(file: Path, package: Package) -> None:
    """Check a file's digest; remove and refuse a file that differs from the lock."""
    with file.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    if digest != package.sha256:
        file.unlink()
        raise PreparationError(
            f"{file.name} has the SHA-256 {digest}, and the lock has {package.sha256}: it is "
            "another file than the one that was locked, and was removed. Prepare again; if it "
            "stays so, use another mirror."
        )


def package_of(stanza: str) -> Package:
    """Read one stanza of a package list."""
    fields = dict(
        line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " "
    )
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        source=fields.get("Source", fields["Package"]),
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
    )


def _name_and_version(file: str) -> tuple[str, str]:
    name, version, _ = file.split("_")
    return name, version.replace("%3a", ":").replace("%2b", "+").replace("%7e", "~")
