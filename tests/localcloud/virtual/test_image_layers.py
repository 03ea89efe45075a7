"""Layers and layouts of images: what is in them, and that the same inputs give the same bytes."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.virtual.failure import PreparationError
from localcloud.virtual.images.layers import Layer, member, write
from localcloud.virtual.images.layout import Image, Layout, write_archive, write_layout
from localcloud.virtual.node_packages import Content, make

pytestmark = pytest.mark.unit

NAME = "docker.io/library/small:1"


def archive(layer: Layer) -> bytes:
    content = io.BytesIO()
    write(layer, content)
    return content.getvalue()


def entries(layer: Layer) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive(layer))) as tar:
        return tar.getmembers()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "build-1" / "program"
    path.parent.mkdir()
    path.write_bytes(b"\x7fELF")
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    content = Content(
        name="small",
        version="1",
        texts={"usr/bin/small": "#!/bin/sh\n", "usr/share/doc/small/copyright": "free\n"},
    )
    return make(content, tmp_path)


def layers(program: Path, package: Path) -> list[Layer]:
    return [
        Layer(packages=[package], links={"usr/bin/other": "small"}, folders={"tmp": 0o1777}),
        Layer(programs={"usr/local/bin/program": program}, scripts={"run.sh": "#!/bin/sh\n"}),
    ]


def write_images(folder: Path, images: Sequence[Image]) -> Layout:
    folder.mkdir()
    write_layout(folder, images)
    return Layout.read(folder)


def test_every_entry_is_roots_and_has_no_time(program: Path, package: Path) -> None:
    for layer in layers(program, package):
        for entry in entries(layer):
            owner = (entry.uid, entry.gid, entry.uname, entry.gname)
            assert (*owner, entry.mtime) == (0, 0, "", "", 0)


def test_programs_and_scripts_may_run_and_texts_may_not(program: Path) -> None:
    layer = Layer(programs={"a": program}, scripts={"b": "#!"}, texts={"c": "text"})
    assert {entry.name: entry.mode for entry in entries(layer)} == {
        "a": 0o755,
        "b": 0o755,
        "c": 0o644,
    }


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=2, max_size=4).map("/".join)


@given(st.dictionaries(PATHS.map(lambda path: f"{path}/file"), st.text("xy"), max_size=5))
def test_a_folder_comes_once_and_before_what_is_in_it(texts: dict[str, str]) -> None:
    names = [entry.name for entry in entries(Layer(texts=texts))]
    assert len(names) == len(set(names))
    for name in names:
        parents = {str(parent) for parent in Path(name).parents} - {"."}
        assert parents <= set(names[: names.index(name)])


@given(st.dictionaries(NAMES, st.text("xy"), max_size=3))
def test_the_order_of_the_inputs_changes_nothing(texts: dict[str, str]) -> None:
    assert archive(Layer(texts=dict(reversed(texts.items())))) == archive(Layer(texts=texts))


def test_another_time_or_right_of_a_program_here_changes_nothing(program: Path) -> None:
    layer = Layer(programs={"program": program})
    before = archive(layer)
    os.utime(program, (1, 1))
    program.chmod(0o700)
    assert archive(layer) == before


def test_a_package_brings_its_files_without_its_documents(package: Path) -> None:
    by_name = {entry.name: entry for entry in entries(Layer(packages=[package]))}
    assert by_name["usr/bin/small"].isreg()
    assert not [name for name in by_name if name.startswith("usr/share/doc/")]
    assert {name: by_name[name].linkname for name in ("bin", "lib64")} == {
        "bin": "usr/bin",
        "lib64": "usr/lib64",
    }


def test_a_file_that_is_no_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.deb").write_text("text")
    with pytest.raises(PreparationError, match=r"broken\.deb cannot be read"):
        archive(Layer(packages=[tmp_path / "broken.deb"]))


def test_one_file_of_a_package_can_be_read(package: Path) -> None:
    assert member(package, "usr/bin/small") == b"#!/bin/sh\n"
    with pytest.raises(PreparationError, match="does not have usr/bin/large"):
        member(package, "usr/bin/large")


def test_every_blob_has_the_name_of_its_digest(
    tmp_path: Path, program: Path, package: Path
) -> None:
    image = Image(references=[NAME], layers=layers(program, package))
    layout = write_images(tmp_path / "layout", [image])
    blobs = list((layout.folder / "blobs" / "sha256").iterdir())
    assert [blob.name for blob in blobs] == [
        sha256(blob.read_bytes()).hexdigest() for blob in blobs
    ]


def test_the_same_images_have_the_same_digests(
    tmp_path: Path, program: Path, package: Path
) -> None:
    image = Image(references=[NAME], layers=layers(program, package), settings={"Cmd": ["sh"]})
    first = write_images(tmp_path / "first", [image])
    second = write_images(tmp_path / "second", [image])
    assert first.manifests == second.manifests


def test_a_manifest_leads_to_its_layers_in_their_order(
    tmp_path: Path, program: Path, package: Path
) -> None:
    parts = layers(program, package)
    image = Image(references=[NAME], layers=parts, settings={"Entrypoint": ["/program"]})
    layout = write_images(tmp_path / "layout", [image])
    manifest = json.loads(layout.blob(layout.manifests[NAME].digest).read_bytes())
    config = json.loads(layout.blob(manifest["config"]["digest"]).read_bytes())
    digests = [f"sha256:{sha256(archive(layer)).hexdigest()}" for layer in parts]
    assert [layer["digest"] for layer in manifest["layers"]] == digests
    assert config["rootfs"] == {"type": "layers", "diff_ids": digests}
    assert config["config"]["Entrypoint"] == ["/program"]
    assert (config["architecture"], config["os"]) == ("amd64", "linux")


def test_images_share_the_layers_that_they_have_in_common(
    tmp_path: Path, program: Path, package: Path
) -> None:
    common, own = layers(program, package)
    layout = write_images(
        tmp_path / "layout",
        [
            Image(references=["docker.io/library/a:1"], layers=[common]),
            Image(
                references=["docker.io/library/b:1", "docker.io/library/b:2"], layers=[common, own]
            ),
        ],
    )
    # Two layers, two configurations, two manifests.
    assert len(list((layout.folder / "blobs" / "sha256").iterdir())) == 6
    first, second = (layout.repositories[f"docker.io/library/{name}"] for name in "ab")
    assert len(first & second) == 1
    assert layout.manifests["docker.io/library/b:1"] == layout.manifests["docker.io/library/b:2"]


def test_another_build_of_a_program_is_another_identity(tmp_path: Path, program: Path) -> None:
    other = tmp_path / "build-2" / "program"
    other.parent.mkdir()
    other.write_bytes(program.read_bytes())
    link = tmp_path / "link"
    link.symlink_to(program)
    identities = [Layer(programs={"p": path}).identity for path in (program, link, other)]
    assert identities[0] == identities[1]
    assert identities[0] != identities[2]


def test_an_archive_has_the_images_of_the_names_and_no_other_blobs(
    tmp_path: Path, program: Path, package: Path
) -> None:
    common, own = layers(program, package)
    small = Image(references=[NAME, f"{NAME}.1"], layers=[common])
    other = Image(references=["docker.io/library/other:1"], layers=[common, own])
    layout = write_images(tmp_path / "layout", [small, other])
    content = io.BytesIO()
    write_archive(layout, {NAME}, content)
    content.seek(0)
    (tmp_path / "read").mkdir()
    with tarfile.open(fileobj=content) as tar:
        tar.extractall(tmp_path / "read", filter="data")
    read = Layout.read(tmp_path / "read")
    assert read.manifests == {NAME: layout.manifests[NAME]}
    blobs = {f"sha256:{blob.name}" for blob in (read.folder / "blobs" / "sha256").iterdir()}
    assert blobs == read.repositories["docker.io/library/small"] | {read.manifests[NAME].digest}
