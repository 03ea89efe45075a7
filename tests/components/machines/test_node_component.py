"""A node's ENIs, its instance, and what happens to either later."""

from __future__ import annotations

import hashlib
import re

import pulumi
import pytest

from components.machines.restoring import restored_snapshot
from config.facts.tags import TAG_ETCD_CA
from planning.nodes.etcd_disk import RESTORE
from tests.clusters import (
    Document,
    counted,
    existing_kubernetes,
    fake_secrets,
    small,
    three_control_planes,
)
from tests.deploying import deploy, first_preview
from tests.planning.documents import unpacked
from tests.recording import UNKNOWN, Cloud, Run, Secret

pytestmark = pytest.mark.unit

_POD_ADDRESSES = {
    "masters-0": [f"10.0.0.{n}" for n in range(17, 22)],
    "workers-0": [f"10.0.0.{n}" for n in range(145, 150)],
}


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(small())


def _in_mode(mode: str, **interface: object) -> Run:
    change = {"prefixBlockSize": 32, "interfaces": {"eth1": {"mode": mode, **interface}}}
    zone = {"cidr": "10.1.0.0/20", "prefixReservation": "10.1.4.0/22"}
    return deploy(
        small(
            {
                "nodePools": {"workers": change},
                "network": {"subnets": {"secondary": {"zones": {"cn-hangzhou-i": zone}}}},
            }
        )
    )


def test_every_nic_is_an_eni_of_its_own_with_pinned_addresses(run: Run) -> None:
    enis = run.of("EcsNetworkInterface")
    assert set(enis) == {
        f"small-{node}-{nic}" for node in ("masters-0", "workers-0") for nic in ("eth0", "eth1")
    }
    for node, addresses in _POD_ADDRESSES.items():
        eni = enis[f"small-{node}-eth0"].inputs
        assert eni["privateIpAddresses"] == addresses
        assert "secondaryPrivateIpAddressCount" not in eni


def test_the_instance_gets_both_enis_at_creation(run: Run) -> None:
    instance = run.of("Instance")["small-workers-0"].inputs
    enis = run.of("EcsNetworkInterface")
    needs = run.needed_by(run.of("Instance")["small-workers-0"])
    assert instance["networkInterfaceId"].startswith("eni-")
    assert instance["networkInterfaces"]["networkInterfaceId"].startswith("eni-")
    assert instance["networkInterfaceId"] != instance["networkInterfaces"]["networkInterfaceId"]
    assert {enis["small-workers-0-eth0"].urn, enis["small-workers-0-eth1"].urn} <= needs


def test_an_eni_outlives_its_instance_and_is_never_doubled(run: Run) -> None:
    for eni in run.of("EcsNetworkInterface").values():
        assert eni.inputs["deleteOnRelease"] is False
        assert eni.delete_before_replace


def test_no_machine_takes_later_user_data_in_place(run: Run) -> None:
    for instance in run.of("Instance").values():
        assert "userData" in instance.ignore_changes
        assert "userData" not in instance.replace_on_changes
        assert instance.delete_before_replace


def test_the_only_control_plane_has_nothing_that_could_replace_it(run: Run) -> None:
    only = run.of("Instance")["small-masters-0"]
    assert (only.replacement_trigger, only.replace_on_changes) == (None, ())


_IDENTITY = {"imageId", "keyName", "systemDiskCategory", "systemDiskEncrypted", "spotStrategy"}


def test_nothing_that_somebody_changed_in_the_cloud_replaces_a_machine(run: Run) -> None:
    for instance in run.of("Instance").values():
        assert set(instance.ignore_changes) >= _IDENTITY
        assert instance.replace_on_changes == ()


def test_a_machine_of_somebody_elses_cluster_takes_its_owners_edits_in_place() -> None:
    names = {"masters-0": "masters-0", "workers-0": "workers-0"}
    document = small({"kubernetes": {"mode": "existing", "nodeNames": names}})
    for instance in deploy(document).of("Instance").values():
        assert instance.ignore_changes == ("userData",)


def test_a_new_machine_is_asked_for_by_its_identity_alone() -> None:
    def triggers(document: Document) -> dict[str, object]:
        instances = deploy(document).of("Instance")
        return {name: instances[name].replacement_trigger for name in instances}

    before = triggers(three_control_planes())
    assert set(map(str, before.values())) == {"['eth0', 'eth1']"}
    labelled = {"masters": {"count": 3}, "workers": {"labels": {"a": "b"}}}
    assert triggers(small({"nodePools": labelled})) == before


FIRST_IDENTITIES = "small-first-identities"
NODE = "urn:pulumi:dev::p::spiderpool-alicloud:nodes:Node"


def trigger_of_the_worker(cloud: Cloud) -> list[str]:
    trigger = deploy(small(), cloud=cloud).of("Instance")["small-workers-0"].replacement_trigger
    assert isinstance(trigger, list)
    return trigger


def test_an_identity_that_is_not_the_first_one_is_part_of_the_trigger() -> None:
    first = {"workers-0": "0123456789abcdef"}
    trigger = trigger_of_the_worker(Cloud(lies={FIRST_IDENTITIES: {"output": first}}))
    assert trigger[:2] == ["eth0", "eth1"]
    assert len(trigger) == 3


def test_a_node_that_came_later_has_its_identity_in_the_trigger_at_once() -> None:
    changed = {"workers-0": "0123456789abcdef"}
    triggers = [
        trigger_of_the_worker(Cloud(lies={FIRST_IDENTITIES: {"output": first}}))
        for first in ({}, changed)
    ]
    assert triggers[0] == triggers[1]


def test_first_identities_that_earlier_programs_kept_are_taken_over() -> None:
    """They had a Stash for each node, which this program's first run deletes from the state."""
    stash = f"{NODE}$pulumi:index:Stash::small-workers-0-first-identity"
    outputs = {"input": "fedcba9876543210", "output": "0123456789abcdef"}
    run = deploy(small(), cloud=Cloud(state={stash: outputs}))
    kept = run.of("Stash")[FIRST_IDENTITIES].inputs["input"]
    assert kept["workers-0"] == "0123456789abcdef"
    assert sorted(kept) == ["masters-0", "workers-0"]
    assert len(run.of("Instance")["small-workers-0"].replacement_trigger) == 3


def test_a_node_is_five_resources(run: Run) -> None:
    kinds = [r.kind for r in run.resources if r.name.startswith("small-workers-0")]
    assert sorted(kind for kind in kinds if kind != "SpiderIPPool") == [
        "EcsNetworkInterface",
        "EcsNetworkInterface",
        "Instance",
        "MachineGeneration",
        "Node",
    ]


def test_a_protected_control_plane_can_be_replaced_and_not_removed() -> None:
    run = deploy(small({"profile": "prod", "nodePools": {"masters": {"count": 3}}}))
    assert not any(instance.protect for instance in run.of("Instance").values())
    kept = {r.name: r.protect for r in run.resources if r.kind == "MachineGeneration"}
    assert kept == {
        **{f"small-masters-{n}": True for n in range(3)},
        "small-workers-0": False,
    }
    assert not any(i.inputs["deletionProtection"] for i in run.of("Instance").values())


def test_user_data_is_a_secret_that_names_nics_by_their_own_macs(run: Run) -> None:
    user_data = run.of("Instance")["small-workers-0"].inputs["userData"]
    assert isinstance(user_data, Secret)
    network = unpacked(str(user_data.value)).files["/etc/netplan/60-spiderpool.yaml"]
    nics = run.outputs["nodes"]["workers-0"]["interfaces"].values()
    assert len({nic["mac"] for nic in nics}) == 2
    assert all(nic["mac"] in network for nic in nics)


def test_metadata_answers_only_to_a_token(run: Run) -> None:
    assert {i.inputs["httpTokens"] for i in run.of("Instance").values()} == {"required"}


def test_only_a_machine_without_our_boot_program_waits_for_egress(run: Run) -> None:
    """Ours repeats its downloads, and a NAT gateway may take minutes."""
    for deployed, waits in ((run, False), (deploy(existing_kubernetes()), True)):
        entries = {entry.urn for entry in deployed.of("SnatEntry").values()}
        assert entries
        for instance in deployed.of("Instance").values():
            assert (entries <= deployed.needed_by(instance)) == waits


def test_the_cloud_controllers_role_is_on_control_planes_only(run: Run) -> None:
    attached = run.of("RamRoleAttachment")
    assert set(attached) == {"small-masters-0"}
    assert run.one("RolePolicyAttachment").urn in run.needed_by(attached["small-masters-0"])


def test_a_role_that_the_stack_names_takes_the_place_of_ours() -> None:
    run = deploy(small({"nodePools": {"workers": {"ramRole": "theirs"}}}))
    assert run.of("RamRoleAttachment")["small-workers-0"].inputs["ramRoleName"] == "theirs"


def test_addresses_are_exported_in_order_whatever_the_cloud_gives(run: Run) -> None:
    for node, addresses in _POD_ADDRESSES.items():
        assert run.outputs["nodes"][node]["interfaces"]["eth0"]["podAddresses"] == addresses


def test_a_provider_id_is_region_and_instance(run: Run) -> None:
    node = run.outputs["nodes"]["workers-0"]
    assert node["providerId"] == f"cn-hangzhou.{node['instanceId']}"


def test_a_first_preview_shows_every_address_and_no_mac() -> None:
    nodes = first_preview(small()).outputs["nodes"]
    for node, addresses in _POD_ADDRESSES.items():
        nic = nodes[node]["interfaces"]["eth0"]
        assert nic["podAddresses"] == addresses
        assert nic["primary"].startswith("10.0.0.")
        assert nic["mac"] == UNKNOWN


def test_counted_addresses_are_unknown_until_the_cloud_chose_them() -> None:
    document = counted()
    shown = first_preview(document).outputs["nodes"]["workers-0"]["interfaces"]["eth1"]
    run = deploy(document)
    assert shown["podAddresses"] == UNKNOWN
    assert len(run.outputs["nodes"]["workers-0"]["interfaces"]["eth1"]["podAddresses"]) == 5
    eni = run.of("EcsNetworkInterface")["small-workers-0-eth1"].inputs
    assert eni["secondaryPrivateIpAddressCount"] == 5
    assert "privateIpAddresses" not in eni


def test_prefixes_come_from_a_reservation_and_give_sixteen_addresses_each() -> None:
    run = _in_mode("prefix", podAddresses=32)
    eni = run.of("EcsNetworkInterface")["small-workers-0-eth1"]
    assert len(eni.inputs["ipv4Prefixes"]) == 2
    assert run.one("VswitchCidrReservation").urn in eni.dependencies
    nic = run.outputs["nodes"]["workers-0"]["interfaces"]["eth1"]
    assert len(nic["podAddresses"]) == 32


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param({"privateIpAddresses": ["10.0.0.145"]}, id="an address is missing"),
        pytest.param(
            {"privateIpAddresses": [*_POD_ADDRESSES["workers-0"], "10.0.0.99"]},
            id="an address nobody planned",
        ),
        pytest.param({"primaryIpAddress": "10.0.0.200"}, id="another primary address"),
    ],
)
def test_the_run_stops_when_the_cloud_answers_something_else(answered: dict[str, object]) -> None:
    cloud = Cloud(lies={"small-workers-0-eth0": answered})
    with pytest.raises(Exception, match="workers-0/eth0"):
        deploy(small(), cloud=cloud)


def test_a_preview_goes_on_when_the_cloud_drifted() -> None:
    cloud = Cloud(lies={"small-workers-0-eth0": {"privateIpAddresses": ["10.0.0.145"]}})
    assert deploy(small(), preview=True, cloud=cloud).of("SpiderIPPool")


def test_a_refusal_is_logged_in_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", lambda message, *_, **__: lines.append(message))
    cloud = Cloud(lies={"small-workers-0-eth0": {"primaryIpAddress": "10.0.0.200"}})
    with pytest.raises(Exception, match=r"10\.0\.0\.200"):
        deploy(small(), cloud=cloud)
    assert [line for line in lines if line.startswith("workers-0/eth0: the cloud gave")]


def test_where_the_cloud_deletes_a_primary_eni_it_is_replaced_with_its_machine() -> None:
    document = small({"region": "cn-fuzhou"})
    for subnet in document["network"]["subnets"].values():
        subnet["zones"] = {"cn-fuzhou-a": subnet["zones"].pop("cn-hangzhou-i")}
    elsewhere = deploy(document).of("EcsNetworkInterface")
    assert elsewhere["small-masters-0-eth0"].replacement_trigger
    assert elsewhere["small-masters-0-eth1"].replacement_trigger is None
    here = deploy(small()).of("EcsNetworkInterface")
    assert here["small-masters-0-eth0"].replacement_trigger is None


def with_etcd_disk(document: Document) -> Document:
    document["nodePools"]["masters"]["etcdDisk"] = {"size": 30}
    document["nodePools"]["masters"]["disk"] = {"encrypted": True, "kmsKeyId": "key-1"}
    return document


def test_etcds_disk_is_made_before_its_machine_and_outlives_it() -> None:
    run = deploy(with_etcd_disk(small()))
    (disk,) = run.of("EcsDisk").values()
    assert disk.name == "small-masters-0-etcd"
    expected = {
        "zoneId": "cn-hangzhou-i",
        "size": 30,
        "encrypted": True,
        "kmsKeyId": "key-1",
        "deleteWithInstance": False,
    }
    assert expected.items() <= disk.inputs.items()
    instance = run.of("Instance")["small-masters-0"]
    assert disk.urn in run.needed_by(instance)
    (attachment,) = run.of("EcsDiskAttachment").values()
    assert attachment.delete_before_replace
    assert {disk.urn, instance.urn} <= run.needed_by(attachment)


def test_the_user_data_has_the_serial_number_of_the_disk() -> None:
    run = deploy(with_etcd_disk(small()))
    (disk,) = run.of("EcsDisk").values()
    (serial,) = re.findall(r"ETCD_DISK=([\w-]+)", environment_of(run, "small-masters-0"))
    assert disk.urn
    assert not serial.startswith("d-")


def test_the_disk_has_the_mark_of_the_clusters_etcd() -> None:
    (disk,) = deploy(with_etcd_disk(small())).of("EcsDisk").values()
    etcd_ca = fake_secrets().etcd_ca.certificate.encode()
    assert disk.inputs["tags"][TAG_ETCD_CA] == hashlib.sha256(etcd_ca).hexdigest()[:32]
    assert disk.inputs["tags"]["spiderpool-alicloud/cluster"] == "small"


def test_a_protected_stack_protects_the_disk_of_its_only_control_plane() -> None:
    document = with_etcd_disk(small({"protect": True}))
    (disk,) = deploy(document).of("EcsDisk").values()
    assert disk.protect
    three = with_etcd_disk(three_control_planes())
    three["protect"] = True
    assert {disk.protect for disk in deploy(three).of("EcsDisk").values()} == {False}


def environment_of(run: Run, machine: str) -> str:
    """What the machine's scripts read."""
    secret = run.of("Instance")[machine].inputs["userData"]
    assert isinstance(secret, Secret)
    return unpacked(str(secret.value)).files["/etc/spiderpool-alicloud/node.env"]


def test_a_restore_creates_only_the_first_disk_of_the_snapshot_and_tells_every_control_plane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(RESTORE, "s-bp1a")
    run = deploy(with_etcd_disk(three_control_planes()))
    snapshots = {disk.name: disk.inputs.get("snapshotId") for disk in run.of("EcsDisk").values()}
    assert snapshots == {
        "small-masters-0-etcd": "s-bp1a",
        "small-masters-1-etcd": None,
        "small-masters-2-etcd": None,
    }
    # Neither this run nor a later one replaces a disk that is there.
    assert {tuple(d.ignore_changes) for d in run.of("EcsDisk").values()} == {("snapshotId",)}
    machines = run.of("Instance")
    restoring = {name for name in machines if "RESTORE=s-bp1a" in environment_of(run, name)}
    assert restoring == {"small-masters-0", "small-masters-1", "small-masters-2"}


def test_a_run_that_restores_nothing_names_no_snapshot() -> None:
    run = deploy(with_etcd_disk(small()))
    (disk,) = run.of("EcsDisk").values()
    assert "snapshotId" not in disk.inputs
    assert "RESTORE=" not in environment_of(run, "small-masters-0")


def test_a_restore_of_something_else_than_a_snapshot_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(RESTORE, "yes")
    with pytest.raises(pulumi.RunError, match=r"RESTORE=yes is not the id of a snapshot"):
        restored_snapshot()
