"""The packages of a Kubernetes node, made from programs that the toolchain built.

Names, files and units are those of the real packages, as far as a node uses them:
https://github.com/kubernetes/release/tree/master/cmd/krel/templates/latest (kubelet, kubeadm,
kubectl, cri-tools) and https://github.com/docker/containerd-packaging (containerd.io). runc is the
distribution's, on which this containerd.io depends; the real one brings its own. This kubelet does
not depend on kubernetes-cni: Spiderpool brings the plugins that pods need.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .archive import run
from .failure import PreparationError

CONTAINERD: Final = ("containerd", "containerd-shim-runc-v2", "ctr")
_REVISION: Final = "1.1"
_CRICTL: Final = "crictl"
_LAYOUT: Final = 2
"""Raised when the packages' other files change."""
_PROGRAM: Final = 0o755
_FILE: Final = 0o644

_KUBELET_UNIT: Final = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_KUBELET_DROP_IN: Final = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS \
$KUBELET_EXTRA_ARGS
"""
_CONTAINERD_UNIT: Final = """\
[Unit]
Description=containerd container runtime
After=network.target dbus.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""
_CONTAINERD_SETTINGS: Final = 'disabled_plugins = ["cri"]\n'
"""The content in the real package; the user-data replaces the file."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """A package to make. `programs` are files here, `texts` their content."""

    name: str
    version: str
    depends: Sequence[str] = ()
    programs: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    conffiles: Sequence[str] = ()

    @property
    def control(self) -> str:
        """The package's own description."""
        depends = f"Depends: {', '.join(self.depends)}\n" if self.depends else ""
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: amd64\n"
            f"Maintainer: localcloud <localcloud@example.invalid>\n{depends}"
            f"Description: {self.name}, built for the local cloud\n"
        )


@dataclass(frozen=True, kw_only=True)
class NodePrograms:
    """Programs of a node that were built, and their versions.

    `kubernetes` has kubeadm and kubectl, `node` the kubelet, containerd and crictl.
    """

    kubernetes_version: str
    containerd_version: str
    cri_tools_version: str
    kubernetes: Path
    node: Path

    @property
    def identity(self) -> str:
        """A text that changes with any program: the toolchain names builds by their content."""
        names = (*CONTAINERD, _CRICTL, "kubelet")
        files = [(self.node / name).resolve() for name in names]
        files += [(self.kubernetes / name).resolve() for name in ("kubeadm", "kubectl")]
        return json.dumps([_LAYOUT, *(f"{file.parent.name}/{file.name}" for file in files)])

    @property
    def minor(self) -> str:
        """The minor version of Kubernetes, for example 1.36."""
        return ".".join(self.kubernetes_version.split(".")[:2])


def built(tools: Path) -> NodePrograms | None:
    """The programs in the toolchain's folder; None where those of a node were not built."""
    node = tools / "node"
    names = ("kubelet", _CRICTL, *CONTAINERD)
    paths = (*(node / name for name in names), tools / "kubeadm")
    if not all(path.exists() for path in paths):
        return None
    return NodePrograms(
        kubernetes_version=version_of((str(node / "kubelet"), "--version")),
        containerd_version=version_of((str(node / "containerd"), "--version")),
        cri_tools_version=version_of((str(node / _CRICTL), "--version")),
        kubernetes=tools,
        node=node,
    )


def version_of(command: Sequence[str]) -> str:
    """The version in a command's output, as in `v1.36.3`. Raises PreparationError without one."""
    output = run(command, {}, Path.cwd())
    match = re.search(r"\bv(\d+\.\d+\.\d+)", output)
    if match is None:
        raise PreparationError(f"`{' '.join(command)}` reported {output!r} as its version.")
    return match[1]


def kubernetes_packages(programs: NodePrograms) -> list[Content]:
    """The packages of the source of Kubernetes; kubeadm has not needed cri-tools since 1.32."""
    full = f"{programs.kubernetes_version}-{_REVISION}"
    kubelet = Content(
        name="kubelet",
        version=full,
        depends=("conntrack", "iptables", "iproute2", "mount", "util-linux"),
        programs={"usr/bin/kubelet": programs.node / "kubelet"},
        texts={
            "usr/lib/systemd/system/kubelet.service": _KUBELET_UNIT,
            "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": _KUBELET_DROP_IN,
            "etc/kubernetes/manifests/.keep": "",
        },
    )
    others = [
        Content(name=name, version=full, programs={f"usr/bin/{name}": programs.kubernetes / name})
        for name in ("kubeadm", "kubectl")
    ]
    cri_tools = Content(
        name="cri-tools",
        version=f"{programs.cri_tools_version}-{_REVISION}",
        programs={f"usr/bin/{_CRICTL}": programs.node / _CRICTL},
    )
    return [kubelet, *others, cri_tools]


def containerd_package(programs: NodePrograms) -> Content:
    """The package of containerd."""
    return Content(
        name="containerd.io",
        version=f"{programs.containerd_version}-1~debian.13~trixie",
        depends=("runc",),
        programs={f"usr/bin/{name}": programs.node / name for name in CONTAINERD},
        texts={
            "usr/lib/systemd/system/containerd.service": _CONTAINERD_UNIT,
            "etc/containerd/config.toml": _CONTAINERD_SETTINGS,
        },
        conffiles=("/etc/containerd/config.toml",),
    )


def make(content: Content, into: Path) -> Path:
    """Write the package's file into a folder and return its path."""
    tree = into / f".{content.name}"
    for place, program in content.programs.items():
        _place(tree / place, program.read_bytes(), _PROGRAM)
    for place, text in content.texts.items():
        _place(tree / place, text.encode(), _FILE)
    _place(tree / "DEBIAN/control", content.control.encode(), _FILE)
    if content.conffiles:
        listing = "".join(f"{path}\n" for path in content.conffiles)
        _place(tree / "DEBIAN/conffiles", listing.encode(), _FILE)
    file = into / f"{content.name}_{content.version}_amd64.deb"
    run(("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(file)), {}, into)
    shutil.rmtree(tree)
    return file


def _place(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
