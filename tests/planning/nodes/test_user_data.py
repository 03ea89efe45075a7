"""What a machine is told at first boot, read back as cloud-init reads it."""

from __future__ import annotations

import ast
from dataclasses import replace
from hashlib import sha256
from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.model import Role
from config.report import ConfigError
from planning.document import yaml_text
from planning.document_checks import user_data_problems
from planning.model import ClusterPlan
from planning.nodes import user_data as user_data_module
from planning.nodes.user_data import LIMIT, UNIT, user_data
from tests.clusters import Document, fake_secrets, small, three_control_planes
from tests.planning.documents import (
    FAR_AWAY,
    ROOT,
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
def test_user_data_is_cloud_config_that_unpacks_and_runs_one_program(stack: str, node: str) -> None:
    machine = booted(stack_plan(stack), node)
    assert machine.raw.startswith(b"#cloud-config\n")
    assert set(machine.document) == {"write_files", "runcmd"}
    assert machine.document["runcmd"] == [
        ["tar", "-xzmf", f"{HERE}/files.tar.gz", "-C", "/"],
        [f"{HERE}/bootstrap.sh"],
    ]
    assert machine.modes[f"{HERE}/bootstrap.sh"] == "0700"
    assert machine.files[f"{HERE}/bootstrap.sh"].startswith("#!/bin/bash\n")


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_control_planes_carry_the_whole_pki_and_workers_no_key(stack: str, node: str) -> None:
    plan = stack_plan(stack)
    machine = booted(plan, node)
    keys = {path for path in machine.files if path.endswith(".key")}
    if plan.nodes[node].role is Role.CONTROL_PLANE:
        assert keys == CA_KEYS
        assert {path.removesuffix(".key") + ".crt" for path in keys if "sa" not in path} <= set(
            machine.files
        )
        assert "/etc/kubernetes/pki/sa.pub" in machine.files
    else:
        assert keys == set()
        assert "PRIVATE KEY" not in machine.raw.decode()


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_files_with_secrets_are_readable_by_root_alone(stack: str, node: str) -> None:
    machine = booted(stack_plan(stack), node)
    token = fake_secrets().bootstrap_token
    secret = {p for p, text in machine.files.items() if "PRIVATE KEY" in text or token in text}
    assert f"{HERE}/kubeadm-discovery.yaml" in secret
    assert {machine.modes[path] for path in secret} == {"0600"}


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_the_administrators_key_never_reaches_a_machine(stack: str, node: str) -> None:
    text = booted(stack_plan(stack), node).raw.decode()
    assert "".join(fake_secrets().admin.key.split()) not in "".join(text.split())
    assert "".join(fake_secrets().webhook.key.split()) not in "".join(text.split())


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_the_program_is_the_same_on_every_node(stack: str, node: str) -> None:
    for script in ("bootstrap.sh", "node.sh", "common.sh"):
        program = booted(stack_plan(stack), node).files[f"{HERE}/{script}"]
        assert program == booted(stack_plan("local"), "worker").files[f"{HERE}/{script}"]


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_every_path_is_absolute_and_written_once(stack: str, node: str) -> None:
    written = [file["path"] for file in booted(stack_plan(stack), node).document["write_files"]]
    assert len(written) == len(set(written))
    assert all(PurePosixPath(path).is_absolute() for path in written)


@pytest.mark.parametrize(("stack", "node"), every_node())
def test_no_secret_is_only_in_a_packed_file(stack: str, node: str) -> None:
    plan, secrets = stack_plan(stack), fake_secrets()
    written = booted(plan, node).document["write_files"]
    readable = "".join(file["content"] for file in written if "encoding" not in file)
    sent = [secrets.bootstrap_token]
    if plan.nodes[node].role is Role.CONTROL_PLANE:
        sent += [secrets.ca.key, secrets.etcd_ca.key, secrets.front_proxy_ca.key]
        sent += [secrets.service_account_key]
    assert not [text for text in sent if text.strip() not in readable]


@pytest.mark.parametrize("script", ["bootstrap.sh", "node.sh", "common.sh", "etcd-disk.sh"])
def test_a_script_on_a_machine_is_the_reviewed_one_without_its_comments(script: str) -> None:
    sent = booted(stack_plan("dev"), "masters-0").files[f"{HERE}/{script}"].splitlines()
    reviewed = (ROOT / "planning" / "nodes" / script).read_text(encoding="utf-8").splitlines()
    lines = iter([line.strip() for line in reviewed])
    assert all(any(line.strip() in whole for whole in lines) for line in sent)
    assert not [line for line in sent[1:] if line.lstrip().startswith("#")]


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("node.sh", "READ_NODE"),
        ("node.sh", "FIND_EARLY_TOKENS"),
        ("node.sh", "COUNT_ADDRESSES"),
        ("node.sh", "READ_SETTINGS"),
        ("node.sh", "IS_LEADER"),
        ("common.sh", "READ_MEMBERS"),
        ("common.sh", "DERIVE_KEYS"),
        ("etcd-disk.sh", "READ_LOG"),
        ("etcd-disk.sh", "JOIN_PARTS"),
    ],
)
def test_python_in_a_script_means_the_same_with_less_indentation(script: str, name: str) -> None:
    scripts = booted(stack_plan("dev"), "masters-0").files
    sent, written = (
        text.partition(f"{name}='\n")[2].partition("\n'\n")[0]
        for text in (
            scripts[f"{HERE}/{script}"],
            (ROOT / "planning/nodes" / script).read_text(encoding="utf-8"),
        )
    )
    assert written
    assert ast.dump(ast.parse(sent)) == ast.dump(ast.parse(written))


def test_the_same_inputs_give_the_same_bytes() -> None:
    plan = stack_plan("prod")
    assert booted(plan, "masters-0").raw == booted(plan, "masters-0").raw


def test_too_much_user_data_is_refused_with_the_node_and_both_sizes() -> None:
    # Words that packing does not make much shorter.
    words = [sha256(str(n).encode()).hexdigest()[:60] for n in range(400)]
    labels = {f"example.com/{word[:20]}": word for word in words}
    plan = planned(small({"nodePools": {"workers": {"labels": labels}}}))
    with pytest.raises(ConfigError) as refused:
        booted(plan, "workers-0")
    (problem,) = refused.value.problems
    assert problem.path == "nodePools.workers"
    assert "workers-0" in problem.rule
    assert str(LIMIT) in problem.rule
    assert fake_secrets().bootstrap_token not in str(refused.value)


HEADROOM = 3 * 1024
"""Bytes that the largest user-data leaves for later releases."""
SNAPSHOT = "s-bp67acfmxazb4ph0abcd"


def test_a_script_and_a_setting_are_in_the_archive_that_stays_and_no_secret_is() -> None:
    machine = booted(stack_plan("prod"), "masters-0")
    archive, *written = machine.document["write_files"]
    apart = {file["path"] for file in written}
    packed = "".join(text for path, text in machine.files.items() if path not in apart)
    assert "kubeadm join" in packed
    assert "chain forward" in packed
    assert fake_secrets().bootstrap_token not in packed
    assert "PRIVATE KEY" not in packed
    assert archive["path"] == f"{HERE}/files.tar.gz"


def largest(*, planes: int, mirrors: str, name: str, pool: str, labels: dict[str, str]) -> Document:
    """A stack whose control planes have every file: two NICs, both IP families, a disk for etcd."""
    document = small()
    for n, subnet in enumerate(document["network"]["subnets"].values()):
        subnet["zones"]["cn-hangzhou-i"]["ipv6Index"] = n
    document["network"]["ipv6"] = {"enabled": True, "egress": True, "bandwidth": 5}
    kubelet = {
        "systemReserved": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "5Gi"},
        "kubeReserved": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "5Gi"},
        "evictionHard": {"memory.available": "500Mi", "nodefs.available": "10%"},
        "podPidsLimit": 4096,
        "seccompDefault": True,
    }
    names = [f"api-{n}.{name}.example.com" for n in range(3)]
    document["kubernetes"] |= {"mirrors": mirrors, "kubelet": kubelet}
    document["kubernetes"]["endpoint"]["certSans"] = names
    document["name"] = f"c{name}"
    pools = document["nodePools"]
    taint = {"key": "example.com/control", "value": "plane", "effect": "NoSchedule"}
    pools[f"p{pool}"] = pools.pop("masters") | {
        "count": planes,
        "etcdDisk": {},
        "labels": labels,
        "taints": [taint],
    }
    return document


DOCUMENTS = st.builds(
    largest,
    planes=st.sampled_from([3, 5]),
    mirrors=st.sampled_from(["global", "china"]),
    name=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=31, max_size=31),
    pool=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=20, max_size=20),
    labels=st.dictionaries(
        st.from_regex(r"example\.com/[a-z]{10,20}", fullmatch=True),
        st.from_regex(r"[a-z0-9]{10,30}", fullmatch=True),
        min_size=4,
        max_size=4,
    ),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(DOCUMENTS, st.lists(st.integers(1, 999_999), min_size=3, max_size=3, unique=True))
def test_the_largest_user_data_leaves_room_for_later_releases(
    document: Document, keys: list[int]
) -> None:
    plan = planned(document)
    machine = booted(
        plan,
        plan.control_planes[0].name,
        secrets=replace(fake_secrets(), encryption_keys=tuple(f"key{key}" for key in keys)),
        ipv6_networks=ipv6_networks(plan),
        earlier_addresses={n.name: f"10.0.9.{i}" for i, n in enumerate(plan.control_planes)},
        restore=SNAPSHOT,
    )
    assert len(machine.raw) <= LIMIT - HEADROOM


def ipv6_networks(plan: ClusterPlan) -> dict[str, str]:
    return {key: f"2408:4005:3af{n}:a{n}::/64" for n, key in enumerate(plan.network.vswitches)}


def test_the_plan_measures_user_data_that_is_as_large_as_what_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = {"example.com/a": "b"}
    plan = planned(largest(planes=3, mirrors="china", name="n" * 31, pool="m" * 20, labels=labels))
    sent = booted(
        plan, plan.control_planes[0].name, ipv6_networks=ipv6_networks(plan), restore=SNAPSHOT
    )
    monkeypatch.setattr(user_data_module, "LIMIT", len(sent.raw) - 1)
    assert [p.path for p in user_data_problems(plan)] == [f"nodePools.p{'m' * 20}"]


def test_a_machine_boots_the_same_way_whatever_the_number_of_control_planes() -> None:
    for plan in (planned(small()), planned(three_control_planes())):
        for node in plan.control_planes:
            machine = booted(plan, node.name)
            assert _environment(machine.files)["ROLE"] == "control-plane"
            names = {path for path in machine.files if "kubeadm" in path}
            assert names == {
                f"{HERE}/kubeadm-init.yaml.in",
                f"{HERE}/kubeadm-join.yaml.in",
                f"{HERE}/kubeadm-discovery.yaml",
            }


def test_only_the_first_control_plane_initialises_and_only_in_the_first_creation() -> None:
    plan = planned(three_control_planes())

    def may(name: str, creation_ends: int | None) -> bool:
        values = _environment(booted(plan, name, creation_ends=creation_ends).files)
        return values["INITIALISES"] == "yes" and values["CREATION_ENDS"] != "''"

    assert [name for name in plan.nodes if may(name, FAR_AWAY)] == ["masters-0"]
    assert [name for name in plan.nodes if may(name, None)] == []


def test_a_worker_never_hears_of_the_creation() -> None:
    plan = planned(small())
    assert booted(plan, "workers-0").raw == booted(plan, "workers-0", creation_ends=None).raw


def test_a_control_plane_waits_for_the_one_before_it() -> None:
    plan = planned(three_control_planes())
    address = {n.name: str(n.interfaces["eth0"].primary) for n in plan.control_planes}
    peers = {n: _environment(booted(plan, n).files)["PEERS"].strip("'") for n in address}
    assert peers["masters-0"].split() == [address["masters-1"], address["masters-2"]]
    assert peers["masters-1"].split() == [address["masters-0"], address["masters-2"]]
    assert peers["masters-2"].split() == [address["masters-1"], address["masters-0"]]


def test_a_control_plane_also_looks_for_the_next_ones_where_they_were_before() -> None:
    plan = planned(three_control_planes())
    address = {n.name: str(n.interfaces["eth0"].primary) for n in plan.control_planes}
    earlier = {"masters-0": "10.9.0.1", "masters-1": "10.9.0.2", "masters-2": address["masters-2"]}

    def peers(node: str) -> list[str]:
        files = booted(plan, node, earlier_addresses=earlier).files
        return _environment(files)["PEERS"].strip("'").split()

    # One at a time and in this order: those before have moved, those after have not.
    assert peers("masters-0") == ["10.9.0.2", address["masters-1"], address["masters-2"]]
    assert peers("masters-1") == [address["masters-0"], address["masters-2"]]
    assert peers("masters-2") == [address["masters-1"], address["masters-0"]]


def test_one_control_plane_has_a_name_and_no_peer() -> None:
    values = _environment(booted(planned(small()), "masters-0").files)
    assert (values["ENDPOINT_NAME"], values["PEERS"]) == ("api.small.internal", "''")


def test_the_nodes_own_unit_is_started_by_a_timer() -> None:
    files = booted(planned(small()), "workers-0").files
    assert f"ExecStart={HERE}/node.sh\n" in files[f"/etc/systemd/system/{UNIT}.service"]
    assert "OnUnitInactiveSec=15s\n" in files[f"/etc/systemd/system/{UNIT}.timer"]


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
            creation_ends=None,
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
    every = {a for n in plan.nodes.values() for i in n.interfaces.values() for a in i.pods.planned}
    for node in plan.nodes:
        machine = booted(plan, node)
        network = machine.files["/etc/netplan/60-spiderpool.yaml"]
        words = {word.partition("/")[0] for word in network.split()}
        assert words.isdisjoint(str(address) for address in every)
        for template in ("kubeadm-join.yaml.in", "kubeadm-init.yaml.in"):
            text = machine.files.get(f"{HERE}/{template}")
            assert text is None or text.count("@PROVIDER_ID@") == 1


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
    nics = booted(plan, "master").ethernets
    assert {n: e["match"]["macaddress"] for n, e in nics.items()} == macs(plan, "master")
