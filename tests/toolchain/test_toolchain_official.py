from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from toolchain import pins
from toolchain.official import official_tools
from toolchain.plugins import plugin_cache

pytestmark = pytest.mark.unit

SH: Final = shutil.which("sh")


class Machine:
    """A home and a PATH of their own, where tools can be put."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.path = root / "usr"
        self.ours = root / "ours"
        for directory in (self.home, self.path, self.ours):
            directory.mkdir()

    def put(self, path: Path, says: str = "") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{SH}\necho '{says}'\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def tools(self, **environment: str) -> dict[str, Path]:
        path = os.pathsep.join([str(self.ours), str(self.path)])
        return official_tools(self.ours, {"HOME": str(self.home), "PATH": path, **environment})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_empty_machine_has_nothing(machine: Machine) -> None:
    assert machine.tools() == {}


def test_pulumi_of_the_pinned_version_is_taken_with_its_language_host(machine: Machine) -> None:
    pulumi = machine.put(machine.path / "pulumi", f"v{pins.PULUMI_VERSION}")
    host = machine.put(machine.path / "pulumi-language-python")
    assert machine.tools() == {"pulumi": pulumi, "pulumi-language-python": host}


def test_pulumi_in_the_home_directory_is_used_though_it_is_not_on_path(machine: Machine) -> None:
    pulumi = machine.put(machine.home / ".pulumi" / "bin" / "pulumi", f"v{pins.PULUMI_VERSION}")
    assert machine.tools() == {"pulumi": pulumi}


def test_pulumi_of_another_version_is_left_alone(machine: Machine) -> None:
    machine.put(machine.path / "pulumi", "v3.258.0")
    assert machine.tools() == {}


def test_our_own_links_are_never_taken_for_an_installation(machine: Machine) -> None:
    machine.put(machine.ours / "pulumi", f"v{pins.PULUMI_VERSION}")
    assert machine.tools() == {}


def test_plugins_are_taken_from_the_cache_in_exactly_their_version(machine: Machine) -> None:
    plugins = machine.home / ".pulumi" / "plugins"
    version = pins.ALICLOUD_VERSION
    plugin = machine.put(plugins / f"resource-alicloud-v{version}" / "pulumi-resource-alicloud")
    machine.put(plugins / "resource-kubernetes-v4.0.0" / "pulumi-resource-kubernetes")
    assert machine.tools() == {"pulumi-resource-alicloud": plugin}


def test_the_plugin_cache_of_pulumi_home_counts_too(machine: Machine, tmp_path: Path) -> None:
    version = pins.KUBERNETES_PROVIDER_VERSION
    cache = tmp_path / "elsewhere"
    plugin = machine.put(
        cache / "plugins" / f"resource-kubernetes-v{version}" / "pulumi-resource-kubernetes"
    )
    assert machine.tools(PULUMI_HOME=str(cache)) == {"pulumi-resource-kubernetes": plugin}


def test_the_engine_finds_our_plugins_in_the_cache_but_we_take_none_for_installed(
    machine: Machine,
) -> None:
    stand_in = machine.put(machine.ours / "pulumi-resource-kubernetes")
    machine.put(machine.ours / "pulumi-resource-alicloud")
    plugin_cache.fill(machine.home / ".pulumi", machine.ours)
    linked = plugin_cache.plugin_path(machine.home / ".pulumi", "kubernetes")
    assert linked.resolve() == stand_in
    assert machine.tools() == {}


def test_an_installed_plugin_stays_when_ours_are_linked(machine: Machine) -> None:
    installed = machine.put(plugin_cache.plugin_path(machine.home / ".pulumi", "alicloud"))
    machine.put(machine.ours / "pulumi-resource-alicloud")
    plugin_cache.fill(machine.home / ".pulumi", machine.ours)
    assert machine.tools() == {"pulumi-resource-alicloud": installed}


OUTPUTS: Final = {
    "kube-apiserver": "Kubernetes v{}",
    "kube-controller-manager": "Kubernetes v{}",
    "kube-scheduler": "Kubernetes v{}",
    "kubeadm": "v{}",
    "kubectl": "Client Version: v{}",
    "helm": "v{}+gabc",
    "etcd": "etcd Version: {}\nGit SHA: abc",
    "pulumi-resource-alicloud": "{}",
}
PINNED: Final = {program: build.version for build in pins.BUILDS for program in build.programs}


@pytest.mark.parametrize("program", OUTPUTS)
def test_a_program_on_path_is_taken_only_in_the_pinned_version(
    machine: Machine, program: str
) -> None:
    path = machine.put(machine.path / program, OUTPUTS[program].format(PINNED[program]))
    assert machine.tools() == {program: path}
    for other in (f"{PINNED[program]}1", f"{PINNED[program]}-rc.1", "0.0.1"):
        machine.put(path, OUTPUTS[program].format(other))
        assert machine.tools() == {}


def test_a_plugin_in_the_plugin_folder_goes_before_one_on_path(machine: Machine) -> None:
    machine.put(machine.path / "pulumi-resource-alicloud", pins.ALICLOUD_VERSION)
    installed = machine.put(plugin_cache.plugin_path(machine.home / ".pulumi", "alicloud"))
    assert machine.tools() == {"pulumi-resource-alicloud": installed}


def test_links_of_another_checkout_are_not_taken_for_an_installation(machine: Machine) -> None:
    (machine.path.parent / "toolchain").mkdir()
    (machine.path.parent / "toolchain" / "lock").touch()
    machine.put(machine.path / "helm", f"v{pins.HELM_VERSION}")
    assert machine.tools() == {}


def test_a_tool_that_fails_to_say_its_version_is_left_alone(machine: Machine) -> None:
    helm = machine.put(machine.path / "helm")
    helm.write_text(f"#!{SH}\nexit 1\n", encoding="utf-8")
    assert machine.tools() == {}
