"""The images that the registry has, against what the program's own documents name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config.model import SampleAppsConfig
from localcloud.charts.assemble import TEMPLATES
from localcloud.virtual.images import catalogue
from localcloud.virtual.images.catalogue import images
from localcloud.virtual.images.layout import Image
from localcloud.virtual.images.programs import ImagePrograms, built_programs
from localcloud.virtual.lock import IMAGE_CURL, IMAGE_NETWORK, IMAGE_SHELL
from planning.nodes.kubeadm import CHINA_IMAGES, pause_image
from tests.planning.documents import STACKS, stack_plan
from toolchain import pins

pytestmark = pytest.mark.unit

PROGRAMS = ImagePrograms(tools=Path("/tools"), kubernetes_version=pins.KUBERNETES_VERSION)
PACKAGES = {group: [Path(f"{group}.deb")] for group in (IMAGE_SHELL, IMAGE_NETWORK, IMAGE_CURL)}
EVERY = images(PROGRAMS, PACKAGES, ["sh", "wget"])
BY_NAME = {name: image for image in EVERY for name in image.references}


def programs(image: Image) -> set[Path]:
    return {program for layer in image.layers for program in layer.programs.values()}


def test_no_two_images_have_one_name() -> None:
    assert len(BY_NAME) == sum(len(image.references) for image in EVERY)


@pytest.mark.parametrize("stack", STACKS)
def test_the_registry_has_the_sandbox_image_of_every_stack(stack: str) -> None:
    assert pause_image(stack_plan(stack)) in BY_NAME


def test_the_registry_has_the_images_of_the_sample_apps() -> None:
    apps = SampleAppsConfig()
    assert f"docker.io/{apps.client_image}" in BY_NAME
    assert f"docker.io/{apps.server_image}" in BY_NAME


def test_the_registry_has_the_images_of_the_charts_values() -> None:
    values = yaml.safe_load((TEMPLATES / "values.yaml").read_text())
    chart = yaml.safe_load((TEMPLATES / "Chart.yaml").read_text())
    described = [
        values["multus"]["multusCNI"]["image"],
        values["plugins"]["image"],
        values["spiderpoolAgent"]["image"],
        values["spiderpoolController"]["image"],
    ]
    for image in described:
        tag = image["tag"] or f"v{chart['appVersion']}"
        assert f"{image['registry']}/{image['repository']}:{tag}" in BY_NAME


def test_every_image_of_kubeadm_is_in_alibaba_clouds_registry_too() -> None:
    own = [name for name in BY_NAME if name.startswith("registry.k8s.io/")]
    for name in own:
        assert BY_NAME[f"{CHINA_IMAGES}/{name.rpartition('/')[2]}"] is BY_NAME[name]


def test_tags_are_the_versions_that_the_toolchain_builds() -> None:
    assert f"v{pins.COREDNS_VERSION}" == catalogue.COREDNS_TAG
    assert f"v{pins.SPIDERPOOL_VERSION}" == catalogue.SPIDERPOOL_TAG
    assert f"v{pins.MULTUS_VERSION}" == catalogue.MULTUS_TAG


def test_every_program_is_one_that_the_toolchain_builds() -> None:
    folders = {
        "": {program for build in pins.BUILDS for program in build.programs},
        "node": {program for build in pins.NODE for program in build.programs},
        "images": {program for build in pins.IMAGES for program in build.programs},
    }
    expected = {Path("/tools") / folder / name for folder in folders for name in folders[folder]}
    assert {program for image in EVERY for program in programs(image)} <= expected


def test_without_one_of_its_programs_there_are_no_images(tmp_path: Path) -> None:
    for image in EVERY:
        for program in programs(image):
            file = tmp_path / program.relative_to("/tools")
            file.parent.mkdir(exist_ok=True)
            file.write_text("#!/bin/sh\necho Kubernetes v1.36.3\n")
            file.chmod(0o755)
    assert built_programs(tmp_path) == ImagePrograms(tools=tmp_path, kubernetes_version="1.36.3")
    (tmp_path / "images" / "coredns").unlink()
    assert built_programs(tmp_path) is None


def test_what_every_worker_runs_is_in_the_disk_image() -> None:
    values = yaml.safe_load((TEMPLATES / "values.yaml").read_text())
    of_agents = [values["plugins"], values["multus"]["multusCNI"], values["spiderpoolAgent"]]
    repositories = {f"{v['image']['registry']}/{v['image']['repository']}" for v in of_agents}
    of_kubeadm = {f"registry.k8s.io/{name}" for name in ("pause", "kube-proxy", "coredns/coredns")}
    assert set(catalogue.PRELOADED) == repositories | of_kubeadm
    assert set(catalogue.PRELOADED) <= {name.rpartition(":")[0] for name in BY_NAME}
