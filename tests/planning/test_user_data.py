"""What a machine is told at first boot, read back as cloud-init reads it."""

from __future__ import annotations

from base64 import b64encode
from gzip import compress
from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.model import Role
from config.report import ConfigError
from planning.bootstrap import LIMIT, user_data
from planning.document import yaml_text
from tests.clusters import fake_secrets, small, three_control_planes
from tests.planning.documents import (
    api_address,
    booted,
    every_node,
    macs,
    planned,
    stack_plan,
)

pytestmark = pytest.mark.unit

HERE = "/etc/spiderpool-alicloud"
CA_KEYS = {
    "/etc/kubernetes/pki/ca.key",
    "/etc/kubernetes/pki/front-proxy-ca.key",
    "/etc/kubernetes/pki/etcd/ca.key",
    "/etc/kubernetes/pki/sa.key",
}


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_every_node_of_every_stack_fits_the_api_limit(stack: str, node: str) -> None:
    assert len(booted(stack_plan(stack), node).raw) <= LIMIT


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_user_data_is_cloud_config_that_runs_one_program(stack: str, node: str) -> None:
    found = booted(stack_plan(stack), node)
    assert found.raw.startswith(b"#cloud-config\n")
    assert set(found.document) == {"write_files", "runcmd"}
    assert found.document["runcmd"] == [[f"{HERE}/bootstrap.sh"]]
    assert found.modes[f"{HERE}/bootstrap.sh"] == "0700"
    assert found.files[f"{HERE}/bootstrap.sh"].startswith("#!/bin/bash\n")


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_control_planes_carry_the_whole_pki_and_workers_no_key(stack: str, node: str) -> None:
    plan = stack_plan(stack)
    found = booted(plan, node)
    keys = {path for path in found.files if path.endswith(".key")}
    if plan.nodes[node].role is Role.CONTROL_PLANE:
        assert keys == CA_KEYS
        assert {path.removesuffix(".key") + ".crt" for path in keys if "sa" not in path} <= set(
            found.files
        )
        assert "/etc/kubernetes/pki/sa.pub" in found.files
    else:
        assert keys == set()
        assert "PRIVATE KEY" not in found.raw.decode()


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_files_with_secrets_are_readable_by_root_alone(stack: str, node: str) -> None:
    found = booted(stack_plan(stack), node)
    token = fake_secrets().bootstrap_token
    secret = {p for p, text in found.files.items() if "PRIVATE KEY" in text or token in text}
    assert f"{HERE}/kubeadm.yaml.in" in secret
    assert {found.modes[path] for path in secret} == {"0600"}


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_the_administrators_key_never_reaches_a_machine(stack: str, node: str) -> None:
    text = booted(stack_plan(stack), node).raw.decode()
    assert "".join(fake_secrets().admin.key.split()) not in "".join(text.split())
    assert "".join(fake_secrets().webhook.key.split()) not in "".join(text.split())


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_the_program_is_the_same_on_every_node(stack: str, node: str) -> None:
    program = booted(stack_plan(stack), node).files[f"{HERE}/bootstrap.sh"]
    assert program == booted(stack_plan("local"), "worker").files[f"{HERE}/bootstrap.sh"]


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_every_path_is_absolute_and_written_once(stack: str, node: str) -> None:
    written = [file["path"] for file in booted(stack_plan(stack), node).document["write_files"]]
    assert len(written) == len(set(written))
    assert all(PurePosixPath(path).is_absolute() for path in written)


def test_a_workers_user_data_is_never_compressed() -> None:
    for stack, node in every_node():
        plan = stack_plan(stack)
        if plan.nodes[node].role is Role.WORKER:
            files = booted(plan, node).document["write_files"]
            assert not [file for file in files if "encoding" in file]


def test_the_same_inputs_give_the_same_bytes() -> None:
    plan = stack_plan("prod")
    assert booted(plan, "masters-0").raw == booted(plan, "masters-0").raw


def test_too_much_user_data_is_refused_with_the_node_and_both_sizes() -> None:
    labels = {f"example.com/label-{n}": "x" * 60 for n in range(80)}
    plan = planned(small({"nodePools": {"workers": {"labels": labels}}}))
    with pytest.raises(ConfigError) as refused:
        booted(plan, "workers-0")
    (problem,) = refused.value.problems
    assert problem.path == "nodePools.workers"
    assert "workers-0" in problem.rule
    assert str(LIMIT) in problem.rule
    assert fake_secrets().bootstrap_token not in str(refused.value)


def test_a_large_control_plane_is_compressed_and_fits() -> None:
    labels = {f"example.com/label-{n}": "x" * 40 for n in range(15)}
    document = three_control_planes()
    document["nodePools"]["masters"]["labels"] = labels
    found = booted(planned(document), "masters-0")
    encodings = {file["path"]: file.get("encoding") for file in found.document["write_files"]}
    packed = {path for path, encoding in encodings.items() if encoding == "gz+b64"}
    assert {f"{HERE}/bootstrap.sh", f"{HERE}/kubeadm.yaml.in"} < packed
    assert len(found.raw) <= LIMIT


def test_packing_leaves_alone_what_it_would_only_lengthen() -> None:
    labels = {f"example.com/label-{n}": "x" * 40 for n in range(15)}
    document = three_control_planes()
    document["nodePools"]["masters"]["labels"] = labels
    found = booted(planned(document), "masters-0")
    for file in found.document["write_files"]:
        plain = found.files[file["path"]]
        if "encoding" in file:
            assert len(file["content"]) < len(plain)
        else:
            assert len(b64encode(compress(plain.encode()))) > len(plain) - 20


def test_only_the_first_control_plane_initialises_and_it_can_rejoin() -> None:
    plan = planned(three_control_planes())
    roles = {name: _environment(booted(plan, name).files)["ROLE"] for name in plan.nodes}
    assert roles == {
        "masters-0": "init",
        "masters-1": "join",
        "masters-2": "join",
        "workers-0": "worker",
    }
    rejoin = f"{HERE}/kubeadm-rejoin.yaml.in"
    assert [name for name in plan.nodes if rejoin in booted(plan, name).files] == ["masters-0"]


def test_a_control_plane_waits_for_the_one_before_it() -> None:
    plan = planned(three_control_planes())
    address = {n.name: str(n.interfaces["eth0"].primary) for n in plan.control_planes}
    peers = {n: _environment(booted(plan, n).files)["PEERS"].strip("'") for n in address}
    assert peers["masters-0"].split() == [address["masters-1"], address["masters-2"]]
    assert peers["masters-1"].split() == [address["masters-0"], address["masters-2"]]
    assert peers["masters-2"].split() == [address["masters-1"], address["masters-0"]]


def test_one_control_plane_needs_no_name_and_no_peer() -> None:
    values = _environment(booted(planned(small()), "masters-0").files)
    assert (values["ENDPOINT_NAME"], values["PEERS"]) == ("''", "''")


def test_a_workers_user_data_does_not_depend_on_the_public_address() -> None:
    plan = stack_plan("local")
    assert booted(plan, "worker").raw == booted(plan, "worker", public_address=None).raw


def test_user_data_of_a_node_that_is_not_planned_is_a_mistake_of_the_caller() -> None:
    plan = stack_plan("local")
    with pytest.raises(KeyError):
        user_data(
            plan,
            "nobody",
            secrets=fake_secrets(),
            macs={},
            api_address=api_address(plan),
            public_address=None,
        )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(
    masters=st.sampled_from([1, 3, 5]),
    workers=st.integers(1, 4),
    pods=st.integers(1, 10),
    mirrors=st.sampled_from(["global", "china"]),
    name=st.from_regex(r"[a-z][a-z0-9]{1,20}", fullmatch=True),
)
def test_no_pod_address_is_ever_configured_in_a_guest(
    masters: int, workers: int, pods: int, mirrors: str, name: str
) -> None:
    nics = {"eth0": {"podAddresses": pods}, "eth1": {"podAddresses": pods}}
    kind = {"instanceType": "ecs.g7.4xlarge", "interfaces": nics}
    plan = planned(
        small(
            {
                "name": name,
                "kubernetes": {"mirrors": mirrors},
                "nodePools": {
                    "masters": {"count": masters, **kind},
                    "workers": {"count": workers, **kind},
                },
            }
        )
    )
    every = {a for n in plan.nodes.values() for i in n.interfaces.values() for a in i.pod_addresses}
    for node in plan.nodes:
        found = booted(plan, node)
        network = found.files["/etc/netplan/60-spiderpool.yaml"]
        words = {word.partition("/")[0] for word in network.split()}
        assert words.isdisjoint(str(address) for address in every)
        assert found.files["/etc/spiderpool-alicloud/kubeadm.yaml.in"].count("@PROVIDER_ID@") == 1


@given(
    st.dictionaries(st.text("abc-/.", min_size=1), st.text("ab: \n'\"#{}&*!|>%@`-\t"), max_size=5)
)
def test_texts_survive_yaml_byte_for_byte(texts: dict[str, str]) -> None:
    assert yaml.safe_load(yaml_text(texts)) == texts


def _environment(files: object) -> dict[str, str]:
    assert isinstance(files, dict)
    lines = str(files[f"{HERE}/node.env"]).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_macs_of_the_test_are_those_of_the_document() -> None:
    plan = stack_plan("local")
    found = booted(plan, "master").ethernets
    assert {n: e["match"]["macaddress"] for n, e in found.items()} == macs(plan, "master")
