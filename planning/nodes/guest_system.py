"""Kernel settings, package sources and the container runtime of a node (Ubuntu 24.04)."""

from __future__ import annotations

from typing import Final

from planning.model import ClusterPlan
from planning.nodes.kubeadm import pause_image

MODULES: Final = (
    "overlay",
    "br_netfilter",
    "ipvlan",
    "nf_conntrack",
    # The coordinator marks connections in each pod's network namespace.
    "xt_mark",
    "xt_connmark",
    "xt_conntrack",
)

CONTAINERD_SERIES: Final = "2.2.*"
"""The containerd.io series that is installed; its configuration file is version 3.

Containerd 2 from the start: the kubelet keeps its fallback for containerd 1.7 only until 1.38
(CHANGELOG-1.37 of Kubernetes, "Deferred the deprecation removal timeline").
"""

_KUBERNETES_REPOSITORY: Final = {
    "global": "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/",
    "china": "https://mirrors.aliyun.com/kubernetes-new/core/stable/v{minor}/deb/",
}
_DOCKER_REPOSITORY: Final = {
    "global": "https://download.docker.com/linux/ubuntu",
    "china": "https://mirrors.aliyun.com/docker-ce/linux/ubuntu",
}
_IMAGE_MIRRORS: Final = {
    "docker.io": "docker.m.daocloud.io",
    "ghcr.io": "ghcr.m.daocloud.io",
    "quay.io": "quay.m.daocloud.io",
    "registry.k8s.io": "k8s.m.daocloud.io",
}

CHRONY: Final = "server ntp.cloud.aliyuncs.com iburst\n"


KUBELET_SYSCTLS: Final = {
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
}
"""What a kubelet with protectKernelDefaults expects (`setupKernelTunables` in
pkg/kubelet/cm/container_manager_linux.go, values in k8s.io/component-helpers, node/util/sysctl)."""


def sysctls(plan: ClusterPlan) -> str:
    """The node's sysctl file.

    The effective rp_filter is the larger of `all` and the NIC's own, and a new veth takes
    `default`: so the file sets all of them. Neighbour limits are those of Spiderpool's agent.
    """
    settings: dict[str, int] = {
        "net.ipv4.ip_forward": 1,
        "net.ipv4.conf.all.rp_filter": 0,
        "net.ipv4.conf.default.rp_filter": 0,
        "net.ipv4.conf.eth0.rp_filter": 0,
        "net.ipv4.conf.eth1.rp_filter": 0,
        "net.ipv4.conf.all.arp_notify": 1,
        "net.ipv4.neigh.default.gc_thresh1": 4096,
        "net.ipv4.neigh.default.gc_thresh2": 16384,
        "net.ipv4.neigh.default.gc_thresh3": 28160,
        "net.bridge.bridge-nf-call-iptables": 1,
        "fs.inotify.max_user_instances": 8192,
        "fs.inotify.max_user_watches": 524288,
        **KUBELET_SYSCTLS,
    }
    if plan.network.ipv6.enabled:
        settings |= {
            "net.bridge.bridge-nf-call-ip6tables": 1,
            "net.ipv6.conf.all.forwarding": 1,
            # Forwarding turns router advertisements off; 2 takes them nevertheless.
            "net.ipv6.conf.default.accept_ra": 2,
            "net.ipv6.conf.eth0.accept_ra": 2,
            "net.ipv6.conf.eth1.accept_ra": 2,
            "net.ipv6.neigh.default.gc_thresh3": 28160,
        }
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


def repositories(plan: ClusterPlan) -> dict[str, str]:
    """Package repositories by name: `kubernetes` and `docker`."""
    mirrors = plan.kubernetes.mirrors
    minor = ".".join(plan.kubernetes.version.split(".")[:2])
    return {
        "kubernetes": _KUBERNETES_REPOSITORY[mirrors].format(minor=minor),
        "docker": _DOCKER_REPOSITORY[mirrors],
    }


def signing_keys(plan: ClusterPlan) -> dict[str, str]:
    """Where each repository publishes the key that signs it."""
    urls = repositories(plan)
    return {"kubernetes": urls["kubernetes"] + "Release.key", "docker": urls["docker"] + "/gpg"}


def apt_files(plan: ClusterPlan) -> dict[str, str]:
    """The sources, and the pins that hold the exact versions."""
    urls = repositories(plan)
    version = plan.kubernetes.version
    return {
        "/etc/apt/sources.list.d/spiderpool.sources": "\n".join(
            (
                _source(urls["kubernetes"], suite="/", components=None, key="kubernetes"),
                _source(urls["docker"], suite="noble", components="stable", key="docker"),
            )
        ),
        "/etc/apt/preferences.d/spiderpool": (
            "Package: kubeadm kubelet kubectl\n"
            f"Pin: version {version}-*\n"
            "Pin-Priority: 1001\n\n"
            "Package: containerd.io\n"
            f"Pin: version {CONTAINERD_SERIES}\n"
            "Pin-Priority: 1001\n"
        ),
    }


def containerd_files(plan: ClusterPlan) -> dict[str, str]:
    """Configuration of containerd 2, and registry mirrors in mainland China."""
    files = {
        "/etc/containerd/config.toml": f"""\
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{pause_image(plan)}'
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
"""
    }
    if plan.kubernetes.mirrors == "china":
        for registry, mirror in _IMAGE_MIRRORS.items():
            # The registry itself stays the last resort: containerd's default.
            hosts = f'[host."https://{mirror}"]\n'
            files[f"/etc/containerd/certs.d/{registry}/hosts.toml"] = hosts
    return files


def _source(uri: str, *, suite: str, components: str | None, key: str) -> str:
    lines = ["Types: deb", f"URIs: {uri}", f"Suites: {suite}"]
    if components is not None:
        lines.append(f"Components: {components}")
    lines.append(f"Signed-By: /etc/apt/keyrings/{key}.asc")
    return "\n".join(lines) + "\n"
