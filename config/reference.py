"""The configuration reference and the schemas, written from the model itself.

`python -m config.reference` writes docs/configuration.md and docs/schema/; a test holds them in
step.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.annotations import entries_of, model_in
from config.facts.instance_limits import FAMILIES, SOURCES, WITHOUT_SECOND_ENI
from config.facts.regions import ZONE_LETTERS, zones_of
from config.facts.unsupported import rows
from config.model import PORT_NAME, ClusterConfig, Profile
from config.profiles import CLUSTERS, POOLS, ROLES
from config.schema import CLUSTER_FILE, STACK_FILE, cluster_schema, meanings, stack_schema

ROOT = Path(__file__).parents[1]

_HEAD = """\
<!-- Written by `python -m config.reference`; edit the model, the rules or the tables instead. -->
# Configuration

A stack file (`stacks/Pulumi.<stack>.yaml`) describes its cluster in one object,
`spiderpool-alicloud:cluster`, which contains only what differs from its profile.
`python -m operations plan --config FILE` shows what it means before anything exists. Whole files to
start from are in [examples](examples). This object never contains secrets: they are separate keys,
set by `pulumi config set --secret`.

Editors that know YAML schemas complete and check a stack file that begins with

```yaml
# yaml-language-server: $schema=../docs/schema/stack.schema.json
```

Addresses and resources depend on the names of pools, nodes, subnets and zones.
Their order never matters; removing one entry does not change the others.
"""

_ADDRESSES = """\
## How addresses are planned

A subnet has one vSwitch in each of its zones. A node owns one block in every subnet that its pool
uses: block `firstBlock + ordinal` of `blockSize` addresses, counted from the start of its zone's
vSwitch. The ENI's own address is the block's first, pod addresses follow. Alibaba Cloud keeps the
network address and the last three of a vSwitch (the gateway is the third from last), so block 0 is
never used, nor one that reaches into the last three.

* In a counted pool, a node's ordinal is its number. A named node has the `ordinal` of its entry, or
  without one the number at the end of its name. It never depends on other nodes
  ([why](decisions/stable-ordinals.md)).
* With more than one pool, each pool sets its `firstBlock`. Leave room between pools: a pool cannot
  move later.
* A pool whose subnets have several zones in common names the zones that it uses. Zones take turns
  by ordinal, in sorted order, so adding a zone to a pool's list moves nodes, and adding one to a
  subnet does not.
* `mode: prefix`: a node's /28 prefixes are slot `firstBlock + ordinal - 1` of `prefixBlockSize`
  addresses in the vSwitch's `prefixReservation`. A reservation cannot grow later.
* `mode: count`: the cloud chooses, so a preview cannot show the addresses, and the subnet is for
  counted NICs only. The cloud may still choose an address that the plan has for a later node.
* Explicit addresses of a node's NIC replace its whole block on that NIC.
* IPv6: `ipv6Index` chooses the /64 of the VPC's /56. Each IPv6 address ends in its IPv4 twin.

`maxPods` of a node is the number of its pod addresses, plus the pods that always run on the host's
network, plus a place for the spiderpool-controller. A worker has 2 pods on the host's network
(kube-proxy, spiderpool-agent). A control plane has 7: these, etcd, kube-apiserver,
kube-controller-manager, kube-scheduler and the cloud controller. The scheduler counts each NIC's
addresses by itself ([capacity](capacity.md)). With Kubernetes 1.35 and in `existing` mode it does
not: there `maxPods` counts eth0's addresses alone, and no place for the spiderpool-controller.
"""


def main() -> int:
    """Write everything that is generated."""
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    docs = ROOT / "docs"
    return {
        docs / "configuration.md": reference(),
        docs / "schema" / CLUSTER_FILE: _json(cluster_schema()),
        docs / "schema" / STACK_FILE: _json(stack_schema()),
    }


def reference() -> str:
    """The reference as Markdown."""
    parts = [_HEAD, *_sections(), _ADDRESSES, _limits(), _profiles(), _types(), _regions()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sections() -> Iterator[str]:
    yield _section("cluster", ClusterConfig)
    seen: set[str] = set()
    for path, model in _models(ClusterConfig, ""):
        if model.__name__ not in seen:
            seen.add(model.__name__)
            yield _section(path, model)


def _models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every model below this one with the path that leads to it, in the order of the fields."""
    for field in model.model_fields.values():
        at = f"{path}.{field.alias}" if path else str(field.alias)
        for inner, suffix in _inner(field.annotation):
            yield f"{at}{suffix}", inner
            yield from _models(inner, f"{at}{suffix}")


def _inner(kind: Any) -> Iterator[tuple[type[BaseModel], str]]:  # noqa: ANN401 - any annotation
    model, entries = model_in(kind), entries_of(kind)
    if model is not None:
        yield model, ""
    elif entries is not None:
        container, values = entries
        step = ".<name>" if container is dict else "[]"
        for below, suffix in _inner(values):
            yield below, f"{step}{suffix}"


def _section(path: str, model: type[BaseModel]) -> str:
    lines = [
        f"## `{path}`",
        "",
        _text(model.__doc__ or ""),
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        _row(field, meanings(model).get(name, "")) for name, field in model.model_fields.items()
    ]
    return "\n".join((*lines, ""))


def _row(field: FieldInfo, meaning: str) -> str:
    cells = (
        f"`{field.alias}`",
        _cell(_type(field.annotation, field.metadata)),
        _cell(_default(field)),
        _cell(_text(meaning)),
    )
    return f"| {' | '.join(cells)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default()
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | dict) and not value:
        return "none"
    shown = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
    return f"`{shown}`" if shown else "empty"


_NAMES = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "true or false",
    "object": "anything",
    "IPv4Address": "IPv4 address",
    "IPv4Network": "IPv4 network",
}


def _type(kind: Any, metadata: list[Any] | None = None) -> str:  # noqa: ANN401 - any annotation
    arguments = get_args(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        return _type(arguments[0], [*arguments[1:], *(metadata or [])])
    if origin in (Union, types.UnionType):
        shown = [_type(a, metadata) for a in arguments if a is not type(None)]
        return " or ".join(dict.fromkeys(shown))
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in arguments)
    if origin is dict:
        return f"map of {_type(arguments[1])} by {_type(arguments[0])}"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    return _plain_type(kind, metadata or [])


def _plain_type(kind: Any, metadata: list[Any]) -> str:  # noqa: ANN401 - any annotation
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(f"`{member.value}`" for member in kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "object"
    return _NAMES.get(getattr(kind, "__name__", ""), "text") + _bounds(metadata)


def _bounds(metadata: list[Any]) -> str:
    low = high = pattern = None
    for item in metadata:
        for each in (item, *getattr(item, "metadata", ())):
            low = each.ge if isinstance(each, Ge) else low
            high = each.le if isinstance(each, Le) else high
            if isinstance(each, StringConstraints) and each.pattern:
                pattern = each.pattern
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", {low} or more"
    if pattern is not None:
        if str(pattern) == PORT_NAME:
            return " (name of a port)"
        return " (DNS label)" if "a-z" in str(pattern) else " (1.2.3)"
    return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _text(text: str) -> str:
    return " ".join(text.split())


def _limits() -> str:
    lines = [
        "## What cannot be configured",
        "",
        "Keys and values that people look for, and that a plan refuses with these words. A key is",
        "refused by any of its names.",
        "",
        "| key or value | why | instead |",
        "|---|---|---|",
    ]
    lines += [f"| {key} | {_cell(reason)} | {_cell(way)} |" for key, reason, way in rows()]
    return "\n".join((*lines, ""))


def _profiles() -> str:
    lines = [
        "## Profiles",
        "",
        "The defaults that a profile sets. The keys of `nodePools.<name>` apply to every pool.",
        "`python -m operations config show --config FILE` prints a stack file with its defaults.",
        "",
        f"| key | {' | '.join(p.value for p in Profile)} |",
        f"|---|{'---|' * len(Profile)}",
    ]
    tables = [_profile(p) for p in Profile]
    for key in sorted({key for table in tables for key in table}):
        shown = [f"`{table[key]}`" if key in table else "" for table in tables]
        lines.append(f"| `{key}` | {' | '.join(shown)} |")
    return "\n".join((*lines, ""))


def _profile(profile: Profile) -> dict[str, str]:
    table = dict(_flattened("", CLUSTERS[profile]))
    table.update(_flattened("nodePools.<name>", POOLS[profile]))
    for role, pool in ROLES[profile].items():
        table.update(_flattened(f"nodePools.<name> ({role.value})", pool))
    return table


def _flattened(path: str, document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        at = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            yield from _flattened(at, value)
        else:
            yield at, json.dumps(value)


def _types() -> str:
    lines = [
        "## Instance types",
        "",
        "Limits that are known without asking: ENIs and addresses of one ENI, the primary ones",
        "included. Source: Alibaba Cloud, *Instance families* (ECS documentation, page 25378),",
        "columns *ENIs* and *Private IP addresses per ENI*. IPv6 figures of all families, and all",
        "figures of families marked so, are not verified against a published table: compare them",
        "with `DescribeInstanceTypes` (`EniQuantity`, `EniPrivateIpAddressQuantity`,",
        "`EniIpv6AddressQuantity`) before you rely on them. A stack file sets the limits of a type",
        "that is missing or wrong:",
        "",
        "```yaml",
        "instanceTypes:",
        "  ecs.g9i.xlarge: {enis: 4, ipv4PerEni: 15, ipv6PerEni: 15, secondEni: true}",
        "```",
        "",
        f"Families without a second ENI at creation: {', '.join(sorted(WITHOUT_SECOND_ENI))}.",
        "",
        "| types | ENIs | IPv4 of an ENI | IPv6 of an ENI | source |",
        "|---|---|---|---|---|",
    ]
    grouped: dict[tuple[str, int, int, int, str], list[str]] = {}
    for family, sizes in FAMILIES.items():
        for size, (enis, ipv4, ipv6) in sizes.items():
            grouped.setdefault((size, enis, ipv4, ipv6, SOURCES[family]), []).append(family)
    for (size, enis, ipv4, ipv6, source), families in grouped.items():
        names = ", ".join(f"ecs.{family}.{size}" for family in families)
        lines.append(f"| {names} | {enis} | {ipv4} | {ipv6} | {source} |")
    return "\n".join((*lines, ""))


def _regions() -> str:
    lines = [
        "## Regions and zones",
        "",
        "Regions that are known, with zones that are known to exist. A zone belongs to its region",
        "by its name; one that is newer than this list is accepted, too. For a region that is",
        "newer, write `cloud.unlistedRegion: true`.",
        "",
        "| region | zones |",
        "|---|---|",
    ]
    lines += [f"| `{region}` | {', '.join(zones_of(region))} |" for region in ZONE_LETTERS]
    return "\n".join((*lines, ""))


if __name__ == "__main__":
    raise SystemExit(main())
