"""Rules about the sample apps: a run waits for them, so they must be able to start."""

from __future__ import annotations

from collections.abc import Iterator

from config.facts.image_references import is_name_in_registry, is_registry
from config.facts.nics import NIC_NAMES
from config.model import ClusterConfig, SampleAppsConfig
from config.report import Problem
from config.rules.nodes.labels import key_fault, value_problems

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
"""The taint of a new node, which a cloud controller removes."""


def sample_apps_have_a_network(config: ClusterConfig) -> Iterator[Problem]:
    """Each app uses the pod network of its own NIC."""
    if not config.sample_apps.enabled:
        return
    if not config.spiderpool.enabled:
        yield Problem(
            path="sampleApps.enabled",
            value="true",
            rule="The sample apps use Spiderpool's networks, but spiderpool.enabled is false.",
            remedy="Write enabled: false, or spiderpool.enabled: true.",
        )
        return
    pools = config.node_pools.values()
    for nic in NIC_NAMES:
        interfaces = (pool.interfaces.get(nic) for pool in pools)
        if not any(interface is not None and interface.pod_addresses for interface in interfaces):
            yield Problem(
                path="sampleApps.enabled",
                value="true",
                rule=f"One sample app uses {nic}, but no node has pod addresses there.",
                remedy=f"Write enabled: false, or give a node pool an interface {nic}.",
            )


def sample_apps_can_be_scheduled(config: ClusterConfig) -> Iterator[Problem]:
    """New nodes of a kubeadm cluster have a taint that only a cloud controller removes."""
    apps = config.sample_apps
    if not apps.enabled or config.cloud_controller.enabled or _tolerates(apps):
        return
    if config.kubernetes.mode != "kubeadm":
        return
    yield Problem(
        path="sampleApps.enabled",
        value="true",
        rule="cloudController.enabled is false, so nodes keep the taint "
        f"{UNINITIALIZED}: pods that do not tolerate it, such as the guide's, stay pending.",
        remedy="Write cloudController.enabled: true, enabled: false, or "
        f"tolerations: [{{key: {UNINITIALIZED}}}].",
    )


def _tolerates(apps: SampleAppsConfig) -> bool:
    return any(
        t.key in {"", UNINITIALIZED} and t.value is None and t.effect in {None, "NoSchedule"}
        for t in apps.tolerations
    )


def sample_images_are_names(config: ClusterConfig) -> Iterator[Problem]:
    """`image` is a name in the registry, and `registry` is a host."""
    apps = config.sample_apps
    for key, image in (("clientImage", apps.client_image), ("serverImage", apps.server_image)):
        if not is_name_in_registry(image):
            yield Problem(
                path=f"sampleApps.{key}",
                value=image,
                rule="It must be a name in the registry with a tag or a digest, in small letters.",
                remedy="Write it as library/nginx:1.27.5, and the registry as sampleApps.registry.",
            )
    if apps.registry is not None and not is_registry(apps.registry):
        yield Problem(
            path="sampleApps.registry",
            value=apps.registry,
            rule="A registry is a host with an optional port and path, not a URL.",
            remedy="Write it as registry.example.com/mirror.",
        )


def sample_tolerations_are_tolerations(config: ClusterConfig) -> Iterator[Problem]:
    """Tolerations have the syntax of taints (Kubernetes, `ValidateTolerations`)."""
    for place, toleration in enumerate(config.sample_apps.tolerations):
        path = f"sampleApps.tolerations[{place}]"
        if not toleration.key and toleration.value is not None:
            yield Problem(
                path=f"{path}.value",
                value=toleration.value,
                rule="A toleration without a key is for every taint, whatever its value is.",
                remedy="Take it out, or write the taint's key too.",
            )
            continue
        fault = key_fault(toleration.key) if toleration.key else None
        if fault is not None:
            yield Problem(
                path=f"{path}.key",
                value=toleration.key,
                rule=fault,
                remedy="Write the key of a taint, for example example.com/role.",
            )
        yield from value_problems(f"{path}.value", "value", toleration.value or "")


RULES = (
    sample_apps_have_a_network,
    sample_apps_can_be_scheduled,
    sample_images_are_names,
    sample_tolerations_are_tolerations,
)
