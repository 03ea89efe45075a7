"""Images as an OCI image layout: a folder of blobs by their digests, and an index of names.

https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
The same images have the same digests, wherever and whenever they are written.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from .layers import Layer, write

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_PLATFORM: Final[Mapping[str, object]] = {"architecture": "amd64", "os": "linux"}
_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME_OF_REFERENCE: Final = "org.opencontainers.image.ref.name"
_NAME_OF_CONTAINERD: Final = "io.containerd.image.name"
"""containerd imports an image under this name
(https://github.com/containerd/containerd/blob/v2.2.1/core/images/annotations.go)."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image. `references` are its full names, for example `docker.io/library/busybox:1.37.0`.

    `settings` are fields of an OCI configuration's `config`, for example `Entrypoint` and `User`.
    """

    references: Sequence[str]
    layers: Sequence[Layer]
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def identity(self) -> object:
        """Its inputs as JSON."""
        layers = [layer.identity for layer in self.layers]
        return [list(self.references), layers, dict(self.settings)]


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """A blob: its media type, its digest (`sha256:…`) and its size in bytes."""

    media_type: str
    digest: str
    size: int

    @property
    def document(self) -> dict[str, object]:
        """As OCI documents have it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def write_layout(folder: Path, images: Sequence[Image]) -> None:
    """Write the images into an existing, empty folder. Raises PreparationError."""
    blobs = _Blobs(folder / "blobs" / "sha256")
    layers: dict[str, Descriptor] = {}
    entries = []
    for image in images:
        descriptors = []
        for layer in image.layers:
            key = json.dumps(layer.identity, sort_keys=True)
            if key not in layers:
                layers[key] = blobs.add_layer(layer)
            descriptors.append(layers[key])
        manifest = _manifest(blobs, image, descriptors)
        entries += [
            {
                **manifest.document,
                "platform": _PLATFORM,
                "annotations": {_NAME_OF_REFERENCE: name, _NAME_OF_CONTAINERD: name},
            }
            for name in image.references
        ]
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
    (folder / "index.json").write_bytes(_encode(index))
    (folder / "oci-layout").write_bytes(_encode({"imageLayoutVersion": "1.0.0"}))


def _manifest(blobs: _Blobs, image: Image, layers: Sequence[Descriptor]) -> Descriptor:
    settings: dict[str, object] = {"Env": [_PATH], **image.settings}
    config = blobs.add(
        _CONFIG,
        {
            **_PLATFORM,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "history": [{"created_by": "localcloud"} for _ in layers],
        },
    )
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.document,
        "layers": [layer.document for layer in layers],
    }
    return blobs.add(MANIFEST, document)


class _Blobs:
    """The folder of blobs, which is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)

    def add(self, media_type: str, document: object) -> Descriptor:
        content = _encode(document)
        digest = sha256(content).hexdigest()
        (self._folder / digest).write_bytes(content)
        return Descriptor(media_type=media_type, digest=f"sha256:{digest}", size=len(content))

    def add_layer(self, layer: Layer) -> Descriptor:
        draft = self._folder / ".draft"
        with draft.open("w+b") as content:
            write(layer, content)
            size = content.tell()
            content.seek(0)
            digest = file_digest(content, "sha256").hexdigest()
        draft.rename(self._folder / digest)
        return Descriptor(media_type=_LAYER, digest=f"sha256:{digest}", size=size)


def _encode(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout as it is read: the images' manifests by name, and the blobs of each repository.

    `repositories`: a repository, for example `docker.io/library/busybox`, → digests of its blobs.
    """

    folder: Path
    manifests: Mapping[str, Descriptor]
    repositories: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a layout. Raises OSError if there is none."""
        index: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
        manifests: dict[str, Descriptor] = {}
        repositories: dict[str, frozenset[str]] = {}
        for entry in index["manifests"]:
            name = entry["annotations"][_NAME_OF_REFERENCE]
            manifest = Descriptor(
                media_type=entry["mediaType"], digest=entry["digest"], size=entry["size"]
            )
            manifests[name] = manifest
            repository = name.rpartition(":")[0]
            document = json.loads(_blob(folder, manifest.digest).read_bytes())
            parts = {document["config"]["digest"], *(part["digest"] for part in document["layers"])}
            repositories[repository] = repositories.get(repository, frozenset()) | parts
        return cls(folder=folder, manifests=manifests, repositories=repositories)

    def blob(self, digest: str) -> Path:
        """The file of a blob that the index leads to."""
        return _blob(self.folder, digest)


def _blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / Path(*digest.split(":"))


def write_archive(layout: Layout, names: Collection[str], into: BinaryIO) -> None:
    """Write the images of some names as one archive, which containerd imports."""
    index: dict[str, Any] = json.loads((layout.folder / "index.json").read_bytes())
    entries = [e for e in index["manifests"] if e["annotations"][_NAME_OF_REFERENCE] in names]
    digests = {entry["digest"] for entry in entries}
    for entry in entries:
        document = json.loads(layout.blob(entry["digest"]).read_bytes())
        digests |= {document["config"]["digest"], *(part["digest"] for part in document["layers"])}
    with tarfile.open(fileobj=into, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(layout.folder / "oci-layout", "oci-layout")
        content = _encode({**index, "manifests": entries})
        member = tarfile.TarInfo("index.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        for digest in sorted(digests):
            blob = layout.blob(digest)
            archive.add(blob, str(blob.relative_to(layout.folder)))
