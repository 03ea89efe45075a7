"""The operations on one object at the API server: create, apply, read, delete, wait.

The order of calls follows the official plugin (provider/pkg/await/await.go): objects are created by
POST, changed by server-side apply, CustomResourceDefinitions replaced by PUT, Patch resources
applied and given up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.cluster.api_server import APPLY_TYPE, JSON_PATCH_TYPE
from toolchain.kubernetes_provider.errors import (
    ApiError,
    NoSuchKindError,
    NotReadyError,
    ProviderError,
    UnreachableError,
    ended,
)
from toolchain.kubernetes_provider.objects import field_managers, object_options, readiness
from toolchain.kubernetes_provider.objects.objects import (
    describe,
    pruned_object,
    stub,
)
from toolchain.kubernetes_provider.protocol.wire import Object, at, object_at, objects_at, text_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolchain.kubernetes_provider.cluster.api_server import Cluster
    from toolchain.kubernetes_provider.cluster.discovery import Discovery

_BIRTH_PATIENCE: Final = 30.0  # for a CRD or namespace that another resource is creating
_BIRTH_PAUSE: Final = 0.5
_FIRST_POLL: Final = 0.2
_LONGEST_POLL: Final = 2.0
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_BAD_REQUEST: Final = 400
_MOST_PODS_NAMED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Applying:
    """How an apply treats fields that others own."""

    manager: str
    force: bool


class Operations:
    """The calls for single objects. ``say`` shows a passing status line for the resource."""

    def __init__(
        self, cluster: Cluster, discovery: Discovery, *, say: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._discovery = discovery
        self._say = say

    # -- making

    def create(self, target: Object, *, dry_run: bool = False) -> Object:
        """Create the object by POST. With ``dry_run`` nothing is kept; webhooks judge it.

        Waits up to 30 s for a kind or namespace that is being created (not in a dry run).
        """
        return self._when_born(
            target, lambda: self._post(target, dry_run=dry_run), patient=not dry_run
        )

    def upsert(self, target: Object, applying: Applying, *, dry_run: bool = False) -> Object:
        """Apply the object whether it exists or not: Patch resources, upsertExistingObjects."""
        return self._when_born(
            target, lambda: self.apply(target, applying, dry_run=dry_run), patient=not dry_run
        )

    def _when_born(self, target: Object, call: Callable[[], Object], *, patient: bool) -> Object:
        attempts = self._cluster.attempts(
            within=_BIRTH_PATIENCE if patient else 0, pause=_BIRTH_PAUSE
        )
        while True:
            late = next(attempts)
            try:
                return call()
            except (NoSuchKindError, ApiError) as error:
                missing = isinstance(error, NoSuchKindError) or error.code == _NOT_FOUND
                if not missing or late:
                    raise
                self._say(f"{describe(target)} cannot be created yet: {ended(str(error))}")

    def _post(self, target: Object, *, dry_run: bool) -> Object:
        served = self._discovery.get(text_at(target, "apiVersion"), text_at(target, "kind"))
        namespace = text_at(target, "metadata", "namespace") or self._cluster.namespace
        body = target
        if not served.namespaced and text_at(target, "metadata", "namespace"):
            metadata: Object = {
                key: value
                for key, value in object_at(target, "metadata").items()
                if key != "namespace"
            }
            body = {**target, "metadata": metadata}
        path = served.path(namespace=namespace)
        query = _query(manager=field_managers.CREATOR, dry_run=dry_run)
        try:
            return self._cluster.request("POST", path, params=query, body=body)
        except UnreachableError:
            # The server may have taken the object before the connection broke.
            return self._post_again(path, query, body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                raise _already_exists(target, error) from None
            raise

    def _post_again(self, path: str, query: Mapping[str, str], body: Object) -> Object:
        where = f"{path}/{text_at(body, 'metadata', 'name')}"
        live = self._cluster.get(where)
        if live is None:
            try:
                return self._cluster.request("POST", path, params=query, body=body)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                live = self._cluster.get(where)
        if live and field_managers.created_by_pulumi(live) and _holds_all(live, body):
            return live
        raise ProviderError(
            f"{describe(body)} exists, but differs from what was requested: the connection broke "
            "while it was created, and somebody else created or changed it. Look at it, then "
            "delete it or import it."
        )

    # -- changing

    def apply(self, target: Object, applying: Applying, *, dry_run: bool = False) -> Object:
        """Apply the object server-side. A conflict is reported with its managers and fields."""
        try:
            return self._cluster.request(
                "PATCH",
                self._discovery.path_of(target),
                params={
                    **_query(manager=applying.manager, dry_run=dry_run),
                    "force": "true" if applying.force else "false",
                },
                body=target,
                content_type=APPLY_TYPE,
            )
        except ApiError as error:
            if error.code == _CONFLICT and any(
                kind == "FieldManagerConflict" for kind, _, _ in error.causes
            ):
                raise _conflict(target, applying.manager, error) from None
            raise

    def update(
        self,
        target: Object,
        applying: Applying,
        *,
        is_patch: bool,
        ignored: Sequence[str] = (),
        dry_run: bool = False,
    ) -> Object:
        """Change the live object to ``target``; raise ApiError 404 when it is gone."""
        path = self._discovery.path_of(target)
        live = self._cluster.request("GET", path)
        query = _query(manager=applying.manager, dry_run=dry_run)
        if text_at(target, "kind") == "CustomResourceDefinition":
            # A PUT replaces the definition as a whole and keeps its custom resources.
            metadata = {
                **object_at(target, "metadata"),
                "resourceVersion": text_at(live, "metadata", "resourceVersion"),
            }
            return self._cluster.request(
                "PUT", path, params=query, body={**target, "metadata": metadata}
            )
        force = applying.force or field_managers.is_legacy(live)
        if dry_run:
            # The takeover below is not done in a preview; forcing shows the same result.
            force = force or field_managers.created_by_pulumi(live)
        elif not is_patch:
            live = self._take_over(path, live, applying.manager)
        requested = field_managers.with_ignored_fields(
            target, live, manager=applying.manager, ignored=ignored
        )
        return self.apply(
            requested, Applying(manager=applying.manager, force=force), dry_run=dry_run
        )

    def _take_over(self, path: str, live: Object, manager: str) -> Object:
        patch = field_managers.take_over_patch(live, manager)
        while patch is not None:
            try:
                return self._cluster.request(
                    "PATCH", path, body=patch, content_type=JSON_PATCH_TYPE
                )
            except ApiError as error:
                if error.code != _CONFLICT:
                    raise
            # Something wrote in between, usually a controller that updates the status: read it
            # again.
            self._cluster.pause(_FIRST_POLL)
            live = self._cluster.request("GET", path)
            patch = field_managers.take_over_patch(live, manager)
        return live

    def relinquish(self, target: Object, manager: str) -> None:
        """Give up every field that the manager owns; the object itself stays."""
        try:
            path = self._discovery.path_of(target)
        except NoSuchKindError:
            return
        live = self._cluster.get(path)
        if live is None:
            return  # an apply would create it again
        bare = stub(
            api_version=text_at(live, "apiVersion"),
            kind=text_at(live, "kind"),
            namespace=text_at(live, "metadata", "namespace"),
            name=text_at(live, "metadata", "name"),
        )
        try:
            self.apply(bare, Applying(manager=manager, force=False))
        except ApiError as error:
            required = [field for kind, field, _ in error.causes if kind == "FieldValueRequired"]
            if not required:
                raise
            raise ProviderError(
                f"This Patch resource is the only owner of {', '.join(required)} of "
                f"{describe(target)}, which the object requires. Give the field to another manager "
                "first, or set retainOnDelete on the resource."
            ) from None

    # -- reading

    def live(self, target: Object) -> Object | None:
        """Return the object as it is, ``None`` when it or its kind is gone."""
        try:
            return self._cluster.get(self._discovery.path_of(target))
        except NoSuchKindError:
            return None

    def look_up(self, api_version: str, kind: str, namespace: str, name: str) -> Object | None:
        """Return another object by its identity."""
        return self.live(stub(api_version=api_version, kind=kind, namespace=namespace, name=name))

    def why_not_ready(self, inputs: Object, live: Object) -> readiness.Waiting | None:
        """Return what the object waits for now, ``None`` when it is ready or does not wait."""
        rule = readiness.rule_for(inputs)
        return rule(live, self.look_up) if rule else None

    # -- waiting

    def wait_until_ready(self, inputs: Object, live: Object, *, seconds: float) -> Object:
        """Wait; return the ready object or raise NotReadyError with what is missing."""
        rule = readiness.rule_for(inputs)
        attempts = self._cluster.attempts(
            within=seconds, pause=_FIRST_POLL, growth=1.5, longest=_LONGEST_POLL
        )
        late = next(attempts)
        while rule and (waiting := rule(live, self.look_up)):
            if waiting.hopeless or late:
                how_long = "" if waiting.hopeless else f" after {seconds:.0f} s"
                # The engine prints the reasons alone, so the first one is the whole sentence.
                message = f"{describe(live)} is not ready{how_long}: {ended(waiting.reason)}"
                raise NotReadyError(message, reasons=(message, *self.pod_troubles(live)), live=live)
            self._say(f"Waiting for {describe(live)}: {ended(waiting.reason)}")
            late = next(attempts)
            again = self.live(live)
            if again is None:
                raise ProviderError(f"{describe(live)} was deleted before it became ready.")
            live = again
        return live

    def pod_troubles(self, live: Object) -> list[str]:
        """Return what up to three of the pods that the object selects are waiting for."""
        labels = object_at(live, "spec", "selector", "matchLabels")
        if not labels:
            return []
        served = self._discovery.get("v1", "Pod")
        answer = self._cluster.request(
            "GET",
            served.path(namespace=text_at(live, "metadata", "namespace")),
            params={"labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())},
        )
        unready = [
            pod
            for pod in objects_at(answer, "items")
            if text_at(readiness.condition(pod, "Ready"), "status") != "True"
        ]
        troubles = {
            text_at(pod, "metadata", "name"): readiness.pod_trouble(pod)
            for pod in unready[:_MOST_PODS_NAMED]
        }
        return [f"Pod {name} is not ready: {ended(why)}" for name, why in troubles.items()]

    # -- deleting

    def delete(self, inputs: Object, target: Object, *, seconds: float) -> None:
        """Delete the object and wait until it is gone, finalizers and all.

        Raises ProviderError naming the finalizers when it is still there after ``seconds``.
        """
        try:
            path = self._discovery.path_of(target)
        except NoSuchKindError:
            return  # the definition was deleted first, and the object with it
        try:
            answer = self._cluster.request(
                "DELETE",
                path,
                body={
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "propagationPolicy": object_options.propagation_policy(inputs),
                },
            )
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return
            raise
        if object_options.is_true(inputs, object_options.SKIP_AWAIT) and _may_skip_deletion(inputs):
            return
        uid = text_at(answer, "metadata", "uid") or text_at(target, "metadata", "uid")
        attempts = self._cluster.attempts(
            within=seconds, pause=_FIRST_POLL / 2, growth=1.5, longest=_LONGEST_POLL
        )
        late = next(attempts)
        while (live := self.live(target)) is not None:
            if uid and text_at(live, "metadata", "uid") != uid:
                return  # another object of that name, created since
            blockers = _blockers(live)
            if late:
                raise ProviderError(_still_there(live, blockers, seconds))
            self._say(f"Waiting for the deletion of {describe(live)}: {ended(blockers)}")
            late = next(attempts)


def _query(*, manager: str, dry_run: bool) -> dict[str, str]:
    query = {"fieldManager": manager}
    if dry_run:
        query["dryRun"] = "All"
    return query


def _holds_all(live: Object, requested: Object) -> bool:
    return pruned_object(live, requested) == requested


def _may_skip_deletion(inputs: Object) -> bool:
    # The official plugin lets skipAwait shorten the deletion of these kinds only.
    return text_at(inputs, "kind") in {
        "DaemonSet",
        "Deployment",
        "Job",
        "Namespace",
        "Pod",
        "ReplicationController",
        "StatefulSet",
    }


def _blockers(live: Object) -> str:
    entries = at(live, "metadata", "finalizers")
    finalizers = [str(item) for item in entries] if isinstance(entries, list) else []
    named = f"it has the finalizers {', '.join(finalizers)}" if finalizers else "no finalizers"
    blocking = [
        text_at(entry, "message")
        for entry in objects_at(live, "status", "conditions")
        if text_at(entry, "type").startswith("Namespace") and text_at(entry, "status") == "True"
    ]
    return "; ".join([named, *filter(None, blocking)])


def _still_there(live: Object, blockers: str, seconds: float) -> str:
    since = text_at(live, "metadata", "deletionTimestamp") or "no deletion timestamp"
    return (
        f"{describe(live)} still exists {seconds:.0f} s after the request to delete it "
        f"({since}; {blockers}). The controller that set a finalizer removes it: check that the "
        "controller runs and what it waits for (an IPPool's waits until no pod has an address of "
        "it), then run the operation again."
    )


def _already_exists(target: Object, error: ApiError) -> ApiError:
    return ApiError(
        code=error.code,
        reason=error.reason,
        message=(
            f"{describe(target)} already exists in the cluster and is not in this stack's state "
            f"({error}). If a Pulumi resource was renamed, give it an alias; to adopt the object, "
            "use pulumi import; to own a few fields of it only, use the kind's Patch resource; to "
            "let creations apply onto existing objects, set upsertExistingObjects on the provider."
        ),
        causes=error.causes,
    )


def _conflict(target: Object, manager: str, error: ApiError) -> ApiError:
    fields = "; ".join(f"{field}: {message}" for _, field, message in error.causes)
    return ApiError(
        code=error.code,
        reason=error.reason,
        message=(
            f"Another field manager of {describe(target)} owns what {manager!r} sets ({fields}). "
            "Leave these fields out of the program, or name them in ignore_changes, "
            f'or take them over with the annotation {object_options.PATCH_FORCE}: "true".'
        ),
        causes=error.causes,
    )


def is_dry_run_unsupported(error: ApiError) -> bool:
    """Tell whether a webhook with side effects kept the dry run from being tried."""
    return error.code == _BAD_REQUEST and "does not support dry run" in str(error)
