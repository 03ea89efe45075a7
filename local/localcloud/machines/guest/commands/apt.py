"""apt-get and apt-mark, for the packages and versions of the machine's archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest import about
from localcloud.machines.guest.apt import dpkg, installed, packages, sources
from localcloud.machines.guest.lines import complain, say
from localcloud.machines.guest.systemd import units

from . import scripts
from .dpkg import configure_all

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCES: Final = Path("/etc/apt/sources.list.d")
_PREFERENCES: Final = Path("/etc/apt/preferences.d")
_LISTS: Final = Path("/var/lib/apt/lists/fetched")
"""The URIs whose lists the last update fetched. Only their packages can be installed."""
_TAKES_NEXT: Final = frozenset({"-o", "-t", "-c", "--option", "--target-release"})
_NOTHING_TO_DO: Final = frozenset({"autoclean", "autoremove", "clean", "dist-upgrade", "upgrade"})
_FAILED: Final = 100


def apt_get(words: Sequence[str]) -> int:
    """Update the lists, install and remove; upgrade has nothing to do."""
    verb, *names = plain_words(words) or [""]
    try:
        pins = sources.read_preferences(_texts(_PREFERENCES, "*"))
    except sources.AptError as error:
        complain(str(error))
        return _FAILED
    if verb == "update":
        return _update()
    if verb in {"install", "remove", "purge"} and dpkg.is_interrupted():
        complain(dpkg.REFUSAL)
        return _FAILED
    if verb == "install":
        return _install_all(names, pins)
    if verb in {"remove", "purge"}:
        for name in names:
            installed.remove(name)
    elif verb in _NOTHING_TO_DO:
        say(f"apt-get {verb}: the archive of this machine is always up to date (simulated)")
    else:
        complain(f"E: Invalid operation {verb} (simulated apt-get)")
        return _FAILED
    return 0


def _install_all(names: Sequence[str], pins: Sequence[sources.Pin]) -> int:
    built = about.read().kubernetes_versions
    offered = packages.offered(built, _LISTS.read_text("utf-8") if _LISTS.exists() else "")
    try:
        chosen = packages.select(names, packages.archive(offered), pins)
    except packages.PackageError as error:
        complain(str(error))
        if any(name.partition("=")[0] in packages.KUBERNETES for name in names):
            complain(_versions(built, offered))
        return _FAILED
    with dpkg.journal():
        for package in chosen:
            _unpack(package)
        configure_all()
    return 0


def _update() -> int:
    """Fetch the lists of every source, if all of them can be trusted."""
    entries = [entry for text in _texts(_SOURCES, "*.sources") for entry in sources.read(text)]
    problems = [problem for entry in entries if (problem := _distrust(entry))]
    for problem in problems:
        complain(problem)
    if problems:
        return _FAILED
    _LISTS.parent.mkdir(parents=True, exist_ok=True)
    _LISTS.write_text("".join(f"{entry.uri}\n" for entry in entries), encoding="utf-8")
    say("Reading package lists... Done (simulated)")
    return 0


def _distrust(source: sources.Source) -> str | None:
    """Return why apt refuses a source's lists; None when a key signs them."""
    key = Path(source.signed_by) if source.signed_by else None
    if key is None or not key.is_file():
        return f"E: The repository '{source.uri} {source.suite} InRelease' is not signed."
    if not key.read_bytes().startswith((b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"\x99")):
        return f"E: The key(s) in the keyring {key} are ignored: the file is not a key."
    return None


def _texts(folder: Path, pattern: str) -> list[str]:
    return [path.read_text("utf-8") for path in sorted(folder.glob(pattern)) if path.is_file()]


def apt_mark(words: Sequence[str]) -> int:
    """Print what apt-mark prints; no package of this machine is ever upgraded."""
    verb, *names = plain_words(words) or [""]
    for name in names:
        say(f"{name} set on {verb}.")
    return 0


def plain_words(words: Sequence[str]) -> list[str]:
    """Return the words that are neither options nor an option's value."""
    plain: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _TAKES_NEXT:
            skip = True
        elif not word.startswith("-"):
            plain.append(word)
    return plain


def _versions(built: Sequence[str], offered: Sequence[str]) -> str:
    return (
        f"E: sources lead to Kubernetes {', '.join(offered) or 'of no version that is built'}; "
        f"the toolchain has built {', '.join(built)} (simulated apt-get; the minors on "
        "either side by `python -m toolchain ensure --previous-kubernetes --next-kubernetes`)"
    )


def _unpack(package: packages.Package) -> None:
    say(f"Unpacking {package.name} ({package.version}) ... (simulated)")
    for command in package.commands:
        scripts.write(command)
    for unit, text in package.units:
        path = units.UNIT_FOLDERS[1] / f"{unit}.service"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    dpkg.add(
        dpkg.Unpacked(
            name=package.name,
            version=package.version,
            units=tuple(unit for unit, _ in package.units),
        )
    )
