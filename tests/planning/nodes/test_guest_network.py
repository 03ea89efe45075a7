"""What a node's operating system does with its NICs and its kernel."""

from __future__ import annotations

import tomllib

import pytest

from tests.clusters import small
from tests.planning.documents import Booted, booted, planned, stack_plan

pytestmark = pytest.mark.unit

SYSCTL = "/etc/sysctl.d/99-z-spiderpool.conf"


def guide(node: str = "worker") -> Booted:
    return booted(stack_plan("local"), node)


def settings(machine: Booted) -> dict[str, str]:
    lines = machine.files[SYSCTL].splitlines()
    return dict(line.split(" = ") for line in lines)


def test_nics_are_found_by_mac_and_named() -> None:
    nics = guide().ethernets
    assert {name: (e["match"], e["set-name"]) for name, e in nics.items()} == {
        "eth0": ({"macaddress": "00:16:3e:0a:00:00"}, "eth0"),
        "eth1": ({"macaddress": "00:16:3e:0a:00:01"}, "eth1"),
    }


def test_each_nic_has_its_primary_address_and_no_other() -> None:
    nics = guide().ethernets
    assert {name: e["addresses"] for name, e in nics.items()} == {
        "eth0": ["172.31.199.184/20"],
        "eth1": ["192.168.0.155/24"],
    }


def test_nothing_asks_for_further_addresses() -> None:
    for ethernet in guide().ethernets.values():
        assert (ethernet["dhcp4"], ethernet["dhcp6"], ethernet["accept-ra"]) == (False,) * 3
        assert ethernet["link-local"] == []


def test_only_eth0_has_a_default_route_in_the_main_table() -> None:
    mains = {
        name: [r for r in e["routes"] if r["to"] == "default" and "table" not in r]
        for name, e in guide().ethernets.items()
    }
    assert mains == {"eth0": [{"to": "default", "via": "172.31.207.253"}], "eth1": []}


def test_each_nic_answers_through_itself() -> None:
    nics = guide().ethernets
    assert nics["eth0"]["routing-policy"] == [
        {"from": "172.31.199.184/32", "table": 101, "priority": 2000}
    ]
    assert nics["eth1"]["routing-policy"] == [
        {"from": "192.168.0.155/32", "table": 102, "priority": 2000}
    ]
    assert [r for r in nics["eth1"]["routes"] if r.get("table") == 102] == [
        {"to": "192.168.0.0/24", "scope": "link", "table": 102},
        {"to": "default", "via": "192.168.0.253", "table": 102},
    ]


def test_its_rules_stand_behind_the_coordinators() -> None:
    priorities = {
        rule["priority"] for e in guide().ethernets.values() for rule in e["routing-policy"]
    }
    assert min(priorities) > 1000


def test_a_missing_second_nic_does_not_hold_the_boot() -> None:
    nics = guide().ethernets
    assert nics["eth1"]["optional"] is True
    assert "optional" not in nics["eth0"]


def test_names_are_resolved_by_the_vpc() -> None:
    assert guide().ethernets["eth0"]["nameservers"] == {
        "addresses": ["100.100.2.136", "100.100.2.138"]
    }


def test_cloud_init_and_networkd_leave_the_network_alone() -> None:
    files = guide().files
    cloud = files["/etc/cloud/cloud.cfg.d/99-spiderpool.cfg"]
    assert "network: {config: disabled}" in cloud
    assert "apply_full_imds_network_config: false" in cloud
    networkd = files["/etc/systemd/networkd.conf.d/spiderpool.conf"]
    assert "ManageForeignRoutes=no" in networkd
    assert "ManageForeignRoutingPolicyRules=no" in networkd
    assert guide().modes["/etc/netplan/60-spiderpool.yaml"] == "0600"


def test_reverse_path_filtering_is_off_wherever_the_larger_value_would_win() -> None:
    sysctls = settings(guide())
    filters = {key: value for key, value in sysctls.items() if key.endswith("rp_filter")}
    assert filters == {
        f"net.ipv4.conf.{n}.rp_filter": "0" for n in ("all", "default", "eth0", "eth1")
    }


def test_the_kernel_forwards_and_has_room_for_neighbours() -> None:
    sysctls = settings(guide())
    assert sysctls["net.ipv4.ip_forward"] == "1"
    assert sysctls["net.ipv4.conf.all.arp_notify"] == "1"
    assert sysctls["net.ipv4.neigh.default.gc_thresh3"] == "28160"
    assert sysctls["net.bridge.bridge-nf-call-iptables"] == "1"
    assert int(sysctls["fs.inotify.max_user_watches"]) >= 524288


def test_the_settings_come_after_the_images_own() -> None:
    assert SYSCTL.rpartition("/")[2] > "99-sysctl.conf"


def test_ipvlan_and_the_coordinators_marks_are_loaded() -> None:
    environment = guide().files["/etc/spiderpool-alicloud/node.env"]
    (line,) = (each for each in environment.splitlines() if each.startswith("MODULES="))
    assert {"overlay", "br_netfilter", "ipvlan", "xt_mark", "xt_connmark", "xt_conntrack"} <= set(
        line.partition("=")[2].strip("'").split()
    )


def dual_stack(networks: dict[str, str]) -> Booted:
    document = small({"network": {"ipv6": {"enabled": True}}})
    for index, subnet in enumerate(document["network"]["subnets"].values()):
        subnet["zones"]["cn-hangzhou-i"]["ipv6Index"] = index
    return booted(planned(document), "workers-0", ipv6_networks=networks)


def test_router_advertisements_are_taken_only_with_ipv6() -> None:
    with_ipv6 = dual_stack({})
    assert settings(with_ipv6)["net.ipv6.conf.eth0.accept_ra"] == "2"
    assert settings(with_ipv6)["net.ipv6.conf.all.forwarding"] == "1"
    assert [n for n, e in with_ipv6.ethernets.items() if e["accept-ra"]] == ["eth0"]
    assert not [key for key in settings(guide()) if key.startswith("net.ipv6")]


def test_no_advertisement_and_no_dhcpv6_gives_a_node_a_pods_address() -> None:
    machine = dual_stack({})
    for nic in ("eth0", "eth1"):
        text = machine.files[f"/etc/systemd/network/10-netplan-{nic}.network.d/spiderpool.conf"]
        assert {"DHCPv6Client=no", "UseAutonomousPrefix=no"} <= set(text.split())


def test_with_ipv6_each_nic_has_its_own_address_and_way_out() -> None:
    networks = {"primary-cn-hangzhou-i": "2408:4005:3a0:1200::/64"}
    eth0 = dual_stack(networks).ethernets["eth0"]
    (own,) = (a for a in eth0["addresses"] if ":" in a)
    assert own == "2408:4005:3a0:1200::a00:90/64"
    assert {"from": "2408:4005:3a0:1200::a00:90/128", "table": 101, "priority": 2000} in (
        eth0["routing-policy"]
    )
    assert {"to": "::/0", "via": "2408:4005:3a0:1200:ffff:ffff:ffff:fffd", "table": 101} in (
        eth0["routes"]
    )


def test_containerd_is_configured_for_systemd_and_the_pinned_sandbox() -> None:
    containerd = tomllib.loads(guide().files["/etc/containerd/config.toml"])
    runtime = containerd["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"][
        "runc"
    ]
    assert containerd["version"] == 3
    assert runtime["options"] == {"SystemdCgroup": True}
    images = containerd["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"] == {"sandbox": "registry.k8s.io/pause:3.10.2"}


def test_packages_are_held_at_their_versions() -> None:
    pins = guide().files["/etc/apt/preferences.d/spiderpool"]
    assert "Package: kubeadm kubelet kubectl\nPin: version 1.36.3-*\nPin-Priority: 1001" in pins
    assert "Package: containerd.io\nPin: version 2.2.*\nPin-Priority: 1001" in pins


def test_every_repository_is_signed_by_a_key_of_its_own() -> None:
    sources = guide().files["/etc/apt/sources.list.d/spiderpool.sources"]
    stanzas = [dict(line.split(": ", 1) for line in s.splitlines()) for s in sources.split("\n\n")]
    assert [s["Signed-By"] for s in stanzas] == [
        "/etc/apt/keyrings/kubernetes.asc",
        "/etc/apt/keyrings/docker.asc",
    ]
    assert {s["URIs"].partition(":")[0] for s in stanzas} == {"https"}
