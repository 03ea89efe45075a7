"""An engine that only answers: a program's requests arrive over gRPC, as from the real one.

It runs in a process of its own, so that a program's time and memory have nothing of it. Every
resource gets the outputs that a program needs to go on; nothing is kept.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

_MAX_MESSAGE: Final = 400 << 20
_THREADS: Final = 64
_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
)


@dataclass(frozen=True, kw_only=True)
class Registrations:
    """What a program sent."""

    resources: int
    """Components too; not the stack itself."""
    sent_bytes: int
    """Of all registrations and their outputs, on the wire."""


class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Answers registrations. gRPC calls it from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resources = 0
        self._bytes = 0

    def registrations(self) -> Registrations:
        return Registrations(resources=self._resources, sent_bytes=self._bytes)

    def GetDeploymentInfo(self, _request: Any, _context: Any) -> resource_pb2.DeploymentInfo:  # noqa: ANN401, N802
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def SupportsFeature(  # noqa: N802
        self,
        _request: Any,  # noqa: ANN401
        _context: Any,  # noqa: ANN401
    ) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=True)

    def RegisterResource(  # noqa: N802
        self,
        request: resource_pb2.RegisterResourceRequest,
        _context: Any,  # noqa: ANN401
    ) -> resource_pb2.RegisterResourceResponse:
        is_stack = request.type == "pulumi:pulumi:Stack"
        with self._lock:
            self._resources += not is_stack
            self._bytes += request.ByteSize()
        kinds = request.type
        if request.parent and not is_stack:
            parent = request.parent.split("::")[2]
            kinds = kinds if parent == "pulumi:pulumi:Stack" else f"{parent}${kinds}"
        urn = f"urn:pulumi:bench::spiderpool-alicloud::{kinds}::{request.name}"
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        outputs = struct_pb2.Struct()
        outputs.CopyFrom(request.object)
        digest = hashlib.sha256(urn.encode()).hexdigest()
        for key, value in _computed(request.type, digest, request.object).items():
            outputs[key] = value
        return resource_pb2.RegisterResourceResponse(urn=urn, id=digest[:20], object=outputs)

    def RegisterResourceOutputs(  # noqa: N802
        self,
        request: resource_pb2.RegisterResourceOutputsRequest,
        _context: Any,  # noqa: ANN401
    ) -> empty_pb2.Empty:
        with self._lock:
            self._bytes += request.ByteSize()
        return empty_pb2.Empty()

    def Invoke(self, request: Any, _context: Any) -> provider_pb2.InvokeResponse:  # noqa: ANN401, N802
        """The stack has no resources yet; nothing else is asked for."""
        assert request.tok.endswith(":readStackResourceOutputs"), request.tok
        response = provider_pb2.InvokeResponse()
        # `return` is a word of Python's own.
        getattr(response, "return")["outputs"] = {}
        return response

    def RegisterResourceHook(self, _request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: ANN401, N802
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, _request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: ANN401, N802
        return empty_pb2.Empty()


class _Engine(engine_pb2_grpc.EngineServicer):
    """Takes logs; keeps the root resource."""

    def __init__(self) -> None:
        self._root = ""

    def Log(self, _request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: ANN401, N802
        return empty_pb2.Empty()

    def SetRootResource(  # noqa: N802
        self,
        request: engine_pb2.SetRootResourceRequest,
        _context: Any,  # noqa: ANN401
    ) -> engine_pb2.SetRootResourceResponse:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def GetRootResource(self, _request: Any, _context: Any) -> engine_pb2.GetRootResourceResponse:  # noqa: ANN401, N802
        return engine_pb2.GetRootResourceResponse(urn=self._root)


def _computed(type_: str, digest: str, inputs: struct_pb2.Struct) -> dict[str, Any]:
    """Outputs that are not inputs, as far as a program reads them."""
    match type_:
        case "pulumi:index:Stash":
            return {"output": inputs["input"]}
        case "alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface":
            return {"mac": "00:16:3e:" + ":".join(digest[at : at + 2] for at in (0, 2, 4))}
        case "alicloud:ecs/eipAddress:EipAddress":
            return {"ipAddress": f"47.98.{int(digest[:2], 16)}.{int(digest[2:4], 16)}"}
        case _:
            return {}


@contextmanager
def recording_engine() -> Iterator[tuple[str, Connection]]:
    """Its address, and a connection that gives `Registrations` for each message sent to it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield str(ours.recv()), ours
    finally:
        process.terminate()
        process.join()


def _serve(connection: Connection) -> None:
    monitor = _Monitor()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=_THREADS),
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
        ],
    )
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    connection.send(f"127.0.0.1:{port}")
    while connection.recv():
        connection.send(monitor.registrations())
