"""The provider under the real Pulumi engine, with the real SDK, against a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.toolchain.kubernetes_provider.servers.real_cluster import ROOT, RealCluster, find_binary

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

# The second provider's kubeconfig is not known until the first object exists: as in the stack,
# where it hangs on the machines.
PROGRAM = """
import os
import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
text = open(os.environ["TEST_KUBECONFIG"]).read()
first = kubernetes.Provider("first", kubeconfig=text, cluster_identifier="first")
seed = kubernetes.core.v1.ConfigMap(
    "seed", data={"a": "1"}, opts=pulumi.ResourceOptions(provider=first)
)
kubeconfig = pulumi.Output.secret(
    seed.metadata.uid.apply(lambda _: text.replace("127.0.0.1", config.get("host") or "127.0.0.1"))
)
provider = kubernetes.Provider("late", kubeconfig=kubeconfig, cluster_identifier="late")
late = pulumi.ResourceOptions(provider=provider)
secret = kubernetes.core.v1.Secret(
    "secret",
    metadata={"name": "engine-secret"},
    string_data={"token": pulumi.Output.secret("hush-hush-token")},
    opts=late,
)
role = kubernetes.rbac.v1.ClusterRole(
    "role",
    metadata={"name": "engine-role"},
    rules=[{"api_groups": [""], "resources": ["pods"], "verbs": [config.get("verb") or "get"]}],
    opts=late,
)
service = kubernetes.core.v1.Service(
    "service", metadata={"name": "engine"}, spec={"ports": [{"port": 80}]}, opts=late
)
pulumi.export("address", service.spec.cluster_ip)
pulumi.export("data", secret.data)
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    folder: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str) -> str:
        """Run pulumi; return everything it printed. A failure shows it."""
        done = subprocess.run(  # noqa: S603 - no shell
            [find_binary("pulumi") or "pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def exported(self) -> dict[str, Any]:
        document = json.loads(self.pulumi("stack", "export"))
        deployment: dict[str, Any] = document["deployment"]
        return deployment


@pytest.fixture
def project(cluster: RealCluster, tmp_path: Path) -> Project:
    host = find_binary("pulumi-language-python")
    if host is None or find_binary("pulumi") is None:
        pytest.skip("not built: pulumi or its language host (make toolchain)")
    programs = tmp_path / "programs"
    programs.mkdir()
    launcher = programs / "pulumi-resource-kubernetes"
    command = f'PYTHONPATH={ROOT} exec {sys.executable} -m toolchain.kubernetes_provider "$@"'
    launcher.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    launcher.chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: test\nruntime: python\n", encoding="utf-8")
    (folder / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    state = tmp_path / "state"
    state.mkdir()
    project = Project(
        folder=folder,
        environment={
            **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
            "PATH": os.pathsep.join([str(programs), str(host.parent), os.environ["PATH"]]),
            "PULUMI_HOME": str(tmp_path / "home"),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "not-a-secret",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "TEST_KUBECONFIG": str(cluster.folder / "kubeconfig"),
        },
    )
    project.pulumi("stack", "init", "test")
    return project


def test_a_stack_lives_its_life_under_the_engine(cluster: RealCluster, project: Project) -> None:
    preview = project.pulumi("preview")
    assert "+ 7 to create" in preview  # an unknown kubeconfig is no hindrance
    up = project.pulumi("up", "--yes")
    assert "stand-in for pulumi-kubernetes" in up
    assert "data   : [secret]" in up
    assert "hush-hush" not in up
    stored = json.dumps(project.exported())
    assert "hush-hush" not in stored
    assert "aHVzaC1odXNoLXRva2Vu" not in stored  # nor its base64

    project.pulumi("refresh", "--yes", "--expect-no-changes")
    project.pulumi("up", "--yes", "--expect-no-changes")

    # Another address of the same cluster: the identifier keeps everything where it is.
    project.pulumi("config", "set", "host", "localhost")
    assert "replace" not in project.pulumi("preview", "--diff")

    project.pulumi("config", "set", "verb", "list")
    cluster.kubectl("delete", "service", "engine")
    healed = project.pulumi("up", "--yes", "--refresh")
    assert "+ 1 created" in healed
    live = json.loads(cluster.kubectl("get", "clusterrole", "engine-role", "-o", "json"))
    assert live["rules"][0]["verbs"] == ["list"]

    project.pulumi("destroy", "--yes")
    assert "engine" not in cluster.kubectl("get", "services,secrets,clusterroles", "-o", "name")
    assert project.exported().get("resources", []) == []


def test_a_cluster_that_is_not_on_loopback_is_refused_in_one_sentence(
    cluster: RealCluster, project: Project, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    text = cluster.kubeconfig.replace("127.0.0.1", "203.0.113.1")
    elsewhere.write_text(text, encoding="utf-8")
    project.environment["TEST_KUBECONFIG"] = str(elsewhere)
    with pytest.raises(AssertionError) as refused:
        project.pulumi("preview")
    assert "is not on loopback" in str(refused.value)
    assert "Traceback" not in str(refused.value)
