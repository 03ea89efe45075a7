"""The error codes on which programs of others act, read from `codes.yaml` into frozen records."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.localcloud.corpus import entries

FILE: Final = Path(__file__).with_name("codes.yaml")


@dataclass(frozen=True, kw_only=True)
class Test:
    """A test that provokes the code, by its full name."""

    __test__ = False
    name: str


@dataclass(frozen=True, kw_only=True)
class Injected:
    """A code that only a fault rule makes: action, HTTP status, and why it never occurs here."""

    product: str
    action: str
    status: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClientCode:
    """One code in the source of one client.

    `code` is a part of the message instead if `in_message` is set.
    """

    code: str
    in_message: bool
    client: str
    place: str
    acts: str
    shown_by: entries.Entry | Test | Injected

    @property
    def title(self) -> str:
        """What names the row among all."""
        match self.shown_by:
            case (
                entries.Entry(product=product, action=action)
                | Injected(product=product, action=action)
            ):
                return f"{self.client}: {product}.{action} {self.code} ({self.place})"
            case Test(name=name):
                return f"{self.client}: {self.code} ({self.place}, {name})"


@functools.cache
def client_codes() -> tuple[ClientCode, ...]:
    """All rows."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))["codes"]
    return tuple(
        ClientCode(
            code=row["code"],
            in_message=row.get("in_message", False),
            client=row["client"],
            place=row["place"],
            acts=row["acts"],
            shown_by=_shown_by(row),
        )
        for row in rows
    )


def _shown_by(row: Mapping[str, Any]) -> entries.Entry | Test | Injected:
    if "situation" in row:
        return _situation(row)
    if "test" in row:
        return Test(name=row["test"])
    injected = row["injected"]
    product, _, action = injected["action"].partition(".")
    return Injected(
        product=product, action=action, status=injected["status"], reason=injected["reason"]
    )


def _situation(row: Mapping[str, Any]) -> entries.Entry:
    situation = row["situation"]
    product, _, action = situation["action"].partition(".")
    codes = [] if row.get("in_message", False) else [row["code"]]
    return entries.entry_of(
        product,
        {
            "condition": f"{row['client']} acts on {row['code']}.",
            "refused": {"status": situation["status"], "codes": codes},
            "source": f"{row['client']}, {row['place']}",
            "confidence": "high",
            "date": "undated",
            **situation,
            "action": action,
        },
    )
