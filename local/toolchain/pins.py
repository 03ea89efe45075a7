"""The pinned tools: version, where each is built from, and how. See `docs/toolchain.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

GO_VERSION: Final = (1, 26)
"""Oldest Go that the modules name in their `go` line."""

PULUMI_VERSION: Final = "3.259.0"
ALICLOUD_VERSION: Final = "3.105.0"
KUBERNETES_PROVIDER_VERSION: Final = "4.32.0"
KUBERNETES_VERSION: Final = "1.36.3"
PREVIOUS_KUBERNETES_VERSION: Final = "1.35.4"
NEXT_KUBERNETES_VERSION: Final = "1.37.2"
"""The minors on either side, which upgrades start from and lead to. They are built on request."""
HELM_VERSION: Final = "3.21.4"
CONTAINERD_VERSION: Final = "2.2.1"
"""A release of the series that the user-data pins (`planning/nodes/guest_system.py`)."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """One `go build`: a module directory next to this file, and the programs it builds.

    `programs` maps a file name in `bin` to its Go package. `stamps` are `-X` linker values.
    `source` is how much Go source a cold build compiles after those before it in `BUILDS`, in
    millions of bytes; processor time follows it. `pruned` is a module of which only the part that
    is used is compiled (`toolchain.builds.pruning`).
    """

    name: str
    version: str
    programs: Mapping[str, str]
    stamps: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    source: int = 50
    pruned: str = ""


_COMMAND: Final = "k8s.io/kubernetes/cmd"


def _kubernetes_stamps(version: str) -> Mapping[str, str]:
    major, minor, _ = version.split(".")
    stamps = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "archive",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{key}": value for package in packages for key, value in stamps.items()}


def _kubernetes(name: str, version: str) -> Build:
    return Build(
        name=name,
        version=version,
        programs={
            program: f"{_COMMAND}/{program}"
            for program in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubeadm",
                "kubectl",
            )
        },
        stamps=_kubernetes_stamps(version),
        source=83,
    )


BUILDS: Final[tuple[Build, ...]] = (
    # The longest first, because two builds run at a time.
    Build(
        name="alicloud",
        version=ALICLOUD_VERSION,
        programs={"pulumi-resource-alicloud": "."},
        stamps={"main.version": ALICLOUD_VERSION},
        source=88,
        pruned="github.com/aliyun/terraform-provider-alicloud",
    ),
    _kubernetes("kubernetes", KUBERNETES_VERSION),
    Build(
        name="pulumi",
        version=PULUMI_VERSION,
        programs={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        stamps={
            "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{PULUMI_VERSION}",
        },
        tags=("osusergo", "grpcnotrace"),
        source=57,
    ),
    Build(
        name="spiderpool",
        version="1.2.2",
        programs={
            "spiderpool-controller": "github.com/spidernet-io/spiderpool/cmd/spiderpool-controller",
        },
        source=41,
    ),
    Build(
        name="helm",
        version=HELM_VERSION,
        programs={"helm": "helm.sh/helm/v3/cmd/helm"},
        stamps={"helm.sh/helm/v3/internal/version.version": f"v{HELM_VERSION}"},
        source=27,
    ),
    Build(
        name="etcd",
        version="3.6.14",
        programs={"etcd": "go.etcd.io/etcd/server/v3"},
        source=12,
    ),
    Build(
        name="crds",
        version="0.17.3",
        programs={"controller-gen": "sigs.k8s.io/controller-tools/cmd/controller-gen"},
        source=6,
    ),
)

NODE: Final = (
    Build(
        name="kubernetes-node",
        version=KUBERNETES_VERSION,
        programs={program: f"{_COMMAND}/{program}" for program in ("kubelet", "kube-proxy")},
        stamps=_kubernetes_stamps(KUBERNETES_VERSION),
    ),
    Build(
        name="containerd",
        version=CONTAINERD_VERSION,
        programs={
            program: f"github.com/containerd/containerd/v2/cmd/{program}"
            for program in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        stamps={"github.com/containerd/containerd/v2/version.Version": f"v{CONTAINERD_VERSION}"},
        # Snapshotters that a machine of the local cloud cannot use.
        tags=("no_btrfs", "no_zfs", "no_devmapper"),
    ),
)
"""The programs of a virtual machine of the local cloud, built on request."""

PREVIOUS_KUBERNETES: Final = _kubernetes("kubernetes-previous", PREVIOUS_KUBERNETES_VERSION)
NEXT_KUBERNETES: Final = _kubernetes("kubernetes-next", NEXT_KUBERNETES_VERSION)
ON_REQUEST: Final = (PREVIOUS_KUBERNETES, NEXT_KUBERNETES)
"""The same programs one minor earlier and later. Not in `BUILDS`: most people never need them."""
