"""Package sources as apt takes them: an index and a signature over it.

`<host>/<path>/` in one folder, as the fabric serves it. The key is created with the sources and
kept next to them; each source publishes its certificate where the real one publishes its own.
"""

from __future__ import annotations

import email.utils
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from .archive import run
from .failure import PreparationError
from .unpacked import Programs

_SQOP: Final = "usr/bin/sqop"
_KEY: Final = "signing.key"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One package source.

    `suite` and `component` are those of apt's line; a flat source has the suite `/` and no
    component. `certificate` is where it publishes the key that signs it, relative to `path`.
    """

    host: str
    path: str
    suite: str
    component: str | None
    certificate: str
    packages: Sequence[Path] = field(default=())


class Signer:
    """Signs indexes with a key of its own."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._programs = programs
        self._key = folder / _KEY
        if not self._key.exists():
            draft = self._key.with_name(f".{_KEY}.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_bytes(self._sqop(b"", "generate-key", "localcloud packages"))
            draft.rename(self._key)

    def certificate(self) -> bytes:
        """The certificate, as text."""
        return self._sqop(self._key.read_bytes(), "extract-cert")

    def sign(self, text: bytes) -> bytes:
        """The text with its signature (`InRelease`)."""
        return self._sqop(text, "inline-sign", "--as=clearsigned", str(self._key))

    def _sqop(self, content: bytes, *arguments: str) -> bytes:
        process = subprocess.run(  # noqa: S603  (a locked program)
            self._programs.command(_SQOP, *arguments),
            input=content,
            capture_output=True,
            check=False,
            timeout=60,
        )
        if process.returncode:
            raise PreparationError(
                f"Package sources cannot be signed: {process.stderr.decode(errors='replace')}"
            )
        return process.stdout


def write(folder: Path, source: Source, signer: Signer, date: float) -> None:
    """Write the source's files below `folder`; `date` is in seconds since 1970."""
    top = folder / source.host / source.path
    pool = top / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for package in sorted(source.packages):
        place = pool / package.name
        place.unlink(missing_ok=True)
        os.link(package, place)
        stanzas.append(_stanza(place, f"pool/{package.name}"))
    index = "\n".join(stanzas).encode()
    base, relative = _index_place(source)
    (top / base / relative).parent.mkdir(parents=True, exist_ok=True)
    (top / base / relative).write_bytes(index)
    release = release_text(source, {relative: index}, date)
    (top / base / "InRelease").write_bytes(signer.sign(release.encode()))
    (top / source.certificate).write_bytes(signer.certificate())


def release_text(source: Source, indexes: Mapping[str, bytes], date: float) -> str:
    """The text to be signed: the digests of the indexes."""
    lines = [
        "Origin: localcloud",
        "Label: localcloud",
        f"Suite: {source.suite}",
        f"Codename: {source.suite}",
        "Architectures: amd64",
        f"Components: {source.component or 'main'}",
        f"Date: {email.utils.formatdate(date, usegmt=True)}",
        "SHA256:",
        *(f" {sha256(text).hexdigest()} {len(text)} {path}" for path, text in indexes.items()),
    ]
    return "\n".join(lines) + "\n"


def _index_place(source: Source) -> tuple[str, str]:
    """The folder of `InRelease`, and the index relative to it."""
    if source.component is None:
        return ".", "Packages"
    return f"dists/{source.suite}", f"{source.component}/binary-amd64/Packages"


def _stanza(package: Path, location: str) -> str:
    control = run(("dpkg-deb", "--field", str(package)), {}, package.parent).rstrip("\n")
    with package.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    size = package.stat().st_size
    return f"{control}\nFilename: {location}\nSize: {size}\nSHA256: {digest}\n"
