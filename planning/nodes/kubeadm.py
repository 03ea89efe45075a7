"""kubeadm's configuration for one node: API v1beta4, Kubernetes 1.31 to 1.37.

A control plane has the documents of `kubeadm init` and of `kubeadm join`, and the PKI, so nothing
depends on the two hours that uploaded certificates live. Workers know the bootstrap token and the
CA's certificate only.

`PROVIDER_ID` is a placeholder. Each node replaces it with `<region>.<instance-id>`, which only its
metadata service knows; CCM finds the node by this id.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from config.facts.ports import API_SERVER
from config.model import Role
from planning.document import yaml_text
from planning.model import ClusterPlan, NodePlan
from planning.nodes.control_plane import OLDEST_TLS, SAFE_CIPHERS, control_plane_settings
from planning.nodes.endpoint import control_plane_endpoint, endpoint_name, private_address
from planning.nodes.secrets import ClusterSecrets

PROVIDER_ID: Final = "@PROVIDER_ID@"
TOKEN: Final = "@TOKEN@"  # noqa: S105 - a placeholder
"""Replaced by the machine with the token in `DISCOVERY`, the only file that has it."""
API_VERSION: Final = "kubeadm.k8s.io/v1beta4"
CRI_SOCKET: Final = "unix:///run/containerd/containerd.sock"
KUBELET_DIRECTORY: Final = "/etc/spiderpool-alicloud/kubelet.d"
"""The kubelet lays its files over kubeadm's own (`--config-dir`: beta since 1.30, stable in 1.35;
https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/). kubeadm never writes
there, so neither `kubeadm upgrade` nor a second join loses a node's own settings."""
KUBELET_SETTINGS: Final = f"{KUBELET_DIRECTORY}/50-settings.conf"
"""The kubelet reads only names that end in .conf, in the order of their names."""
DISCOVERY: Final = "/etc/spiderpool-alicloud/kubeadm-discovery.yaml"
"""The kubeconfig by which a machine finds and trusts its cluster. It is removed with kubeadm's
other files once the machine has joined."""
KUBELET_DEFAULTS: Final = {
    # The kubelet refuses to start where a setting of the kernel is not what it expects, instead of
    # changing it. `planning.nodes.guest_system.sysctls` has those settings.
    "protectKernelDefaults": True,
    "readOnlyPort": 0,
    "tlsCipherSuites": list(SAFE_CIPHERS),
    "tlsMinVersion": OLDEST_TLS,
}
"""What every kubelet has in addition to kubeadm's own settings: kubeadm refuses anonymous requests
and leaves authorization to the API server. A stack file may set others under
`kubernetes.kubelet`."""
TOKEN_LASTS: Final = timedelta(hours=1)
"""The longest time that a bootstrap token is valid after its Secret was written."""
CLUSTER_DOMAIN: Final = "cluster.local"
_PAUSE: Final = ((36, "3.10.2"), (34, "3.10.1"), (0, "3.10"))
"""First minor and tag of kubeadm's pause image, newest first: `PauseVersion` in
cmd/kubeadm/app/constants/constants.go of each minor."""
CHINA_IMAGES: Final = "registry.aliyuncs.com/google_containers"


def init_documents(
    plan: ClusterPlan,
    node: NodePlan,
    *,
    api_address: str,
    public_address: str | None,
) -> str:
    """The configuration of `kubeadm init` for a control plane: four YAML documents.

    `api_address` and `public_address` go into the API server's certificate, for clients outside of
    the cluster's nodes.
    """
    init = {
        "apiVersion": API_VERSION,
        "kind": "InitConfiguration",
        "bootstrapTokens": [
            {
                "token": TOKEN,
                # A machine that is created later has the same token. The run that creates it writes
                # the Secret again (docs/decisions/join-token.md).
                "ttl": f"{TOKEN_LASTS.total_seconds():.0f}s",
            }
        ],
        "localAPIEndpoint": {"advertiseAddress": private_address(node), "bindPort": API_SERVER},
        "nodeRegistration": _node_registration(node),
        "timeouts": {"controlPlaneComponentHealthCheck": "10m0s", "kubernetesAPICall": "3m0s"},
    }
    return yaml_text(
        init,
        _cluster(plan, api_address=api_address, public_address=public_address),
        _kubelet(),
        _kube_proxy(plan),
    )


def join_documents(node: NodePlan) -> str:
    """The configuration of `kubeadm join` for a worker or a further control plane."""
    join: dict[str, object] = {
        "apiVersion": API_VERSION,
        "kind": "JoinConfiguration",
        # Discovery by token would read `cluster-info` without credentials, which is refused here.
        "discovery": {"file": {"kubeConfigPath": DISCOVERY}},
        "nodeRegistration": _node_registration(node),
        # All nodes are created at once, so a worker waits here for the first control plane.
        "timeouts": {
            "discovery": "30m0s",
            "tlsBootstrap": "10m0s",
            "kubernetesAPICall": "3m0s",
            "etcdAPICall": "10m0s",
        },
    }
    if node.role is Role.CONTROL_PLANE:
        join["controlPlane"] = {
            "localAPIEndpoint": {"advertiseAddress": private_address(node), "bindPort": API_SERVER}
        }
    return yaml_text(join)


def discovery_document(plan: ClusterPlan, *, secrets: ClusterSecrets, ca: str) -> str:
    """The kubeconfig in `DISCOVERY`: the API server, the CA to trust, and the bootstrap token.

    `ca` is the path of the CA's certificate on the machine.

    While the token is not valid, kubeadm is answered 401 and asks again until `timeouts.discovery`
    is over. Once it is valid, kubeadm is answered 403, because the token may not read
    `cluster-info`, and joins with this file's own values (`ValidateConfigInfo` in
    cmd/kubeadm/app/discovery/file/file.go of 1.31 to 1.37).
    """
    cluster = {
        "server": f"https://{control_plane_endpoint(plan)}",
        "certificate-authority": ca,
    }
    return yaml_text(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": plan.name, "cluster": cluster}],
            "users": [{"name": "machine", "user": {"token": secrets.bootstrap_token}}],
            "contexts": [{"name": "join", "context": {"cluster": plan.name, "user": "machine"}}],
            "current-context": "join",
        }
    )


def kubelet_settings(plan: ClusterPlan, node: NodePlan) -> str:
    """The text of `KUBELET_SETTINGS`: what this node's kubelet lays over the cluster's settings.

    It is a separate file because kubeadm keeps one KubeletConfiguration for all nodes, whereas each
    node has its own max-pods, which never exceeds the addresses in its pools.
    """
    fields = dict(sorted(plan.kubernetes.kubelet.items()))
    document = {**_KUBELET, **KUBELET_DEFAULTS, **fields, "maxPods": node.max_pods}
    return json.dumps(document) + "\n"


def own_kubelet_settings(text: str) -> dict[str, object]:
    """The fields of `kubelet_settings` without those of `KUBELET_DEFAULTS`."""
    fields: dict[str, object] = json.loads(text)
    return {k: v for k, v in fields.items() if KUBELET_DEFAULTS.get(k) != v}


def image_repository(plan: ClusterPlan) -> str | None:
    """Where the cluster's own images come from; None for registry.k8s.io."""
    return CHINA_IMAGES if plan.kubernetes.mirrors == "china" else None


def pause_image(plan: ClusterPlan) -> str:
    """The sandbox image that this Kubernetes expects, so that containerd and kubelet agree."""
    repository = image_repository(plan) or "registry.k8s.io"
    minor = _minor(plan)
    tag = next(tag for since, tag in _PAUSE if minor >= since)
    return f"{repository}/pause:{tag}"


def _minor(plan: ClusterPlan) -> int:
    return int(plan.kubernetes.version.split(".")[1])


def _node_registration(node: NodePlan) -> dict[str, object]:
    arguments = {
        "cloud-provider": "external",
        "config-dir": KUBELET_DIRECTORY,
        # The default route's address, without the annotation that makes CCM drop all others.
        "node-ip": "0.0.0.0",  # noqa: S104  # not a bind address
        "provider-id": PROVIDER_ID,
    }
    if node.labels:
        arguments["node-labels"] = ",".join(f"{k}={v}" for k, v in sorted(node.labels.items()))
    return {
        "name": node.name,
        "criSocket": CRI_SOCKET,
        "kubeletExtraArgs": [{"name": k, "value": v} for k, v in sorted(arguments.items())],
        # Always given: kubeadm taints a control plane by itself when the list is absent.
        "taints": [
            {"key": t.key, "value": t.value, "effect": t.effect}
            if t.value
            else {"key": t.key, "effect": t.effect}
            for t in node.taints
        ],
    }


def _cluster(
    plan: ClusterPlan, *, api_address: str, public_address: str | None
) -> dict[str, object]:
    own_names = ("127.0.0.1", endpoint_name(plan), api_address, public_address)
    names = (*own_names, *plan.kubernetes.endpoint.cert_sans)
    document: dict[str, object] = {
        "apiVersion": API_VERSION,
        "kind": "ClusterConfiguration",
        "clusterName": plan.name,
        "kubernetesVersion": f"v{plan.kubernetes.version}",
        "controlPlaneEndpoint": control_plane_endpoint(plan),
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": {
            "dnsDomain": CLUSTER_DOMAIN,
            "podSubnet": str(plan.kubernetes.pod_cidr),
            "serviceSubnet": str(plan.kubernetes.service_cidr),
        },
        **control_plane_settings(tuple(dict.fromkeys(name for name in names if name))),
    }
    repository = image_repository(plan)
    if repository is not None:
        document["imageRepository"] = repository
    return document


_KUBELET: Final = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
}


def _kubelet() -> dict[str, object]:
    return {**_KUBELET, "cgroupDriver": "systemd", "rotateCertificates": True}


def _kube_proxy(plan: ClusterPlan) -> dict[str, object]:
    """Masquerade pods' traffic to services, or a backend on another node answers past the host.

    Pods are in the VPC, outside of `clusterCIDR`. Without a `clusterCIDR` kube-proxy would treat
    all traffic as local (docs/data-plane.md, finding B; kube-proxy's detect-local rules).

    The mode is named because a kube-proxy of 1.37 warns without one, and that of 1.40 takes
    nftables by default (cmd/kube-proxy/app/server_linux.go of 1.37). What nftables lacks here is
    in docs/decisions/versions.md.
    """
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": str(plan.kubernetes.pod_cidr),
        "iptables": {"masqueradeAll": True},
    }
