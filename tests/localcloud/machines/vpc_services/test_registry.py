"""The registry's answers, to requests as containerd sends them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.machines.vpc_services.package_server import Handler
from localcloud.machines.vpc_services.registry import Part, Response, answer
from localcloud.virtual import names
from localcloud.virtual.images.layers import Layer
from localcloud.virtual.images.layout import MANIFEST, Image, Layout, write_layout
from planning.nodes.guest_system import containerd_files
from tests.planning.documents import STACKS, stack_plan

pytestmark = pytest.mark.unit

HOST = "registry-1.docker.io"
"""containerd asks this host for images of docker.io."""
REPOSITORY = "docker.io/library/small"
MANIFESTS = "/v2/library/small/manifests"
BLOBS = "/v2/library/small/blobs"
ABSENT = f"sha256:{'0' * 64}"
CONTENT = bytes(range(200)) * 20


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("layout")
    write_layout(
        folder,
        [
            Image(
                references=[f"{REPOSITORY}:1", f"{REPOSITORY}:latest"],
                layers=[Layer(texts={"file": CONTENT.hex()})],
            ),
            Image(references=["ghcr.io/other/image:v1"], layers=[Layer(texts={"other": "x"})]),
        ],
    )
    return Layout.read(folder)


def get(
    layout: Layout,
    target: str,
    *,
    method: str = "GET",
    host: str = HOST,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return answer(method, host, target, headers or {}, layout)


def body(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    with response.body.file.open("rb") as content:
        content.seek(response.body.first)
        return content.read(response.body.length)


def code(response: Response) -> tuple[int, str]:
    [error] = json.loads(body(response))["errors"]
    return response.status, error["code"]


def layer(layout: Layout) -> str:
    document = json.loads(body(get(layout, f"{MANIFESTS}/1")))
    digest: str = document["layers"][0]["digest"]
    return digest


@pytest.mark.parametrize("target", ["/v2/", "/v2"])
def test_the_registry_needs_no_login(layout: Layout, target: str) -> None:
    assert get(layout, target).status == 200


def test_a_manifest_has_its_digest_its_length_and_its_type(layout: Layout) -> None:
    response = get(layout, f"{MANIFESTS}/1")
    content = body(response)
    assert response.headers["Docker-Content-Digest"] == f"sha256:{sha256(content).hexdigest()}"
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["Content-Type"] == MANIFEST == json.loads(content)["mediaType"]


def test_a_tag_and_its_digest_lead_to_the_same_manifest(layout: Layout) -> None:
    by_tag = get(layout, f"{MANIFESTS}/latest", method="HEAD")
    digest = by_tag.headers["Docker-Content-Digest"]
    assert get(layout, f"{MANIFESTS}/{digest}") == by_tag


def test_each_blob_of_an_image_can_be_read(layout: Layout) -> None:
    document = json.loads(body(get(layout, f"{MANIFESTS}/1")))
    for part in (document["config"], *document["layers"]):
        response = get(layout, f"{BLOBS}/{part['digest']}")
        content = body(response)
        assert (response.status, len(content)) == (200, part["size"])
        assert f"sha256:{sha256(content).hexdigest()}" == part["digest"]


@pytest.mark.parametrize("host", ["docker.io", "docker.m.daocloud.io", "Docker.M.DaoCloud.io:443"])
def test_a_registry_and_its_mirrors_have_the_same_images(layout: Layout, host: str) -> None:
    target = f"{MANIFESTS}/1?ns=docker.io"
    assert get(layout, target, host=host) == get(layout, f"{MANIFESTS}/1")


def test_a_mirror_of_another_name_is_asked_for_a_registry(layout: Layout) -> None:
    target = f"{MANIFESTS}/1?ns=docker.io"
    assert get(layout, target, host="localhost:5000") == get(layout, f"{MANIFESTS}/1")


@pytest.mark.parametrize("stack", STACKS)
def test_every_mirror_of_a_stacks_user_data_is_on_the_fabric(stack: str) -> None:
    files = containerd_files(stack_plan(stack)).items()
    mirrors = {
        Path(path).parent.name: text.split('"https://')[1].split('"')[0]
        for path, text in files
        if path.endswith("hosts.toml")
    }
    assert mirrors == {
        registry: m for registry, m in mirrors.items() if names.MIRRORED[m] == registry
    }
    assert set(mirrors.values()) <= set(names.ALL)


@pytest.mark.parametrize(
    ("target", "host", "status", "error"),
    [
        (f"{MANIFESTS}/2", HOST, 404, "MANIFEST_UNKNOWN"),
        (f"{MANIFESTS}/{ABSENT}", HOST, 404, "MANIFEST_UNKNOWN"),
        (f"{MANIFESTS}/{'a' * 129}", HOST, 404, "MANIFEST_UNKNOWN"),
        (f"{MANIFESTS}/sha256:short", HOST, 400, "DIGEST_INVALID"),
        (f"{MANIFESTS}/md5:{'0' * 32}", HOST, 400, "DIGEST_INVALID"),
        (f"{BLOBS}/{ABSENT}", HOST, 404, "BLOB_UNKNOWN"),
        (f"{BLOBS}/latest", HOST, 400, "DIGEST_INVALID"),
        (f"{BLOBS}/sha256:{'A' * 64}", HOST, 400, "DIGEST_INVALID"),
        (f"{MANIFESTS}/1", "ghcr.io", 404, "NAME_UNKNOWN"),
        ("/v2/library/large/manifests/1", HOST, 404, "NAME_UNKNOWN"),
        ("/v2/Library/small/manifests/1", HOST, 400, "NAME_INVALID"),
        ("/v2/../small/manifests/1", HOST, 400, "NAME_INVALID"),
        ("/v2/library/small/tags/list", HOST, 404, "UNSUPPORTED"),
    ],
)
def test_what_is_not_there_has_the_specifications_code(
    layout: Layout, target: str, host: str, status: int, error: str
) -> None:
    assert code(get(layout, target, host=host)) == (status, error)


def test_a_blob_of_another_repository_is_unknown(layout: Layout) -> None:
    target = f"/v2/other/image/blobs/{layer(layout)}"
    assert code(get(layout, target, host="ghcr.io")) == (404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(layout: Layout, method: str) -> None:
    assert code(get(layout, f"{BLOBS}/uploads/", method=method)) == (405, "UNSUPPORTED")


@given(first=st.integers(0, 9000), length=st.integers(1, 9000))
def test_a_range_is_that_part_of_the_blob(layout: Layout, first: int, length: int) -> None:
    digest = layer(layout)
    whole = body(get(layout, f"{BLOBS}/{digest}"))
    ranges = {"range": f"bytes={first}-{first + length - 1}"}
    response = get(layout, f"{BLOBS}/{digest}", headers=ranges)
    part = whole[first : first + length]
    assert body(response) == part
    assert response.status == 206
    assert (
        response.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
    )


@pytest.mark.parametrize(
    ("ranges", "first", "length"), [("bytes=100-", 100, None), ("bytes=-10", -10, None)]
)
def test_a_range_may_be_open(layout: Layout, ranges: str, first: int, length: int | None) -> None:
    digest = layer(layout)
    whole = body(get(layout, f"{BLOBS}/{digest}"))
    response = get(layout, f"{BLOBS}/{digest}", headers={"Range": ranges})
    assert (response.status, body(response)) == (206, whole[first:length])


@pytest.mark.parametrize("ranges", ["bytes=999999-", "bytes=-0"])
def test_a_range_after_the_end_is_refused_with_the_size(layout: Layout, ranges: str) -> None:
    digest = layer(layout)
    size = len(body(get(layout, f"{BLOBS}/{digest}")))
    response = get(layout, f"{BLOBS}/{digest}", headers={"Range": ranges})
    assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("ranges", ["bytes=0-1,5-6", "bytes=-", "bytes=5-1", "lines=1-2", ""])
def test_a_range_in_another_form_is_ignored(layout: Layout, ranges: str) -> None:
    target = f"{BLOBS}/{layer(layout)}"
    assert get(layout, target, headers={"Range": ranges}) == get(layout, target)


@pytest.fixture
def connection(layout: Layout, tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    (tmp_path / "pkgs.k8s.io").mkdir()
    (tmp_path / "pkgs.k8s.io" / "key").write_text("text")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, [tmp_path], layout))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    yield connection
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_images_and_packages_come_over_one_connection(
    layout: Layout, connection: http.client.HTTPConnection
) -> None:
    digest = layer(layout)
    seen = []
    for method, target, host in (
        ("HEAD", f"{MANIFESTS}/1", HOST),
        ("GET", f"{BLOBS}/{digest}", HOST),
        ("GET", "/key", "pkgs.k8s.io"),
    ):
        connection.request(method, target, headers={"Host": host})
        response = connection.getresponse()
        seen.append((response.status, len(response.read())))
    part = get(layout, f"{BLOBS}/{digest}").body
    assert isinstance(part, Part)
    assert seen == [(200, 0), (200, part.length), (200, 4)]


def test_a_range_comes_over_a_connection(
    layout: Layout, connection: http.client.HTTPConnection
) -> None:
    digest = layer(layout)
    connection.request("GET", f"{BLOBS}/{digest}", headers={"Host": HOST, "Range": "bytes=3-7"})
    response = connection.getresponse()
    whole = body(get(layout, f"{BLOBS}/{digest}"))
    assert (response.status, response.read()) == (206, whole[3:8])


@pytest.mark.parametrize("target", [f"{BLOBS}/uploads/", "/key"])
def test_nothing_can_be_written_over_a_connection(
    connection: http.client.HTTPConnection, target: str
) -> None:
    connection.request("POST", target, body=b"content", headers={"Host": "pkgs.k8s.io"})
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (405, "close")
