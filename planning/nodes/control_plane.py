"""The settings of the API server, the controller manager and the scheduler, beyond kubeadm's own.

kubeadm keeps them in its ClusterConfiguration, from which control planes that join take them, so
all control planes of a cluster have the same ones. The files that the API server reads are in each
control plane's user-data. Reasons and sources: docs/decisions/api-server-settings.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planning.document import yaml_text

FOLDER: Final = "/etc/kubernetes/api-server"
"""The API server's own files; the same path on the machine and in its container."""
AUDIT_FOLDER: Final = "/var/log/kubernetes"
AUDIT_LOG: Final = f"{AUDIT_FOLDER}/audit.log"
ENCRYPTION_FILE: Final = f"{FOLDER}/encryption.yaml"
"""The machine writes it, with the keys that it derives (`write_encryption` in common.sh)."""
ANONYMOUS_PATHS: Final = ("/livez", "/readyz", "/healthz")
"""Requests without credentials are answered here, for the kubelet's probes and load balancers."""
SAFE_CIPHERS: Final = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
)
"""The cipher suites of TLS 1.2 with forward secrecy and AES-GCM. Those of TLS 1.3 cannot be chosen.
kubeadm's certificates are ECDSA here, and the kubelet's own one is RSA."""
OLDEST_TLS: Final = "VersionTLS12"

_AUTHENTICATION: Final = f"{FOLDER}/authentication.yaml"
_ADMISSION: Final = f"{FOLDER}/admission.yaml"
_AUDIT_POLICY: Final = f"{FOLDER}/audit-policy.yaml"
_CONFIGURATION: Final = "apiserver.config.k8s.io/v1"
_READING: Final = ["get", "list", "watch"]
_COMMANDS: Final = (
    "nodes/proxy",
    "pods/attach",
    "pods/exec",
    "pods/portforward",
    "pods/proxy",
    "services/proxy",
)
"""Subresources that lead into a container or past the API server."""


def control_plane_settings(names: tuple[str, ...]) -> dict[str, object]:
    """The parts of kubeadm's ClusterConfiguration for the three components.

    Args:
        names: DNS names and addresses for the API server's certificate.
    """
    return {
        "apiServer": {
            "certSANs": list(names),
            "extraArgs": _arguments(
                {
                    "admission-control-config-file": _ADMISSION,
                    "audit-log-compress": "true",
                    "audit-log-maxage": "30",
                    "audit-log-maxbackup": "10",
                    "audit-log-maxsize": "100",
                    "audit-log-path": AUDIT_LOG,
                    "audit-policy-file": _AUDIT_POLICY,
                    "authentication-config": _AUTHENTICATION,
                    "encryption-provider-config": ENCRYPTION_FILE,
                    "profiling": "false",
                    "service-account-extend-token-expiration": "false",
                    "tls-cipher-suites": ",".join(SAFE_CIPHERS),
                    "tls-min-version": OLDEST_TLS,
                }
            ),
            "extraVolumes": [
                _volume("api-server", FOLDER, read_only=True),
                _volume("audit", AUDIT_FOLDER, read_only=False),
            ],
        },
        "controllerManager": {
            # Only kube-proxy uses podSubnet. No pod ever takes an address from it.
            "extraArgs": _arguments({"allocate-node-cidrs": "false", "profiling": "false"})
        },
        "scheduler": {"extraArgs": _arguments({"profiling": "false"})},
    }


def api_server_files() -> Mapping[str, str]:
    """Files of the API server without a secret, by path."""
    return {
        _ADMISSION: yaml_text(_admission()),
        _AUDIT_POLICY: yaml_text(_audit_policy()),
        _AUTHENTICATION: yaml_text(_authentication()),
    }


def _authentication() -> dict[str, object]:
    conditions = [{"path": path} for path in ANONYMOUS_PATHS]
    return {
        "apiVersion": _CONFIGURATION,
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": conditions},
    }


def _admission() -> dict[str, object]:
    """Pod Security's level for namespaces without a label of their own."""
    modes = ("enforce", "audit", "warn")
    levels = dict.fromkeys(modes, "baseline") | {f"{mode}-version": "latest" for mode in modes}
    configuration = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": levels,
        # kube-proxy, Spiderpool's agent and the cloud controller use the host.
        "exemptions": {"namespaces": ["kube-system"]},
    }
    return {
        "apiVersion": _CONFIGURATION,
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "PodSecurity", "configuration": configuration}],
    }


def _audit_policy() -> dict[str, object]:
    """Who asked for what, never the content: `Metadata` is the highest level. First match wins."""
    nodes, controllers = "system:nodes", "system:serviceaccounts:kube-system"
    components = ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            # Whoever reads a Secret or gets a token is noted, components too.
            {
                "level": "Metadata",
                "resources": [
                    {"group": "", "resources": ["secrets", "serviceaccounts/token"]},
                    {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                ],
            },
            # A command in a container is a `get` where it goes over a WebSocket (kubectl,
            # pkg/cmd/exec/exec.go), and the kubelet's own API runs commands as well.
            {"level": "Metadata", "resources": [{"group": "", "resources": list(_COMMANDS)}]},
            {"level": "None", "nonResourceURLs": ["/*"], "verbs": ["get"]},
            # Heartbeats, and what components read and report all the time, would fill the log.
            {"level": "None", "users": components, "verbs": _READING},
            {"level": "None", "userGroups": [nodes, controllers], "verbs": _READING},
            {
                "level": "None",
                "userGroups": [nodes],
                "resources": [{"group": "", "resources": ["nodes/status", "pods/status"]}],
            },
            {
                "level": "None",
                "resources": [
                    {"group": "coordination.k8s.io", "resources": ["leases"]},
                    {"group": "", "resources": ["events"]},
                    {"group": "events.k8s.io", "resources": ["events"]},
                ],
            },
            {"level": "Metadata"},
        ],
    }


def _arguments(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _volume(name: str, path: str, *, read_only: bool) -> dict[str, object]:
    return {
        "name": name,
        "hostPath": path,
        "mountPath": path,
        "readOnly": read_only,
        "pathType": "DirectoryOrCreate",
    }
