"""What the machine's package archive has, and what installing it brings.

Kubernetes packages exist in one version: that of the binaries the toolchain built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KUBERNETES: Final = ("kubeadm", "kubelet", "kubectl")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package: its version, the commands and units it brings, what it depends on."""

    name: str
    version: str
    commands: tuple[str, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    depends: tuple[str, ...] = ()


class PackageError(Exception):
    """What apt-get would say about a package it cannot install."""


_KUBELET_UNIT: Final = """\
[Unit]
Description=kubelet (simulated)
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=/usr/local/sbin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS \
$KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
Restart=always
"""
_IDLE_UNIT: Final = """\
[Unit]
Description={name} (simulated: keeps its state, does nothing)
[Service]
ExecStart=/usr/bin/sleep infinity
Restart=always
"""
_CONTAINERD_UNIT: Final = """\
[Unit]
Description=containerd (simulated: the kubelet runs processes itself)
[Service]
ExecStart=/usr/local/sbin/containerd
Restart=always
"""

_PLAIN: Final = (
    "apt-transport-https",
    "bash-completion",
    "ca-certificates",
    "conntrack",
    "cri-tools",
    "curl",
    "ebtables",
    "ethtool",
    "gnupg",
    "gpg",
    "iproute2",
    "ipset",
    "iptables",
    "ipvsadm",
    "jq",
    "kubernetes-cni",
    "linux-modules-extra",
    "nftables",
    "socat",
    "software-properties-common",
)


def archive(kubernetes_version: str) -> dict[str, Package]:
    """Return what can be installed on a machine, by name. `kubernetes_version` is as v1.35.4."""
    debian = kubernetes_version.removeprefix("v") + "-1.1"
    found = {name: Package(name=name, version="1.0") for name in _PLAIN}
    for name in _KUBERNETES:
        units = (("kubelet", _KUBELET_UNIT),) if name == "kubelet" else ()
        found[name] = Package(name=name, version=debian, commands=(name,), units=units)
    for name in ("containerd.io", "containerd"):
        found[name] = Package(
            name=name,
            version="2.1.4-1",
            commands=("containerd",),
            units=(("containerd", _CONTAINERD_UNIT),),
        )
    found["cri-tools"] = Package(name="cri-tools", version="1.35.0-1.1", commands=("crictl",))
    found["chrony"] = Package(
        name="chrony", version="4.5", units=(("chrony", _IDLE_UNIT.format(name="chrony")),)
    )
    return found


def base_units() -> dict[str, str]:
    """Return the units the image has before any package is installed, enabled all."""
    names = (
        "chrony",
        "chronyd",
        "ssh",
        "systemd-networkd",
        "systemd-resolved",
        "systemd-timesyncd",
    )
    return {name: _IDLE_UNIT.format(name=name) for name in names}


def select(wanted: list[str], available: dict[str, Package]) -> list[Package]:
    """Return the packages that `name` or `name=version` arguments mean. Raises PackageError."""
    problems, found = [], []
    for text in wanted:
        name, _, version = text.partition("=")
        name = name.partition(":")[0]
        package = available.get(name)
        if package is None and name.startswith("linux-modules-extra"):
            package = available["linux-modules-extra"]
        if package is None:
            problems.append(f"E: Unable to locate package {name}")
        elif version and not _fits(version, package.version):
            problems.append(f"E: Version '{version}' for '{name}' was not found")
        else:
            found.append(package)
    if problems:
        raise PackageError("\n".join(problems))
    return found


def _fits(asked: str, present: str) -> bool:
    """Say whether apt's version argument, which may end in "*", means the present version."""
    return present.startswith(asked[:-1]) if asked.endswith("*") else asked == present
