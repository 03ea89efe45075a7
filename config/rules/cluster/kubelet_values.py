"""The values that a kubelet's fields take, and the fields that a stack file cannot set.

The bounds are from the kubelet's own validation (`pkg/kubelet/apis/config/validation`), read in the
source of Kubernetes 1.35 to 1.37.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config.facts.ports import HIGHEST_PORT, KUBELET

OWN_FIELDS: Final[Mapping[str, str]] = {
    "apiVersion": "The document has one already.",
    "authentication": "kubeadm sets it.",
    "authorization": "kubeadm sets it.",
    "cgroupDriver": "It must be the one of containerd, which is systemd.",
    "clusterDNS": "kubeadm sets it from kubernetes.serviceCidr.",
    "clusterDomain": "kubeadm sets it.",
    "containerRuntimeEndpoint": "The bootstrap installs containerd with a socket of its own.",
    "kind": "The document has one already.",
    "maxPods": "It follows from the node's pod addresses, so that no pod is left without one.",
    "podCIDR": "Pods take their addresses from the VPC, never from a range of the node.",
    "providerID": "It names the instance to the cloud controller.",
    "registerNode": "Without it the kubelet never joins the cluster.",
    "registerWithTaints": "The pool's taints set it.",
    "rotateCertificates": "Nodes that join depend on it.",
    "staticPodPath": "kubeadm sets it.",
    "staticPodURL": "kubeadm's static pods come from a directory of the node.",
}
"""Fields that this program or kubeadm sets, each with the reason."""
TRAPS: Final[Mapping[str, tuple[object, str]]] = {
    "enableServer": (False, "Without its server a kubelet answers no logs, exec or metrics."),
    "port": (
        (0, KUBELET),
        f"The API server and the security group expect the kubelet on port {KUBELET}.",
    ),
    "protectKernelDefaults": (
        True,
        "The kubelet then refuses to start: Ubuntu's vm.overcommit_memory is not the one it wants.",
    ),
    "readOnlyPort": (
        (0,),
        "That port shows every pod of the node to anybody, without a login.",
    ),
    "runOnce": (True, "The kubelet then ends after its first pods."),
    "serverTLSBootstrap": (
        True,
        "Nothing here approves the certificates that kubelets then ask for: logs and exec fail.",
    ),
}
"""Fields with the value that breaks a node, or else a tuple of the only ones that do not (0 is the
default), and the reason."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "cpuManagerPolicy": ("none", "static"),
    "memoryManagerPolicy": ("None", "Static"),
    "topologyManagerPolicy": ("none", "best-effort", "restricted", "single-numa-node"),
    "topologyManagerScope": ("container", "pod"),
    "configMapAndSecretChangeDetectionStrategy": ("Get", "Cache", "Watch"),
    "memoryReservationPolicy": ("None", "TieredReservation"),
    "hairpinMode": ("promiscuous-bridge", "hairpin-veth", "none"),
    "memorySwap.swapBehavior": ("NoSwap", "LimitedSwap"),
    "logging.format": ("text", "json"),
    "tlsMinVersion": ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"),
    "imagePullCredentialsVerificationPolicy": (
        "NeverVerify",
        "NeverVerifyPreloadedImages",
        "NeverVerifyAllowlistedImages",
        "AlwaysVerify",
    ),
}
_RESERVED: Final = ("cpu", "memory", "ephemeral-storage", "pid")
_SIGNALS: Final = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "containerfs.available",
    "containerfs.inodesFree",
    "pid.available",
    "allocatableMemory.available",
)
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "systemReserved": _RESERVED,
    "kubeReserved": _RESERVED,
    "evictionHard": _SIGNALS,
    "evictionSoft": _SIGNALS,
    "evictionSoftGracePeriod": _SIGNALS,
    "evictionMinimumReclaim": _SIGNALS,
}
"""Maps that accept only certain keys."""
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "imageGCHighThresholdPercent": (0, 100),
    "imageGCLowThresholdPercent": (0, 100),
    "oomScoreAdj": (-1000, 1000),
    "healthzPort": (0, HIGHEST_PORT),
    "iptablesDropBit": (0, 31),
    "iptablesMasqueradeBit": (0, 31),
    "nodeLeaseDurationSeconds": (1, 2**31 - 1),
    "containerLogMaxFiles": (2, 2**31 - 1),
    "containerLogMaxWorkers": (1, 2**31 - 1),
    "maxParallelImagePulls": (1, 2**31 - 1),
    "nodeStatusMaxImages": (-1, 2**31 - 1),
    "tracing.samplingRatePerMillion": (0, 1_000_000),
    **dict.fromkeys(
        (
            "eventBurst",
            "eventRecordQPS",
            "kubeAPIBurst",
            "kubeAPIQPS",
            "maxOpenFiles",
            "podsPerCore",
            "registryBurst",
            "registryPullQPS",
        ),
        (0, 2**31 - 1),
    ),
}
_ENFORCEMENTS: Final = (
    "none",
    "pods",
    "system-reserved",
    "system-reserved-compressible",
    "kube-reserved",
    "kube-reserved-compressible",
)
_CIPHER_SUITES: Final = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    *(
        f"TLS_ECDHE_{key}_WITH_{cipher}"
        for key in ("ECDSA", "RSA")
        for cipher in (
            "AES_128_CBC_SHA",
            "AES_128_CBC_SHA256",
            "AES_128_GCM_SHA256",
            "AES_256_CBC_SHA",
            "AES_256_GCM_SHA384",
            "CHACHA20_POLY1305",
            "CHACHA20_POLY1305_SHA256",
            "RC4_128_SHA",
        )
    ),
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
)
"""Names that Go's crypto/tls knows, and two short ones (`k8s.io/component-base/cli/flag`)."""
CHOICES_IN_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "enforceNodeAllocatable": _ENFORCEMENTS,
    "tlsCipherSuites": _CIPHER_SUITES,
}
