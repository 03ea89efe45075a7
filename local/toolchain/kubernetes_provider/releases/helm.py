"""The ``helm`` command: its arguments, its calls, and its answers about a release.

Helm reads values from standard input, so that no key is ever in an argument list or a file. Its
kubeconfig is created for each call (mode 0600, in a folder of its own) and removed afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from toolchain.kubernetes_provider.cluster import kubeconfig
from toolchain.kubernetes_provider.errors import CancelledError, ProviderError
from toolchain.kubernetes_provider.protocol.wire import (
    Object,
    Value,
    number_at,
    object_at,
    text_at,
    without_nulls,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolchain.kubernetes_provider.cluster.kubeconfig import Credentials

_DEFAULT_TIMEOUT: Final = 300
# Switches of install and upgrade that a release sets by a boolean of the same meaning.
_BOTH: Final[Mapping[str, str]] = {
    "atomic": "--atomic",
    "dependencyUpdate": "--dependency-update",
    "devel": "--devel",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "renderSubchartNotes": "--render-subchart-notes",
    "verify": "--verify",
}
_INSTALL: Final[Mapping[str, str]] = {
    "createNamespace": "--create-namespace",
    "disableWebhooks": "--no-hooks",
    "replace": "--replace",
    "skipCrds": "--skip-crds",
}
# The official plugin turns hooks off on an upgrade by disableCRDHooks, not by disableWebhooks
# (helmUpdate in helm_release.go), so a chart's upgrade hooks run with disableWebhooks alone.
_UPGRADE: Final[Mapping[str, str]] = {
    "cleanupOnFail": "--cleanup-on-fail",
    "disableCRDHooks": "--no-hooks",
    "forceUpdate": "--force",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}


class HelmError(ProviderError):
    """The helm command failed; the text is helm's message."""


class ReleaseNotFoundError(HelmError):
    """There is no release of that name in that namespace."""


@dataclass(frozen=True, kw_only=True)
class LiveRelease:
    """A release as the cluster has it. ``values`` are the user's, without the chart's defaults."""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    version: str
    app_version: str
    values: Object = field(repr=False)
    manifest: str = field(repr=False)

    def resource_names(self) -> dict[str, list[str]]:
        """Return the objects of the manifest: {"Deployment.apps/apps/v1": ["kube-system/x"]}."""
        names: dict[str, set[str]] = {}
        for document in yaml.safe_load_all(self.manifest):
            if not isinstance(document, dict) or not document.get("kind"):
                continue
            api_version, kind = text_at(document, "apiVersion"), text_at(document, "kind")
            group = api_version.rpartition("/")[0]
            key = f"{kind}.{group}/{api_version}" if group else f"{kind}/{api_version}"
            namespace = text_at(document, "metadata", "namespace")
            name = text_at(document, "metadata", "name")
            names.setdefault(key, set()).add(f"{namespace}/{name}" if namespace else name)
        return {key: sorted(objects) for key, objects in sorted(names.items())}


def timeout_seconds(release: Object) -> int:
    """Return how long helm waits for one operation."""
    return number_at(release, "timeout") or _DEFAULT_TIMEOUT


def chart_arguments(release: Object) -> list[str]:
    """Return the arguments that select the chart: its name or path, repository and version."""
    options = object_at(release, "repositoryOpts")
    named = {
        "--repo": text_at(options, "repo"),
        "--ca-file": text_at(options, "caFile"),
        "--cert-file": text_at(options, "certFile"),
        "--key-file": text_at(options, "keyFile"),
        "--version": text_at(release, "version"),
        "--keyring": text_at(release, "keyring"),
    }
    arguments = [text_at(release, "chart")]
    for option, value in named.items():
        arguments += [option, value] if value else []
    return arguments


def _shared_arguments(release: Object) -> list[str]:
    arguments = ["--namespace", text_at(release, "namespace"), "--values", "-"]
    arguments += ["--timeout", f"{timeout_seconds(release)}s"]
    arguments += [option for key, option in _BOTH.items() if release.get(key) is True]
    if release.get("skipAwait") is not True:
        arguments.append("--wait")
        arguments += ["--wait-for-jobs"] if release.get("waitForJobs") is True else []
    for key, option in (("description", "--description"), ("postrender", "--post-renderer")):
        arguments += [option, text_at(release, key)] if text_at(release, key) else []
    return arguments


def install_arguments(release: Object) -> list[str]:
    """Return the arguments of helm install; the values go to standard input."""
    switches = [option for key, option in _INSTALL.items() if release.get(key) is True]
    return [
        "install",
        text_at(release, "name"),
        *chart_arguments(release),
        *_shared_arguments(release),
        *switches,
    ]


def upgrade_arguments(release: Object) -> list[str]:
    """Return the arguments of helm upgrade; the values go to standard input."""
    switches = [option for key, option in _UPGRADE.items() if release.get(key) is True]
    return [
        "upgrade",
        text_at(release, "name"),
        *chart_arguments(release),
        *_shared_arguments(release),
        *switches,
        "--history-max",
        str(number_at(release, "maxHistory")),
    ]


def uninstall_arguments(release: Object) -> list[str]:
    """Return the arguments of helm uninstall.

    Hooks run even if disableWebhooks is set: the official plugin does not turn them off here.
    """
    arguments = ["uninstall", text_at(release, "name"), "--ignore-not-found"]
    arguments += ["--namespace", text_at(release, "namespace")]
    if release.get("atomic") is True or release.get("skipAwait") is not True:
        arguments += ["--wait", "--timeout", f"{timeout_seconds(release)}s"]
    return arguments


class Helm:
    """Calls of the helm command against one cluster."""

    def __init__(
        self, using: Credentials | None, *, environment: Mapping[str, str], binary: str = "helm"
    ) -> None:
        self._using = using
        self._environment = environment
        self._binary = binary
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._cancelled = False

    def cancel(self) -> None:
        """Interrupt what runs; helm then marks the release as failed."""
        with self._lock:
            self._cancelled = True
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def chart(self, release: Object) -> Object:
        """Return the Chart.yaml of the chart that a release asks for."""
        document = yaml.safe_load(self._run(["show", "chart", *chart_arguments(release)]))
        if not isinstance(document, dict):
            raise HelmError(
                f"`helm show chart` prints no Chart.yaml for {text_at(release, 'chart')!r}."
            )
        return document

    def install(self, release: Object) -> None:
        """Install the release; raise HelmError with helm's message."""
        self._run(install_arguments(release), values=object_at(release, "values"))

    def upgrade(self, release: Object) -> None:
        """Upgrade the release; raise HelmError with helm's message."""
        self._run(upgrade_arguments(release), values=object_at(release, "values"))

    def uninstall(self, release: Object) -> str:
        """Uninstall the release; return helm's output about what it left."""
        return self._run(uninstall_arguments(release))

    def find(self, *, name: str, namespace: str) -> LiveRelease | None:
        """Return the release, ``None`` when there is none."""
        where = [name, "--namespace", namespace, "--output", "json"]
        try:
            status: Value = json.loads(self._run(["status", *where]))
            metadata: Value = json.loads(self._run(["get", "metadata", *where]))
        except ReleaseNotFoundError:
            return None
        return LiveRelease(
            name=text_at(status, "name"),
            namespace=text_at(status, "namespace"),
            revision=number_at(status, "version"),
            status=text_at(status, "info", "status"),
            chart=text_at(metadata, "chart"),
            version=text_at(metadata, "version"),
            app_version=text_at(metadata, "appVersion"),
            values=object_at(status, "config"),
            manifest=text_at(status, "manifest"),
        )

    def _run(self, arguments: Sequence[str], *, values: Object | None = None) -> str:
        with tempfile.TemporaryDirectory(prefix="kubernetes-provider-") as folder:
            command = [self._binary, *arguments]
            if self._using:
                path = Path(folder) / "kubeconfig"
                path.touch(mode=0o600)
                path.write_text(kubeconfig.minimal(self._using), encoding="utf-8")
                command += ["--kubeconfig", str(path)]
            # JSON is YAML, and keeps the nulls by which a chart's own values are unset.
            standard_input = None if values is None else json.dumps(values)
            return self._communicate(command, standard_input)

    def _communicate(self, command: Sequence[str], standard_input: str | None) -> str:
        with self._lock:
            # Reads are still allowed after a cancellation, because state must have what was
            # created.
            if self._cancelled and command[1] not in ("status", "get"):
                raise CancelledError(
                    "helm was not called because the engine cancelled the operation."
                )
            try:
                process = subprocess.Popen(  # noqa: S603 - no shell, arguments of our own
                    command,
                    env=self._environment_for_call(),
                    stdin=subprocess.PIPE if standard_input is not None else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,  # an interrupt of the terminal comes by Cancel
                )
            except FileNotFoundError:
                raise HelmError(
                    "The helm command is not on PATH. The stand-in for the Kubernetes provider "
                    "needs it for releases. Run `source .local/env`, or install Helm 3."
                ) from None
            self._running.add(process)
        try:
            output, complaint = process.communicate(standard_input)
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode == 0:
            return output
        message = (
            _without_warnings(complaint) or f"helm ended with exit status {process.returncode}"
        )
        if "release: not found" in message:
            raise ReleaseNotFoundError(message)
        raise HelmError(message)

    def _environment_for_call(self) -> dict[str, str]:
        # Nothing of the caller's environment may lead helm to another cluster or namespace.
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in ("KUBECONFIG", "HELM_NAMESPACE", "HELM_DEBUG")
            and not key.startswith("HELM_KUBE")
        }
        return {**kept, **self._environment}


def _without_warnings(complaint: str) -> str:
    lines = [
        line for line in complaint.splitlines() if not line.startswith(("WARNING:", "W1", "I1"))
    ]
    return "\n".join(lines).strip().removeprefix("Error: ")


def without_null_options(release: Object) -> Object:
    """Return the release without null options; nulls inside ``values`` mean something and stay."""
    kept = {key: value for key, value in release.items() if value is not None}
    options = without_nulls({key: value for key, value in kept.items() if key != "values"})
    result: Object = dict(options) if isinstance(options, dict) else {}
    if isinstance(kept.get("values"), dict):
        result["values"] = kept["values"]
    return result
