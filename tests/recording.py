"""A Pulumi engine that only writes down what it is asked, and answers as the cloud would.

`record` runs a program in this process, waits for everything it started, and hands back plain
data: what was registered, what the stack shows, what was logged. Unknown values read `UNKNOWN`,
secrets read `Secret(value)`, so tests can assert on both.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf import json_format
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import run_pulumi_func

UNKNOWN = "[unknown]"
"""Represents a value that the engine does not know yet."""

_PROJECT = "spiderpool-alicloud"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the engine's mark for a secret


@dataclass(frozen=True)
class Secret:
    """A value that the engine keeps encrypted; never printed, so never in a failure's output."""

    value: object = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registration, as the engine got it."""

    type: str
    name: str
    urn: str
    parent: str
    """URN; empty for the stack's own children."""
    custom: bool
    inputs: Mapping[str, Any]
    provider: str
    """URN of the provider, empty when none was named."""
    dependencies: frozenset[str]
    protect: bool
    delete_before_replace: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    replacement_trigger: Any
    """Plain data; None without one."""
    delete_timeout: str
    frames: tuple[str, ...]
    """URIs of the source files in its stack trace, the nearest first."""

    @property
    def kind(self) -> str:
        """The last part of the type token."""
        return self.type.rsplit(":", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a program did."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]
    """Of the stack."""
    closed: frozenset[str]
    """URNs of the components that registered their outputs."""
    log: str

    def of(self, kind: str) -> dict[str, Resource]:
        """Resources of one kind (`Instance`, `SpiderIPPool`, …), by logical name; no components."""
        return {r.name: r for r in self.resources if r.kind == kind and r.custom}

    def one(self, kind: str) -> Resource:
        """The only resource of its kind."""
        (only,) = self.of(kind).values()
        return only

    def by_urn(self, urn: str) -> Resource:
        return next(r for r in self.resources if r.urn == urn)

    def needed_by(self, resource: Resource) -> frozenset[str]:
        """URNs of everything that `resource` outlives none of: dependencies, and theirs."""
        by_urn = {r.urn: r for r in self.resources}
        needed: set[str] = set()
        pending = [resource]
        while pending:
            current = pending.pop()
            for urn in current.dependencies | {current.provider, current.parent}:
                if urn in by_urn and urn not in needed:
                    needed.add(urn)
                    pending.append(by_urn[urn])
        return frozenset(needed)


class Cloud(Mocks):
    """Answers as Alibaba Cloud and Kubernetes do: ids, MACs, addresses, in the cloud's own order.

    Without `ids_known` nothing has an id yet and nothing is computed, as in a first preview.
    `lies` replaces outputs of one resource, by its logical name. `readable` ids say whose they
    are: `${Switch:guide-primary}`. `there` is what exists already, by the kind that the answer is
    called by (`vpcs`, `vswitches`, `gateways`, `addresses`) and id; `entries` by SNAT table.
    `state` is what the state had before this run: outputs by URN.
    `requested` has the type of each resource that was asked for, also after a run that failed.
    """

    def __init__(
        self,
        *,
        ids_known: bool = True,
        readable: bool = False,
        lies: Mapping[str, Mapping[str, object]] | None = None,
        there: Mapping[str, Mapping[str, Any]] | None = None,
        state: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self._ids_known = ids_known
        self._readable = readable
        self._lies = lies or {}
        self.there = there
        self._state = state or {}
        self._ipv6: list[str] = []
        self.requested: list[str] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        kind = args.typ.rsplit(":", 1)[-1]
        self.requested.append(args.typ)
        digest = hashlib.sha256(f"{args.typ}/{args.name}".encode()).hexdigest()
        outputs: dict[str, Any] = dict(args.inputs)
        if kind == "Stash":
            # The engine's own: its output is the first input, and known in a first preview.
            outputs["output"] = args.inputs["input"]
            return self._id(digest[:20]), outputs | dict(self._lies.get(args.name, {}))
        if args.typ.startswith("kubernetes:"):
            metadata = args.inputs.get("metadata") or {}
            if kind == "Service" and args.inputs["spec"].get("type") == "LoadBalancer":
                outputs |= {"status": _load_balancer(args.inputs["spec"], digest)}
            id_ = "/".join(filter(None, [metadata.get("namespace"), metadata.get("name")]))
            return self._id(id_ or digest[:12]), outputs
        outputs |= _answer(kind, digest, args.inputs) if self._ids_known else {}
        outputs |= self._lies.get(args.name, {})
        if self._ids_known:
            self._ipv6 += outputs.get("ipv6Addresses") or []
        if self._readable:
            return self._id(f"${{{kind}:{args.name}}}"), outputs
        return self._id(f"{_PREFIXES.get(kind, kind.lower())}-{digest[:20]}"), outputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token.endswith(":readStackResourceOutputs"):
            return {"outputs": {u: {"outputs": o} for u, o in self._state.items()}}, []
        there = self.there or {}
        for token, answer in (
            (":getNetworks", "vpcs"),
            (":getSwitches", "vswitches"),
            (":getNatGateways", "gateways"),
            (":getEipAddresses", "addresses"),
        ):
            if args.token.endswith(token):
                items = there.get(answer, {})
                return {answer: [{"id": i, **items[i]} for i in args.args["ids"] if i in items]}, []
        if args.token.endswith(":getSnatEntries"):
            return {"entries": there.get("entries", {}).get(args.args["snatTableId"], [])}, []
        if args.token.endswith(":getIpv6Addresses"):
            return {"addresses": [_ipv6_address(address) for address in self._ipv6]}, []
        raise AssertionError(f"the program asked for {args.token}, which no test expects")

    def _id(self, id_: str) -> str | None:
        return id_ if self._ids_known else None


_PREFIXES = {
    "EcsDisk": "d",
    "EcsNetworkInterface": "eni",
    "EipAddress": "eip",
    "Instance": "i",
    "NatGateway": "ngw",
    "Network": "vpc",
    "SecurityGroup": "sg",
    "Switch": "vsw",
}


def _load_balancer(spec: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """What the cloud controller writes: an address of a CLB, a name of an NLB."""
    if "loadBalancerClass" in spec:
        return {"loadBalancer": {"ingress": [{"hostname": f"nlb-{digest[:8]}.example.com"}]}}
    address = IPv4Address("47.97.0.0") + int(digest[:4], 16)
    return {"loadBalancer": {"ingress": [{"ip": str(address)}]}}


def _ipv6_address(address: str) -> dict[str, str]:
    return {"ipv6Address": address, "ipv6AddressId": f"ipv6-{address.replace(':', '-')}"}


def _answer(kind: str, digest: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    number = int(digest[:8], 16)
    match kind:
        case "EcsNetworkInterface":
            primary = inputs["primaryIpAddress"]
            pinned = inputs.get("privateIpAddresses") or []
            count = int(inputs.get("secondaryPrivateIpAddressCount") or 0)
            chosen = [str(IPv4Address(primary) + 64 + offset) for offset in range(count)]
            return {
                "mac": "00:16:3e:" + ":".join(digest[i : i + 2] for i in (0, 2, 4)),
                # The cloud gives a set: never in the order that was asked for.
                "privateIpAddresses": sorted(pinned or chosen, key=lambda a: a[::-1]),
                "ipv4Prefixes": inputs.get("ipv4Prefixes") or [],
            }
        case "Switch" if inputs.get("enableIpv6"):
            return {"ipv6CidrBlock": f"2408:4005:3a0:12{int(inputs['ipv6CidrBlockMask']):02x}::/64"}
        case "EipAddress":
            return {"ipAddress": str(IPv4Address("47.98.0.0") + number % 65536)}
        case "NatGateway":
            return {"snatTableIds": f"stb-{digest[:20]}"}
        case "ApplicationLoadBalancer":
            return {"address": str(IPv4Address("10.255.0.0") + number % 65536)}
        case _:
            return {}


class Recorder(MockMonitor):
    """Keeps the raw registrations, which mocks do not show, and refuses a URN twice."""

    def __init__(self, mocks: Mocks, *, stack: str) -> None:
        super().__init__(mocks)
        self._stack = stack
        self.recorded: list[Resource] = []
        self.closed: set[str] = set()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the mocks', whose names of stack and project a process's first run does not know."""
        kinds_and_name = super().make_urn(parent, type_, name).split("::", 2)[2]
        return f"urn:pulumi:{self._stack}::{_PROJECT}::{kinds_and_name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - gRPC's own names
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type == "pulumi:pulumi:Stack":
            return answer
        if any(other.urn == answer.urn for other in self.recorded):
            raise AssertionError(f"two resources are called {answer.urn}")
        parent = request.parent if "pulumi:pulumi:Stack::" not in request.parent else ""
        self.recorded.append(
            Resource(
                type=request.type,
                name=request.name,
                urn=answer.urn,
                parent=parent,
                custom=request.custom,
                inputs=plain(json_format.MessageToDict(request.object)),
                provider=request.provider.rpartition("::")[0],
                dependencies=frozenset(request.dependencies),
                protect=request.protect,
                delete_before_replace=request.deleteBeforeReplace,
                retain_on_delete=request.retainOnDelete,
                ignore_changes=tuple(request.ignoreChanges),
                replace_on_changes=tuple(request.replaceOnChanges),
                replacement_trigger=(
                    plain(json_format.MessageToDict(request.replacement_trigger))
                    if request.HasField("replacement_trigger")
                    else None
                ),
                delete_timeout=request.customTimeouts.delete,
                frames=tuple(frame.pc.uri for frame in request.stackTrace.frames),
            )
        )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: ANN401, N802
        self.closed.add(request.urn)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any of seven things
    """Wire form to plain data: whole numbers are ints, secrets and unknowns say so."""
    match value:
        case dict() if value.get(_SIGNATURE) == _SECRET:
            return Secret(plain(value["value"]))
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case rpc.UNKNOWN:
            return UNKNOWN
        case _:
            return value


def _taken(_hook: object) -> asyncio.Future[None]:
    """Registering a hook: there is no engine that would ever call it."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def _put_off(_program: object) -> None:
    """The mocks' stack stays the same in all runs of a process, and takes one such program."""


def secrets_in(value: object) -> Iterator[Secret]:
    """Every secret inside plain data."""
    match value:
        case Secret():
            yield value
        case Mapping():
            for inner in value.values():
                yield from secrets_in(inner)
        case list() | tuple():
            for inner in value:
                yield from secrets_in(inner)


def record(  # noqa: PLR0913 - the ways in which an engine can be set up
    program: Callable[[], object],
    *,
    preview: bool = False,
    cloud: Cloud | None = None,
    config: Mapping[str, object] | None = None,
    secret_keys: Sequence[str] = (),
    stack: str = "test",
) -> Run:
    """Run `program` as stack `stack` and wait for all it registered.

    `config` values that are not text are written as JSON, as the engine hands them over.
    """
    logger = logging.getLogger("spiderpool-alicloud.tests")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    lines = _Lines()
    logger.handlers = [lines]
    monitor = Recorder(cloud or Cloud(), stack=stack)
    loop = asyncio.new_event_loop()
    # A program that fails leaves Outputs that failed with it: the failure itself is raised here.
    # Told of whenever the collector finds them, they would break into whatever runs then.
    loop.set_exception_handler(lambda _loop, _context: None)
    loop.set_default_executor(_AtOnce())
    asyncio.set_event_loop(loop)
    try:
        set_mocks(
            monitor.mocks,
            project=_PROJECT,
            stack=stack,
            preview=preview,
            logger=logger,
            monitor=monitor,
        )
        pulumi.runtime.set_all_config(
            {
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in (config or {}).items()
            },
            list(secret_keys),
        )
        SETTINGS.rpc_manager.clear()
        SETTINGS.outputs.clear()

        async def drained() -> None:
            def once() -> None:
                program()

            await run_pulumi_func(once)

        with (
            patch("pulumi.resource_hooks.register_resource_hook", _taken),
            patch("pulumi.run", _put_off),
        ):
            loop.run_until_complete(drained())
        outputs = loop.run_until_complete(_stack_outputs())
    finally:
        pulumi.runtime.set_all_config({}, [])
        pulumi.runtime.settings.reset_options()
        asyncio.set_event_loop(None)
        loop.close()
    return Run(
        resources=tuple(sorted(monitor.recorded, key=lambda r: (r.type, r.name))),
        outputs=outputs,
        closed=frozenset(monitor.closed),
        log="\n".join(lines.seen),
    )


async def _stack_outputs() -> Mapping[str, Any]:
    root = get_root_resource()
    struct = await rpc.serialize_properties(dict(getattr(root, "outputs", {})), {})
    shown = plain(json_format.MessageToDict(struct))
    assert isinstance(shown, dict)
    return shown


class _AtOnce(ThreadPoolExecutor):
    """Runs each call of the engine in its caller's thread, because another only costs time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as the base
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)
        return future


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(f"{record.levelname}: {record.getMessage()}")
