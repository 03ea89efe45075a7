"""Defaults that follow from the region and the instance type; a stack file overrides them.

A profile's defaults are the same everywhere (`config.profiles`). This module has the defaults that
differ, because one value would be refused or would not work in some region or on some instance
type. `notices` lists the choices for a stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.facts.images import CUSTOM
from config.facts.instance_limits import limits_of
from config.facts.reserved import PREFIX_SIZE
from config.model import (
    AddressMode,
    InstanceTypeConfig,
    InterfaceConfig,
    NodePoolConfig,
    Profile,
    Role,
)
from config.profiles import ROLES
from config.rules.nodes.interfaces import MAX_IPV6, MAX_PREFIXES

Document = Mapping[str, object]

_POD_ADDRESSES = InterfaceConfig(subnet="any").pod_addresses


def with_adapted(document: Document) -> dict[str, object]:
    """The document with these defaults filled in. Keys that it sets do not change."""
    adapted = dict(document)
    mirrors = _mirrors(document)
    if mirrors is not None:
        adapted["kubernetes"] = {**_object(document, "kubernetes"), "mirrors": mirrors}
    pools = document.get("nodePools")
    if isinstance(pools, Mapping):
        adapted["nodePools"] = {name: _pool(document, pool) for name, pool in pools.items()}
    return adapted


def notices(document: Document, effective: Document) -> Iterator[str]:
    """The choices for this stack, one sentence each.

    `document` is the stack file's content, `effective` the same with all defaults.
    """
    if _mirrors(document) is not None:
        yield (
            f"kubernetes.mirrors: china, because {document.get('region')} lies in mainland China, "
            "from where registry.k8s.io and pkgs.k8s.io are often unreachable. Write mirrors: "
            "global to use them anyway."
        )
    pools = effective.get("nodePools")
    own = _object(document, "nodePools")
    for name, pool in sorted(pools.items()) if isinstance(pools, Mapping) else ():
        yield from _count_notices(document, str(name), own.get(name))
        yield from _pool_notices(str(name), pool, own.get(name))


def _count_notices(document: Document, name: str, own: object) -> Iterator[str]:
    """A notice for a pool whose listed nodes look like exceptions of the profile's count."""
    profile = document.get("profile")
    if not isinstance(own, Mapping) or "count" in own or "nodes" not in own:
        return
    if not isinstance(profile, str) or profile not in tuple(Profile):
        return
    if own.get("role") not in tuple(Role):
        return
    count = ROLES[Profile(profile)].get(Role(own["role"]), {}).get("count")
    if not isinstance(count, int):
        return
    nodes = sorted(map(str, _object(own, "nodes")))
    counted = {f"{name}-{ordinal}" for ordinal in range(count)}
    if set(nodes) < counted:
        yield (
            f"nodePools.{name}: its nodes are {', '.join(nodes) or 'none'}, because without count, "
            "nodes lists all nodes of the pool. If it only has settings of some nodes, write "
            f"count: {count}, the default of the profile {profile}."
        )


def _pool_notices(name: str, pool: object, own: object) -> Iterator[str]:
    if not isinstance(pool, Mapping):
        return
    written_interfaces = _object(own, "interfaces") if isinstance(own, Mapping) else {}
    for nic, interface in sorted(_object(pool, "interfaces").items()):
        chosen = interface.get("podAddresses") if isinstance(interface, Mapping) else None
        written = written_interfaces.get(nic)
        if (
            chosen not in (None, _POD_ADDRESSES)
            and isinstance(written, Mapping)
            and "podAddresses" not in written
        ):
            yield (
                f"nodePools.{name}.interfaces.{nic}.podAddresses: {chosen}, which is what "
                f"{pool.get('instanceType')} takes here; the default is {_POD_ADDRESSES}."
            )
    nodes = _object(pool, "nodes")
    images = {
        pool.get("image"),
        *(n.get("image") for n in nodes.values() if isinstance(n, Mapping)),
    }
    for image in sorted(str(image) for image in images if CUSTOM.fullmatch(str(image))):
        yield (
            f"nodePools.{name}: {image} is a custom image, which this program cannot check. It "
            "must be Ubuntu 22.04 or 24.04, or Debian 13 with netplan.io, have cloud-init, and "
            "have the architecture of the instance type."
        )


def _mirrors(document: Document) -> str | None:
    """`china` if the region is in mainland China and the document does not set mirrors."""
    region = str(document.get("region", ""))
    mainland = region.startswith("cn-") and region != "cn-hongkong"
    written = "mirrors" in _object(document, "kubernetes")
    local = document.get("profile") == Profile.LOCAL.value
    return "china" if mainland and not written and not local else None


def _pool(document: Document, pool: object) -> object:
    if not isinstance(pool, Mapping) or not isinstance(pool.get("interfaces"), Mapping):
        return pool
    return {
        **pool,
        "interfaces": {
            nic: _interface(document, pool, interface)
            for nic, interface in _object(pool, "interfaces").items()
        },
    }


def _interface(document: Document, pool: Document, interface: object) -> object:
    if not isinstance(interface, Mapping) or "podAddresses" in interface:
        return interface
    most = min(
        (_most(document, pool, str(kind), interface.get("mode")) for kind in _types(pool)),
        default=_POD_ADDRESSES,
    )
    if most >= _POD_ADDRESSES:
        return interface
    return {**interface, "podAddresses": max(most, 1)}


def _most(document: Document, pool: Document, kind: str, mode: object) -> int:
    """The most pod addresses of one NIC of this type, whatever the pool's other settings are."""
    rooms = [_POD_ADDRESSES]
    limits = limits_of(kind, _own_limits(document))
    ipv6 = _object(document, "network").get("ipv6")
    dual = isinstance(ipv6, Mapping) and ipv6.get("enabled") is True
    if mode == AddressMode.PREFIX.value:
        if limits is not None:
            rooms.append(min(limits.ipv4_per_eni - 1, MAX_PREFIXES) * PREFIX_SIZE)
        return min(rooms)
    if limits is not None:
        rooms.append(limits.ipv4_per_eni - 1)
        if dual:
            rooms.append(limits.ipv6_per_eni - 1)
    if dual:
        rooms.append(MAX_IPV6 - 1)
    block = pool.get("blockSize", NodePoolConfig.model_fields["block_size"].default)
    if mode in (None, AddressMode.PINNED.value) and isinstance(block, int):
        rooms.append(block - 1)
    return min(rooms)


def _types(pool: Document) -> Iterator[object]:
    yield pool.get("instanceType")
    for node in _object(pool, "nodes").values():
        if isinstance(node, Mapping) and node.get("instanceType") is not None:
            yield node["instanceType"]


def _own_limits(document: Document) -> dict[str, InstanceTypeConfig]:
    """The readable limits of the stack file. Other code refuses the unreadable ones."""
    limits: dict[str, InstanceTypeConfig] = {}
    for kind, own in _object(document, "instanceTypes").items():
        if isinstance(own, Mapping):
            try:
                limits[str(kind)] = InstanceTypeConfig.model_validate(own)
            except ValueError:
                continue
    return limits


def _object(document: Document, key: str) -> Mapping[str, object]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}
