"""The actions of a product: small typed functions from a request to an answer.

An action is written as

    @action(writes=True)
    def create_vpc(call: Call, request: CreateVpc) -> Answer: ...

and its request type's name is the action's name on the wire.
"""

from __future__ import annotations

import inspect
import secrets
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from localcloud.access.principals import Principal
from localcloud.settings import Cloud
from localcloud.state.lifecycle import Lifecycle
from localcloud.state.store import Store

Answer = Mapping[str, object]

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 17


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request: its sender, its time and its cloud."""

    store: Store
    cloud: Cloud
    principal: Principal
    now: float
    request_id: str
    host: str

    def new_id(self, prefix: str) -> str:
        """A fresh resource id, of the shape the real ones have: `vpc-bp1…`."""
        return f"{prefix}-bp1" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))

    def passing(self, *stages: tuple[str, float], to: str, since: float | None = None) -> Lifecycle:
        """A lifecycle that begins now, or at the earlier time `since`.

        The stages' seconds are scaled by the cloud's setting.
        """
        scale = self.cloud.delay_scale
        return Lifecycle.passing(
            self.now if since is None else since,
            [(status, seconds * scale) for status, seconds in stages],
            to,
        )


@dataclass(frozen=True, kw_only=True)
class Action:
    """A registered action."""

    name: str
    request: type[Any]
    run: Callable[[Call, Any], Answer]
    writes: bool


def action(*, writes: bool = False) -> Callable[[Callable[[Call, Any], Answer]], Action]:
    """Turn a function into an action; its second parameter's type is the request type."""

    def make(function: Callable[[Call, Any], Answer]) -> Action:
        hints = typing.get_type_hints(function)
        _, request = list(inspect.signature(function).parameters)
        kind = hints[request]
        return Action(name=kind.__name__, request=kind, run=function, writes=writes)

    return make


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of the cloud: its name, API version and actions."""

    name: str
    version: str
    actions: Mapping[str, Action]
    settle: Callable[[Call], None] | None = None

    @classmethod
    def of(
        cls,
        name: str,
        version: str,
        modules: Iterable[types.ModuleType],
        *,
        settle: Callable[[Call], None] | None = None,
    ) -> Product:
        """Collect the actions that the modules define, one by one or in tuples.

        `settle` removes entities whose time is over. It runs before each change of the cloud,
        within the same transaction.

        Raises:
            TypeError: two actions have the same name.
        """
        actions: dict[str, Action] = {}
        for module in modules:
            for value in vars(module).values():
                for one in value if isinstance(value, tuple) else (value,):
                    if isinstance(one, Action) and actions.setdefault(one.name, one) is not one:
                        raise TypeError(f"{name} has {one.name} twice")
        return cls(
            name=name, version=version, actions=types.MappingProxyType(actions), settle=settle
        )


def moment(at: float) -> str:
    """A time as most products write it: `2026-11-22T00:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(at: float) -> str:
    """A time as ECS writes an instance's: `2026-11-22T00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")
