"""Helm releases as Pulumi resources (helm.sh/v3:Release).

State is the inputs, overlaid with the live values from the cluster, as the official plugin keeps it
(checkpointRelease and setReleaseAttributes in helm_release.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.errors import ProviderError, UnreachableError, ended
from toolchain.kubernetes_provider.objects import changes
from toolchain.kubernetes_provider.objects.changes import Change
from toolchain.kubernetes_provider.objects.objects import INPUTS_KEY, split_identity
from toolchain.kubernetes_provider.protocol import answers, asks
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Secret,
    Value,
    contains_unknown,
    object_at,
    plain_object,
    text_at,
    with_secrets_of,
)
from toolchain.kubernetes_provider.releases.helm import (
    Helm,
    HelmError,
    LiveRelease,
    without_null_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolchain.kubernetes_provider.resources import Session

_DEFAULT_TIMEOUT: Final = 300
_NOT_INPUTS: Final = frozenset({"compat", "resourceNames", "status", "manifest", "checksum"})
_IDENTITY: Final = ("name", "namespace")
# What the official plugin writes into the inputs for an option that the program leaves out.
_UNSET: Final[Mapping[str, bool | str]] = {
    **dict.fromkeys(("description", "keyring", "postrender"), ""),
    **dict.fromkeys(
        (
            "allowNullValues",
            "atomic",
            "cleanupOnFail",
            "createNamespace",
            "dependencyUpdate",
            "devel",
            "disableCRDHooks",
            "disableOpenapiValidation",
            "disableWebhooks",
            "forceUpdate",
            "lint",
            "recreatePods",
            "renderSubchartNotes",
            "replace",
            "resetValues",
            "reuseValues",
            "skipAwait",
            "skipCrds",
            "verify",
            "waitForJobs",
        ),
        False,
    ),
}
_UNSUPPORTED: Final[Mapping[str, str]] = {
    "valueYamlFiles": "The stand-in does not read files of values. Put the values into `values`.",
    "lint": "The stand-in does not lint. Run `helm lint` on the chart.",
    "recreatePods": "Helm 3 does not restart pods by itself. Change an annotation of the pods.",
}
_UNSUPPORTED_REPOSITORY: Final[Mapping[str, str]] = {
    "username": "helm takes it only on its command line, next to the password.",
    "password": "helm takes it only on its command line, where every process can read it.",
}


class ReleaseResources:
    """The life of Helm releases."""

    def __init__(self, session: Session, helm: Helm) -> None:
        self._session = session
        self._helm = helm

    # -- inputs

    def check(self, subject: asks.Subject, ask: asks.Check) -> answers.Checked:
        """Name the release and find its chart, whose version becomes the requested one."""
        old, new = plain_object(ask.old), plain_object(ask.new)
        release = without_null_options({k: v for k, v in new.items() if k not in _NOT_INPUTS})
        failures = [(key, why) for key, why in _UNSUPPORTED.items() if release.get(key)]
        failures += [
            (f"repositoryOpts.{key}", why)
            for key, why in _UNSUPPORTED_REPOSITORY.items()
            if object_at(release, "repositoryOpts").get(key)
        ]
        if not release.get("name"):
            release["name"] = text_at(old, "name") or ask.unique_name(subject.name)
        if not release.get("namespace"):
            release["namespace"] = self._session.namespace
        if release.get("skipAwait") is not True:
            release.setdefault("timeout", _DEFAULT_TIMEOUT)
        if not release.get("chart"):
            failures.append(("chart", "Missing. Write the name or the folder of a Helm chart."))
        release = {**_UNSET, **release}
        if not failures and not contains_unknown(release):
            try:
                release["version"] = text_at(self._helm.chart(release), "version")
            except HelmError as error:
                failures.append(
                    ("chart", f"{ended(str(error))} Check the chart's name and repository.")
                )
        return answers.Checked(inputs=with_secrets_of(release, ask.new), failures=tuple(failures))

    # -- differences

    def diff(self, _subject: asks.Subject, ask: asks.Diff) -> answers.Difference:
        """Compare the release in state (after a refresh: the live one) with the new inputs."""
        differences = changes.three_way(
            state=_comparable(ask.state),
            old_inputs=_comparable(_old_inputs(ask.state, ask.old_inputs)),
            new_inputs=_comparable(ask.new),
        )
        return answers.Difference(
            changes=tuple(
                Change(path=change.path, kind=change.kind, replaces=change.path[0] in _IDENTITY)
                for change in differences
                if not changes.is_ignored(change.path, ask.ignored)
            )
        )

    # -- making and changing

    def create(self, subject: asks.Subject, ask: asks.Create) -> answers.LiveResource:
        """Install the release. A failed one that helm left behind stays in state."""
        release = plain_object(ask.inputs)
        if ask.preview:
            return answers.LiveResource(resource_id="", state=_state(ask.inputs, None))
        self._session.connected()
        self._session.log.status(subject.urn, f"helm install {_identity(release)}")
        try:
            self._helm.install(release)
        except HelmError as error:
            left = self._find(release)
            if left is None:  # nothing was created, or atomic removed it again
                raise
            raise _init_failed(
                ask.inputs, left, f"helm install failed: {ended(str(error))}"
            ) from None
        self._session.log.clear_status(subject.urn)
        return answers.LiveResource(
            resource_id=_identity(release), state=_state(ask.inputs, self._required(release))
        )

    def update(self, subject: asks.Subject, ask: asks.Update) -> Object:
        """Upgrade the release. With ``atomic`` helm rolls a failed upgrade back by itself."""
        release = plain_object(ask.inputs)
        if ask.preview:
            return _state(ask.inputs, None)
        self._session.connected()
        before = self._find(release)
        self._session.log.status(subject.urn, f"helm upgrade {_identity(release)}")
        try:
            self._helm.upgrade(release)
        except HelmError as error:
            after = self._find(release)
            if after is None or (before and after.revision == before.revision):
                raise  # refused before anything was changed
            message = f"helm upgrade failed: {ended(str(error))}"
            if release.get("atomic") is True and after.status == "deployed":
                message += f" helm rolled it back to revision {after.revision}."
            raise _init_failed(ask.inputs, after, message) from None
        self._session.log.clear_status(subject.urn)
        return _state(ask.inputs, self._required(release))

    # -- reading and deleting

    def read(self, subject: asks.Subject, ask: asks.Read) -> answers.LiveResource:
        """Return the release with its live values; without state (import) everything is live."""
        session = self._session
        if session.connection is None:
            return self._read_unreachable(subject, ask)
        state = plain_object(ask.state)
        namespace, name = split_identity(ask.resource_id)
        name, namespace = text_at(state, "name") or name, text_at(state, "namespace") or namespace
        live = self._helm.find(name=name, namespace=namespace or session.namespace)
        if live is None:
            return answers.GONE
        inputs: Object = _old_inputs(ask.state, ask.inputs)
        if not inputs:
            inputs = {
                "name": live.name,
                "namespace": live.namespace,
                "chart": live.chart,
                "version": live.version,
                "values": live.values,
                "timeout": _DEFAULT_TIMEOUT,
            }
        return answers.LiveResource(
            resource_id=ask.resource_id, state=_state(inputs, live), inputs=inputs
        )

    def _read_unreachable(self, subject: asks.Subject, ask: asks.Read) -> answers.LiveResource:
        return self._session.read_unreachable(
            subject,
            ask,
            refusal="The release cannot be read because the cluster is unreachable. "
            f"{self._session.unreachable} If the cluster was deleted, refresh with the environment "
            'variable PULUMI_K8S_DELETE_UNREACHABLE="true".',
        )

    def delete(self, subject: asks.Subject, ask: asks.Delete) -> None:
        """Uninstall the release; without a cluster this fails even with deleteUnreachable."""
        if self._session.connection is None:
            raise UnreachableError(
                "A Helm release cannot be uninstalled from an unreachable cluster. "
                f"{self._session.unreachable} If the cluster was deleted, run `pulumi refresh` "
                'with PULUMI_K8S_DELETE_UNREACHABLE="true", or set deletedWith on the release.'
            )
        release = plain_object(ask.state)
        self._session.log.status(subject.urn, f"helm uninstall {_identity(release)}")
        output = self._helm.uninstall(release)
        kept = [line for line in output.splitlines() if "were kept" in line or line.startswith("[")]
        if kept:
            self._session.log.warning(subject.urn, "helm uninstall: " + " ".join(kept))

    def _find(self, release: Object) -> LiveRelease | None:
        return self._helm.find(
            name=text_at(release, "name"), namespace=text_at(release, "namespace")
        )

    def _required(self, release: Object) -> LiveRelease:
        live = self._find(release)
        if live is None:
            raise ProviderError(
                f"helm reported success, but release {_identity(release)} does not exist: another "
                "process uninstalled it in the meantime. Run the update again."
            )
        return live


def _identity(release: Object) -> str:
    namespace, name = text_at(release, "namespace"), text_at(release, "name")
    return f"{namespace}/{name}" if namespace else name


def _comparable(properties: Object) -> Object:
    bare = plain_object(properties)
    return without_null_options(
        {
            key: value
            for key, value in bare.items()
            if key not in _NOT_INPUTS
            and not key.startswith("__")
            and not (key in _UNSET and value == _UNSET[key])
        }
    )


def _old_inputs(state: Object, old_inputs: Object) -> Object:
    """Return the inputs of the last update with their secret marks."""
    if old_inputs:
        return old_inputs
    remembered = state.get(INPUTS_KEY)
    inner = remembered.value if isinstance(remembered, Secret) else remembered
    return inner if isinstance(inner, dict) else {}


def _state(inputs: Object, live: LiveRelease | None) -> Object:
    """Return what state keeps; without a live release (a preview) its part is unknown."""
    state: Object = plain_object(inputs)
    if live is None:
        state["resourceNames"] = UNKNOWN
        state["status"] = UNKNOWN
    else:
        # State has only live values. The official plugin merges the inputs in, so after a rolled
        # back upgrade it does not notice that a value which the program added is missing.
        state["values"] = live.values
        state["version"] = live.version
        names: Object = {key: list[Value](names) for key, names in live.resource_names().items()}
        state["resourceNames"] = names
        state["status"] = {
            "appVersion": live.app_version,
            "chart": live.chart,
            "name": live.name,
            "namespace": live.namespace,
            "revision": live.revision,
            "status": live.status,
            "version": live.version,
        }
    marked = with_secrets_of(state, inputs)
    marked[INPUTS_KEY] = Secret(value=plain_object(inputs))
    return marked


def _init_failed(inputs: Object, left: LiveRelease, message: str) -> answers.InitFailedError:
    identity = f"{left.namespace}/{left.name}"
    resource = answers.LiveResource(resource_id=identity, state=_state(inputs, left))
    # The engine prints only the reasons, so the only one has to name the release.
    sentence = (
        f"Helm release {identity} has revision {left.revision} and status {left.status}: {message}"
    )
    return answers.InitFailedError(sentence, resource=resource, reasons=(sentence,))
