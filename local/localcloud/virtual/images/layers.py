"""Layers of images: tar archives that are the same bytes for the same contents.

Every entry belongs to root and has the time 0. A layer is not compressed: an emulated processor
reads from the network faster than it decompresses.
https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from localcloud.virtual.failure import PreparationError

_UNUSED: Final = (
    *(
        f"usr/share/{name}/"
        for name in (
            "bash-completion",
            "bug",
            "doc",
            "doc-base",
            "info",
            "lintian",
            "locale",
            "man",
        )
    ),
    # Conversions between character sets.
    "usr/lib/x86_64-linux-gnu/gconv/",
)
"""Folders of packages that no container reads."""
_MERGED: Final[Mapping[str, str]] = {
    name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")
}
"""Debian's links of `/usr`; packages have files only below it."""
_PROGRAM: Final = 0o755
_TEXT: Final = 0o644
_FOLDER: Final = 0o755


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What a layer has. Paths are relative to the image's root, without a leading `/`.

    `packages` are files of Debian packages whose scripts do not run, `programs` files here,
    `texts` the content of files, `scripts` the same with the right to run, `links` the targets of
    symbolic links, `folders` the modes of empty folders.
    """

    packages: Sequence[Path] = ()
    programs: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, int] = field(default_factory=dict)

    @property
    def identity(self) -> object:
        """Its inputs as JSON. A program's file is identified by its own folder's name and its name.

        The toolchain names folders by their contents, and a package's name has its version.
        """
        programs = {
            path: "/".join(file.resolve().parts[-2:]) for path, file in self.programs.items()
        }
        return [
            [package.name for package in self.packages],
            programs,
            dict(self.texts),
            dict(self.scripts),
            dict(self.links),
            dict(self.folders),
        ]


def write(layer: Layer, into: BinaryIO) -> None:
    """Write the layer's archive. Raises PreparationError if a package cannot be read."""
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entries = _Entries(archive)
        if layer.packages:
            for name, target in _MERGED.items():
                entries.add_link(name, target)
        for package in layer.packages:
            with _contents(package) as contents:
                for member in contents:
                    entries.add_member(member, contents)
        for name, mode in sorted(layer.folders.items()):
            entries.add_folder(name, mode)
        for name, program in sorted(layer.programs.items()):
            with program.open("rb") as file:
                entries.add_file(name, file, program.stat().st_size, _PROGRAM)
        for texts, mode in ((layer.texts, _TEXT), (layer.scripts, _PROGRAM)):
            for name, text in sorted(texts.items()):
                encoded = text.encode()
                entries.add_file(name, io.BytesIO(encoded), len(encoded), mode)
        for name, target in sorted(layer.links.items()):
            entries.add_link(name, target)


class _Entries:
    """The entries of an archive, each path once, after the folders that it is in."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._paths: set[str] = set()

    def add_folder(self, name: str, mode: int = _FOLDER) -> None:
        if self._begin(name):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            self._archive.addfile(entry)

    def add_link(self, name: str, target: str) -> None:
        if self._begin(name):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            self._archive.addfile(entry)

    def add_file(self, name: str, content: BinaryIO, size: int, mode: int) -> None:
        if self._begin(name):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, mode
            self._archive.addfile(entry, content)

    def add_member(self, member: tarfile.TarInfo, contents: tarfile.TarFile) -> None:
        """Add an entry of another archive, unless no container needs it."""
        name = member.name.removeprefix("./").rstrip("/")
        if name in {"", "."} or f"{name}/".startswith(_UNUSED) or not self._begin(name):
            return
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size = member.type, member.mode, member.size
        entry.linkname = member.linkname.removeprefix("./") if member.islnk() else member.linkname
        self._archive.addfile(entry, contents.extractfile(member) if member.isreg() else None)

    def _begin(self, name: str) -> bool:
        """Add the folders that a path is in. False if the archive has the path already."""
        if name in self._paths:
            return False
        parent = str(PurePosixPath(name).parent)
        if parent != ".":
            self.add_folder(parent)
        self._paths.add(name)
        return True


@contextmanager
def _contents(package: Path) -> Iterator[tarfile.TarFile]:
    """The archive of a Debian package's files, read once from its beginning to its end."""
    command = ("dpkg-deb", "--fsys-tarfile", str(package))
    with subprocess.Popen(  # noqa: S603  (built above)
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        stream, problems = process.stdout, process.stderr
        if stream is None or problems is None:
            message = "Popen gave no pipes."
            raise RuntimeError(message)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as contents:
                yield contents
            stream.read()
        except tarfile.TarError as error:
            message = problems.read().decode(errors="replace").strip() or str(error)
            raise PreparationError(f"{package} cannot be read: {message}") from error


def member(package: Path, name: str) -> bytes:
    """The content of one file of a package. Raises PreparationError if it does not have it."""
    with _contents(package) as contents:
        for entry in contents:
            if entry.name.removeprefix("./") == name:
                file = contents.extractfile(entry)
                if file is not None:
                    return file.read()
    raise PreparationError(f"{package} does not have {name}.")
