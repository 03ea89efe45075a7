"""Flags, configuration file and addresses of the stand-in: ours are taken, others are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from config.load import load
from localcloud.cloud_controller.cloud import RefusedError, endpoint, flattened
from localcloud.cloud_controller.flags import FlagError, Flags, read_flags
from planning.build import build_plan
from planning.cloud.cloud_controller import cloud_config, manifests
from planning.model import ClusterPlan
from tests.clusters import small

pytestmark = pytest.mark.unit


@pytest.fixture
def plan() -> ClusterPlan:
    return build_plan(load(small()))


@pytest.fixture
def file(tmp_path: Path, plan: ClusterPlan) -> Path:
    ids = dict.fromkeys(plan.network.vswitches, "vsw-1")
    path = tmp_path / "cloud-config.conf"
    path.write_text(cloud_config(plan, vpc_id="vpc-1", vswitch_ids=ids))
    return path


def read(file: Path, *more: str) -> Flags:
    usual = (f"--cloud-config={file}", "--configure-cloud-routes=false")
    return read_flags([*usual, *more])


def test_the_manifest_s_own_flags_and_file_are_taken(plan: ClusterPlan, file: Path) -> None:
    deployment = json.loads(json.dumps(manifests(plan)["deployment"]))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    arguments = [
        f"--cloud-config={file}" if word.startswith("--cloud-config=") else word
        for word in container["args"]
    ]
    flags = read_flags(arguments)
    assert flags.controllers == {"node", "service", "nlb"}
    assert flags.keeps_source_check
    assert flags.health_address == "127.0.0.1:10258"
    assert (flags.lock_namespace, flags.lock_name) == ("kube-system", "ccm")
    config = flags.config
    assert (config.cluster_id, config.region, config.vpc_id) == ("small", "cn-hangzhou", "vpc-1")
    assert config.vswitches == (("cn-hangzhou-i", "vsw-1"),)


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("--feature-gates=IPv6DualStack=true", "unknown flag"),
        ("--leader-elect-resource-lock=endpoints", "endpoints lock is removed"),
        ("--controllers=node,nodes", "unknown controllers: nodes"),
        ("--configure-cloud-routes=true", "--cluster-cidr must be set"),
        ("--leader-elect=yes", "invalid argument"),
        ("--node-monitor-period=soon", "invalid argument"),
        ("--network", "flag needs an argument"),
        ("--cloud-config=", "--cloud-config is required"),
        ("--cloud-config=/nowhere", "cloud config /nowhere"),
    ],
)
def test_what_ends_the_real_one_ends_this_one(file: Path, flag: str, reason: str) -> None:
    with pytest.raises(FlagError, match=reason):
        read(file, flag)


def test_a_bare_vswitch_is_skipped_and_keys_count_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text('{"global": {"VswitchID": "vsw-1,z:vsw-2", "ServiceBackendType": "eni"}}')
    config = read(path).config
    assert config.vswitches == (("z", "vsw-2"),)
    assert config.eni_backends
    assert config.cluster_id == "clusterid"


def test_an_access_key_that_is_not_base64_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text('{"Global": {"accessKeyID": "plain!"}}')
    with pytest.raises(FlagError, match="base64"):
        read(path)


@pytest.mark.parametrize("address", ["slb.aliyuncs.com", "https://47.1.2.3", "100.100.100.200"])
def test_only_the_local_cloud_is_spoken_to(address: str) -> None:
    with pytest.raises(RefusedError, match="stand-in"):
        endpoint("slb", {"SLB_ENDPOINT": address})


def test_loopback_and_the_machines_address_are_the_local_cloud() -> None:
    assert endpoint("slb", {}).host == "100.100.0.1"
    nlb = endpoint("nlb", {"NLB_ENDPOINT": "http://127.0.0.1:18443"})
    assert (nlb.host, nlb.port, nlb.tls) == ("127.0.0.1", 18443, True)
    assert not endpoint("ecs", {"ALICLOUD_CLIENT_SCHEME": "HTTP"}).tls


def test_a_foreign_metadata_service_ends_the_program(file: Path) -> None:
    done = subprocess.run(  # noqa: S603  (our own module)
        [
            sys.executable,
            "-m",
            "localcloud.cloud_controller",
            f"--cloud-config={file}",
            "--configure-cloud-routes=false",
        ],
        env={"METADATA_ENDPOINT": "http://169.254.169.254", "PATH": "/usr/bin"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert "169.254.169.254 is not the local cloud" in done.stderr


def test_parameters_are_flattened_as_the_wire_has_them() -> None:
    parameters = {"A": ["x", {"K": 1}], "B": {"On": True}, "C": None, "D": ""}
    assert flattened(parameters) == {"A.1": "x", "A.2.K": "1", "B.On": "true"}
