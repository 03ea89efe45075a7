"""Settings of the kubelet that a stack file may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.facts.kubelet_fields import FIELDS, GATES, LOCKED_GATES, ROOT
from config.report import ConfigError
from config.rules.cluster.kubelet_values import OWN_FIELDS, TRAPS
from config.rules.cluster.kubernetes import MINORS
from planning.nodes.kubeadm import KUBELET_SETTINGS
from planning.nodes.machine import node_settings
from tests.clusters import small
from tests.planning.documents import booted, planned

pytestmark = pytest.mark.unit


def _with(kubelet: dict[str, Any], version: str = "1.35.4") -> dict[str, Any]:
    return small({"kubernetes": {"version": version, "kubelet": kubelet}})


@pytest.mark.parametrize(
    "kubelet",
    [
        {"featureGates": {"NodeSwap": True}},
        {"featureGates": {}},
        {"evictionHard": {"memory.available": "200Mi", "nodefs.available": "10%"}},
        {"systemReserved": {"cpu": "100m", "memory": "512Mi"}},
        {"allowedUnsafeSysctls": ["net.*"]},
        {"memorySwap": {"swapBehavior": "LimitedSwap"}, "failSwapOn": False},
        {"shutdownGracePeriod": "1m30s", "imageGCHighThresholdPercent": 90},
        {"reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}]},
        {"logging": {"format": "json", "verbosity": 3}},
        {"memoryThrottlingFactor": 0.9, "readOnlyPort": 0},
        {"enforceNodeAllocatable": ["none"], "cgroupsPerQOS": False},
        {"enforceNodeAllocatable": ["pods", "kube-reserved"], "kubeReservedCgroup": "/kube"},
        {"shutdownGracePeriod": "60s", "shutdownGracePeriodCriticalPods": "1m"},
        {"imageMinimumGCAge": "1m", "imageMaximumGCAge": "61s"},
        {"crashLoopBackOff": {"maxContainerRestartPeriod": "5m"}},
        {"containerLogMonitorInterval": "3000ms", "podLogsDir": "/var/log/pods"},
        {"reservedSystemCPUs": "0-1,4", "address": "::"},
        {"userNamespaces": {"idsPerPod": 131072}},
        {"memoryManagerPolicy": "Static", "reservedMemory": [{"limits": {"memory": "100Mi"}}]},
        {"allowedUnsafeSysctls": ["kernel.shm*", "net/core/somaxconn", "kernel.sem"]},
        {"tlsMinVersion": "VersionTLS12", "tlsCipherSuites": ["TLS_AES_128_GCM_SHA256"]},
        {"evictionHard": {"nodefs.available": "100%"}, "showHiddenMetricsForVersion": "1.34"},
        {"cpuCFSQuotaPeriod": "100ms", "systemCgroups": "/system", "cgroupRoot": "/"},
    ],
)
def test_maps_lists_and_nested_settings_reach_the_node_as_they_are(kubelet: dict[str, Any]) -> None:
    plan = planned(_with(kubelet))
    node = next(iter(plan.nodes.values()))
    booting = json.loads(booted(plan, node.name).files[KUBELET_SETTINGS])
    running = json.loads(json.loads(node_settings(plan, node, "10.0.0.16"))["kubelet"])
    assert {key: booting[key] for key in kubelet} == kubelet
    assert running == booting


@pytest.mark.parametrize(
    "kubelet",
    [
        {"memorySwap": {"swapBehaviour": "LimitedSwap"}},
        {"memorySwap": {"swapBehavior": "Unlimited"}},
        {"reservedMemory": [{"numaNode": "0"}]},
        {"cpuCFSQuotaPeriod": "fast"},
        {"evictionHard": {"memory.available": "lots"}},
        {"evictionSoftGracePeriod": {"memory.available": "90"}},
        {"memoryThrottlingFactor": float("nan")},
        {"maxOpenFiles": True},
        {"enforceNodeAllocatable": ["everything"]},
        {"oomScoreAdj": -2000},
        {"readOnlyPort": 10250},
        {"readOnlyPort": [10250]},
        {"enforceNodeAllocatable": [["pods"]]},
        {"featureGates": {"NodeSwap": False}},
        {"enforceNodeAllocatable": ["pods", "kube-reserved"]},
        {"enforceNodeAllocatable": ["none", "pods"]},
        {"enforceNodeAllocatable": ["pods", "pods"]},
        {
            "enforceNodeAllocatable": ["kube-reserved", "kube-reserved-compressible"],
            "kubeReservedCgroup": "/kube",
        },
        {"cgroupsPerQOS": False},
        {"systemCgroups": "/system.slice"},
        {"cpuCFSQuotaPeriod": "50ms"},
        {"enableSystemLogQuery": True},
        {"shutdownGracePeriodCriticalPods": "30s"},
        {"shutdownGracePeriod": "500ms"},
        {
            "shutdownGracePeriod": "30s",
            "shutdownGracePeriodByPodPriority": [{"priority": 0, "shutdownGracePeriodSeconds": 9}],
        },
        {"imageMaximumGCAge": "1m"},
        {"containerLogMonitorInterval": "1s"},
        {"crashLoopBackOff": {"maxContainerRestartPeriod": "10m"}},
        {"memoryThrottlingFactor": 1.5},
        {"memoryManagerPolicy": "Static"},
        {"podLogsDir": "var/log/pods"},
        {"podLogsDir": "/var/log/pods/"},
        {"reservedSystemCPUs": "0-"},
        {"reservedSystemCPUs": "0", "systemReservedCgroup": "/system.slice"},
        {"tlsMinVersion": "VersionTLS14"},
        {"tlsCipherSuites": ["ECDHE-RSA-AES128-GCM-SHA256"]},
        {"address": "localhost"},
        {"healthzBindAddress": "fe80::1%eth0"},
        {"tracing": {"samplingRatePerMillion": 2000000}},
        {"allowedUnsafeSysctls": ["vm.max_map_count"]},
        {"allowedUnsafeSysctls": ["kernel shm"]},
        {"showHiddenMetricsForVersion": "1.20"},
        {"preloadedImagesVerificationAllowlist": ["registry.example.com/app"]},
        {"userNamespaces": {"idsPerPod": 1000}},
        {"evictionHard": {"memory.available": "100.5%"}},
    ],
)
def test_what_a_kubelet_would_refuse_or_ignore_is_refused(kubelet: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(_with(kubelet))
    assert {p.path.split(".")[1] for p in caught.value.problems} == {"kubelet"}


@pytest.mark.parametrize("minor", MINORS)
def test_a_field_is_taken_by_the_versions_that_have_it_and_by_no_other(minor: int) -> None:
    field = {"mergeDefaultEvictionSettings": True}
    if minor >= 33:
        assert planned(_with(field, f"1.{minor}.0")).kubernetes.kubelet == field
    else:
        with pytest.raises(ConfigError, match=r"from 1\.33 on"):
            planned(_with(field, f"1.{minor}.0"))


@pytest.mark.parametrize(
    ("version", "kubelet", "gate"),
    [
        ("1.37.2", {"defaultPodSysctls": {"net.ipv4.tcp_rmem": "4096"}}, "DefaultPodSysctls"),
        ("1.36.3", {"memoryReservationPolicy": "TieredReservation"}, "MemoryQoS"),
        (
            "1.37.2",
            {"memoryThrottlingFactor": 0.8, "featureGates": {"MemoryQoS": False}},
            "MemoryQoS",
        ),
    ],
)
def test_a_setting_needs_its_feature_gate(version: str, kubelet: dict[str, Any], gate: str) -> None:
    with pytest.raises(ConfigError, match=f"gate {gate} is off"):
        planned(_with(kubelet, version))
    planned(_with({**kubelet, "featureGates": {gate: True}}, version))


@pytest.mark.parametrize(
    ("version", "kubelet"),
    [
        ("1.36.3", {"memoryThrottlingFactor": 0.8}),
        ("1.36.3", {"memoryReservationPolicy": "None"}),
        ("1.37.2", {"memoryReservationPolicy": "TieredReservation"}),
    ],
)
def test_a_setting_whose_gate_is_on_or_not_yet_needed_is_taken(
    version: str, kubelet: dict[str, Any]
) -> None:
    assert planned(_with(kubelet, version)).kubernetes.kubelet == kubelet


def test_every_field_that_has_a_rule_is_a_field() -> None:
    fields = {*FIELDS[ROOT], "apiVersion", "kind"}
    assert set(OWN_FIELDS) <= fields
    assert set(TRAPS) <= fields


def test_the_table_covers_the_supported_minors() -> None:
    spans = [entry[1:] for entry in FIELDS[ROOT].values()] + list(GATES.values())
    assert min(first for first, _ in spans) == MINORS.start
    assert max(last for _, last in spans) == MINORS.stop - 1


def test_a_locked_gate_may_be_written_with_its_own_value() -> None:
    gates = {
        gate: value for gate, (value, first, last) in LOCKED_GATES.items() if first <= 36 <= last
    }
    assert gates
    assert planned(_with({"featureGates": gates}, "1.36.3")).kubernetes.kubelet


def test_a_gate_is_free_until_its_feature_is_stable() -> None:
    gates = {"featureGates": {"SidecarContainers": False}}
    assert planned(_with(gates, "1.32.0")).kubernetes.kubelet == gates
    with pytest.raises(ConfigError, match=r"locks the feature gate SidecarContainers to true"):
        planned(_with(gates, "1.33.0"))
