"""What the API server, the controller manager, the scheduler and the kubelets are set to."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from planning.nodes.control_plane import ENCRYPTION_FILE
from planning.nodes.kubeadm import KUBELET_SETTINGS
from tests.clusters import small
from tests.planning.documents import Booted, booted, every_node, planned, stack_plan

pytestmark = pytest.mark.unit

SYSCTLS = "/etc/sysctl.d/99-z-spiderpool.conf"


def control_plane() -> Booted:
    return booted(stack_plan("prod"), "masters-0")


def cluster() -> dict[str, Any]:
    document: dict[str, Any] = control_plane().kubeadm["ClusterConfiguration"]
    return document


def flags(component: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in cluster()[component]["extraArgs"]}


def file_of(flag: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(control_plane().files[flags("apiServer")[flag]])
    return document


def test_profiling_is_off() -> None:
    for component in ("apiServer", "controllerManager", "scheduler"):
        assert flags(component)["profiling"] == "false"


def test_every_file_of_the_api_server_is_in_a_folder_that_its_container_has() -> None:
    paths = {value for value in flags("apiServer").values() if value.startswith("/")}
    folders = {volume["hostPath"]: volume for volume in cluster()["apiServer"]["extraVolumes"]}
    assert {str(PurePosixPath(path).parent) for path in paths} == set(folders)
    assert all(volume["mountPath"] == path for path, volume in folders.items())
    # The machine writes the one with the keys, and the API server its log.
    written = {ENCRYPTION_FILE, flags("apiServer")["audit-log-path"]}
    assert paths - written <= set(control_plane().files)


def test_only_the_health_endpoints_answer_anonymous_requests() -> None:
    anonymous = file_of("authentication-config")["anonymous"]
    paths = {condition["path"] for condition in anonymous["conditions"]}
    assert paths == {"/livez", "/readyz", "/healthz"}
    assert "anonymous-auth" not in flags("apiServer"), "the two exclude each other"


def test_the_audit_log_never_has_the_content_of_an_object() -> None:
    rules = file_of("audit-policy-file")["rules"]
    assert {rule["level"] for rule in rules} == {"None", "Metadata"}


def test_every_read_of_a_secret_is_logged() -> None:
    first = file_of("audit-policy-file")["rules"][0]
    assert "secrets" in first["resources"][0]["resources"]
    assert set(first) == {"level", "resources"}, "no user is left out"


@pytest.mark.parametrize("verb", ["get", "create"])
@pytest.mark.parametrize("resource", ["pods/exec", "pods/portforward", "nodes/proxy"])
@pytest.mark.parametrize(
    "group", ["system:masters", "system:nodes", "system:serviceaccounts:kube-system"]
)
def test_every_command_in_a_container_is_logged(group: str, resource: str, verb: str) -> None:
    assert level_of(group=group, resource=resource, verb=verb) == "Metadata"


def test_routine_reads_of_components_are_not_logged() -> None:
    reading = {"resource": "pods", "verb": "watch"}
    assert level_of(group="system:nodes", **reading) == "None"
    assert level_of(group="system:authenticated", **reading) == "Metadata"
    assert level_of(group="system:nodes", resource="secrets", verb="watch") == "Metadata"


def level_of(*, group: str, resource: str, verb: str) -> str:
    """The level of a request for a resource of the core group: the first rule that matches."""
    for rule in file_of("audit-policy-file")["rules"]:
        names = [name for entry in rule.get("resources", ()) for name in entry["resources"]]
        if (
            "nonResourceURLs" not in rule
            and "users" not in rule
            and (not names or resource in names)
            and verb in rule.get("verbs", [verb])
            and group in rule.get("userGroups", [group])
        ):
            return str(rule["level"])
    raise AssertionError("no rule matches")


def test_the_audit_log_fits_a_small_disk() -> None:
    log = flags("apiServer")
    files = 1 + int(log["audit-log-maxbackup"])
    assert files * int(log["audit-log-maxsize"]) <= 1100, "MB, before old files are packed"
    assert log["audit-log-compress"] == "true"


def test_pod_security_is_baseline_but_where_the_add_ons_are() -> None:
    (plugin,) = file_of("admission-control-config-file")["plugins"]
    assert plugin["name"] == "PodSecurity"
    assert plugin["configuration"]["defaults"]["enforce"] == "baseline"
    assert plugin["configuration"]["exemptions"] == {"namespaces": ["kube-system"]}


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_a_kernel_has_what_its_kubelet_protects(stack: str, node: str) -> None:
    files = booted(stack_plan(stack), node).files
    assert json.loads(files[KUBELET_SETTINGS])["protectKernelDefaults"] is True
    lines = dict(line.split(" = ") for line in files[SYSCTLS].splitlines())
    # setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go of Kubernetes.
    assert {
        "vm.overcommit_memory": "1",
        "vm.panic_on_oom": "0",
        "kernel.panic": "10",
        "kernel.panic_on_oops": "1",
        "kernel.keys.root_maxkeys": "1000000",
        "kernel.keys.root_maxbytes": "25000000",
    }.items() <= lines.items()


def test_a_stack_file_may_set_a_kubelet_otherwise() -> None:
    plan = planned(small({"kubernetes": {"kubelet": {"protectKernelDefaults": False}}}))
    own = json.loads(booted(plan, "workers-0").files[KUBELET_SETTINGS])
    assert own["protectKernelDefaults"] is False
    assert own["readOnlyPort"] == 0
