"""The provider protocol: gRPC requests in, answers and errors out.

Contract: proto/pulumi/provider.proto. Errors become sentences without secrets; a resource that
exists but is not right is packed into the status details, so that the engine keeps it in state.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from toolchain.kubernetes_provider import settings
from toolchain.kubernetes_provider.cluster import kubeconfig
from toolchain.kubernetes_provider.cluster.api_server import Cluster
from toolchain.kubernetes_provider.cluster.discovery import Discovery
from toolchain.kubernetes_provider.errors import ProviderError, UnreachableError, ended
from toolchain.kubernetes_provider.objects.object_resources import ObjectResources
from toolchain.kubernetes_provider.objects.objects import INPUTS_KEY
from toolchain.kubernetes_provider.protocol import answers, asks
from toolchain.kubernetes_provider.protocol.engine_log import EngineLog
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Secret,
    dump,
    load,
    open_texts,
    redact,
    secret_texts,
)
from toolchain.kubernetes_provider.releases.helm import Helm
from toolchain.kubernetes_provider.releases.release_resources import ReleaseResources
from toolchain.kubernetes_provider.resources import Connection, Resources, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.message import Message

    from toolchain.kubernetes_provider.objects.changes import Change

    _ResourceRequest: TypeAlias = (
        provider_pb2.CheckRequest
        | provider_pb2.DiffRequest
        | provider_pb2.CreateRequest
        | provider_pb2.ReadRequest
        | provider_pb2.UpdateRequest
        | provider_pb2.DeleteRequest
    )

VERSION: Final = "4.32.0"
_PROBE_SECONDS: Final = 5.0  # then the cluster counts as unreachable for this process
_STAND_IN: Final = (
    "Kubernetes resources are served by the local stack's stand-in for pulumi-kubernetes "
    f"{VERSION}, which accepts clusters on loopback only."
)
_NOT_CONFIGURED: Final = "The engine used the provider before it configured it."
_Request = TypeVar("_Request", bound="Message")
_Answer = TypeVar("_Answer")


def _fail(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    context.abort(code, message)
    raise AssertionError  # abort raises


def _in_sentences(
    call: Callable[[Provider, _Request, grpc.ServicerContext], _Answer],
) -> Callable[[Provider, _Request, grpc.ServicerContext], _Answer]:
    """Turn what a call raises into a gRPC status without secrets."""

    @functools.wraps(call)
    def guarded(self: Provider, request: _Request, context: grpc.ServicerContext) -> _Answer:
        try:
            return call(self, request, context)
        except (ProviderError, RuntimeError, ValueError, LookupError, TypeError, OSError) as error:
            hidden = _hidden_texts(request)
            if isinstance(error, answers.InitFailedError):
                _attach_details(context, error, hidden)
            expected = isinstance(error, ProviderError)
            text = (
                str(error)
                if expected
                else f"{type(error).__name__}: {ended(str(error))} This is a bug. Report it."
            )
            code = grpc.StatusCode.UNKNOWN if expected else grpc.StatusCode.INTERNAL
            _fail(context, code, redact(text, hidden))

    return guarded


def _hidden_texts(request: Message) -> frozenset[str]:
    bags = [
        load(value) for _, value in request.ListFields() if isinstance(value, struct_pb2.Struct)
    ]
    # A release's remembered inputs are one secret as a whole; the values that are secret carry
    # their own marks elsewhere, and without this every name would be "[secret]" in a message.
    remembered = [bag.pop(INPUTS_KEY, None) for bag in bags]
    return secret_texts(bags) | (secret_texts(remembered) - open_texts(bags))


def _check_failures(
    problems: Iterable[tuple[str, str]], hidden: frozenset[str]
) -> list[provider_pb2.CheckFailure]:
    """Return (property, sentence) pairs as failures that name the property in the reason alone.

    For a failure with a property the engine also prints that property's value, even when it is a
    secret: issueCheckFailures in pkg/resource/deploy/step_generator.go of Pulumi 3.259.0.
    """
    return [
        provider_pb2.CheckFailure(reason=f"{name}: {redact(sentence, hidden)}")
        for name, sentence in problems
    ]


def _attach_details(
    context: grpc.ServicerContext, error: answers.InitFailedError, hidden: frozenset[str]
) -> None:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource.resource_id,
            properties=dump(error.resource.state),
            inputs=dump(error.resource.inputs) if error.resource.inputs else None,
            reasons=[redact(reason, hidden) for reason in error.reasons],
        )
    )
    status = status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0],
        message=redact(str(error), hidden),
        details=[detail],
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process: configured once, then asked about many resources at the same time.

    The protocol fixes every signature; an argument that a call does not read begins with an
    underscore.
    """

    def __init__(self, log: EngineLog, *, probe_seconds: float = _PROBE_SECONDS) -> None:
        self._log = log
        self._probe_seconds = probe_seconds
        self._session: Session | None = None
        self._helm: Helm | None = None

    def close(self) -> None:
        """End the running calls and close the connections."""
        self._cancel()
        if self._session and self._session.connection:
            self._session.connection.cluster.close()
        self._log.close()

    def _cancel(self) -> None:
        if self._helm:
            self._helm.cancel()
        if self._session and self._session.connection:
            self._session.connection.cluster.cancel()

    def _configured(self) -> Session:
        if self._session is None:
            raise ProviderError(_NOT_CONFIGURED)
        return self._session

    def _resources(self, subject: asks.Subject) -> Resources:
        session = self._configured()
        if subject.token == asks.RELEASE_TYPE:
            if self._helm is None:
                raise ProviderError(_NOT_CONFIGURED)
            return ReleaseResources(session, self._helm)
        if subject.token.count(":") != 2 or "helm.sh/" in subject.token:  # noqa: PLR2004 - a:b:c
            raise ProviderError(
                f"The stand-in for the Kubernetes provider has no resource {subject.token}. It "
                "has the kinds that the API server serves, their Patch forms, and "
                "helm.sh/v3:Release."
            )
        return ObjectResources(session)

    # -- the plugin

    def Handshake(  # noqa: N802 - the protocol's name
        self, _request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Announce that secrets stay marked and resources come as plain data."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True,
            accept_resources=False,
            accept_outputs=False,
            supports_autonaming_configuration=True,
        )

    def GetPluginInfo(  # noqa: N802
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        """Return the version of the plugin that this one replaces."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(  # noqa: N802
        self, _request: provider_pb2.GetSchemaRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        """Return a schema without types: the SDK carries its own."""
        return provider_pb2.GetSchemaResponse(
            schema=json.dumps({"name": "kubernetes", "version": VERSION})
        )

    def Attach(  # noqa: N802
        self, request: plugin_pb2.PluginAttach, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Send messages to another engine from now on."""
        self._log = EngineLog(request.address)
        return empty_pb2.Empty()

    def Cancel(  # noqa: N802
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """End every wait; the calls answer with what they have."""
        self._cancel()
        return empty_pb2.Empty()

    # -- the configuration

    @_in_sentences
    def CheckConfig(  # noqa: N802
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse what the stand-in must not or cannot do, above all clusters on other machines."""
        arguments = load(request.news)
        # A kubeconfig contains a private key even if the program does not mark it as a secret.
        marked = {**arguments, "kubeconfig": Secret(value=arguments.get("kubeconfig"))}
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=_check_failures(settings.problems(arguments), secret_texts([marked])),
        )

    @_in_sentences
    def DiffConfig(  # noqa: N802
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Tell whether a changed configuration replaces everything behind the provider."""
        old = load(request.old_inputs) or load(request.olds)
        change = settings.config_change(old, load(request.news))
        some = provider_pb2.DiffResponse.DIFF_SOME
        none = provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if change.changed else none,
            diffs=change.changed,
            replaces=change.replaces,
        )

    @_in_sentences
    def Configure(  # noqa: N802
        self, request: provider_pb2.ConfigureRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Connect to the cluster, or remember why that is not possible."""
        self._log.info(request.urn, _STAND_IN)
        arguments = load(request.args)
        chosen = settings.from_arguments(arguments, settings.process_environment())
        self._session = self._open(chosen, unknown=arguments.get("kubeconfig") is UNKNOWN)
        connection = self._session.connection
        self._helm = Helm(
            connection.cluster.credentials if connection else None,
            environment=chosen.helm_environment,
        )
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=False,
            supports_autonaming_configuration=True,
        )

    def _open(self, chosen: settings.Settings, *, unknown: bool) -> Session:
        def unreachable(why: str) -> Session:
            return Session(
                settings=chosen,
                log=self._log,
                connection=None,
                unreachable=why,
                namespace=chosen.namespace or kubeconfig.DEFAULT_NAMESPACE,
            )

        if unknown:
            return unreachable("The kubeconfig is not known yet.")
        text = chosen.kubeconfig or kubeconfig.ambient()
        if text is None:
            return unreachable(
                "Neither the provider nor KUBECONFIG names a kubeconfig, and there is no "
                "~/.kube/config."
            )
        try:
            using = kubeconfig.credentials(
                kubeconfig.parse(text), context=chosen.context, cluster=chosen.cluster
            )
        except UnreachableError as error:
            return unreachable(str(error))
        cluster = Cluster(using, namespace=chosen.namespace or using.namespace)
        why = cluster.probe(seconds=self._probe_seconds)
        if why is not None:
            cluster.close()
            return unreachable(why)
        return Session(
            settings=chosen,
            log=self._log,
            connection=Connection(cluster=cluster, discovery=Discovery(cluster)),
            namespace=cluster.namespace,
        )

    # -- resources

    @_in_sentences
    def Check(  # noqa: N802
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Complete and judge a resource's inputs."""
        subject = _subject(request)
        naming = request.autonaming if request.HasField("autonaming") else None
        disabled = provider_pb2.CheckRequest.AutonamingOptions.DISABLE
        ask = asks.Check(
            old=load(request.olds),
            new=load(request.news),
            seed=request.randomSeed,
            proposed_name=naming.proposed_name if naming else "",
            naming_disabled=naming is not None and naming.mode == disabled,
        )
        checked = self._resources(subject).check(subject, ask)
        return provider_pb2.CheckResponse(
            inputs=dump(checked.inputs),
            failures=_check_failures(checked.failures, secret_texts([ask.new])),
        )

    @_in_sentences
    def Diff(  # noqa: N802
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Tell what an update would change and replace."""
        subject = _subject(request)
        ask = asks.Diff(
            state=load(request.olds),
            old_inputs=load(request.old_inputs),
            new=load(request.news),
            ignored=tuple(request.ignoreChanges),
        )
        difference = self._resources(subject).diff(subject, ask)
        some = provider_pb2.DiffResponse.DIFF_SOME
        none = provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if difference.changes else none,
            diffs=sorted({str(change.path[0]) for change in difference.changes if change.path}),
            replaces=[change.text for change in difference.changes if change.replaces],
            deleteBeforeReplace=difference.delete_before_replace,
            detailedDiff={change.text: _property_diff(change) for change in difference.changes},
            hasDetailedDiff=True,
        )

    @_in_sentences
    def Create(  # noqa: N802
        self, request: provider_pb2.CreateRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Create a resource, or preview it."""
        subject = _subject(request)
        ask = asks.Create(
            inputs=load(request.properties), preview=request.preview, timeout=request.timeout
        )
        resource = self._resources(subject).create(subject, ask)
        return provider_pb2.CreateResponse(id=resource.resource_id, properties=dump(resource.state))

    @_in_sentences
    def Read(  # noqa: N802
        self, request: provider_pb2.ReadRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """Return a resource as it is."""
        subject = _subject(request)
        ask = asks.Read(
            resource_id=request.id, state=load(request.properties), inputs=load(request.inputs)
        )
        resource = self._resources(subject).read(subject, ask)
        return provider_pb2.ReadResponse(
            id=resource.resource_id, properties=dump(resource.state), inputs=dump(resource.inputs)
        )

    @_in_sentences
    def Update(  # noqa: N802
        self, request: provider_pb2.UpdateRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Change a resource in place, or preview it."""
        subject = _subject(request)
        ask = asks.Update(
            state=load(request.olds),
            old_inputs=load(request.old_inputs),
            inputs=load(request.news),
            preview=request.preview,
            timeout=request.timeout,
            ignored=tuple(request.ignoreChanges),
        )
        state = self._resources(subject).update(subject, ask)
        return provider_pb2.UpdateResponse(properties=dump(state))

    @_in_sentences
    def Delete(  # noqa: N802
        self, request: provider_pb2.DeleteRequest, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Delete a resource."""
        subject = _subject(request)
        ask = asks.Delete(
            resource_id=request.id,
            state=load(request.properties),
            old_inputs=load(request.old_inputs),
            timeout=request.timeout,
        )
        self._resources(subject).delete(subject, ask)
        return empty_pb2.Empty()

    # -- what only the official plugin does

    @_in_sentences
    def Invoke(  # noqa: N802
        self, request: provider_pb2.InvokeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        """Refuse functions (decodeYaml, template, kustomize)."""
        raise ProviderError(_only_official(f"the function {request.tok}"))

    @_in_sentences
    def Call(  # noqa: N802
        self, request: provider_pb2.CallRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CallResponse:
        """Refuse methods."""
        raise ProviderError(_only_official(f"the method {request.tok}"))

    @_in_sentences
    def Construct(  # noqa: N802
        self, request: provider_pb2.ConstructRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ConstructResponse:
        """Refuse components (Chart v4, ConfigFile, ConfigGroup, Directory)."""
        raise ProviderError(_only_official(f"the component {request.type}"))


def _subject(request: _ResourceRequest) -> asks.Subject:
    return asks.Subject.of(urn=request.urn, token=request.type, name=request.name)


def _only_official(what: str) -> str:
    return (
        f"The stand-in for the Kubernetes provider does not have {what}. It has resources only: "
        "declare the objects one by one, or use helm.sh/v3:Release."
    )


def _property_diff(change: Change) -> provider_pb2.PropertyDiff:
    diff = provider_pb2.PropertyDiff
    plain_kind, replacing_kind = {
        "add": (diff.ADD, diff.ADD_REPLACE),
        "delete": (diff.DELETE, diff.DELETE_REPLACE),
        "update": (diff.UPDATE, diff.UPDATE_REPLACE),
    }[change.kind]
    return diff(
        kind=replacing_kind if change.replaces else plain_kind, inputDiff=change.kind == "delete"
    )
