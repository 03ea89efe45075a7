"""A request is parsed, authenticated, allowed, executed in one transaction, and logged."""

from __future__ import annotations

import time
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from localcloud.access import circumstances, policies, resources
from localcloud.access.authentication import Authenticator
from localcloud.access.principals import Principal
from localcloud.published import parameters as published_parameters
from localcloud.requests import hostility, idempotency
from localcloud.requests.actions import Action, Answer, Call, Product
from localcloud.requests.calls import CallLog
from localcloud.requests.faults import Fault, Faults
from localcloud.requests.parsing import (
    COMMON_PARAMETERS,
    ParsedRequest,
    own_parameters,
    parse_request,
)
from localcloud.settings import Cloud
from localcloud.state.store import Store
from localcloud.web.messages import HttpReply, HttpRequest
from localcloud.wire import parameters as wire_parameters
from localcloud.wire.errors import ApiError

UNKNOWN_ACTION: Final = "LocalCloud.UnknownAction"
UNKNOWN_VERSION: Final = "InvalidVersion"
UNKNOWN_PARAMETER: Final = "LocalCloud.UnknownParameter"
_LONGEST_TOKEN: Final = 64
_REGIONAL: Final = frozenset({"Ecs", "Vpc", "Slb", "Nlb"})
_NOT_ALLOWED: Final = types.MappingProxyType(
    {"ram": "NoPermission", "sts": "NoPermission", "nlb": "Forbidden.NoPermission"}
)
"""Product → its error code for a call that policies do not allow; others use Forbidden.RAM."""
_PASSES_ROLE: Final = frozenset({("ecs", "RunInstances"), ("ecs", "AttachInstanceRamRole")})


class Gateway:
    """Answers API requests from one store."""

    def __init__(
        self,
        store: Store,
        cloud: Cloud,
        products: Mapping[str, Product],
        *,
        calls: CallLog,
        faults: Faults,
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._products = products
        self._authenticator = Authenticator(store, cloud)
        self._calls = calls
        self._faults = faults
        self._throttle = hostility.Throttle()
        self._log = structlog.get_logger("api")
        self.clock: Callable[[], float] = time.time
        """What time it is, in seconds since 1970; tests move it ahead instead of waiting."""

    def refuse(self, status: int, code: str, message: str) -> HttpReply:
        """Answer malformed input."""
        request_id = _request_id()
        return HttpReply.of(ApiError(code, message).body(request_id), status)

    def settle(self) -> None:
        """Do what is due now without a request, for example the snapshots of policies."""
        account = f"acs:ram::{self._cloud.account_id}:root"
        call = Call(
            store=self._store,
            cloud=self._cloud,
            principal=Principal(kind="Account", arn=account, identity=self._cloud.account_id),
            now=self.clock(),
            request_id=_request_id(),
            host="",
        )
        with self._store.transaction():
            self._settle(call)

    def answer(self, http: HttpRequest) -> HttpReply:
        """The reply to a request; never raises."""
        began = time.perf_counter()
        now = self.clock()
        request_id = _request_id()
        facts = _CallFacts()
        try:
            reply = self._answer(http, now, request_id, facts)
        except ApiError as error:
            facts.code = error.code
            reply = HttpReply.of(error.body(request_id), error.status)
        except Exception:  # noqa: BLE001  # whatever it is, the client gets an answer
            self._log.exception("a bug of the emulator", action=facts.action)
            facts.code = "LocalCloud.Bug"
            bug = ApiError(facts.code, "The emulator failed; its log has the traceback.", 500)
            reply = HttpReply.of(bug.body(request_id), bug.status)
        logged = self._calls.add(
            time=now,
            product=facts.product,
            action=facts.action,
            parameters=facts.parameters,
            status=0 if reply.drop else reply.status,
            code=facts.code,
            seconds=time.perf_counter() - began,
            unknown=facts.unknown,
            principal=facts.principal,
        )
        if facts.code or facts.unknown:
            self._log.info(
                "call",
                n=logged.n,
                product=logged.product,
                action=logged.action,
                status=logged.status,
                code=logged.code,
                unknown=list(logged.unknown),
                request_id=request_id,
            )
        return reply

    def _answer(
        self, http: HttpRequest, now: float, request_id: str, facts: _CallFacts
    ) -> HttpReply:
        if http.method not in {"GET", "POST"}:
            raise ApiError("UnsupportedHTTPMethod", "This http method is not supported.", 405)
        parsed = parse_request(http)
        facts.action = parsed.action
        parameters = parsed.parameters
        facts.parameters = {n: v for n, v in parameters.items() if n not in COMMON_PARAMETERS}
        principal = self._authenticator.sender(
            method=http.method,
            path=http.path,
            query=parsed.query,
            form=parsed.form,
            headers=http.headers,
            body=http.body,
            now=now,
        )
        facts.principal = principal.arn
        product = self._product(parsed, facts)
        self._allow(principal, product, parsed.action, http, now, parameters)
        action = self._action(product, parsed)
        fault = self._faults.strike(product.name, action.name, facts.parameters)
        if fault is not None and fault.kind not in {"after-effect", "stale"}:
            return self._struck(fault, request_id, facts)
        if action.writes and self._throttle.exceeded(self._cloud, product.name, action.name, now):
            raise hostility.throttled(action.name)
        tree = wire_parameters.tree(parameters)
        published_parameters.check(product.name, action.name, tree)
        self._check_region(product, parameters)
        request, unknown = wire_parameters.read_tree(action.request, own_parameters(action, tree))
        facts.unknown = unknown
        if unknown and self._cloud.strict:
            raise ApiError(
                UNKNOWN_PARAMETER,
                f"{action.name} does not know {', '.join(unknown)}.",
            )
        call = Call(
            store=self._store,
            cloud=self._cloud,
            principal=principal,
            now=now,
            request_id=request_id,
            host=http.headers.get("host", ""),
        )
        if fault is not None and fault.kind == "stale" and not action.writes:
            with self._store.as_before(fault.transactions):
                answer = action.run(call, request)
        else:
            answer = self._execute(call, action, request, parameters, facts)
        if fault is not None and fault.kind == "after-effect":
            return self._struck(fault, request_id, facts)
        return HttpReply.of({"RequestId": request_id, **answer})

    def _product(self, parsed: ParsedRequest, facts: _CallFacts) -> Product:
        product = self._products.get(parsed.version)
        if product is None:
            raise ApiError(
                UNKNOWN_VERSION,
                f"No product here has the API version {parsed.version[:40]!r}.",
            )
        facts.product = product.name
        return product

    @staticmethod
    def _action(product: Product, parsed: ParsedRequest) -> Action:
        action = product.actions.get(parsed.action)
        if action is None:
            raise ApiError(
                UNKNOWN_ACTION,
                f"{product.name} {product.version} has no action {parsed.action[:80]!r} here.",
            )
        return action

    def _allow(  # noqa: PLR0913, PLR0917  # what policies look at
        self,
        principal: Principal,
        product: Product,
        action: str,
        http: HttpRequest,
        now: float,
        parameters: Mapping[str, str],
    ) -> None:
        """Refuse an action that the sender's policies do not allow.

        The check comes before an answer reveals anything about the action.
        """
        if principal.policies is None or (product.name, action) == ("Sts", "GetCallerIdentity"):
            return
        # Another product creates these roles, but creating one needs a permission of RAM.
        name = "ram" if action == "CreateServiceLinkedRole" else product.name.lower()
        context = circumstances.of(principal, http, now, parameters)
        asked = policies.Asked(
            action=f"{name}:{action}",
            resources=circumstances.resources_of(
                self._store, self._cloud, name, action, parameters
            ),
            context=context,
        )
        if not principal.may(asked):
            code = _NOT_ALLOWED.get(name, "Forbidden.RAM")
            raise ApiError(
                code,
                f"{principal.arn} is not authorized to do {name}:{action[:80]} on "
                f"{', '.join(r.arn for r in asked.resources)[:400]}.",
                403,
            )
        passed = parameters.get("RamRoleName") if (name, action) in _PASSES_ROLE else None
        if passed:
            passing = policies.Asked(
                action="ram:PassRole",
                resources=[resources.role(self._cloud, passed)],
                context=context,
            )
            if not principal.may(passing):
                raise ApiError(
                    "InvalidUser.PassRoleForbidden",
                    f"The RAM user does not have the privilege to pass the role {passed[:64]!r}.",
                    403,
                )

    def _check_region(self, product: Product, parameters: Mapping[str, str]) -> None:
        # The actions on snapshot policies write it in lower case.
        region = parameters.get("RegionId") or parameters.get("regionId")
        if region and region != self._cloud.region and product.name in _REGIONAL:
            raise ApiError(
                "InvalidRegionId.NotFound",
                f"The region {region[:40]!r} is not the one of this cloud, {self._cloud.region}.",
                404,
            )

    def _execute(
        self,
        call: Call,
        action: Action,
        request: object,
        parameters: Mapping[str, str],
        facts: _CallFacts,
    ) -> Answer:
        if not action.writes:
            if self._cloud.hostile is not None:
                # Deletions take time in hostile mode; readers must not see an entity after its end.
                with self._store.transaction():
                    self._settle(call)
            return action.run(call, request)
        token = parameters.get("ClientToken") or ""
        if len(token) > _LONGEST_TOKEN or not token.isascii():
            raise ApiError(
                "InvalidClientToken.ValueNotSupported",
                f"The ClientToken has at most {_LONGEST_TOKEN} ASCII characters.",
            )
        who = call.principal.arn
        with self._store.transaction():
            if token:
                first = idempotency.recall(
                    self._store, who, action.name, token, facts.parameters, call.now
                )
                if first is not None:
                    return first
            self._settle(call)
            answer = action.run(call, request)
            if parameters.get("DryRun", "").lower() == "true":
                raise ApiError(
                    "DryRunOperation",
                    "Request validation has been passed with DryRun flag set.",
                )
            if token:
                idempotency.remember(
                    self._store, who, action.name, token, facts.parameters, answer, call.now
                )
        return answer

    def _settle(self, call: Call) -> None:
        """Remove entities whose time is over, and take snapshots that are due."""
        for product in self._products.values():
            if product.settle is not None:
                product.settle(call)

    def _struck(self, fault: Fault, request_id: str, facts: _CallFacts) -> HttpReply:
        facts.code = f"fault:{fault.kind}"
        if fault.kind == "drop":
            return HttpReply(drop=True)
        if fault.kind == "timeout":
            return HttpReply(drop=True, delay=fault.seconds)
        facts.code = fault.code
        message = fault.message or "A fault was injected."
        return HttpReply.of(ApiError(fault.code, message).body(request_id), fault.status)


class _CallFacts:
    """The facts of a call for its line in the log.

    They are filled in while the call is answered, so that a refused call is logged with what was
    known by then.
    """

    def __init__(self) -> None:
        self.product = ""
        self.action = ""
        self.parameters: Mapping[str, str] = {}
        self.code = ""
        self.unknown: tuple[str, ...] = ()
        self.principal = ""


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
