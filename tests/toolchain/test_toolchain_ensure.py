from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from tests.toolchain.toolchain_bench import Bench, executable, toolchain_bench
from toolchain import ensure
from toolchain.builds import crds
from toolchain.failure import ToolchainError
from toolchain.pins import BUILDS, IMAGES, NODE, ON_REQUEST, OPENTOFU, Build
from toolchain.places import SOURCES

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return toolchain_bench(tmp_path, monkeypatch)


def test_a_first_run_makes_every_program(bench: Bench) -> None:
    bench.run()
    programs = {program for build in BUILDS for program in build.programs}
    plugins = {"pulumi-language-python", "pulumi-resource-kubernetes"}
    there = {path.name for path in bench.places.bin.iterdir() if os.access(path, os.X_OK)}
    assert there == programs | plugins


def test_each_step_is_one_line_with_its_seconds(bench: Bench) -> None:
    lines = bench.run().splitlines()
    built = [line for line in lines if re.fullmatch(r"✓ \S+ \S+  \d+\.\d s", line)]
    assert {line.split()[1] for line in built} >= {build.name for build in BUILDS}


def test_a_second_run_builds_nothing(bench: Bench) -> None:
    bench.run()
    calls = bench.calls()
    bench.run()
    assert bench.calls() == calls


def test_a_program_is_compiled_once_for_each_package(bench: Bench) -> None:
    bench.run()
    assert sorted(bench.calls()) == sorted(build.name for build in BUILDS for _ in build.programs)


def test_a_failed_build_leaves_nothing_and_the_others_stay(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GO_FAILS", "cmd/pulumi")
    with pytest.raises(ToolchainError, match="Building pulumi failed"):
        bench.run()
    assert not any("pulumi-" in name for name in bench.builds())
    monkeypatch.setenv("FAKE_GO_FAILS", "nothing")
    before = bench.calls()
    bench.run()
    assert "alicloud" not in bench.calls()[len(before) :]


def test_what_a_killed_run_left_is_removed(bench: Bench) -> None:
    leftover = bench.places.built / ".pulumi-abcd"
    leftover.mkdir(parents=True)
    bench.run()
    assert not leftover.exists()


def test_an_older_build_goes_once_the_links_have_moved(bench: Bench) -> None:
    older = bench.places.built / "etcd-0123456789abcdef"
    older.mkdir(parents=True)
    bench.run()
    assert not older.exists()
    assert (bench.places.bin / "etcd").exists()


@pytest.mark.parametrize("build", ON_REQUEST, ids=lambda build: build.name)
def test_another_kubernetes_is_built_only_on_request(bench: Bench, build: Build) -> None:
    bench.run()
    assert build.name not in bench.calls()
    assert not bench.runnable(build)
    before = len(bench.calls())
    bench.run(build)
    assert set(bench.calls()[before:]) == {build.name}
    assert bench.runnable(build) == set(build.programs)


@pytest.mark.parametrize("build", ON_REQUEST, ids=lambda build: build.name)
def test_another_kubernetes_stays_when_a_later_run_does_not_request_it(
    bench: Bench, build: Build
) -> None:
    bench.run(build)
    bench.run()
    assert bench.runnable(build) == set(build.programs)
    assert (bench.places.bin / "kubeadm").readlink() != (
        bench.places.of_kubernetes(build.version) / "kubeadm"
    ).readlink()


def test_two_other_versions_of_kubernetes_are_built_side_by_side(bench: Bench) -> None:
    bench.run(*ON_REQUEST)
    assert [bench.runnable(build) for build in ON_REQUEST] == [
        set(build.programs) for build in ON_REQUEST
    ]


@pytest.mark.parametrize("build", ON_REQUEST, ids=lambda build: build.name)
def test_an_older_build_of_another_kubernetes_goes_with_its_links(
    bench: Bench, build: Build
) -> None:
    older = bench.places.built / f"{build.name}-0123456789abcdef"
    older.mkdir(parents=True)
    links = bench.places.of_kubernetes("1.33.1")
    links.mkdir(parents=True)
    bench.run()
    assert not older.exists()
    assert not links.exists()


def executables(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*") if os.access(path, os.X_OK)}


@pytest.mark.parametrize(
    ("name", "builds"), [("node", NODE), ("images", IMAGES), ("opentofu", OPENTOFU)]
)
def test_programs_that_are_not_on_path_are_built_only_on_request_and_stay(
    bench: Bench, name: str, builds: Sequence[Build]
) -> None:
    folder = bench.places.bin / name
    bench.run()
    assert executables(folder) == set()
    bench.run(*builds)
    bench.run()
    assert executables(folder) == {program for build in builds for program in build.programs}


def test_links_to_programs_that_are_not_built_any_more_go(bench: Bench) -> None:
    bench.run(NODE[0])
    (bench.places.node / "older").symlink_to("nowhere")
    bench.run()
    assert {path.name for path in bench.places.node.iterdir()} == set(NODE[0].programs)


def test_programs_of_a_virtual_machine_are_listed_once_they_are_built(bench: Bench) -> None:
    bench.run(NODE[0])
    tools = ensure.Ensure(bench.places, Console(file=io.StringIO())).tools()
    listed = {tool.program for tool in tools if tool.program.startswith("node/")}
    assert listed == {f"node/{program}" for program in NODE[0].programs}


def test_an_installed_tool_is_linked_and_not_built(bench: Bench, tmp_path: Path) -> None:
    executable(tmp_path / "tools" / "helm", "echo v3.21.4+gabcdef")
    assert "helm  installed:" in bench.run()
    assert "helm" not in bench.calls()
    assert (bench.places.bin / "helm").readlink() == tmp_path / "tools" / "helm"


def test_two_runs_at_once_build_everything_once(bench: Bench) -> None:
    argv = [sys.executable, "-m", "toolchain", "ensure", "--home", str(bench.home)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES.parent)}
    runs = [
        subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert sorted(bench.calls()) == sorted(build.name for build in BUILDS for _ in build.programs)


def test_clean_takes_links_and_builds_away(bench: Bench) -> None:
    bench.run()
    ensure.Ensure(bench.places, Console(file=io.StringIO())).clean()
    assert not bench.places.bin.exists()
    assert not bench.places.built.exists()


def test_the_command_without_go_is_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "toolchain", "ensure", "--home", str(home)],
        env={"PATH": "/nowhere", "HOME": str(tmp_path), "PYTHONPATH": str(SOURCES.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, home.exists()) == (3, "", False)
    assert done.stderr.startswith("error: go is not on PATH.")
    assert "Traceback" not in done.stderr


def test_a_network_attachment_definition_is_named_as_multus_names_it() -> None:
    generated = yaml.safe_load(
        """
        metadata: {name: networkattachmentdefinitions.k8s.cni.cncf.io}
        spec:
          group: k8s.cni.cncf.io
          names: {kind: NetworkAttachmentDefinition, plural: networkattachmentdefinitions}
          versions:
          - {name: v1, schema: {openAPIV3Schema: {type: object, required: [spec]}}}
        """
    )
    finished = yaml.safe_dump(crds.finished(generated))
    assert "name: network-attachment-definitions.k8s.cni.cncf.io" in finished
    assert "net-attach-def" in finished
    assert "required" not in finished


def test_other_crds_stay_as_generated() -> None:
    generated: dict[str, object] = {"spec": {"names": {"kind": "SpiderIPPool"}}}
    assert crds.finished(generated) == generated
