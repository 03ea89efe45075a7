"""`__main__.py`, for every stack file, as Pulumi runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from planning.nodes.secrets import dump_secrets
from tests.clusters import fake_secrets, small
from tests.deploying import KEY, deploy, first_preview
from tests.program.golden_plans import cluster_in, run_stack, stack_files
from tests.recording import UNKNOWN, Run, Secret

pytestmark = pytest.mark.unit

_FILES = stack_files()


@pytest.fixture(params=_FILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(name: str) -> Run:
    return run_stack(name, _FILES[name])


def _local(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a stack file's own values
    return cluster_in(_FILES["local"]) | changes


def test_every_stack_file_makes_a_cluster_with_pools_for_each_nic(run: Run) -> None:
    nics = {(node, nic) for node, of in run.outputs["nodes"].items() for nic in of["interfaces"]}
    assert nics
    assert len(run.of("EcsNetworkInterface")) == len(nics)
    assert len(run.of("SpiderIPPool")) >= len(nics)


def test_what_is_exported_has_the_same_shape_everywhere(run: Run) -> None:
    assert {"vpcId", "vswitchIds", "nodes", "ipPools", "kubeconfig"} <= set(run.outputs)
    assert isinstance(run.outputs["kubeconfig"], Secret)
    for node in run.outputs["nodes"].values():
        assert set(node) == {"instanceId", "providerId", "interfaces"}
        for nic in node["interfaces"].values():
            assert {"eniId", "mac", "primary", "podAddresses"} <= set(nic)
    for pool in run.outputs["ipPools"].values():
        assert set(pool) == {"ips", "subnet", "gateway", "nodeName", "multusName"}


def test_the_guides_pools_are_the_guides() -> None:
    pools = run_stack("local", _FILES["local"]).of("SpiderIPPool").values()
    specs = sorted((p.inputs["spec"] for p in pools), key=lambda spec: spec["ips"])
    assert specs == [
        {
            "default": True,
            "ips": [ips],
            "subnet": subnet,
            "gateway": gateway,
            "nodeName": [node],
            "multusName": [f"kube-system/ipvlan-{nic}"],
        }
        for ips, subnet, gateway, node, nic in (
            (
                "172.31.199.185-172.31.199.189",
                "172.31.192.0/20",
                "172.31.207.253",
                "master",
                "eth0",
            ),
            (
                "172.31.199.190-172.31.199.194",
                "172.31.192.0/20",
                "172.31.207.253",
                "worker",
                "eth0",
            ),
            ("192.168.0.156-192.168.0.160", "192.168.0.0/24", "192.168.0.253", "master", "eth1"),
            ("192.168.0.161-192.168.0.165", "192.168.0.0/24", "192.168.0.253", "worker", "eth1"),
        )
    ]


def test_the_guides_addresses_show_in_clear_before_anything_exists() -> None:
    nodes = first_preview(_local()).outputs["nodes"]
    assert nodes["master"]["interfaces"]["eth0"]["primary"] == "172.31.199.183"
    assert nodes["worker"]["interfaces"]["eth1"]["podAddresses"] == [
        f"192.168.0.{n}" for n in range(161, 166)
    ]
    assert nodes["master"]["instanceId"] == UNKNOWN


def test_the_local_cloud_gets_its_own_key_pair_and_nothing_else_does() -> None:
    local = run_stack("local", _FILES["local"]).one("alicloud").inputs
    real = run_stack("dev", _FILES["dev"]).one("alicloud").inputs
    assert local["accessKey"] == "localcloud"
    assert isinstance(local["secretKey"], Secret)
    assert "127.0.0.1:" in local["endpoints"]
    assert not {"accessKey", "secretKey", "endpoints"} & set(real)
    assert real["region"] == "cn-hangzhou"


def test_a_preview_without_secrets_shows_all_but_what_they_decide() -> None:
    with_secrets = first_preview(_local())
    without = first_preview(_local(), extra={"secrets": None})
    assert {r.urn for r in without.resources} == {r.urn for r in with_secrets.resources}
    assert without.outputs["nodes"] == with_secrets.outputs["nodes"]
    assert "operations secrets init --stack test" in without.log
    assert without.log.count("WARNING") == 1


def test_a_preview_without_secrets_still_shows_the_charts_values() -> None:
    values = first_preview(_local(), extra={"secrets": None}).one("Release").inputs["values"]
    assert values["multus"]["multusCNI"]["defaultCniCRName"] == "ipvlan-eth0"


def test_an_update_without_secrets_says_how_to_make_them() -> None:
    with pytest.raises(pulumi.RunError, match="operations secrets init --stack test"):
        deploy(_local(), extra={"secrets": None})


def test_secrets_may_lie_in_a_file_with_the_local_profile(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(dump_secrets(fake_secrets()), encoding="utf-8")
    run = deploy(_local(), extra={"secrets": None, "secretsFile": str(path)})
    assert isinstance(run.outputs["kubeconfig"], Secret)


def test_a_missing_secrets_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "not-there.yaml"
    with pytest.raises(pulumi.RunError, match=r"not-there\.yaml .* does not exist"):
        deploy(_local(), extra={"secrets": None, "secretsFile": str(path)})


def test_no_other_profile_may_keep_secrets_in_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(dump_secrets(fake_secrets()), encoding="utf-8")
    with pytest.raises(pulumi.RunError, match="for the local profile only"):
        deploy(small(), extra={"secrets": None, "secretsFile": str(path)})


def test_secrets_that_cannot_be_read_are_not_repeated() -> None:
    with pytest.raises(Exception, match="cannot be used") as refused:
        deploy(_local(), extra={"secrets": '{"version": 1, "oops": "SENSITIVE"}'})
    assert "SENSITIVE" not in str(refused.value)


def test_a_wrong_stack_file_is_one_report_without_a_traceback() -> None:
    document = small({"nodePools": {"workers": {"instanceTyp": "ecs.g7.large"}}})
    with pytest.raises(pulumi.RunError, match=r"nodePools\.workers\.instanceTyp"):
        deploy(document)


def test_fixed_values_are_refused_before_anything_is_created() -> None:
    document = small({"spiderpool": {"values": {"ipam": {"enableStatefulSet": True}}}})
    with pytest.raises(pulumi.RunError, match=r"spiderpool\.values\.ipam\.enableStatefulSet"):
        deploy(document)


def test_a_stack_without_a_cluster_says_where_to_start() -> None:
    with pytest.raises(pulumi.RunError, match=f"{KEY}:cluster is missing"):
        deploy({})


def test_an_access_key_that_is_asked_for_must_be_there() -> None:
    document = small({"cloudController": {"credentials": "access-key"}})
    with pytest.raises(pulumi.RunError, match="accessKeyId"):
        deploy(document)


def test_an_access_key_next_to_a_role_is_refused_because_nothing_reads_it() -> None:
    key = {"accessKeyId": "LTAI-fake", "accessKeySecret": "not-to-be-shown"}
    with pytest.raises(pulumi.RunError, match="takes one of the two") as refused:
        deploy(small(), extra={"accessKey": key})
    assert key["accessKeySecret"] not in str(refused.value)


@pytest.mark.parametrize("access_key", [{"accessKeyId": "LTAI-fake"}, {}, "LTAI-fake:fake"])
def test_half_an_access_key_is_refused(access_key: object) -> None:
    document = small({"cloudController": {"credentials": "access-key"}})
    with pytest.raises(pulumi.RunError, match=r"accessKey"):
        deploy(document, extra={"accessKey": access_key})
