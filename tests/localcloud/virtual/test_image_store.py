"""The images in the folder of what virtual machines are made from, with programs that are texts."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from localcloud.virtual.failure import PreparationError
from localcloud.virtual.images import store
from localcloud.virtual.images.layout import Layout
from localcloud.virtual.images.programs import ImagePrograms, built_programs
from localcloud.virtual.lock import IMAGE_CURL, IMAGE_NETWORK, IMAGE_SHELL, Lock, Package
from localcloud.virtual.node_packages import Content, make
from toolchain.pins import BUILDS, IMAGES, NODE

pytestmark = pytest.mark.unit

BUSYBOX = "docker.io/library/busybox:1.37.0"


def package(name: str) -> Package:
    return Package(
        name=name, version="1", architecture="amd64", source=name, size=0, sha256="0" * 64
    )


LOCK = Lock.of(
    "trixie",
    {
        IMAGE_SHELL: [package("busybox-static"), package("bash-static")],
        IMAGE_NETWORK: [package("iptables")],
        IMAGE_CURL: [package("curl")],
    },
)


@pytest.fixture
def programs(tmp_path: Path) -> ImagePrograms:
    tools = tmp_path / "bin"
    for folder, builds in (("", BUILDS), ("node", NODE), ("images", IMAGES)):
        (tools / folder).mkdir(exist_ok=True)
        for build in builds:
            for name in build.programs:
                (tools / folder / name).write_text("#!/bin/sh\necho Kubernetes v1.36.3\n")
                (tools / folder / name).chmod(0o755)
    built = built_programs(tools)
    assert built is not None
    return built


def make_packages(
    folder: Path, *, busybox: str = "#!/bin/sh\nprintf 'busybox\\nls\\nsh\\n'\n"
) -> Path:
    folder.mkdir(parents=True)
    texts = {"busybox-static": {"usr/bin/busybox": busybox}}
    for package in LOCK.packages:
        make(
            Content(name=package.name, version=package.version, texts=texts.get(package.name, {})),
            folder,
        )
    return folder


def fill(folder: Path, programs: ImagePrograms) -> Layout:
    store.fill(folder, folder / "packages", LOCK, programs, lambda _: None)
    layout = store.served(folder)
    assert layout is not None
    return layout


def entries(layout: Layout, name: str) -> dict[str, tarfile.TarInfo]:
    document = json.loads(layout.blob(layout.manifests[name].digest).read_bytes())
    members: dict[str, tarfile.TarInfo] = {}
    for layer in document["layers"]:
        with tarfile.open(layout.blob(layer["digest"])) as tar:
            members |= {entry.name: entry for entry in tar}
    return members


def test_without_images_there_is_nothing_to_serve(tmp_path: Path) -> None:
    assert store.served(tmp_path) is None


def test_busybox_has_a_link_for_each_command_that_it_lists(
    tmp_path: Path, programs: ImagePrograms
) -> None:
    make_packages(tmp_path / "packages")
    shell = entries(fill(tmp_path, programs), BUSYBOX)
    links = {name for name, entry in shell.items() if entry.linkname == "busybox"}
    assert links == {"usr/bin/ls", "usr/bin/sh"}
    assert shell["usr/bin/busybox"].isreg()


def test_the_same_inputs_are_written_once(tmp_path: Path, programs: ImagePrograms) -> None:
    make_packages(tmp_path / "packages")
    first = fill(tmp_path, programs)
    before = (first.folder / "index.json").stat().st_ino
    second = fill(tmp_path, programs)
    assert (second.folder / "index.json").stat().st_ino == before


def test_another_build_of_a_program_is_served_instead(
    tmp_path: Path, programs: ImagePrograms
) -> None:
    make_packages(tmp_path / "packages")
    first = fill(tmp_path, programs)
    other = tmp_path / "coredns-2"
    other.mkdir()
    programs["coredns"].rename(other / "coredns")
    programs["coredns"].symlink_to(other / "coredns")
    second = fill(tmp_path, programs)
    assert second.folder != first.folder
    assert first.manifests[BUSYBOX] == second.manifests[BUSYBOX]


def test_a_busybox_that_lists_nothing_is_named(tmp_path: Path, programs: ImagePrograms) -> None:
    make_packages(tmp_path / "packages", busybox="#!/bin/sh\nexit 1\n")
    with pytest.raises(PreparationError, match="busybox lists no commands"):
        fill(tmp_path, programs)
    assert store.served(tmp_path) is None
