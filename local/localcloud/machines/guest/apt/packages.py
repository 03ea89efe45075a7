"""The packages of the machine's archive, and the commands and units that they install.

Kubernetes packages exist in the versions whose binaries the toolchain built. Each minor version has
a repository of its own, as on pkgs.k8s.io.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from localcloud.machines.guest.apt.sources import Pin

KUBERNETES: Final = ("kubeadm", "kubelet", "kubectl")
"""Packages that differ between Kubernetes versions."""
_MINOR_OF_REPOSITORY: Final = re.compile(r"/v(\d+\.\d+)/deb\b")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package: its version, the commands and units it brings, what it depends on."""

    name: str
    version: str
    commands: tuple[str, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    depends: tuple[str, ...] = ()


class PackageError(Exception):
    """apt-get's message about a package that it cannot install."""


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
    "socat",
    "software-properties-common",
)


_DEPENDS: Final = {"kubelet": ("kubernetes-cni",)}
"""Of the packages of Kubernetes: `cmd/krel/templates/latest/metadata.yaml` in
github.com/kubernetes/release. kubeadm brings no cri-tools since 1.32
(https://github.com/kubernetes/release/pull/3626)."""


def offered(built: Iterable[str], fetched: str) -> list[str]:
    """Return the Kubernetes versions that apt's lists have, newest first.

    Args:
        built: the versions that the toolchain has, for example v1.35.4.
        fetched: URIs of the repositories whose lists `apt-get update` fetched. Without a repository
            of Kubernetes among them, the image's own archive has every version that is built.
    """
    minors = set(_MINOR_OF_REPOSITORY.findall(fetched))
    newest = sorted(built, key=_numbers, reverse=True)
    return [v for v in newest if not minors or ".".join(map(str, _numbers(v)[:2])) in minors]


def archive(kubernetes: Sequence[str]) -> dict[str, tuple[Package, ...]]:
    """Return the packages that can be installed on a machine: name → its versions, best first.

    `kubernetes` has versions such as v1.35.4, newest first.
    """
    packages: dict[str, tuple[Package, ...]] = {
        name: (package,) for name, package in _of_every_machine().items()
    }
    for name in KUBERNETES:
        units = (("kubelet", _KUBELET_UNIT),) if name == "kubelet" else ()
        packages[name] = tuple(
            Package(
                name=name,
                version=f"{v.removeprefix('v')}-1.1",
                commands=(name,),
                units=units,
                depends=_DEPENDS.get(name, ()),
            )
            for v in kubernetes
        )
    return packages


def _of_every_machine() -> dict[str, Package]:
    packages = {name: Package(name=name, version="1.0") for name in _PLAIN}
    for name in ("containerd.io", "containerd"):
        packages[name] = Package(
            name=name,
            version="2.2.1-1",
            commands=("containerd", "ctr"),
            units=(("containerd", _CONTAINERD_UNIT),),
        )
    packages["nftables"] = Package(name="nftables", version="1.0.9-1", commands=("nft",))
    packages["cri-tools"] = Package(name="cri-tools", version="1.35.0-1.1", commands=("crictl",))
    packages["chrony"] = Package(
        name="chrony", version="4.5", units=(("chrony", _IDLE_UNIT.format(name="chrony")),)
    )
    return packages


def base_units() -> dict[str, str]:
    """Return the image's units before any package is installed; all are enabled."""
    names = (
        "chrony",
        "chronyd",
        "ssh",
        "systemd-networkd",
        "systemd-resolved",
        "systemd-timesyncd",
    )
    return {name: _IDLE_UNIT.format(name=name) for name in names}


def select(
    arguments: Sequence[str], available: Mapping[str, tuple[Package, ...]], pins: Sequence[Pin] = ()
) -> list[Package]:
    """Return the packages that `name` or `name=version` arguments mean, after those they depend on.

    Without a version, the one with the highest pin is chosen; among equal pins, the newest.
    Raises PackageError.
    """
    problems, chosen = [], []
    for text in arguments:
        name, _, version = text.partition("=")
        name = name.partition(":")[0]
        if name.startswith("linux-modules-extra"):
            name = "linux-modules-extra"
        packages = available.get(name, ())
        fitting = [p for p in packages if not version or _fits(version, p.version)]
        if not packages:
            problems.append(f"E: Unable to locate package {name}")
        elif not fitting:
            problems.append(f"E: Version '{version}' for '{name}' was not found")
        else:
            chosen.append(max(fitting, key=lambda p: _priority(p, pins)))
    if problems:
        raise PackageError("\n".join(problems))
    names = {package.name for package in chosen}
    needed = {name for package in chosen for name in package.depends} - names
    return [*(available[name][0] for name in sorted(needed)), *chosen]


def _priority(package: Package, pins: Sequence[Pin]) -> int:
    """The priority of the first pin that matches, or apt's default of 500."""
    return next((p.priority for p in pins if p.means(package.name, package.version)), 500)


def _fits(asked: str, present: str) -> bool:
    """Whether apt's version argument, which may end in "*", means the present version."""
    return present.startswith(asked[:-1]) if asked.endswith("*") else asked == present


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").partition("-")[0].split("."))
