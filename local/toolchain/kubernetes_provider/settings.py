"""The options of the provider resource, and those that the stand-in refuses."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.cluster import kubeconfig
from toolchain.kubernetes_provider.errors import RefusedClusterError, UnreachableError
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Value,
    at,
    plain_object,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_HELM_VARIABLES: Final[Mapping[str, str]] = {
    "driver": "HELM_DRIVER",
    "pluginsPath": "HELM_PLUGINS",
    "registryConfigPath": "HELM_REGISTRY_CONFIG",
    "repositoryConfigPath": "HELM_REPOSITORY_CONFIG",
    "repositoryCache": "HELM_REPOSITORY_CACHE",
}
_APPLY_ONLY: Final = (
    "The stand-in for the Kubernetes provider applies server-side only. Leave "
    "enable_server_side_apply out, or set it to true."
)
_NO_RENDERING: Final = (
    "The stand-in for the Kubernetes provider does not render files. `kubectl get -o yaml` shows "
    "what it created."
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of one provider resource; environment variables supply the others."""

    kubeconfig: str | None = field(default=None, repr=False)
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    patch_force: bool = False
    upsert_existing: bool = False
    config_maps_mutable: bool = False
    secrets_mutable: bool = False
    helm_environment: Mapping[str, str] = field(default_factory=dict)


def from_arguments(arguments: Object, environment: Mapping[str, str]) -> Settings:
    """Return the settings that CheckConfig accepted."""
    options = plain_object(arguments)

    def flag(option: str, variable: str) -> bool:
        value = options.get(option)
        if value is None or value == "":
            return environment.get(variable) == "true"
        return value in (True, "true")  # the SDKs send booleans as JSON texts

    return Settings(
        kubeconfig=_kubeconfig_text(options.get("kubeconfig")),
        context=text_at(options, "context"),
        cluster=text_at(options, "cluster"),
        namespace=text_at(options, "namespace"),
        delete_unreachable=flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
        skip_update_unreachable=flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
        patch_force=flag("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
        upsert_existing=flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
        config_maps_mutable=flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
        secrets_mutable=flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
        helm_environment=_helm_environment(options.get("helmReleaseSettings"), environment),
    )


def _helm_environment(value: Value, environment: Mapping[str, str]) -> Mapping[str, str]:
    settings: Value = value
    if isinstance(value, str):
        try:
            settings = json.loads(value)
        except ValueError:
            settings = None
    variables = {
        variable: text_at(settings, option)
        for option, variable in _HELM_VARIABLES.items()
        if text_at(settings, option)
    }
    driver = environment.get("PULUMI_K8S_HELM_DRIVER")
    return {"HELM_DRIVER": driver, **variables} if driver else variables


def _kubeconfig_text(value: Value) -> str | None:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict):
        return json.dumps(value)
    return None


def problems(arguments: Object) -> list[tuple[str, str]]:
    """Return (property, sentence) for everything the stand-in refuses; unknowns pass."""
    options = plain_object(arguments)
    refusals: list[tuple[str, str]] = []
    if options.get("enableServerSideApply") in (False, "false"):
        refusals.append(("enableServerSideApply", _APPLY_ONLY))
    if options.get("renderYamlToDirectory"):
        refusals.append(("renderYamlToDirectory", _NO_RENDERING))
    text = _kubeconfig_text(options.get("kubeconfig"))
    if text is not None:
        try:
            kubeconfig.credentials(
                kubeconfig.parse(text),
                context=text_at(options, "context"),
                cluster=text_at(options, "cluster"),
            )
        except RefusedClusterError as error:
            refusals.append(("kubeconfig", str(error)))
        except UnreachableError:
            pass  # a preview accepts it, as the official plugin does; the update reports the reason
    return refusals


@dataclass(frozen=True, kw_only=True)
class ConfigChange:
    """How a provider's configuration changed: which keys, and which of them replace it."""

    changed: tuple[str, ...]
    replaces: tuple[str, ...]


def config_change(old: Object, new: Object) -> ConfigChange:
    """Return what a changed configuration means for everything behind the provider.

    Replacing a provider replaces every object that it created. With a ``clusterIdentifier`` that
    stays, nothing is replaced whatever the kubeconfig does, unknown or not; a changed one replaces.
    Without one, a kubeconfig that leads to another cluster replaces, and so does one that is not
    known yet, because it may. The rules are the official plugin's (DiffConfig in provider.go).
    """
    before, after = plain_object(old), plain_object(new)
    keys = [key for key in sorted(before.keys() | after.keys()) if key != "version"]
    changed = tuple(key for key in keys if before.get(key) != after.get(key))
    was, now = before.get("clusterIdentifier"), after.get("clusterIdentifier")
    if now is not None and was == now and now is not UNKNOWN:
        return ConfigChange(changed=changed, replaces=())
    replaces = ["clusterIdentifier"] if was is not None and now is not None and was != now else []
    location = [key for key in ("kubeconfig", "context", "cluster") if key in changed]
    unknown = [key for key in location if after.get(key) is UNKNOWN]
    if unknown:
        return ConfigChange(changed=changed, replaces=(*replaces, unknown[0]))
    there, here = _target(before), _target(after)
    if there is not None and here is not None and there != here:
        replaces += location
    return ConfigChange(changed=changed, replaces=tuple(replaces))


def _target(arguments: Object) -> Object | None:
    text = _kubeconfig_text(at(arguments, "kubeconfig"))
    if text is None:
        return None
    try:
        return kubeconfig.active_cluster(
            kubeconfig.parse(text),
            context=text_at(arguments, "context"),
            cluster=text_at(arguments, "cluster"),
        )
    except UnreachableError:
        return None


def process_environment() -> Mapping[str, str]:
    """Return the environment variables of this process."""
    return dict(os.environ)
