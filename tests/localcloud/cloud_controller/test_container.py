"""The kubelet runs the stand-in for our manifest's container, with its own arguments."""

from __future__ import annotations

import json
import sys

import pytest

from config.load import load
from localcloud.machines.guest.kubelet.pods.workloads import process_of
from planning.build import build_plan
from planning.cloud.cloud_controller import manifests
from tests.clusters import small

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("image", [None, "mirror.example.com:5000/x/cloud-controller-manager:v2"])
def test_the_stand_in_gets_the_manifest_s_arguments(image: str | None) -> None:
    plan = build_plan(load(small()))
    deployment = json.loads(json.dumps(manifests(plan)["deployment"]))
    pod = {
        **deployment["spec"]["template"],
        "metadata": {"name": "c", "namespace": "n", "uid": "u"},
    }
    (container,) = pod["spec"]["containers"]
    container["image"] = image or container["image"]
    binds = (("/a", "/etc/kubernetes/config"),)
    spec = process_of(pod, container, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, binds)
    module = (sys.executable, "-m", "localcloud.cloud_controller")
    assert spec.arguments == (*module, *container["args"])
    assert dict(spec.environment)["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"
    assert spec.mounts == binds
    assert spec.log.endswith("/cloud-controller-manager.log")


def test_a_container_of_the_toolchain_stays_its_program() -> None:
    pod = {"metadata": {"name": "c", "namespace": "n", "uid": "u"}}
    container = {
        "name": "x",
        "image": "ghcr.io/s/spiderpool-controller:v1",
        "command": ["/usr/bin/spiderpool-controller"],
        "args": ["daemon"],
    }
    spec = process_of(pod, container, {}, ())
    assert spec.arguments == ("/opt/machine/tools/spiderpool-controller", "daemon")
