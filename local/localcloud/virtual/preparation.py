"""Everything that virtual machines need, created once and kept in one folder.

    packages/            the downloaded files, by their names in the archive
    programs-<key>/      the packages whose programs run here, unpacked
    node-packages/       kubelet, containerd and so on, made from what the toolchain built
    image-<key>/         disk.img and kernel
    sources/<host>/      package sources, as the fabric serves them
    tls/                 the certificate of the fabric's names
    images/              images of containers (`images.store`)
    signing.key          signs the package sources; signing.pem is its certificate

A key is the digest of the folder's inputs. A folder is renamed into place once it is complete, so
it is never incomplete.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509

from localcloud import certificates

from . import image, names
from .archive import Archive, system_mirror
from .failure import PreparationError
from .images import store
from .images.layout import Layout
from .images.programs import ImagePrograms
from .lock import DISTRIBUTION, IMAGE, KERNEL, PROGRAMS, Lock, Package
from .node_packages import NodePrograms, containerd_package, kubernetes_packages, make
from .published import distribution_source, node_sources
from .sources import Signer, write
from .unpacked import Programs

_SOURCES: Final = "sources"
_CERTIFICATE: Final = "signing.pem"
_LOCKED: Final = "lock.key"
"""The digest of the lock whose packages are in the folder and in the distribution's source."""
_NODE: Final = "node.json"
"""The identity of the programs in the sources of Kubernetes and Docker."""
_NODE_PACKAGES: Final = "node-packages"
_INSTALLABLE: Final = (IMAGE, DISTRIBUTION)
_NAMES: Final = tuple(x509.DNSName(name) for name in names.ALL)
Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What machines are started with. `tls` has `server.pem` and `server.key`."""

    programs: Programs
    disk: Path
    kernel: Path
    tls: Path
    sources: Path
    """Package sources, a folder for each host name."""
    images: Layout | None
    """What the registries have."""


def prepare(
    folder: Path,
    environment: Mapping[str, str],
    report: Report,
    node: NodePrograms | None = None,
    containers: ImagePrograms | None = None,
) -> Prepared:
    """Download, unpack and build what is missing. Raises PreparationError.

    Existing parts are reused and need no network. `node`: what the image and the sources of
    Kubernetes and Docker have; without it they have what an earlier run got, or nothing.
    `containers`: the same for the registries.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock.read()
    with _alone(folder):
        certificates.ensure(folder / "tls", _NAMES)
        programs = _programs(folder, lock)
        locked = folder / _LOCKED
        if not programs.root.exists() or _text(locked) != _lock_key(lock):
            _fetch(folder, lock, environment, report)
            locked.write_text(_lock_key(lock), encoding="utf-8")
        if node is not None and _text(folder / _NODE) != node.identity:
            _publish(folder, programs, node, report)
        if containers is not None:
            store.fill(folder, folder / "packages", lock, containers, report)
        prepared = _places(folder, lock)
        if not prepared.disk.exists():
            report("Making the disk image of the machines")
            with _whole(prepared.disk.parent) as draft:
                image.build(draft, _contents(folder, lock), programs)
        return prepared


def _fetch(folder: Path, lock: Lock, environment: Mapping[str, str], report: Report) -> None:
    """Download the locked packages, unpack the programs and write the package sources."""
    debs, programs = folder / "packages", _programs(folder, lock)
    archive = Archive(folder / "apt", system_mirror(environment), lock.suite)
    report(f"Fetching {len(lock.packages)} packages of Debian")
    archive.update()
    archive.download(lock.packages, debs)
    if not programs.root.exists():
        with _whole(programs.root) as draft:
            image.unpack([debs / package.file_name for package in lock.groups[PROGRAMS]], draft)
    report("Writing the package sources")
    signer = Signer(programs, folder)
    (folder / _CERTIFICATE).write_bytes(signer.certificate())
    # The node's packages are published again, because the sources are written without them.
    (folder / _NODE).unlink(missing_ok=True)
    installable = [debs / package.file_name for package in _installed(lock)]
    for source in (distribution_source(installable), *node_sources()):
        write(folder / _SOURCES, source, signer, time.time())


def _publish(folder: Path, programs: Programs, node: NodePrograms, report: Report) -> None:
    """Make the node's packages and fill the sources of Kubernetes and Docker."""
    report(f"Packaging Kubernetes {node.kubernetes_version} and containerd for the machines")
    signer, into = Signer(programs, folder), folder / _NODE_PACKAGES
    (folder / _NODE).unlink(missing_ok=True)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    kubernetes = [make(content, into) for content in kubernetes_packages(node)]
    docker = [make(containerd_package(node), into)]
    for source in node_sources({node.minor: kubernetes}, docker):
        write(folder / _SOURCES, source, signer, time.time())
    (folder / _NODE).write_text(node.identity, encoding="utf-8")


def _contents(folder: Path, lock: Lock) -> image.Contents:
    """The inputs of the image: the distribution's packages and, if they were made, the node's."""
    debs = folder / "packages"
    node = sorted((folder / _NODE_PACKAGES).glob("*.deb")) if (folder / _NODE).exists() else []
    return image.Contents(
        system=[*(debs / package.file_name for package in _installed(lock)), *node],
        kernel=[debs / package.file_name for package in lock.groups[KERNEL]],
        trust=_trust(folder),
        images=_preloaded(folder),
    )


def _preloaded(folder: Path) -> Layout | None:
    """The images of containers, where the disk image has a containerd to unpack some of them."""
    return store.served(folder) if (folder / _NODE).exists() else None


def _installed(lock: Lock) -> list[Package]:
    """The distribution's packages that the image has: its own, and those of the user-data."""
    unique = {package.name: package for group in _INSTALLABLE for package in lock.groups[group]}
    return [unique[name] for name in sorted(unique)]


def _text(file: Path) -> str | None:
    """A file's text; None without the file."""
    return file.read_text("utf-8") if file.exists() else None


def present(folder: Path) -> Prepared:
    """Return the parts in the folder. Raises PreparationError if one is missing."""
    remedy = f"Run `python -m localcloud.virtual prepare --folder {folder}`."
    try:
        prepared = _places(folder, Lock.read())
    except FileNotFoundError as error:
        raise PreparationError(
            f"{folder} does not have what virtual machines are made from. {remedy}"
        ) from error
    parts = (prepared.programs.root, prepared.disk, prepared.sources)
    if missing := [str(part) for part in parts if not part.exists()]:
        raise PreparationError(
            f"What virtual machines are made from is not there in this version: "
            f"{', '.join(missing)}. {remedy}"
        )
    return prepared


def _places(folder: Path, lock: Lock) -> Prepared:
    images = _preloaded(folder)
    containers = None if images is None else image.preloaded(images)
    key = _image_key(lock, _trust(folder), [_text(folder / _NODE), containers])
    system = folder / f"image-{key}"
    return Prepared(
        programs=_programs(folder, lock),
        disk=system / "disk.img",
        kernel=system / "kernel",
        tls=folder / "tls",
        sources=folder / _SOURCES,
        images=store.served(folder),
    )


def _programs(folder: Path, lock: Lock) -> Programs:
    key = _digest([asdict(package) for package in lock.groups[PROGRAMS]])
    return Programs(root=folder / f"programs-{key}")


def _trust(folder: Path) -> image.Trust:
    return image.Trust(
        authority=(folder / "tls" / "ca.pem").read_bytes(),
        packages=(folder / _CERTIFICATE).read_bytes(),
    )


def _lock_key(lock: Lock) -> str:
    return _digest([asdict(package) for package in lock.packages])


def _image_key(lock: Lock, trust: image.Trust, node: object) -> str:
    """`node`: what was made here for a node, as JSON."""
    packages = [asdict(package) for package in (*_installed(lock), *lock.groups[KERNEL])]
    contents = {path: content.decode() for path, content in image.files(trust).items()}
    script = image.SCRIPT.read_text("utf-8")
    return _digest([packages, node, contents, dict(image.links()), script, image.REVISION])


def _digest(document: object) -> str:
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two runs do not build the same parts."""
    with (folder / "prepare.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield a draft that is renamed to `folder` when the block succeeds."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    draft.mkdir()
    try:
        yield draft
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
