"""Images against programs that nobody here wrote: containerd pulls them, kubeadm and Helm ask.

containerd is built on request only (`python -m toolchain ensure --node`).
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud import certificates
from localcloud.charts.assemble import TEMPLATES
from localcloud.machines.vpc_services.package_server import Handler
from localcloud.virtual.images.catalogue import images
from localcloud.virtual.images.layers import Layer
from localcloud.virtual.images.layout import Image, Layout, write_layout
from localcloud.virtual.images.programs import ImagePrograms
from localcloud.virtual.lock import IMAGE_CURL, IMAGE_NETWORK, IMAGE_SHELL
from planning.spiderpool.fixed_values import fixed_values
from tests.localcloud.machines.fake_cloud import until
from tests.planning.documents import ROOT, stack_plan
from toolchain.pins import KUBERNETES_VERSION

pytestmark = pytest.mark.engine

BIN = ROOT / ".local" / "bin"
SMALL = "docker.io/library/small:1"
OTHER = "registry.k8s.io/folder/other:v2"
BROKEN = "docker.io/library/broken:1"
"""Has a layer whose content is not what its digest names."""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("layout")
    common = Layer(texts={"etc/motd": "text\n"}, folders={"tmp": 0o1777}, links={"run": "tmp"})
    # More than one of the parts in which containerd asks for a blob.
    large = Layer(texts={"large/file": "0123456789abcdef" * (1 << 19)})
    write_layout(
        folder,
        [
            Image(references=[SMALL], layers=[common]),
            Image(references=[OTHER], layers=[common, large], settings={"Cmd": ["/none"]}),
            Image(references=[BROKEN], layers=[Layer(texts={"file": "broken"})]),
        ],
    )
    layout = Layout.read(folder)
    document = json.loads(layout.blob(layout.manifests[BROKEN].digest).read_bytes())
    with layout.blob(document["layers"][0]["digest"]).open("r+b") as blob:
        blob.seek(-1, os.SEEK_END)
        blob.write(b"!")
    return layout


@dataclass(frozen=True, kw_only=True)
class Containerd:
    """A daemon that knows the registry as the mirror of two others."""

    folder: Path

    def ctr(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603  (built by the toolchain)
            [BIN / "node" / "ctr", "--address", self.folder / "socket", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pull(self, name: str) -> None:
        hosts = str(self.folder / "hosts")
        self.ctr("images", "pull", "--snapshotter", "native", "--hosts-dir", hosts, name)

    def check(self, name: str) -> str:
        """A heading, and whether the image is complete and unpacked."""
        return self.ctr("images", "check", "--snapshotter", "native", f"name=={name}")


@pytest.fixture(scope="module")
def containerd(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    program = BIN / "node" / "containerd"
    if not program.exists():
        pytest.skip("containerd was not built: `python -m toolchain ensure --node`.")
    if os.geteuid():
        pytest.skip("containerd needs root.")
    folder = tmp_path_factory.mktemp("containerd")
    certificates.ensure(folder / "tls")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, [], layout))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls" / "server.pem", folder / "tls" / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for registry in ("docker.io", "registry.k8s.io"):
        hosts = folder / "hosts" / registry / "hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.write_text(
            f'[host."https://localhost:{server.server_port}"]\nca = "{folder / "tls" / "ca.pem"}"\n'
        )
    (folder / "config.toml").write_text(
        f'version = 3\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]\n'
        # Overlays cannot be mounted everywhere.
        "[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\n"
        'platform = "linux/amd64"\nsnapshotter = "native"\n'
        f'[grpc]\naddress = "{folder}/socket"\n[ttrpc]\naddress = "{folder}/ttrpc"\n'
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            ["unshare", "--mount", program, "--config", folder / "config.toml"],  # noqa: S607
            stdout=log,
            stderr=log,
        )
    try:
        until("containerd", 60, (folder / "socket").exists)
        yield Containerd(folder=folder)
    finally:
        process.terminate()
        process.wait(timeout=60)
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", [SMALL, OTHER])
def test_containerd_pulls_and_unpacks_an_image(
    layout: Layout, containerd: Containerd, name: str
) -> None:
    containerd.pull(name)
    [row] = containerd.ctr(
        "images", "check", "--snapshotter", "native", f"name=={name}"
    ).splitlines()[1:]
    assert layout.manifests[name].digest in row
    assert "complete" in row
    assert row.rstrip().endswith("true")


def test_containerd_refuses_a_blob_that_is_not_what_its_digest_names(
    containerd: Containerd,
) -> None:
    with pytest.raises(AssertionError, match="unexpected commit digest"):
        containerd.pull(BROKEN)


def programs_of(image: Image) -> set[str]:
    """The paths of programs that an image has for sure: its packages' are not in it."""
    paths: set[str] = set()
    for layer in image.layers:
        paths |= {f"/{path}" for path in (*layer.programs, *layer.scripts, *layer.links)}
    return paths | {path.removeprefix("/usr") for path in paths}


@pytest.fixture(scope="module")
def catalogue() -> Mapping[str, Image]:
    """Name → image. Its packages' files and its programs' are not read here."""
    programs = ImagePrograms(tools=BIN, kubernetes_version=KUBERNETES_VERSION)
    packages = dict.fromkeys((IMAGE_SHELL, IMAGE_NETWORK, IMAGE_CURL), ())
    every = images(programs, packages, ["sh"])
    return {name: image for image in every for name in image.references}


def output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    return done.stdout


def documents(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]


def containers(every: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    pods = [
        d["spec"]["template"]["spec"] for d in every if d["kind"] in {"DaemonSet", "Deployment"}
    ]
    return [c for pod in pods for key in ("initContainers", "containers") for c in pod.get(key, ())]


def mounted(container: Mapping[str, Any], path: str) -> bool:
    return any(path.startswith(f"{m['mountPath']}/") for m in container.get("volumeMounts", ()))


def test_the_registry_has_every_image_that_kubeadm_asks_for(catalogue: Mapping[str, Image]) -> None:
    version = f"v{KUBERNETES_VERSION}"
    listed = output(BIN / "kubeadm", "config", "images", "list", "--kubernetes-version", version)
    assert set(listed.split()) <= set(catalogue)


@pytest.mark.parametrize("addon", ["kube-proxy", "coredns"])
def test_an_image_has_the_program_that_kubeadms_addon_starts(
    catalogue: Mapping[str, Image], addon: str
) -> None:
    phase = f"init phase addon {addon} --print-manifest --kubernetes-version v{KUBERNETES_VERSION}"
    [container] = containers(documents(output(BIN / "kubeadm", *phase.split())))
    image = catalogue[container["image"]]
    command = container.get("command") or image.settings["Entrypoint"]
    assert isinstance(command, list)
    assert command[0] in programs_of(image)


def test_images_have_the_programs_that_spiderpools_chart_starts(
    catalogue: Mapping[str, Image], tmp_path: Path
) -> None:
    # The published values of `spiderpoolController.tls` are generated, so these are any.
    tls = {"provided": dict.fromkeys(("tlsCa", "tlsCert", "tlsKey"), "text")}
    values = {**fixed_values(stack_plan("local")), "spiderpoolController": {"tls": tls}}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    chart = str(TEMPLATES)
    rendered = output(BIN / "helm", "template", "r", chart, "--values", tmp_path / "values.yaml")
    names = set()
    for container in containers(documents(rendered)):
        image = catalogue[container["image"]]
        [program, *arguments] = container["command"]
        assert program in programs_of(image) or mounted(container, program), container["name"]
        if program == "/bin/sh":
            assert f"/{arguments[0]}" in programs_of(image)
        names.add(container["name"])
    assert names == {
        "install-plugins",
        "install-multus-binary",
        "spiderpool-agent",
        "multus-cni",
        "spiderpool-controller",
    }
