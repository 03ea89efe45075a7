"""The engine's part of the provider protocol, over real gRPC, in plain data.

``Deployment`` does for one resource what the engine does in an update: check, then create, or
diff and update or replace. Secrets are ``wire.Secret``, unknowns ``wire.UNKNOWN``.
"""

from __future__ import annotations

import hashlib
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from toolchain.kubernetes_provider.protocol.engine_log import EngineLog
from toolchain.kubernetes_provider.protocol.wire import Object, dump, load, plain
from toolchain.kubernetes_provider.servicer import Provider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


@dataclass(kw_only=True)
class InitFailed(Exception):  # noqa: N818 - the protocol's word
    """The answer of a call whose resource exists but is not right."""

    message: str
    resource_id: str
    state: Object
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return self.message


class Refused(Exception):  # noqa: N818 - a plain failure, its text the message
    """The answer of a call that failed."""


@dataclass(frozen=True, kw_only=True)
class Diffed:
    changed: bool
    replaces: tuple[str, ...]
    kinds: dict[str, str]
    delete_before_replace: bool


class _Log(engine_pb2_grpc.EngineServicer):
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, bool]] = []

    def Log(  # noqa: N802 - the protocol's name
        self,
        request: engine_pb2.LogRequest,
        context: grpc.ServicerContext,  # noqa: ARG002 - the protocol's signature
    ) -> empty_pb2.Empty:
        severity = engine_pb2.LogSeverity.Name(request.severity)
        self.lines.append((severity, request.message, request.ephemeral))
        return empty_pb2.Empty()


class EngineSide:
    """One provider process as the engine sees it."""

    def __init__(self) -> None:
        self._log = _Log()
        self._engine = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        engine_pb2_grpc.add_EngineServicer_to_server(self._log, self._engine)
        engine_port = self._engine.add_insecure_port("127.0.0.1:0")
        self._engine.start()
        self._provider = Provider(EngineLog(f"127.0.0.1:{engine_port}"), probe_seconds=0.2)
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self._provider, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()
        self._provider.close()
        self._server.stop(None)
        self._engine.stop(None)

    def messages(self, severity: str) -> list[str]:
        """Return what stays on the screen after the run."""
        return [
            text for level, text, passing in self._log.lines if level == severity and not passing
        ]

    def statuses(self) -> list[str]:
        """Return what was shown for resources during an operation."""
        return [text for _, text, passing in self._log.lines if passing and text]

    # -- calls

    def handshake(self) -> provider_pb2.ProviderHandshakeResponse:
        answer = self._call("Handshake", provider_pb2.ProviderHandshakeRequest())
        assert isinstance(answer, provider_pb2.ProviderHandshakeResponse)
        return answer

    def check_config(self, arguments: Object) -> list[str]:
        """Return what the engine prints about the failures."""
        answer = self.stub.CheckConfig(provider_pb2.CheckRequest(news=dump(arguments)))
        return [_printed(failure, arguments) for failure in answer.failures]

    def diff_config(self, old: Object, new: Object) -> tuple[list[str], list[str]]:
        answer = self.stub.DiffConfig(
            provider_pb2.DiffRequest(olds=dump(old), old_inputs=dump(old), news=dump(new))
        )
        return list(answer.diffs), list(answer.replaces)

    def configure(self, arguments: Object) -> None:
        try:
            self.stub.Configure(
                provider_pb2.ConfigureRequest(args=dump(arguments), acceptSecrets=True)
            )
        except grpc.RpcError as error:
            raise Refused(error.details()) from None

    def check(
        self, token: str, name: str, inputs: Object, old: Object | None = None
    ) -> tuple[Object, list[str]]:
        """Return the checked inputs and what the engine prints about the failures."""
        answer = self._call(
            "Check",
            provider_pb2.CheckRequest(
                urn=_urn(token, name),
                type=token,
                name=name,
                news=dump(inputs),
                olds=dump(old or {}),
                randomSeed=hashlib.sha256(name.encode()).digest(),
            ),
        )
        assert isinstance(answer, provider_pb2.CheckResponse)
        failures = [_printed(failure, inputs) for failure in answer.failures]
        return load(answer.inputs), failures

    def diff(
        self, token: str, name: str, entry: StateEntry, inputs: Object, ignored: Sequence[str] = ()
    ) -> Diffed:
        answer = self._call(
            "Diff",
            provider_pb2.DiffRequest(
                id=entry.resource_id,
                urn=_urn(token, name),
                type=token,
                name=name,
                olds=dump(entry.state),
                old_inputs=dump(entry.inputs),
                news=dump(inputs),
                ignoreChanges=ignored,
            ),
        )
        assert isinstance(answer, provider_pb2.DiffResponse)
        return Diffed(
            changed=answer.changes == provider_pb2.DiffResponse.DIFF_SOME,
            replaces=tuple(answer.replaces),
            kinds={
                path: provider_pb2.PropertyDiff.Kind.Name(diff.kind)
                for path, diff in answer.detailedDiff.items()
            },
            delete_before_replace=answer.deleteBeforeReplace,
        )

    def create(
        self, token: str, name: str, inputs: Object, *, preview: bool = False, timeout: float = 0
    ) -> StateEntry:
        answer = self._call(
            "Create",
            provider_pb2.CreateRequest(
                urn=_urn(token, name),
                type=token,
                name=name,
                properties=dump(inputs),
                preview=preview,
                timeout=timeout,
            ),
        )
        assert isinstance(answer, provider_pb2.CreateResponse)
        return StateEntry(resource_id=answer.id, state=load(answer.properties), inputs=inputs)

    def update(  # noqa: PLR0913 - what the protocol sends
        self,
        token: str,
        name: str,
        entry: StateEntry,
        inputs: Object,
        *,
        preview: bool = False,
        ignored: Sequence[str] = (),
        timeout: float = 0,
    ) -> StateEntry:
        answer = self._call(
            "Update",
            provider_pb2.UpdateRequest(
                id=entry.resource_id,
                urn=_urn(token, name),
                type=token,
                name=name,
                olds=dump(entry.state),
                old_inputs=dump(entry.inputs),
                news=dump(inputs),
                preview=preview,
                ignoreChanges=ignored,
                timeout=timeout,
            ),
        )
        assert isinstance(answer, provider_pb2.UpdateResponse)
        return StateEntry(
            resource_id=entry.resource_id, state=load(answer.properties), inputs=inputs
        )

    def read(self, token: str, name: str, entry: StateEntry) -> StateEntry | None:
        answer = self._call(
            "Read",
            provider_pb2.ReadRequest(
                id=entry.resource_id,
                urn=_urn(token, name),
                type=token,
                name=name,
                properties=dump(entry.state),
                inputs=dump(entry.inputs),
            ),
        )
        assert isinstance(answer, provider_pb2.ReadResponse)
        if not answer.id:
            return None
        return StateEntry(
            resource_id=answer.id, state=load(answer.properties), inputs=load(answer.inputs)
        )

    def delete(self, token: str, name: str, entry: StateEntry, *, timeout: float = 0) -> None:
        self._call(
            "Delete",
            provider_pb2.DeleteRequest(
                id=entry.resource_id,
                urn=_urn(token, name),
                type=token,
                name=name,
                properties=dump(entry.state),
                old_inputs=dump(entry.inputs),
                timeout=timeout,
            ),
        )

    def cancel(self) -> None:
        self.stub.Cancel(empty_pb2.Empty())

    def _call(self, method: str, request: object) -> object:
        try:
            answer: object = getattr(self.stub, method)(request)
        except grpc.RpcError as error:
            raise _failure(error) from None
        return answer


@dataclass(frozen=True, kw_only=True)
class StateEntry:
    """What state has of one resource."""

    resource_id: str
    state: Object = field(default_factory=dict)
    inputs: Object = field(default_factory=dict)


def _printed(failure: provider_pb2.CheckFailure, inputs: Object) -> str:
    """As issueCheckFailures prints it (pkg/resource/deploy/step_generator.go of Pulumi)."""
    if not failure.property:
        return failure.reason
    value = plain(inputs.get(failure.property))
    return f"property {failure.property} value {value} has a problem: {failure.reason}"


def _failure(error: grpc.RpcError) -> Exception:
    # The stubs describe one entry where grpc gives a sequence of pairs.
    entries = cast("Sequence[tuple[str, bytes]]", error.trailing_metadata() or ())
    for key, value in entries:
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            detail = provider_pb2.ErrorResourceInitFailed()
            assert status.details[0].Unpack(detail)
            return InitFailed(
                message=str(error.details()),
                resource_id=detail.id,
                state=load(detail.properties),
                reasons=tuple(detail.reasons),
            )
    return Refused(error.details())


def _urn(token: str, name: str) -> str:
    return f"urn:pulumi:test::project::{token}::{name}"


@dataclass(kw_only=True)
class Deployment:
    """A stack of one resource: ``up`` does what the engine does, and returns its steps."""

    engine: EngineSide
    token: str
    name: str
    entry: StateEntry | None = None

    def up(self, inputs: Object) -> str:
        """Return "created", "same", "updated" or "replaced"."""
        old = self.entry
        checked, failures = self.engine.check(
            self.token, self.name, inputs, old.inputs if old else None
        )
        assert not failures, failures
        if old is None:
            self.entry = self.engine.create(self.token, self.name, checked)
            return "created"
        diff = self.engine.diff(self.token, self.name, old, checked)
        if diff.replaces:
            if diff.delete_before_replace:
                self.engine.delete(self.token, self.name, old)
            fresh, _ = self.engine.check(self.token, f"{self.name}-again", inputs)
            self.entry = self.engine.create(self.token, self.name, fresh)
            if not diff.delete_before_replace:
                self.engine.delete(self.token, self.name, old)
            return "replaced"
        if diff.changed:
            self.entry = self.engine.update(self.token, self.name, old, checked)
            return "updated"
        return "same"

    def diff(self, inputs: Object) -> Diffed:
        assert self.entry is not None
        checked, failures = self.engine.check(self.token, self.name, inputs, self.entry.inputs)
        assert not failures, failures
        return self.engine.diff(self.token, self.name, self.entry, checked)

    def refresh(self) -> None:
        assert self.entry is not None
        self.entry = self.engine.read(self.token, self.name, self.entry)

    def down(self, *, timeout: float = 0) -> None:
        assert self.entry is not None
        self.engine.delete(self.token, self.name, self.entry, timeout=timeout)
        self.entry = None
