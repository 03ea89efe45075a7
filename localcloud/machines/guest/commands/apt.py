"""apt-get and apt-mark: packages that the machine has, in the versions that it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest import about, bus, installed, packages, units
from localcloud.machines.guest.lines import complain, say

from . import scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCES: Final = Path("/etc/apt/sources.list.d")
_TAKES_NEXT: Final = frozenset({"-o", "-t", "-c", "--option", "--target-release"})
_NOTHING_TO_DO: Final = frozenset(
    {"autoclean", "autoremove", "clean", "dist-upgrade", "update", "upgrade"}
)
_FAILED: Final = 100


def apt_get(words: Sequence[str]) -> int:
    """Install and remove; update and upgrade have nothing to do."""
    verb, *names = plain_words(words) or [""]
    if verb in _NOTHING_TO_DO:
        say(f"apt-get {verb}: the archive of this machine is always up to date (simulated)")
        return 0
    if verb in {"remove", "purge"}:
        for name in names:
            installed.remove(name)
        return 0
    if verb != "install":
        complain(f"E: Invalid operation {verb} (simulated apt-get)")
        return _FAILED
    built = about.read().kubernetes_versions
    offered = packages.offered(built, [path.read_text("utf-8") for path in _SOURCES.glob("*.*")])
    try:
        found = packages.select(names, packages.archive(offered))
    except packages.PackageError as error:
        complain(str(error))
        if any(name.partition("=")[0] in packages.KUBERNETES for name in names):
            complain(_versions(built, offered))
        return _FAILED
    for package in found:
        _install(package)
    return 0


def apt_mark(words: Sequence[str]) -> int:
    """Say what apt-mark says; no package of this machine is ever upgraded."""
    verb, *names = plain_words(words) or [""]
    for name in names:
        say(f"{name} set on {verb}.")
    return 0


def plain_words(words: Sequence[str]) -> list[str]:
    """Return the words that are neither options nor an option's value."""
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _TAKES_NEXT:
            skip = True
        elif not word.startswith("-"):
            found.append(word)
    return found


def _versions(built: Sequence[str], offered: Sequence[str]) -> str:
    return (
        f"E: sources lead to Kubernetes {', '.join(offered) or 'of no version that is built'}; "
        f"the toolchain has built {', '.join(built)} (simulated apt-get; one minor more by "
        "`python -m toolchain ensure --previous-kubernetes`)"
    )


def _install(package: packages.Package) -> None:
    for command in package.commands:
        scripts.write(command)
    for unit, text in package.units:
        path = units.UNIT_FOLDERS[1] / f"{unit}.service"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        bus.ask(["enable", unit])
        if unit != "kubelet":
            bus.ask(["start", unit])
    installed.add(package.name, package.version)
    say(f"Setting up {package.name} ({package.version}) ... (simulated)")
