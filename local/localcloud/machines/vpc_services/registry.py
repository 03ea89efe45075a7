"""A registry of images that can only be read, as answers to HTTP requests.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md, the part "Pull": `/v2/`,
manifests by tag and digest, blobs with ranges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote

from localcloud.virtual import names
from localcloud.virtual.images.layout import Layout

PREFIX: Final = "/v2"
_NAME: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_NAME}(?:/{_NAME})*")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_TARGET: Final = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<name>[^/]+)")
_RANGE: Final = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")
_READ: Final = ("GET", "HEAD")
_VERSION: Final = {"Docker-Distribution-Api-Version": "registry/2.0"}
"""The header by which older clients know a registry."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Bytes of a file: `length` from `first` on."""

    file: Path
    first: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Response:
    """One response. `headers` has the length; a response to HEAD is sent without its body."""

    status: HTTPStatus
    headers: Mapping[str, str]
    body: bytes | Part = field(default=b"")


class _RefusalError(Exception):
    """A request that the specification has an error code for."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def answer(
    method: str, host: str, target: str, headers: Mapping[str, str], layout: Layout
) -> Response:
    """Answer a request for a path below `PREFIX`.

    Args:
        method: HTTP's.
        host: The `Host` header: the registry's own name or a mirror's, maybe with a port.
        target: The path with its query. `ns` is the registry that containerd asks a mirror for
            (https://github.com/containerd/containerd/blob/v2.2.1/docs/hosts.md).
        headers: Of the request; names in any case.
        layout: The images.
    """
    ranges = next((v for name, v in headers.items() if name.lower() == "range"), None)
    path, _, query = target.partition("?")
    own = host.partition(":")[0].lower()
    [registry] = parse_qs(query).get("ns", [names.MIRRORED.get(own, own)])[:1]
    try:
        return _answer(method, registry, unquote(path), ranges, layout)
    except _RefusalError as refusal:
        document = {"errors": [{"code": refusal.code, "message": str(refusal)}]}
        return _json(refusal.status, document)


def _answer(method: str, registry: str, path: str, ranges: str | None, layout: Layout) -> Response:
    if method not in _READ:
        raise _RefusalError(
            HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "This registry can only be read."
        )
    if path.rstrip("/") == PREFIX:
        return _json(HTTPStatus.OK, {})
    parts = _TARGET.fullmatch(path)
    if parts is None:
        raise _RefusalError(HTTPStatus.NOT_FOUND, "UNSUPPORTED", f"{path} is not served.")
    repository = _repository(registry, parts["repository"], layout)
    if parts["kind"] == "manifests":
        return _manifest(repository, parts["name"], layout)
    return _blob(repository, parts["name"], ranges, layout)


def _repository(registry: str, name: str, layout: Layout) -> str:
    """The repository with its registry's own name, for example `docker.io/library/busybox`."""
    if _REPOSITORY.fullmatch(name) is None:
        raise _RefusalError(
            HTTPStatus.BAD_REQUEST, "NAME_INVALID", f"{name} is not a valid repository name."
        )
    repository = f"{registry}/{name}"
    if repository not in layout.repositories:
        raise _RefusalError(
            HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", f"There is no repository {repository}."
        )
    return repository


def _manifest(repository: str, name: str, layout: Layout) -> Response:
    """A manifest by its tag or its digest. Its whole content is always sent."""
    if ":" in name:
        _check_digest(name)
        own = (m for full, m in layout.manifests.items() if full.rpartition(":")[0] == repository)
        manifest = next((m for m in own if m.digest == name), None)
    else:
        if _TAG.fullmatch(name) is None:
            raise _RefusalError(
                HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", f"{name} is not a valid tag."
            )
        manifest = layout.manifests.get(f"{repository}:{name}")
    if manifest is None:
        raise _RefusalError(
            HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", f"{repository} has no manifest {name}."
        )
    part = Part(file=layout.blob(manifest.digest), first=0, length=manifest.size)
    headers = {
        **_VERSION,
        "Content-Type": manifest.media_type,
        "Content-Length": str(manifest.size),
        "Docker-Content-Digest": manifest.digest,
    }
    return Response(status=HTTPStatus.OK, headers=headers, body=part)


def _blob(repository: str, digest: str, ranges: str | None, layout: Layout) -> Response:
    _check_digest(digest)
    if digest not in layout.repositories[repository]:
        raise _RefusalError(
            HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", f"{repository} has no blob {digest}."
        )
    file = layout.blob(digest)
    size = file.stat().st_size
    headers = {
        **_VERSION,
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "Docker-Content-Digest": digest,
    }
    requested = _requested(ranges, size)
    if requested is None:
        whole = Part(file=file, first=0, length=size)
        return Response(
            status=HTTPStatus.OK, headers={**headers, "Content-Length": str(size)}, body=whole
        )
    if not requested:
        return Response(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={**headers, "Content-Range": f"bytes */{size}", "Content-Length": "0"},
        )
    part = Part(file=file, first=requested.start, length=len(requested))
    return Response(
        status=HTTPStatus.PARTIAL_CONTENT,
        headers={
            **headers,
            "Content-Range": f"bytes {requested.start}-{requested.stop - 1}/{size}",
            "Content-Length": str(len(requested)),
        },
        body=part,
    )


def _requested(ranges: str | None, size: int) -> range | None:
    """The bytes that a `Range` header asks for; empty if there are none.

    None means all bytes, also for a header with several ranges or in another form: a server may
    ignore those (https://www.rfc-editor.org/rfc/rfc9110#section-14.2).
    """
    form = None if ranges is None else _RANGE.fullmatch(ranges.strip())
    if form is None or not (form["first"] or form["last"]):
        return None
    if not form["first"]:
        return range(max(size - int(form["last"]), 0), size)
    first = int(form["first"])
    if form["last"] and int(form["last"]) < first:
        return None
    last = min(int(form["last"]), size - 1) if form["last"] else size - 1
    return range(first, max(last + 1, first))


def _check_digest(text: str) -> None:
    if _DIGEST.fullmatch(text) is None:
        raise _RefusalError(
            HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", f"{text} is not a SHA-256 digest."
        )


def _json(status: HTTPStatus, document: object) -> Response:
    body = json.dumps(document).encode()
    headers = {**_VERSION, "Content-Type": "application/json", "Content-Length": str(len(body))}
    return Response(status=status, headers=headers, body=body)
