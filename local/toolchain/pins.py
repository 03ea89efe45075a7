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
OPENTOFU_VERSION: Final = "1.12.6"
TERRAFORM_PROVIDER_VERSION: Final = "1.285.0"
"""Upstream's provider in the plugin `ALICLOUD_VERSION` (`alicloud/go.mod`)."""
CONTAINERD_VERSION: Final = "2.2.1"
"""A release of the series that the user-data pins (`planning/nodes/guest_system.py`)."""
CRI_TOOLS_VERSION: Final = "1.34.0"
"""The newest release whose tag the Go module proxy has before 1.37; any release speaks CRI v1."""
SPIDERPOOL_VERSION: Final = "1.2.2"
MULTUS_VERSION: Final = "4.1.4"
CNI_PLUGINS_VERSION: Final = "1.9.0"
"""Of multus and the CNI plugins, the versions in Spiderpool's images: its
`charts/spiderpool/values.yaml` and `images/spiderpool-plugins/version.sh`."""
COREDNS_VERSION: Final = "1.14.2"
"""`CoreDNSVersion` in `cmd/kubeadm/app/constants/constants.go` of the pinned Kubernetes."""
PODS_VERSION: Final = "2"
"""Of our own programs for pods: increase it when one of them changes what it does."""


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
        version=SPIDERPOOL_VERSION,
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
    # Next to etcd: Go would name etcd's own program `server` if one command built both.
    Build(
        name="etcdutl",
        version="3.6.14",
        programs={"etcdutl": "go.etcd.io/etcd/etcdutl/v3"},
        source=2,
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
    Build(
        name="cri-tools",
        version=CRI_TOOLS_VERSION,
        programs={"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
        stamps={"sigs.k8s.io/cri-tools/pkg/version.Version": f"v{CRI_TOOLS_VERSION}"},
    ),
)
"""The programs of a virtual machine of the local cloud, built on request."""

OPENTOFU: Final = (
    Build(
        name="opentofu",
        version=OPENTOFU_VERSION,
        programs={"tofu": "github.com/opentofu/opentofu/cmd/tofu"},
        stamps={"github.com/opentofu/opentofu/version.dev": "no"},
    ),
    Build(
        name="terraform-provider",
        version=TERRAFORM_PROVIDER_VERSION,
        programs={"terraform-provider-alicloud": "."},
        pruned="github.com/aliyun/terraform-provider-alicloud",
    ),
)
"""OpenTofu and the provider that the plugin wraps: what `make bench` compares with, on request."""

IMAGES: Final = (
    Build(
        name="coredns",
        version=COREDNS_VERSION,
        programs={"coredns": "github.com/coredns/coredns"},
        source=66,
    ),
    Build(
        name="multus",
        version=MULTUS_VERSION,
        programs={
            program: f"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/{program}"
            for program in ("install_multus", "multus")
        },
        source=30,
    ),
    Build(
        name="spiderpool-node",
        version=SPIDERPOOL_VERSION,
        programs={
            program: f"github.com/spidernet-io/spiderpool/cmd/{program}"
            for program in (
                "coordinator",
                "ifacer",
                "spiderpool",
                "spiderpool-agent",
                "spiderpool-init",
            )
        },
        source=20,
    ),
    Build(
        name="cni-plugins",
        version=CNI_PLUGINS_VERSION,
        programs={
            plugin: f"github.com/containernetworking/plugins/plugins/main/{plugin}"
            # ipvlan and loopback are what a node uses. macvlan is what the fabric must drop.
            for plugin in ("ipvlan", "loopback", "macvlan")
        },
        source=5,
    ),
    Build(
        name="pods",
        version=PODS_VERSION,
        programs={
            program: f"spiderpool-alicloud.local/toolchain/pods/{program}"
            for program in ("pause", "web")
        },
        source=1,
    ),
)
"""The programs of the images that containers of a virtual machine run, built on request. kube-proxy
and Spiderpool's controller are in other builds."""

PREVIOUS_KUBERNETES: Final = _kubernetes("kubernetes-previous", PREVIOUS_KUBERNETES_VERSION)
NEXT_KUBERNETES: Final = _kubernetes("kubernetes-next", NEXT_KUBERNETES_VERSION)
ON_REQUEST: Final = (PREVIOUS_KUBERNETES, NEXT_KUBERNETES)
"""The same programs one minor earlier and later. Not in `BUILDS`: most people never need them."""
