"""A configuration, applied step by step by the provider, as its own acceptance tests are.

After each step the resource is refreshed; the same properties must then be no change. At the end it
is destroyed and must not exist any more.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.engine.acceptance.configurations import (
    Apply,
    Certificate,
    Configuration,
    Import,
    Ipv4Gateway,
    things,
    tokens,
)
from tests.engine.acceptance.plugin import Plugin, Properties, Refused, Resource
from tests.localcloud.sdk_api import Api
from tests.localcloud.self_signed import self_signed

_REFERENCE: Final = re.compile(r"\$\{(?:host\()?(\w+)\.(\w+)(?:\.(\d+))?(?:, *(\d+)\))?\}")
# What the bridge keeps for itself.
_BRIDGE: Final = frozenset({"__meta", "__defaults", "id", "timeouts"})


class NotAsApplied(Exception):  # noqa: N818 - the finding
    """The cloud does not have what was applied."""


def run(plugin: Plugin, api: Api, configuration: Configuration) -> None:
    """Go through all steps, then destroy everything.

    Raises:
        NotAsApplied: A step leaves a difference, or something outlives its deletion.
        Refused: The cloud or the provider refuses a step.
    """
    surroundings = _Surroundings(
        plugin=plugin, api=api, name=f"acc-{configuration.name}".replace("_", "-")
    )
    copies = [
        _Subject(
            plugin=plugin,
            type=configuration.type,
            name=configuration.name if configuration.copies == 1 else f"{configuration.name}-{n}",
            surroundings=surroundings,
            index=n,
        )
        for n in range(configuration.copies)
    ]
    try:
        surroundings.create(configuration.needs)
        for number, step in enumerate(configuration.steps, 1):
            for subject in copies:
                _do(subject, step, number)
    except (Refused, NotAsApplied):
        with contextlib.suppress(Refused, NotAsApplied):
            _destroy(copies, surroundings, configuration)
        raise
    _destroy(copies, surroundings, configuration)


def _destroy(
    copies: Iterable[_Subject], surroundings: _Surroundings, configuration: Configuration
) -> None:
    for subject in copies:
        subject.destroy(outlives=configuration.outlives)
    if not configuration.outlives:
        surroundings.destroy()


def _do(subject: _Subject, step: Apply | Import, number: int) -> None:
    try:
        match step:
            case Import():
                subject.check_import(step.ignored)
            case Apply(error=None):
                subject.apply(step.properties)
            case Apply():
                subject.apply_refused(step.properties, step.error)
    except (Refused, NotAsApplied) as error:
        raise type(error)(f"step {number}: {error}") from None


def _next_week() -> str:
    """The whole minute in seven days, as the API writes times."""
    return (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:00Z")


@dataclass(kw_only=True)
class _Surroundings:
    """The things that a configuration refers to, created when a reference asks for them."""

    plugin: Plugin
    api: Api
    name: str
    next_week: str = field(default_factory=_next_week)
    created: dict[str, tuple[str, Resource]] = field(default_factory=dict)
    certificates: dict[str, Resource] = field(default_factory=dict)
    gateways: dict[str, Resource] = field(default_factory=dict)

    def resolve(self, value: Any, index: int = 0) -> Any:  # noqa: ANN401 - JSON values
        """Replace the references in a value; create what they refer to."""
        if isinstance(value, Mapping):
            return {key: self.resolve(one, index) for key, one in value.items()}
        if isinstance(value, list):
            return [self.resolve(one, index) for one in value]
        if not isinstance(value, str):
            return value
        text = (
            value.replace("${name}", self.name)
            .replace("${index}", str(index))
            .replace("${nextWeek}", self.next_week)
        )
        whole = _REFERENCE.fullmatch(text)
        if whole is not None:
            return self._referred(whole)
        return _REFERENCE.sub(lambda match: str(self._referred(match)), text)

    def create(self, names: Iterable[str]) -> None:
        """Create things that nothing refers to."""
        for name in names:
            self._thing(name)

    def _referred(self, match: re.Match[str]) -> Any:  # noqa: ANN401 - JSON values
        thing, key, position, offset = match.groups()
        resource = self._thing(thing)
        value = resource.id if key == "id" else resource.state[key]
        if position is not None:
            value = sorted(value)[int(position)]
        if offset is not None:
            value = str(ipaddress.ip_network(value)[int(offset)])
        return value

    def _thing(self, name: str) -> Resource:
        thing = things()[name.rstrip("0123456789")]
        if isinstance(thing, Certificate):
            return self._certificate(name, thing)
        if isinstance(thing, Ipv4Gateway):
            return self._gateway(name, thing)
        if name not in self.created:
            urn = _urn(thing.type, f"{self.name}-{name}")
            inputs = self.plugin.check(urn, self._named(thing.properties, name))
            self.created[name] = (urn, self.plugin.create(urn, inputs))
            for follower in thing.followed_by:
                self._thing(follower)
        return self.created[name][1]

    def _named(self, properties: Mapping[str, Any], thing: str) -> dict[str, Any]:
        """The properties of a thing. One of several has its number in its name, and as index.

        Names of access control lists are unique in a region, and a listener's lists have different
        entries.
        """
        number = thing[len(thing.rstrip("0123456789")) :]
        resolved: dict[str, Any] = self.resolve(properties, int(number or 9))
        return {
            key: f"{value}{number}" if properties[key] == "${name}" else value
            for key, value in resolved.items()
        }

    def _certificate(self, name: str, thing: Certificate) -> Resource:
        if name not in self.certificates:
            pem, key = self_signed("acceptance.example")
            if thing.upload == "UploadServerCertificate":
                answer = self.api.slb(thing.upload, ServerCertificate=pem, PrivateKey=key)
                id_ = answer["ServerCertificateId"]
            else:
                id_ = self.api.slb(thing.upload, CACertificate=pem)["CACertificateId"]
            self.certificates[name] = Resource(id=id_, state={})
        return self.certificates[name]

    def _gateway(self, name: str, thing: Ipv4Gateway) -> Resource:
        if name not in self.gateways:
            vpc = self.resolve(thing.vpc)
            gateway = self.api.vpc("CreateIpv4Gateway", VpcId=vpc)["Ipv4GatewayId"]
            self.api.vpc("EnableVpcIpv4Gateway", Ipv4GatewayId=gateway)
            self.gateways[name] = Resource(id=gateway, state={"vpcId": vpc})
        return self.gateways[name]

    def destroy(self) -> None:
        """Delete everything that was created, last first."""
        for gateway in self.gateways.values():
            self.api.vpc("DeleteIpv4Gateway", Ipv4GatewayId=gateway.id)
        while self.created:
            _, (urn, resource) = self.created.popitem()
            self.plugin.delete(urn, resource)


@dataclass(kw_only=True)
class _Subject:
    """The resource that a configuration is about."""

    plugin: Plugin
    type: str
    name: str
    surroundings: _Surroundings
    index: int
    properties: dict[str, Any] = field(default_factory=dict)
    inputs: Properties = field(default_factory=dict)
    resource: Resource | None = None

    @property
    def urn(self) -> str:
        return _urn(self.type, self.name)

    def apply(self, changes: Properties) -> None:
        """Create or change the resource; it must then be as applied."""
        inputs = self._checked(changes)
        if self.resource is None:
            self.resource = self.plugin.create(self.urn, inputs)
        else:
            change = self.plugin.diff(self.urn, self.resource, self.inputs, inputs)
            if change.replaces:
                self.plugin.delete(self.urn, self.resource)
                self.resource = None
                inputs = self.plugin.check(self.urn, self.surroundings.resolve(self.properties))
                self.resource = self.plugin.create(self.urn, inputs)
            elif change.updates:
                self.resource = self.plugin.update(self.urn, self.resource, self.inputs, inputs)
        self.inputs = inputs
        self._refresh()
        change = self.plugin.diff(self.urn, self.resource, inputs, inputs)
        if change.updates or change.replaces:
            differences = {
                key: {"applied": inputs.get(key), "there": self.resource.state.get(key)}
                for key in (*change.replaces, *change.updates)
            }
            raise NotAsApplied(f"the plan is not empty afterwards: {differences}")

    def apply_refused(self, changes: Properties, error: str | None) -> None:
        """Change the resource; the provider must refuse that."""
        try:
            self.apply(changes)
        except Refused as refusal:
            if error is not None and error not in str(refusal):
                raise
            return
        raise NotAsApplied(f"not refused, although {error!r} was expected")

    def check_import(self, ignored: Iterable[str]) -> None:
        """Import the resource by its id and compare."""
        assert self.resource is not None
        imported = self.plugin.read(self.urn, self.resource.id)
        if imported is None:
            raise NotAsApplied("the import does not find the resource")
        ours, theirs = _comparable(self.resource.state), _comparable(imported.state)
        # The bridge writes the schema's defaults into what it creates, not into what it imports.
        defaults = {key for key in self.inputs.get("__defaults", ()) if key not in theirs}
        keys = (ours.keys() | theirs.keys()) - set(ignored) - _BRIDGE - defaults
        differences = {
            key: {"imported": theirs.get(key), "there": ours.get(key)}
            for key in sorted(keys)
            if ours.get(key) != theirs.get(key)
        }
        if differences:
            raise NotAsApplied(f"the import differs: {differences}")

    def destroy(self, *, outlives: bool) -> None:
        """Delete the resource; it must be gone afterwards unless it `outlives` that."""
        if self.resource is None:
            return
        self.plugin.delete(self.urn, self.resource)
        if not outlives and self._exists():
            raise NotAsApplied("still there after its deletion")

    def _exists(self) -> bool:
        assert self.resource is not None
        try:
            state = self.resource.state
            return self.plugin.read(self.urn, self.resource.id, state, self.inputs) is not None
        except Refused as refusal:
            if refusal.is_absence:
                return False
            raise

    def _checked(self, changes: Properties) -> Properties:
        for key, value in changes.items():
            if value is None:
                self.properties.pop(key, None)
            else:
                self.properties[key] = value
        resolved = self.surroundings.resolve(self.properties, self.index)
        return self.plugin.check(self.urn, resolved, self.inputs or None)

    def _refresh(self) -> None:
        assert self.resource is not None
        refreshed = self.plugin.read(self.urn, self.resource.id, self.resource.state, self.inputs)
        if refreshed is None:
            raise NotAsApplied("gone after the step")
        self.resource = refreshed


def _urn(type_: str, name: str) -> str:
    return f"urn:pulumi:acceptance::acceptance::{tokens()[type_]}::{name}"


def _comparable(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """A value for comparisons: lists sorted; what is empty, false or zero left out."""
    if isinstance(value, Mapping):
        entries = {key: _comparable(value[key]) for key in sorted(value) if key not in _BRIDGE}
        return {key: one for key, one in entries.items() if one not in (None, "", [], {}, False, 0)}
    if isinstance(value, list):
        return sorted((_comparable(one) for one in value), key=repr)
    return value
