"""Kubernetes objects as Pulumi resources: every kind that the API server serves."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.cluster.discovery import built_in_scope
from toolchain.kubernetes_provider.errors import (
    ApiError,
    NoSuchKindError,
    NotReadyError,
    ProviderError,
    UnreachableError,
    ended,
)
from toolchain.kubernetes_provider.objects import (
    changes,
    field_managers,
    object_options,
    objects,
)
from toolchain.kubernetes_provider.objects.operations import (
    Applying,
    Operations,
    is_dry_run_unsupported,
)
from toolchain.kubernetes_provider.objects.readiness import is_checked_on_read
from toolchain.kubernetes_provider.protocol import answers, asks
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    at,
    contains_unknown,
    object_at,
    text_at,
)

if TYPE_CHECKING:
    from toolchain.kubernetes_provider.cluster.discovery import ServedKind
    from toolchain.kubernetes_provider.resources import Session

_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_DELETE_UNREACHABLE_HINT: Final = (
    "If the cluster was deleted, run the operation again with the environment variable "
    'PULUMI_K8S_DELETE_UNREACHABLE="true": Pulumi then drops the objects from its state.'
)
_DROPPED: Final = "Pulumi drops the resource from its state because deleteUnreachable is on."


class ObjectResources:
    """The life of Kubernetes objects and of Patch resources."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # -- inputs

    def check(self, subject: asks.Subject, ask: asks.Check) -> answers.Checked:
        """Name the object, put it into a namespace, and judge its form."""
        session = self._session
        if session.connection is None and session.settings.skip_update_unreachable and ask.old:
            session.log.warning(
                subject.urn, "The cluster is unreachable, so the update is skipped."
            )
            return answers.Checked(inputs=ask.old)
        target = objects.from_properties(ask.new)
        old = objects.from_properties(ask.old)
        failures = _form_failures(subject, target)
        if not failures:
            target, failures = _named(subject, ask, target, old)
        if not failures:
            target = self._in_namespace(objects.normalized(target))
        return answers.Checked(
            inputs=objects.inputs_property(target, ask.new), failures=tuple(failures)
        )

    def _in_namespace(self, target: Object) -> Object:
        metadata = object_at(target, "metadata")
        if "namespace" in metadata or not self._is_namespaced(target):
            return target
        return {**target, "metadata": {**metadata, "namespace": self._session.namespace}}

    def _is_namespaced(self, target: Object) -> bool | None:
        """Return the scope, ``None`` for a custom kind that is not served (yet)."""
        scope = built_in_scope(text_at(target, "apiVersion"), text_at(target, "kind"))
        if scope is not None:
            return scope
        served = self._served(target)
        return served.namespaced if served else None

    def _served(self, target: Object) -> ServedKind | None:
        if self._session.connection is None:
            return None
        try:
            return self._session.connection.discovery.find(
                text_at(target, "apiVersion"), text_at(target, "kind")
            )
        except (UnreachableError, ApiError):
            return None

    # -- differences

    def diff(self, subject: asks.Subject, ask: asks.Diff) -> answers.Difference:
        """Compare the live object, as state has it, with the new inputs."""
        settings = self._session.settings
        then = objects.from_state(ask.state, ask.old_inputs)
        after = objects.normalized(objects.from_properties(ask.new))
        before = objects.pruned_object(then.live, then.inputs)
        namespace = "" if self._is_namespaced(after) is False else self._session.namespace
        before, after = _with_namespace(before, namespace), _with_namespace(after, namespace)
        live_name = text_at(then.live, "metadata", "name")
        if at(after, "metadata", "name"):
            # A program may now set the name that the server or the provider chose before.
            before = {**before, "metadata": {**object_at(before, "metadata"), "name": live_name}}
        immutable = (
            (("metadata", "name"), ("metadata", "namespace"))
            if subject.is_patch
            else changes.immutable_fields(
                after,
                secrets_mutable=settings.secrets_mutable,
                config_maps_mutable=settings.config_maps_mutable,
            )
        )
        differences = changes.object_changes(
            before, after, immutable=immutable, ignored=ask.ignored
        )
        same_place = text_at(after, "metadata", "name") == live_name and (
            not namespace
            or text_at(after, "metadata", "namespace")
            == (text_at(then.live, "metadata", "namespace") or namespace)
        )
        autonamed = object_options.is_true(after, object_options.AUTONAMED)
        return answers.Difference(
            changes=tuple(differences),
            delete_before_replace=(
                any(change.replaces for change in differences) and same_place and not autonamed
            ),
        )

    # -- making

    def create(self, subject: asks.Subject, ask: asks.Create) -> answers.LiveResource:
        """Create the object and wait until it is ready; a preview only does a dry run."""
        target = objects.normalized(objects.from_properties(ask.inputs))
        if ask.preview:
            return answers.LiveResource(resource_id="", state=self._previewed(subject, ask, target))
        operations = self._operations(subject)
        manager = _manager_for(target, "")
        if subject.is_patch or self._session.settings.upsert_existing:
            live = operations.upsert(target, self._applying(target, manager))
        else:
            live = operations.create(target)
        return self._settled(subject, ask.inputs, target, live, manager, ask.timeout)

    def _settled(  # noqa: PLR0913, PLR0917 - the object, whose it is, and for how long
        self,
        subject: asks.Subject,
        properties: Object,
        target: Object,
        live: Object,
        manager: str,
        timeout: float,
    ) -> answers.LiveResource:
        operations = self._operations(subject)
        seconds = object_options.timeout_for(target, timeout)
        try:
            live = operations.wait_until_ready(target, live, seconds=seconds)
        except ProviderError as error:
            # Cancelled, not ready in time, or cut off: the object exists, so state must have it.
            seen = error.live if isinstance(error, NotReadyError) else live
            resource = answers.LiveResource(
                resource_id=objects.identity(live), state=_state(target, seen, properties, manager)
            )
            reasons = error.reasons if isinstance(error, NotReadyError) else (str(error),)
            raise answers.InitFailedError(str(error), resource=resource, reasons=reasons) from None
        self._session.log.clear_status(subject.urn)
        return answers.LiveResource(
            resource_id=objects.identity(live), state=_state(target, live, properties, manager)
        )

    def _previewed(self, subject: asks.Subject, ask: asks.Create, target: Object) -> Object:
        if subject.is_patch or contains_unknown(target) or not self._can_preview(subject, target):
            return ask.inputs
        try:
            answer = self._operations(subject).create(target, dry_run=True)
        except ApiError as error:
            # The object that this one replaces still has the name, or the namespace does not exist
            # yet.
            expected = error.reason == "AlreadyExists" or error.code == _NOT_FOUND
            if expected or _tells_nothing(error):
                return ask.inputs
            raise
        except NoSuchKindError:
            return ask.inputs
        except UnreachableError as error:
            self._warn_unreachable(subject, str(error))
            return ask.inputs
        shown = objects.hidden_in_preview(answer, target)
        return _state(target, shown, ask.inputs, _manager_for(target, ""))

    def _can_preview(self, subject: asks.Subject, target: Object) -> bool:
        if self._session.connection is None:
            self._warn_unreachable(subject, self._session.unreachable)
            return False
        return self._served(target) is not None

    def _warn_unreachable(self, subject: asks.Subject, why: str) -> None:
        self._session.log.warning(
            subject.urn,
            f"The configured Kubernetes cluster is unreachable. {why} The preview shows the "
            "program's inputs, which the API server has not checked.",
        )

    # -- changing

    def update(self, subject: asks.Subject, ask: asks.Update) -> Object:
        """Apply the new inputs server-side and wait until the object is ready again."""
        then = objects.from_state(ask.state, ask.old_inputs)
        target = objects.normalized(objects.from_properties(ask.inputs))
        manager = _manager_for(target, then.field_manager)
        if ask.preview and (contains_unknown(target) or not self._can_preview(subject, target)):
            return ask.inputs
        operations = self._operations(subject)
        try:
            live = operations.update(
                target,
                self._applying(target, manager),
                is_patch=subject.is_patch,
                ignored=ask.ignored,
                dry_run=ask.preview,
            )
        except ApiError as error:
            if ask.preview and _tells_nothing(error):
                return ask.inputs
            if error.code == _NOT_FOUND:
                raise ProviderError(
                    f"{objects.describe(target)} is in the state but not in the cluster "
                    f"({error}). Run `pulumi refresh`: the next update creates it again."
                ) from None
            if ask.preview:
                raise
            raise self._refused(target, ask.inputs, manager, error) from None
        if ask.preview:
            return _state(target, live, ask.inputs, manager)
        resource = self._settled(subject, ask.inputs, target, live, manager, ask.timeout)
        if then.field_manager and then.field_manager != manager and not subject.is_patch:
            operations.relinquish(target, then.field_manager)
        return resource.state

    def _refused(
        self, target: Object, properties: Object, manager: str, error: ApiError
    ) -> ProviderError:
        """Return the refusal with the object as it is now, so that the next run tries again.

        The official plugin does the same (Update in provider.go). Otherwise a program that goes
        back to the old inputs would find no difference, and its author would never see the refusal.
        """
        connection = self._session.connected()
        try:
            live = connection.cluster.get(connection.discovery.path_of(target))
        except (ApiError, UnreachableError, NoSuchKindError):
            return error
        if live is None:
            return error
        resource = answers.LiveResource(
            resource_id=objects.identity(live), state=_state(target, live, properties, manager)
        )
        return answers.InitFailedError(str(error), resource=resource, reasons=(str(error),))

    def _applying(self, target: Object, manager: str) -> Applying:
        force = object_options.is_true(target, object_options.PATCH_FORCE)
        return Applying(manager=manager, force=force or self._session.settings.patch_force)

    # -- reading

    def read(self, subject: asks.Subject, ask: asks.Read) -> answers.LiveResource:
        """Return the object with the live values of the fields that its inputs name."""
        session = self._session
        if session.connection is None:
            return self._read_unreachable(subject, ask)
        operations = self._operations(subject)
        then = objects.from_state(ask.state, ask.inputs)
        namespace, name = objects.split_identity(ask.resource_id)
        target = objects.stub(
            api_version=text_at(then.inputs, "apiVersion") or subject.api_version,
            kind=text_at(then.inputs, "kind") or subject.kind,
            namespace=namespace,
            name=name,
        )
        live = operations.live(target)
        if live is None:
            return answers.GONE
        if then.inputs:
            inputs = objects.pruned_object(live, then.inputs)
        else:
            inputs = objects.importable(live)
        manager = then.field_manager or _manager_for(inputs, "")
        resource = answers.LiveResource(
            resource_id=ask.resource_id,
            state=_state(inputs, live, ask.inputs, manager),
            inputs=objects.inputs_property(inputs, ask.inputs),
        )
        waiting = None
        if then.inputs and is_checked_on_read(live) and not subject.is_patch:
            waiting = operations.why_not_ready(then.inputs, live)
        if waiting:
            message = f"{objects.describe(live)} is not ready: {ended(waiting.reason)}"
            reasons = (message, *operations.pod_troubles(live))
            raise answers.InitFailedError(message, resource=resource, reasons=reasons)
        return resource

    def _read_unreachable(self, subject: asks.Subject, ask: asks.Read) -> answers.LiveResource:
        return self._session.read_unreachable(
            subject,
            ask,
            refusal="The resource cannot be read because the cluster is unreachable. "
            f"{self._session.unreachable} {_DELETE_UNREACHABLE_HINT}",
            when_dropped=_DROPPED,
        )

    # -- deleting

    def delete(self, subject: asks.Subject, ask: asks.Delete) -> None:
        """Delete the object and wait for its finalizers; a Patch only gives up its fields."""
        then = objects.from_state(ask.state, ask.old_inputs)
        target = then.live if text_at(then.live, "metadata", "name") else then.inputs
        try:
            operations = self._operations(subject)
            if subject.is_patch:
                operations.relinquish(target, then.field_manager)
                return
            operations.delete(
                then.inputs,
                target,
                seconds=object_options.timeout_for(then.inputs, ask.timeout),
            )
        except UnreachableError as error:
            self._session.log.warning(subject.urn, str(error))
            if not self._session.settings.delete_unreachable:
                raise UnreachableError(f"{error} {_DELETE_UNREACHABLE_HINT}") from None
            self._session.log.info(subject.urn, _DROPPED)

    def _operations(self, subject: asks.Subject) -> Operations:
        connection = self._session.connected()
        return Operations(
            connection.cluster,
            connection.discovery,
            say=lambda message: self._session.log.status(subject.urn, message),
        )


def _state(inputs: Object, live: Object, properties: Object, manager: str) -> Object:
    return objects.to_state(inputs=inputs, live=live, properties=properties, field_manager=manager)


def _manager_for(target: Object, remembered: str) -> str:
    """Return the field manager: the annotation's, the state's, or a new name."""
    named = object_options.value_of(target, object_options.PATCH_FIELD_MANAGER)
    return named or remembered or f"{field_managers.CREATOR}-{secrets.token_hex(4)}"


def _tells_nothing(error: ApiError) -> bool:
    """Tell whether the real call may succeed although the dry run failed.

    The official plugin also ignores a webhook that answers 403; here it is reported, since the real
    call would fail the same way.
    """
    forbidden = error.code == _FORBIDDEN and not error.is_admission_refusal
    return forbidden or is_dry_run_unsupported(error)


def _with_namespace(target: Object, namespace: str) -> Object:
    metadata = object_at(target, "metadata")
    kept: Object = {key: value for key, value in metadata.items() if key != "namespace"}
    if namespace:
        kept["namespace"] = metadata.get("namespace") or namespace
    return {**target, "metadata": kept}


def _form_failures(subject: asks.Subject, target: Object) -> list[tuple[str, str]]:
    if subject.kind.endswith("List") and "items" in target:
        return [("items", "A list is not a resource. Write one resource for each of its items.")]
    failures: list[tuple[str, str]] = []
    metadata = target.get("metadata")
    if metadata is not None and metadata is not UNKNOWN and not isinstance(metadata, dict):
        failures.append(("metadata", "Not an object."))
    missing = [key for key in ("apiVersion", "kind") if not target.get(key)]
    return failures + [(key, "Missing. Every Kubernetes object has one.") for key in missing]


def _named(
    subject: asks.Subject, ask: asks.Check, target: Object, old: Object
) -> tuple[Object, list[tuple[str, str]]]:
    """Return the target with a name: the program's, the old one of an earlier run, or a new one."""
    metadata = dict(object_at(target, "metadata"))
    if metadata.get("name"):
        return target, []
    if target.get("metadata") is UNKNOWN:
        return target, []
    if subject.is_patch:
        return target, [
            (
                "metadata.name",
                "Missing. A Patch resource needs the name of the object that it patches.",
            )
        ]
    if metadata.get("generateName"):
        sentence = "Server-side apply does not support generateName. Leave it out to get a name."
        return target, [("metadata.generateName", sentence)]
    was_autonamed = object_options.is_true(old, object_options.AUTONAMED)
    if was_autonamed:
        name = text_at(old, "metadata", "name")
    elif ask.naming_disabled:
        return target, [
            ("metadata.name", "Missing. Autonaming is off in this project: write metadata.name.")
        ]
    else:
        name = ask.proposed_name or ask.unique_name(subject.name)
    annotations = {**object_at(metadata, "annotations"), object_options.AUTONAMED: "true"}
    metadata |= {"name": name, "annotations": annotations}
    return {**target, "metadata": metadata}, []
