"""The control API on the unix socket. The machines, tests and `status` use it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog

from localcloud.control_api.machines_view import MachinesView
from localcloud.products.ecs.entities import Console, Disk, Instance
from localcloud.products.nlb.entities import NlbJob
from localcloud.products.ram.entities import Role, Session
from localcloud.products.ram.service_roles import is_linked
from localcloud.products.sts import sessions
from localcloud.products.vpc.entities import AddressClaim
from localcloud.requests.actions import moment
from localcloud.requests.calls import CallLog
from localcloud.requests.faults import BadFaultError, Faults, read
from localcloud.requests.idempotency import Remembered
from localcloud.settings import Cloud
from localcloud.state.store import Store
from localcloud.web.messages import HttpReply, HttpRequest
from localcloud.wire.parameters import encodable

_CONSOLE_KEPT: Final = 64 * 1024
_LONGEST_WAIT: Final = 60.0
_TICK: Final = 0.05
_LARGEST: Final = 1e15
_NOT_RESOURCES: Final = frozenset(
    {
        Remembered.__name__,
        Session.__name__,
        AddressClaim.__name__,
        Console.__name__,
        NlbJob.__name__,
    }
)


class ControlError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Answers control requests. See docs/localcloud.md for the routes."""

    def __init__(
        self, store: Store, cloud: Cloud, *, calls: CallLog, faults: Faults, port: int
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._calls = calls
        self._faults = faults
        self._port = port
        self._view = MachinesView(store, cloud)
        self._log = structlog.get_logger("control")

    def refuse(self, status: int, code: str, message: str) -> HttpReply:  # noqa: ARG002
        """Answer malformed input. The control socket has only sentences, not error codes."""
        return HttpReply.of({"error": message}, status)

    async def answer(self, request: HttpRequest) -> HttpReply:
        """The reply to a control request."""
        try:
            return HttpReply.of(await self._route(request))
        except ControlError as error:
            return HttpReply.of({"error": str(error)}, error.status)
        except Exception:  # noqa: BLE001  # whatever it is, the client gets an answer
            self._log.exception("a bug of the emulator", path=request.path)
            return HttpReply.of({"error": "the emulator failed; its log has the traceback"}, 500)

    async def _route(  # noqa: C901, PLR0911  # a table of routes
        self, request: HttpRequest
    ) -> object:
        query = dict(parse_qsl(request.query))
        match (request.method, request.path.strip("/").split("/")):
            case ("GET", ["health"]):
                return self._health()
            case ("GET", ["machines"]):
                return await self._machines(query)
            case ("POST", ["machines", instance_id, "console"]):
                return self._console(instance_id, _document(request))
            case ("GET", ["machines", instance_id, "credentials"]):
                return self._credentials(instance_id)
            case ("GET", ["calls"]):
                after = _number(query, "after", 0)
                return [dataclasses.asdict(c) for c in self._calls.after(int(after))]
            case ("GET", ["faults"]):
                return [{**dataclasses.asdict(f), "matched": n} for f, n in self._faults.rules()]
            case ("POST", ["faults"]):
                return self._add_faults(request)
            case ("DELETE", ["faults"]):
                self._faults.clear()
                return {}
            case ("GET", ["resources"]):
                return self._resources()
            case ("POST", ["reset"]):
                with self._store.transaction():
                    self._store.clear()
                self._faults.clear()
                return {}
            case _:
                raise ControlError(
                    404, f"The control API has no {request.method} {request.path[:80]}."
                )

    def _health(self) -> object:
        return {
            "status": "ok",
            "pid": os.getpid(),
            "port": self._port,
            "region": self._cloud.region,
            "eip_range": str(self._cloud.eip_range),
            "account_id": self._cloud.account_id,
        }

    async def _machines(self, query: Mapping[str, str]) -> object:
        after = int(_number(query, "after", 0))
        wait = min(_number(query, "wait", 0), _LONGEST_WAIT)
        until = time.monotonic() + wait
        while True:
            view = self._view.now()
            left = until - time.monotonic()
            if view["revision"] > after or left <= 0:
                return view
            await asyncio.sleep(min(left, _TICK))

    def _instance(self, instance_id: str) -> Instance:
        instance = self._store.find(Instance, instance_id)
        if instance is None:
            raise ControlError(404, f"The instance {instance_id[:40]!r} does not exist.")
        return instance

    def _console(self, instance_id: str, document: Any) -> object:  # noqa: ANN401  # JSON
        text = document.get("text") if isinstance(document, dict) else None
        if not isinstance(text, str) or not encodable(text):
            raise ControlError(400, 'The body must be {"text": "…"}.')
        self._instance(instance_id)
        console = self._store.find(Console, instance_id)
        joined = ((console.text if console else "") + text)[-_CONSOLE_KEPT:]
        with self._store.transaction():
            self._store.put(Console(instance_id=instance_id, text=joined, updated=time.time()))
        return {}

    def _credentials(self, instance_id: str) -> object:
        instance = self._instance(instance_id)
        role = self._store.find(Role, instance.ram_role)
        if role is None or not sessions.trusts_service(role, "ecs.aliyuncs.com"):
            raise ControlError(404, f"{instance_id} has no RAM role that ECS may assume.")
        now = time.time()
        console = [
            s
            for s in self._store.where(Session, "instance", instance_id)
            if s.role_name == role.name and s.expires - now > sessions.REFRESH_BEFORE
        ]
        if console:
            session = console[0]
        else:
            with self._store.transaction():
                session = sessions.open_session(
                    self._store,
                    role,
                    name=instance_id,
                    now=now,
                    seconds=sessions.LIFETIME,
                    instance_id=instance_id,
                )
        return {
            "Code": "Success",
            "AccessKeyId": session.id,
            "AccessKeySecret": session.secret,
            "SecurityToken": session.token,
            "Expiration": moment(session.expires),
            "LastUpdated": moment(now),
        }

    def _add_faults(self, request: HttpRequest) -> object:
        document = _document(request)
        if not isinstance(document, list) or not all(isinstance(d, dict) for d in document):
            raise ControlError(400, "The body must be a JSON array of faults.")
        try:
            rules = [read(d) for d in document]
        except BadFaultError as error:
            raise ControlError(400, str(error)) from error
        for rule in rules:
            self._faults.add(rule)
        return {"rules": len(rules)}

    def _resources(self) -> object:
        """The resources that users created.

        Service-linked roles are left out, because they belong to the account and outlive stacks;
        system disks, because they come and go with their instances.
        """
        census = {
            kind: sorted(name for name in ids if not self._comes_with_another(kind, name))
            for kind, ids in self._store.census().items()
            if kind not in _NOT_RESOURCES
        }
        return {kind: {"count": len(ids), "ids": ids} for kind, ids in census.items() if ids}

    def _comes_with_another(self, kind: str, name: str) -> bool:
        """Whether the entity comes with another one or with the account."""
        if kind == Disk.__name__:
            disk = self._store.find(Disk, name)
            return disk is not None and disk.kind == "system"
        return kind == Role.__name__ and is_linked(name)


def _document(request: HttpRequest) -> Any:  # noqa: ANN401  # JSON
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise ControlError(400, "The body must be JSON.") from None


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    text = query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < _LARGEST:
        raise ControlError(400, f"{name} must be a number, not {text[:40]!r}.")
    return value
