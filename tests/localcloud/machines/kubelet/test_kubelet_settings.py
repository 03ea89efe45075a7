from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from localcloud.machines.guest.kubelet.node import hardware, node_object
from localcloud.machines.guest.kubelet.settings import SettingsError, Taint, load
from localcloud.machines.guest.systemd import units

pytestmark = pytest.mark.unit

FLAGS = [
    "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
    "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "--config=/var/lib/kubelet/config.yaml",
    "--cloud-provider=external",
    "--hostname-override=worker",
    "--node-ip=0.0.0.0",
    "--node-labels=pool=w,topology.kubernetes.io/zone=h",
    "--provider-id=cn-hangzhou.i-1",
    "--register-with-taints=dedicated=it:NoSchedule",
]
DOCUMENT: dict[str, Any] = {
    "kind": "KubeletConfiguration",
    "maxPods": 17,
    "staticPodPath": "/etc/kubernetes/manifests",
}
SETTINGS = load(FLAGS, "host", DOCUMENT, version="v1.35.4")
SMALL = hardware.of_instance_type("ecs.g7.large")


def test_flags_and_file_become_settings() -> None:
    assert (SETTINGS.hostname, SETTINGS.max_pods, SETTINGS.manifests) == (
        "worker",
        17,
        "/etc/kubernetes/manifests",
    )


def test_the_node_has_what_the_flags_ask_for() -> None:
    registered = node_object.registration(SETTINGS, "v1.35.4", SMALL)
    assert registered["spec"] == {
        "providerID": "cn-hangzhou.i-1",
        "taints": [
            {"key": "dedicated", "value": "it", "effect": "NoSchedule"},
            node_object.UNINITIALIZED,
        ],
    }
    assert registered["metadata"]["labels"]["pool"] == "w"
    assert registered["status"]["capacity"]["pods"] == "17"


def test_memory_and_storage_below_the_eviction_thresholds_are_not_for_pods() -> None:
    status = node_object.registration(SETTINGS, "v1.35.4", SMALL)["status"]
    assert status["allocatable"] == status["capacity"] | {
        "memory": "8092Mi",
        # A tenth is kept; the kubelet has the share as float32.
        "ephemeral-storage": "37926361435",
    }
    assert status["capacity"]["hugepages-2Mi"] == status["capacity"]["hugepages-1Gi"] == "0"


def test_what_both_reservations_keep_is_not_for_pods() -> None:
    reserved = {
        "systemReserved": {"cpu": "250m", "memory": "1Gi"},
        "kubeReserved": {"cpu": "250m", "memory": "512Mi"},
        "evictionHard": {"memory.available": "200Mi"},
    }
    settings = load(FLAGS, "host", DOCUMENT | reserved, version="v1.35.4")
    left = node_object.left_for_pods(settings, SMALL)
    assert (left["cpu"], left["memory"]) == ("1500m", f"{8 * 1024 - 1024 - 512 - 200}Mi")
    assert left["ephemeral-storage"] == "41152736Ki"


def test_a_flag_reserves_instead_of_the_file() -> None:
    document = DOCUMENT | {"systemReserved": {"cpu": "250m"}}
    settings = load([*FLAGS, "--system-reserved=cpu=1"], "host", document, version="v1.35.4")
    assert node_object.left_for_pods(settings, SMALL)["cpu"] == "1"


def test_a_reservation_that_is_no_quantity_ends_the_kubelet() -> None:
    with pytest.raises(SettingsError, match="'much' is not a quantity"):
        load(FLAGS, "host", DOCUMENT | {"kubeReserved": {"cpu": "much"}}, version="v1.35.4")


def test_without_an_external_provider_there_is_no_uninitialized_taint() -> None:
    registered = node_object.registration(
        replace(SETTINGS, external_cloud=False, taints=()), "v1", SMALL
    )
    assert "taints" not in registered["spec"]


def test_taints_may_come_from_the_file() -> None:
    taint = {"key": "a", "effect": "NoExecute"}
    loaded = load([], "host", DOCUMENT | {"registerWithTaints": [taint]}, version="v1.35.4")
    assert loaded.taints == (Taint(key="a", value="", effect="NoExecute"),)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--no-such-flag=1"], "unknown flag: --no-such-flag"),
        (["--cloud-provider=alicloud"], "only external is supported"),
        (["--node-labels=node-role.kubernetes.io/worker="], "unknown 'kubernetes.io'"),
        (["--register-with-taints=a=b:Never"], "invalid taint spec"),
    ],
)
def test_settings_that_end_the_real_kubelet_end_this_one(words: list[str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load(words, "host", DOCUMENT, version="v1.35.4")


def test_a_missing_configuration_file_ends_the_kubelet() -> None:
    with pytest.raises(SettingsError, match="failed to load kubelet config file"):
        load(["--config=/none"], "host", None, version="v1.35.4")


def merged(before: list[dict[str, str]], patch: list[dict[str, str]]) -> list[dict[str, str]]:
    """What a strategic merge patch makes of a list whose merge key is `type`."""
    if {"$patch": "replace"} in patch:
        return [entry for entry in patch if "$patch" not in entry]
    entries = list(before)
    for entry in patch:
        place = next((n for n, one in enumerate(entries) if one["type"] == entry["type"]), None)
        if place is None:
            entries.append(entry)
        else:
            entries[place] = entries[place] | entry
    return entries


def look_up(name: str) -> str | None:
    return {"worker": None, "": "172.31.199.184"}[name]


def test_an_unspecified_node_ip_lets_the_kubelet_find_its_own() -> None:
    addresses, annotation = node_object.address_status(SETTINGS, {}, look_up)
    assert addresses == [
        {"type": "InternalIP", "address": "172.31.199.184"},
        {"type": "Hostname", "address": "worker"},
    ]
    assert annotation is None


def test_without_node_ip_only_the_name_is_reported_until_the_provider_comes() -> None:
    addresses, _ = node_object.address_status(replace(SETTINGS, node_ips=()), {}, look_up)
    assert addresses == [{"type": "Hostname", "address": "worker"}]


def test_a_node_ip_is_annotated_for_the_provider() -> None:
    _, annotation = node_object.address_status(
        replace(SETTINGS, node_ips=("10.0.0.1",)), {}, look_up
    )
    assert annotation == "10.0.0.1"


def test_addresses_of_the_provider_are_left_alone() -> None:
    present = {"status": {"addresses": [{"type": "InternalIP", "address": "1.2.3.4"}]}}
    addresses, _ = node_object.address_status(SETTINGS, present, look_up)
    assert addresses == present["status"]["addresses"]


def test_addresses_are_replaced_in_a_patch_and_not_merged_by_type() -> None:
    """With IPv6 a Node has several of type InternalIP: merged, each would become the last."""
    several = [{"type": "InternalIP", "address": ip} for ip in ("172.31.199.184", "fd00::1")]
    before = [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "w"}]
    assert merged(before, several) == [{"type": "InternalIP", "address": "fd00::1"}, before[1]]
    assert merged(before, node_object.replacing(several)) == several


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    first = node_object.conditions({}, "t1", not_ready_reason="no network")
    later = node_object.conditions({"status": {"conditions": first}}, "t2", not_ready_reason=None)
    assert {c["type"]: (c["status"], c["lastTransitionTime"]) for c in later} == {
        "MemoryPressure": ("False", "t1"),
        "DiskPressure": ("False", "t1"),
        "PIDPressure": ("False", "t1"),
        "Ready": ("True", "t2"),
    }


@pytest.mark.parametrize(
    ("name", "cpus", "memory"),
    [
        ("ecs.g7.large", 2, 8),
        ("ecs.c7.xlarge", 4, 8),
        ("ecs.r7.2xlarge", 8, 64),
        ("ecs.g8i.16xlarge", 64, 256),
        ("", 2, 8),
    ],
)
def test_hardware_follows_the_instance_type(name: str, cpus: int, memory: int) -> None:
    size = hardware.of_instance_type(name)
    assert (size.cpus, size.memory_gib) == (cpus, memory)


def test_a_units_variables_become_the_kubelets_words() -> None:
    unit = units.parse(
        "kubelet",
        [
            '[Service]\nEnvironment="A=--one=1 --two=2"\nExecStart=/bin/kubelet $A ${B}\n',
            "[Service]\nExecStart=\nExecStart=/bin/kubelet $A --three=${C}\nRestart=always\n",
        ],
    )
    words = units.arguments(unit.commands[-1], dict(unit.environment) | {"C": "3"})
    assert words == ["/bin/kubelet", "--one=1", "--two=2", "--three=3"]
    assert unit.restart


def test_a_unit_without_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="has no ExecStart"):
        units.parse("empty", ["[Service]\nType=simple\n"])


def test_a_flag_that_a_minor_took_away_ends_that_kubelet_and_no_earlier_one() -> None:
    words = [*FLAGS, "--pod-infra-container-image=registry.k8s.io/pause:3.10.1"]
    assert load(words, "host", DOCUMENT, version="v1.34.4") == SETTINGS
    with pytest.raises(SettingsError, match="unknown flag: --pod-infra-container-image"):
        load(words, "host", DOCUMENT, version="v1.35.4")
