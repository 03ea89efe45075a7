"""Configurations of the resource types that this program uses, and the steps of each.

The shapes and values are those of the upstream provider's own acceptance tests
(terraform-provider-alicloud 1.285.0, `alicloud/resource_alicloud_*_test.go`), rewritten as data
with the property names of the published SDK. `name` is the upstream test's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from toolchain.places import SOURCES

FOLDER: Final = Path(__file__).parent / "configurations"
THINGS: Final = "things"
"""The file of what configurations refer to."""


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Change properties; None removes one. With `error`, the provider must refuse the change."""

    properties: Mapping[str, Any]
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Import:
    """Import the resource by its id; all properties but `ignored` must stay equal."""

    ignored: tuple[str, ...]


Step = Apply | Import


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A resource of the provider that configurations refer to by `${name.property}`."""

    type: str
    properties: Mapping[str, Any]
    followed_by: tuple[str, ...]
    """Things that are created after it."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate of CLB that configurations refer to; the plugin has no type for it."""

    upload: Literal["UploadServerCertificate", "UploadCACertificate"]


@dataclass(frozen=True, kw_only=True)
class Ipv4Gateway:
    """An active IPv4 gateway that configurations refer to; the plugin has no type for it."""

    vpc: str


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The steps of one resource, or of some of the same kind."""

    type: str
    name: str
    steps: tuple[Step, ...]
    copies: int
    outlives: bool
    """The provider leaves a prepaid resource alone when it is destroyed."""
    needs: tuple[str, ...]
    """Things that it does not refer to, and that are there before it."""
    differs: str | None
    """Why it does not pass here."""
    adapted: str | None
    """What is not as in the upstream test, and why."""
    nightly: bool
    """It waits too long for the engine tier."""
    exclusive: bool
    """It creates what a region has once, so a cloud runs one such configuration at a time."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """An upstream test that is not run."""

    type: str
    name: str
    reason: str


@functools.cache
def tokens() -> Mapping[str, str]:
    """The upstream provider's resource types → the SDK's."""
    mapping = json.loads((SOURCES / "alicloud" / "mapping.json").read_text(encoding="utf-8"))
    resources: Mapping[str, str] = mapping["resources"]
    return resources


@functools.cache
def things() -> Mapping[str, Thing | Certificate | Ipv4Gateway]:
    """What configurations refer to, by name."""
    document = yaml.safe_load((FOLDER / f"{THINGS}.yaml").read_text(encoding="utf-8"))
    return {name: _thing(entry) for name, entry in document.items()}


@functools.cache
def configurations() -> tuple[Configuration, ...]:
    """All configurations that are run, in the order of their types."""
    return tuple(
        Configuration(
            type=document["type"],
            name=entry["name"],
            steps=tuple(_step(step) for step in entry["steps"]),
            copies=entry.get("copies", 1),
            outlives=entry.get("outlives", False),
            needs=tuple(entry.get("needs", ())),
            differs=entry.get("differs"),
            adapted=entry.get("adapted"),
            nightly=entry.get("nightly", False),
            exclusive=entry.get("exclusive", False),
        )
        for document in _documents()
        for entry in document["configurations"]
    )


@functools.cache
def left_out() -> tuple[LeftOut, ...]:
    """The upstream tests that are not run, with the reason."""
    return tuple(
        LeftOut(type=document["type"], name=name, reason=reason)
        for document in _documents()
        for name, reason in document.get("leftOut", {}).items()
    )


def _thing(entry: Mapping[str, Any]) -> Thing | Certificate | Ipv4Gateway:
    if "upload" in entry:
        return Certificate(upload=entry["upload"])
    if "gatewayOf" in entry:
        return Ipv4Gateway(vpc=entry["gatewayOf"])
    return Thing(
        type=entry["type"],
        properties=entry["properties"],
        followed_by=tuple(entry.get("with", ())),
    )


def _documents() -> list[Mapping[str, Any]]:
    return [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.yaml"))
        if path.stem != THINGS
    ]


def _step(step: Mapping[str, Any]) -> Step:
    if "importIgnoring" in step:
        return Import(ignored=tuple(step["importIgnoring"]))
    return Apply(properties=step["apply"], error=step.get("error"))
