"""Which kinds the API server serves, under which path, in which scope."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.errors import NoSuchKindError
from toolchain.kubernetes_provider.protocol.wire import Object, objects_at, text_at

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.cluster.api_server import Cluster

# Kinds of the built-in groups that live outside namespaces: known without an API server.
_CLUSTER_SCOPED: Final = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "ComponentStatus",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "SelfSubjectAccessReview",
        "SelfSubjectReview",
        "SelfSubjectRulesReview",
        "ServiceCIDR",
        "StorageClass",
        "StorageVersion",
        "SubjectAccessReview",
        "TokenReview",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)
_BUILT_IN_GROUPS: Final = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
_SHORTEST_REFRESH: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class ServedKind:
    """One kind as the API server serves it: its plural name in paths, and its scope."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, *, namespace: str, name: str | None = None) -> str:
        """Return the path of one object, or of the collection without a name."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        inside = f"/namespaces/{namespace}" if self.namespaced else ""
        leaf = f"/{name}" if name else ""
        return f"{root}{self.api_version}{inside}/{self.plural}{leaf}"


def group_of(api_version: str) -> str:
    """Return the group part: "" for "v1"."""
    return api_version.rpartition("/")[0]


def is_built_in(api_version: str) -> bool:
    """Tell whether the group is one of Kubernetes' own, whose types are fixed."""
    return group_of(api_version) in _BUILT_IN_GROUPS


def built_in_scope(api_version: str, kind: str) -> bool | None:
    """Return whether a built-in kind is namespaced, ``None`` for kinds of other groups."""
    if not is_built_in(api_version):
        return None
    return kind not in _CLUSTER_SCOPED


class Discovery:
    """The kinds of one API server, asked once and again when one is missing."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, ServedKind]] = {}
        self._asked: dict[str, float] = {}

    def find(self, api_version: str, kind: str) -> ServedKind | None:
        """Return the kind, ``None`` when it is not served (yet)."""
        with self._lock:
            served = self._kinds.get(api_version, {}).get(kind)
            if served is None and self._is_stale(api_version):
                self._kinds[api_version] = self._ask(api_version)
                self._asked[api_version] = time.monotonic()
                served = self._kinds[api_version].get(kind)
            return served

    def get(self, api_version: str, kind: str) -> ServedKind:
        """Return the kind; raise NoSuchKindError when it is not served."""
        served = self.find(api_version, kind)
        if served is None:
            raise NoSuchKindError(
                f"The API server does not serve kind {kind} in version {api_version}. Make what "
                "registers it (its CustomResourceDefinition, or the Helm release that brings it) a "
                "dependency of this resource."
            )
        return served

    def path_of(self, target: Object) -> str:
        """Return the path of an object given its apiVersion, kind and metadata."""
        served = self.get(text_at(target, "apiVersion"), text_at(target, "kind"))
        namespace = text_at(target, "metadata", "namespace") or self._cluster.namespace
        return served.path(namespace=namespace, name=text_at(target, "metadata", "name"))

    def _is_stale(self, api_version: str) -> bool:
        asked = self._asked.get(api_version)
        return asked is None or time.monotonic() - asked >= _SHORTEST_REFRESH

    def _ask(self, api_version: str) -> dict[str, ServedKind]:
        root = "/apis/" if "/" in api_version else "/api/"
        answer = self._cluster.get(root + api_version)
        return {
            text_at(entry, "kind"): ServedKind(
                api_version=api_version,
                plural=text_at(entry, "name"),
                namespaced=entry.get("namespaced") is True,
            )
            for entry in objects_at(answer, "resources")
            if "/" not in text_at(entry, "name")  # subresources: deployments/status
        }
