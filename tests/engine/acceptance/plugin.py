"""The built provider plugin as a process, and the calls that the engine makes of it, in plain data.

The protocol is Pulumi's `ResourceProvider` service. Properties are JSON values.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
)

from toolchain.places import SOURCES

Properties = Mapping[str, Any]

PLUGIN: Final = SOURCES.parents[1] / ".local" / "bin" / "pulumi-resource-alicloud"
_PRODUCTS: Final = ("ecs", "vpc", "slb", "ram", "sts", "tag", "resourcemanager", "bssopenapi")
_COLOUR: Final = re.compile(r"\x1b\[\d+m")
_CALL_SECONDS: Final = 420.0
# A provider that waits longer for a resource than this has given up already.
_RESOURCE_SECONDS: Final = 300.0


class Refused(Exception):  # noqa: N818 - a plain failure, its text the message
    """A call that failed."""

    @property
    def is_absence(self) -> bool:
        """Whether the provider says that the resource does not exist."""
        return "ResourceNotfound" in str(self) or "NotFound" in str(self)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the plugin knows it."""

    id: str
    state: Properties


@dataclass(frozen=True, kw_only=True)
class Change:
    """What gives a resource its properties; nothing to do if neither is set."""

    updates: tuple[str, ...]
    replaces: tuple[str, ...]


class _Engine(engine_pb2_grpc.EngineServicer):
    def Log(  # noqa: N802 - the protocol's name
        self,
        request: engine_pb2.LogRequest,  # noqa: ARG002 - what the plugin logs is not judged
        context: grpc.ServicerContext,  # noqa: ARG002 - the protocol's signature
    ) -> empty_pb2.Empty:
        return empty_pb2.Empty()


class Plugin:
    """One process of the plugin, configured for a local cloud; use it as a context."""

    def __init__(self, *, port: int, ca: Path, region: str, key: str, secret: str) -> None:
        """Start the process.

        Args:
            port: Where the local cloud listens on the loopback.
            ca: The file with the certificate of the local cloud's CA.
            region: The local cloud's region.
            key: Id of the access key.
            secret: Its secret.
        """
        self._engine = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), self._engine)
        engine_port = self._engine.add_insecure_port("127.0.0.1:0")
        self._engine.start()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [PLUGIN, f"127.0.0.1:{engine_port}"],
            env=_environment(ca),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{int(self._process.stdout.readline())}",
            options=[("grpc.max_receive_message_length", 64 << 20)],
        )
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        endpoint = f"127.0.0.1:{port}"
        arguments = {
            "region": region,
            "accountType": "Domestic",
            "protocol": "HTTPS",
            "accessKey": key,
            "secretKey": secret,
            # The engine hands nested settings over as JSON.
            "endpoints": json.dumps([dict.fromkeys(_PRODUCTS, endpoint)]),
        }
        self._call("Configure", provider_pb2.ConfigureRequest(args=_struct(arguments)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()
        self._engine.stop(None)

    def check(self, urn: str, properties: Properties, old: Properties | None = None) -> Properties:
        """Return the inputs with the provider's defaults.

        Raises:
            Refused: The provider refuses a property.
        """
        answer = self._call(
            "Check",
            provider_pb2.CheckRequest(
                urn=urn,
                news=_struct(properties),
                olds=None if old is None else _struct(old),
                randomSeed=b"acceptance",
            ),
        )
        if answer.failures:
            raise Refused("; ".join(f"{one.property}: {one.reason}" for one in answer.failures))
        return _plain(answer.inputs)

    def create(self, urn: str, inputs: Properties) -> Resource:
        """Create a resource from checked inputs.

        Raises:
            Refused: The cloud or the provider refuses it.
        """
        answer = self._call(
            "Create",
            provider_pb2.CreateRequest(
                urn=urn, properties=_struct(inputs), timeout=_RESOURCE_SECONDS
            ),
        )
        return Resource(id=answer.id, state=_plain(answer.properties))

    def read(
        self, urn: str, id_: str, state: Properties | None = None, inputs: Properties | None = None
    ) -> Resource | None:
        """Refresh a resource; import it if `state` is None. None: the cloud has no such resource.

        Raises:
            Refused: The provider cannot read it.
        """
        answer = self._call(
            "Read",
            provider_pb2.ReadRequest(
                urn=urn,
                id=id_,
                properties=None if state is None else _struct(state),
                inputs=None if inputs is None else _struct(inputs),
            ),
        )
        return Resource(id=answer.id, state=_plain(answer.properties)) if answer.id else None

    def diff(self, urn: str, old: Resource, old_inputs: Properties, inputs: Properties) -> Change:
        """Compare a resource with checked inputs."""
        answer = self._call(
            "Diff",
            provider_pb2.DiffRequest(
                urn=urn,
                id=old.id,
                olds=_struct(old.state),
                old_inputs=_struct(old_inputs),
                news=_struct(inputs),
            ),
        )
        if answer.changes != provider_pb2.DiffResponse.DIFF_SOME:
            return Change(updates=(), replaces=())
        return Change(updates=tuple(answer.diffs), replaces=tuple(answer.replaces))

    def update(
        self, urn: str, old: Resource, old_inputs: Properties, inputs: Properties
    ) -> Resource:
        """Change a resource in place.

        Raises:
            Refused: The cloud or the provider refuses it.
        """
        answer = self._call(
            "Update",
            provider_pb2.UpdateRequest(
                urn=urn,
                id=old.id,
                olds=_struct(old.state),
                old_inputs=_struct(old_inputs),
                news=_struct(inputs),
                timeout=_RESOURCE_SECONDS,
            ),
        )
        return Resource(id=old.id, state=_plain(answer.properties))

    def delete(self, urn: str, old: Resource) -> None:
        """Delete a resource.

        Raises:
            Refused: The cloud or the provider refuses it.
        """
        request = provider_pb2.DeleteRequest(
            urn=urn, id=old.id, properties=_struct(old.state), timeout=_RESOURCE_SECONDS
        )
        self._call("Delete", request)

    def _call(self, method: str, request: Any) -> Any:  # noqa: ANN401 - gRPC messages are untyped
        try:
            return getattr(self._stub, method)(request, timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            raise Refused(f"{method}: {_COLOUR.sub('', error.details() or '')}") from None


def _environment(ca: Path) -> dict[str, str]:
    """This process's environment without proxies and credentials, and with the CA to trust."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("ALICLOUD_", "ALIBABA_"))
    }
    return {**kept, "SSL_CERT_FILE": str(ca)}


def _struct(properties: Properties) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    json_format.ParseDict(dict(properties), message)
    return message


def _plain(message: struct_pb2.Struct) -> Properties:
    return cast("Properties", json_format.MessageToDict(message))
